"""Run lmms-eval's own tasks on local data."""

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

from cadc.compute import disk
from cadc.config.errors import InputError
from cadc.data.pictures import Rule, open_image, shown_size
from cadc.evaluation.catalogue import TASKS, DataSet, check, needs, tasks_folder


class ShownImage(datasets.Image):
    """A column of images, decoded as those of the pool, so that training and scoring see the same pixels."""

    rule: Rule = "upright"

    def decode_example(self, value: dict, token_per_repo_id=None) -> Image.Image:
        return open_image(value, self.rule) if _decoding.get() else Image.new("RGB", shown_size(value, self.rule))


class StoredImage(ShownImage):
    """The same for `model.pictures: llava`."""

    rule = "llava"


#: Image column by `model.pictures`.
SHOWN = {"upright": ShownImage, "llava": StoredImage}
_decoding = ContextVar("decoding", default=True)


@contextmanager
def blank_pictures() -> Iterator[None]:
    """In this context all images are blank but have the right sizes; nothing is decoded."""
    before = _decoding.set(False)
    try:
        yield
    finally:
        _decoding.reset(before)


class MirrorTask(ConfigurableMessagesTask):
    """A task as lmms-eval ships it, on rows that are already loaded.

    lmms-eval's own download reads all splits and retries a missing folder five times.
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
    """Loaded tasks, a manager of their folders only (lmms-eval would read all 2,000 tasks on every run), and the folder
    of their data.
    """

    tasks: list[MirrorTask]
    manager: TaskManager
    cache: tempfile.TemporaryDirectory | None


def _linked(folder: Path, to: Path) -> Path:
    """A folder of links to the files of `folder`. If several processes create it, one wins."""
    if not to.exists():
        partial = Path(tempfile.mkdtemp(dir=to.parents[1])) / to.name
        shutil.copytree(folder.resolve(), partial, copy_function=os.symlink)
        to.parent.mkdir(exist_ok=True)
        with suppress(OSError):  # another process created it first
            partial.rename(to)
        shutil.rmtree(partial.parent)
    return to


def _read(
    data: DataSet, root: Path, columns: tuple[str, ...], cache: str, picture: type[ShownImage]
) -> datasets.Dataset:
    """The rows of one split, without reading others. Images are decoded as `picture`.

    Raises InputError if the mirror lacks the split or one of `columns`.
    """
    folder = data.folder(root)
    place = f"{folder}, config {data.config or 'default'}, split {data.split}"
    again = data.again(root)
    try:  # links, because `datasets` reads a path such as "data [1]" as a pattern
        links = _linked(folder, Path(cache) / data.repository)
        builder = datasets.load_dataset_builder(str(links), data.config, cache_dir=cache)
        files = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
        if data.split not in files:
            raise ValueError(f"the folder has the splits {', '.join(sorted(files)) or 'none'}")
        rows = datasets.load_dataset(
            builder.name,
            data_files={data.split: files[data.split]},
            split=data.split,
            features=builder.info.features,
            cache_dir=cache,
        )
    except Exception as error:  # datasets raises many error types for an incomplete folder
        cause = error.__cause__ or error
        if disk.trouble(cause) and not isinstance(cause, FileNotFoundError):  # nothing is wrong with the folder
            raise cause from None
        raise InputError(
            f"{place}: cannot read it ({str(error).splitlines()[0] if str(error) else type(error).__name__}); {again}"
        ) from error
    lacking = [name for name in columns if name not in rows.column_names]
    if lacking:
        raise InputError(
            f"{place}: no column {', '.join(lacking)}, which lmms-eval's task reads; "
            f"the columns are {', '.join(rows.column_names)}; {again}"
        )
    features = rows.info.features  # no data are copied; a cell holds one image or a list
    for name in _picture_columns(rows):
        features[name] = type(features[name])(picture()) if hasattr(features[name], "feature") else picture()
    return rows


def _picture_columns(rows: datasets.Dataset) -> list[str]:
    """The columns that hold an image or a list of images."""
    kinds = rows.features.items()
    return [name for name, kind in kinds if isinstance(getattr(kind, "feature", kind), datasets.Image)]


def _with_pictures(config: dict, rows: datasets.Dataset, pictures: datasets.Dataset, folder: Path) -> dict:
    """GQA's questions, each with its image looked up on demand.

    lmms-eval would fetch the images from the hub and write each image once per question.
    """
    at = {name: i for i, name in enumerate(pictures["id"])}
    lacking = sorted(set(rows["imageId"]) - set(at))
    if lacking:
        raise InputError(
            f"{folder}: {len(lacking)} of the images that questions refer to are missing, such as {lacking[0]}; "
            "fetch it again"
        )
    shipped = config["doc_to_visual"]
    return {
        **config,
        "process_docs": None,
        "doc_to_visual": lambda doc: shipped({"image": pictures[at[doc["imageId"]]]["image"]}),
    }


def _judging(name: str, config: dict, judged: bool) -> dict:
    """Keep the metrics that can be computed here: no submission files. HallusionBench is scored by a judge, or else by
    the yes or no in the answer.
    """
    metrics = [metric for metric in config["metric_list"] if metric["metric"] != "submission"]
    if name == "hallusion_bench_image":
        from lmms_eval.tasks.hallusion_bench import evaluate_hb, utils

        utils.API_URL = os.environ.get("OPENAI_API_URL", "")  # lmms-eval reads it only once, at import
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
    """Task `name` on `sets` under `root`: its questions and, if separate, its images.

    `cache`: a folder for `datasets`' tables. `judged`, `picture`: as in `load_tasks`. Raises InputError if a data set
    is incomplete.
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
    """The named tasks as lmms-eval ships them, except that they read the data sets under `root` (in the hub's layout).

    `judged`: a language model can be asked (see `judge`). `picture`: how images are decoded. `cache`: a folder for
    `datasets`' tables of exactly these data, which processes may share; None: a temporary folder. (The user-wide cache
    identifies a local folder by its name only, whatever it holds.) Raises InputError as `catalogue.check` does, and if
    a data set is incomplete.
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
    """Metrics of lmms-eval by task, and its samples by task.

    Scoring is single-threaded: MMT-Bench and CMMMU guess at random where they can't parse an answer, and threads would
    share one random generator.
    """
    # Hide lmms-eval's progress bars and tables; its warnings go to loguru's handler. Drop its files too: it would reuse
    # HallusionBench's verdicts among them.
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stderr(nowhere),
        redirect_stdout(nowhere),
        tempfile.TemporaryDirectory(prefix="cadc-lmms-eval-") as written,
    ):
        # lmms-eval would never release its file locks, and a process that forks later could not take them.
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
