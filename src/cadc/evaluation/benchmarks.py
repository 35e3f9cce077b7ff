"""Running lmms-eval's own tasks on local data."""

from __future__ import annotations

import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import datasets
from lmms_eval import evaluator
from lmms_eval.api.model import lmms
from lmms_eval.api.task import ConfigurableMessagesTask
from lmms_eval.tasks import TaskManager
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.pictures import Rule, open_image, shown_size
from cadc.evaluation.catalogue import TASKS, DataSet, check, needs, tasks_folder


class ShownImage(datasets.Image):
    """A column of pictures that are decoded as those of the pool are: what is scored is what was trained on."""

    rule: Rule = "upright"

    def decode_example(self, value: dict, token_per_repo_id=None) -> Image.Image:
        return open_image(value, self.rule) if _decoding.get() else Image.new("RGB", shown_size(value, self.rule))


class StoredImage(ShownImage):
    """The same where `model.pictures` is `llava`."""

    rule = "llava"


#: By `model.pictures`.
SHOWN = {"upright": ShownImage, "llava": StoredImage}
_decoding = ContextVar("decoding", default=True)


@contextmanager
def blank_pictures() -> Iterator[None]:
    """Meanwhile all pictures are blank, and of the right sizes: where nothing else matters, no pixel is decoded."""
    before = _decoding.set(False)
    try:
        yield
    finally:
        _decoding.reset(before)


class MirrorTask(ConfigurableMessagesTask):
    """A task as lmms-eval ships it, on rows that are already read.

    lmms-eval's own download reads all splits, and tries a missing folder five times.
    """

    def __init__(self, config: dict, data: datasets.Dataset):
        self._data = data
        super().__init__(config=config, model_name="cadc")

    def download(self, dataset_kwargs=None) -> None:
        split, data = self.config.test_split, self._data
        if self.config.process_docs is not None:
            data = self.config.process_docs(data)
        self.dataset = datasets.DatasetDict({split: data})
        self.dataset_no_image = datasets.DatasetDict({split: data.remove_columns(_picture_columns(data))})


@dataclass(frozen=True)
class Benchmarks:
    """Loaded tasks, a manager of their folders alone (lmms-eval would read all 2,000 tasks for every run), and their
    data's folder.
    """

    tasks: list[MirrorTask]
    manager: TaskManager
    cache: tempfile.TemporaryDirectory | None


def _linked(folder: Path, to: Path) -> Path:
    """A folder of links to the files of `folder`; of several processes that make it one does."""
    if not to.exists():
        partial = Path(tempfile.mkdtemp(dir=to.parents[1])) / to.name
        shutil.copytree(folder.resolve(), partial, copy_function=os.symlink)
        to.parent.mkdir(exist_ok=True)
        with suppress(OSError):  # another process was quicker
            partial.rename(to)
        shutil.rmtree(partial.parent)
    return to


def _read(
    data: DataSet, root: Path, columns: tuple[str, ...], cache: str, picture: type[ShownImage]
) -> datasets.Dataset:
    """The rows of one split, and of no other, their pictures decoded as `picture`.

    Raises InputError where the mirror lacks the split or one of `columns`.
    """
    folder = data.folder(root)
    place = f"{folder}, config {data.config or 'default'}, split {data.split}"
    again = data.again(root)
    try:  # `datasets` takes paths for patterns, and a folder may be called "data [1]"
        links = _linked(folder, Path(cache) / data.repository)
        builder = datasets.load_dataset_builder(str(links), data.config, cache_dir=cache)
        files = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
        if data.split not in files:
            raise ValueError(f"there are the splits {', '.join(sorted(files)) or 'none'}")
        rows = datasets.load_dataset(
            builder.name,
            data_files={data.split: files[data.split]},
            split=data.split,
            features=builder.info.features,
            cache_dir=cache,
        )
    except Exception as error:  # datasets raises errors of ten kinds for an incomplete folder
        raise InputError(
            f"{place}: can't be read ({str(error).splitlines()[0] if str(error) else type(error).__name__}); {again}"
        ) from error
    lacking = [name for name in columns if name not in rows.column_names]
    if lacking:
        raise InputError(
            f"{place}: no column {', '.join(lacking)}, which lmms-eval's task reads; "
            f"there are {', '.join(rows.column_names)}; {again}"
        )
    features = rows.info.features  # no data are copied; a picture stands alone or in a list
    for name in _picture_columns(rows):
        features[name] = type(features[name])(picture()) if hasattr(features[name], "feature") else picture()
    return rows


def _picture_columns(rows: datasets.Dataset) -> list[str]:
    """The columns that hold a picture, or a list of them."""
    kinds = rows.features.items()
    return [name for name, kind in kinds if isinstance(getattr(kind, "feature", kind), datasets.Image)]


def _with_pictures(config: dict, rows: datasets.Dataset, pictures: datasets.Dataset, folder: Path) -> dict:
    """GQA's questions, each with its picture looked up when it is asked for.

    lmms-eval would fetch the pictures from the hub and write each once a question.
    """
    at = {name: i for i, name in enumerate(pictures["id"])}
    lacking = sorted(set(rows["imageId"]) - set(at))
    if lacking:
        raise InputError(
            f"{folder}: {len(lacking)} of the pictures that questions ask about are not there, such as {lacking[0]}; "
            "fetch it again"
        )
    shipped = config["doc_to_visual"]
    return {
        **config,
        "process_docs": None,
        "doc_to_visual": lambda doc: shipped({"image": pictures[at[doc["imageId"]]]["image"]}),
    }


def _judging(name: str, config: dict, judged: bool) -> dict:
    """The metrics that can be computed here: no submission files; HallusionBench by a judge, or by the answer's yes or
    no.
    """
    metrics = [metric for metric in config["metric_list"] if metric["metric"] != "submission"]
    if name == "hallusion_bench_image":
        from lmms_eval.tasks.hallusion_bench import evaluate_hb, utils

        utils.API_URL = os.environ.get("OPENAI_API_URL", "")  # read once at import there, whatever judge comes later
        utils.headers = {"Content-Type": "application/json"}
        if not judged:
            metrics = [
                {**metric, "aggregation": getattr(evaluate_hb, f"hb_aggregation_result_{metric['metric']}_intern")}
                for metric in metrics
            ]
    return {**config, "metric_list": metrics}


def mirror_task(
    manager: TaskManager,
    name: str,
    sets: list[DataSet],
    root: Path,
    cache: str,
    judged: bool,
    picture: type[ShownImage],
) -> MirrorTask:
    """Task `name` on `sets` under `root`: its questions and, where they lie apart, its pictures.

    `cache`: a folder for `datasets`' tables. `judged`, `picture`: as in `load_tasks`. Raises InputError where a data
    set is incomplete.
    """
    task, (questions, *pictures) = TASKS[name], sets
    own = {"task": name, "dataset_kwargs": None, "dataset_name": questions.config, "test_split": questions.split}
    config = manager._get_config(task.like or name) | own
    if task.metrics:
        config["metric_list"] = manager._get_config(task.metrics)["metric_list"]
    rows = _read(questions, root, task.columns, cache, picture)
    if pictures:
        shown = _read(pictures[0], root, ("id", "image"), cache, picture)
        config = _with_pictures(config, rows, shown, questions.folder(root))
    return MirrorTask(_judging(name, config, judged), rows)


def load_tasks(
    root: Path,
    names: Sequence[str],
    judged: bool = False,
    picture: type[ShownImage] = ShownImage,
    cache: Path | None = None,
) -> Benchmarks:
    """The named tasks on the data sets that lie under `root` in the hub's layout, as lmms-eval ships them but for the
    path.

    `judged`: a language model can be asked (`judge` says where). `picture`: how pictures are decoded. `cache`: a folder
    for `datasets`' tables of these very data, shared by processes; None: one of their own, as long as they are used
    (that of all users knows a local folder by its name, whatever it holds). Raises InputError as `catalogue.check`
    does, and at a data set that is incomplete.
    """
    check(root, names, judged)
    own = tempfile.TemporaryDirectory(prefix="cadc-datasets-") if cache is None else None
    place = Path(own.name if own else cache.resolve())
    place.mkdir(parents=True, exist_ok=True)
    manager = TaskManager(
        include_path=sorted({str(tasks_folder(TASKS[name])) for name in names}),
        include_defaults=False,
        model_name="cadc",
    )
    tasks = [mirror_task(manager, name, needs(name), root, str(place), judged, picture) for name in names]
    return Benchmarks(tasks, manager, own)


def run(model: lmms, benchmarks: Benchmarks) -> tuple[dict[str, dict[str, float]], dict[str, list[dict]]]:
    """lmms-eval's metrics by task, and its samples by task.

    One thread scores: MMT-Bench and CMMMU guess at random where they can't parse an answer, and threads share one
    generator.
    """
    # Hides its bars and tables; its warnings go to loguru's handler. Its files are dropped, too: it would reuse
    # HallusionBench's verdicts among them.
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stderr(nowhere),
        redirect_stdout(nowhere),
        tempfile.TemporaryDirectory(prefix="cadc-lmms-eval-") as written,
    ):
        # It would keep every file's lock for good, and a process that forks later could not take it.
        evaluator._enable_reentrant_filelocks._patched = True
        made = evaluator.simple_evaluate(
            model=model,
            tasks=benchmarks.tasks,
            task_manager=benchmarks.manager,
            bootstrap_iters=0,
            process_docs_parallel=1,
            log_samples=True,
            verbosity="ERROR",
            cli_args=Namespace(output_path=written, process_with_media=False),
        )
    metrics = {
        task: {
            name.split(",")[0]: value
            for name, value in figures.items()
            if isinstance(value, int | float) and "stderr" not in name.lower()
        }
        for task, figures in made["results"].items()
    }
    return metrics, made["samples"]
