"""Running lmms-eval's own tasks on local data, and its samples as one plain table.

Beside a task's own metrics (`run`), every sample becomes one row with what reports need and lmms-eval leaves out:
subtask, meta-task, chance level and prediction.
"""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from collections import Counter, defaultdict
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
from lmms_eval.api.model import lmms
from lmms_eval.api.task import ConfigurableMessagesTask
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager
from lmms_eval.tasks.mmbench.mmbench_evals import MMBench_Evaluator

from cadc.config.errors import InputError
from cadc.evaluation.catalogue import BENCHMARKS, TASKS, DataSet, check, needs, tasks_folder

SAMPLE_SCHEMA = pa.schema(
    [("task", pa.string()), ("doc", pa.int32()), ("subtask", pa.string()), ("meta_task", pa.string()), ("answer", pa.string()),
     ("prediction", pa.string()), ("score", pa.float64()), ("chance", pa.float64()), ("scale", pa.float64())]
)  # fmt: skip


def sample_schema(names: list[str]) -> pa.Schema:
    """SAMPLE_SCHEMA and, where a task is scored by several questions together, `unit`: the first document of those."""
    together = any(BENCHMARKS[TASKS[name].benchmark].figure in ("mme", "circular") for name in names)
    return SAMPLE_SCHEMA.append(pa.field("unit", pa.int32())) if together else SAMPLE_SCHEMA


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
        pictures = [
            name for name, kind in data.features.items() if isinstance(getattr(kind, "feature", kind), datasets.Image)
        ]
        self.dataset = datasets.DatasetDict({split: data})
        self.dataset_no_image = datasets.DatasetDict({split: data.remove_columns(pictures)})


@dataclass(frozen=True)
class Benchmarks:
    """Loaded tasks, a manager of their folders alone (lmms-eval would read all 2,000 tasks for every run), and their
    data's folder.
    """

    tasks: list[MirrorTask]
    manager: TaskManager
    cache: tempfile.TemporaryDirectory


def _read(data: DataSet, root: Path, columns: tuple[str, ...], cache: str) -> datasets.Dataset:
    """The rows of one split, and of no other.

    Raises InputError where the mirror lacks the split or one of `columns`.
    """
    folder = data.folder(root)
    place = f"{folder}, config {data.config or 'default'}, split {data.split}"
    again = f"fetch it again: {data.fetch(root)}"
    try:
        builder = datasets.load_dataset_builder(str(folder.resolve()), data.config, cache_dir=cache)
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
    return rows


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


def load_tasks(root: Path, names: list[str], judged: bool = False) -> Benchmarks:
    """The named tasks on the data sets that lie under `root` in the hub's layout, as lmms-eval ships them but for the
    path.

    `judged`: a language model can be asked (`judge` says where). Raises InputError as `catalogue.check` does, and at a
    data set that is incomplete.
    """
    check(root, names, judged)
    cache = tempfile.TemporaryDirectory(
        prefix="cadc-datasets-"
    )  # the shared one knows a local folder by its name, whatever it holds
    manager = TaskManager(
        include_path=sorted({str(tasks_folder(TASKS[name])) for name in names}),
        include_defaults=False,
        model_name="cadc",
    )
    tasks = []
    for name in names:
        task = TASKS[name]
        config = manager._get_config(task.like or name) | {"task": name, "dataset_kwargs": None}
        if task.metrics:
            config["metric_list"] = manager._get_config(task.metrics)["metric_list"]
        questions, *pictures = needs(name)
        rows = _read(questions, root, task.columns, cache.name)
        if pictures:
            config = _with_pictures(
                config, rows, _read(pictures[0], root, ("id", "image"), cache.name), questions.folder(root)
            )
        tasks.append(MirrorTask(_judging(name, config, judged), rows))
    return Benchmarks(tasks, manager, cache)


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
        made = simple_evaluate(
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


def _answer(sample: dict) -> str:
    response = sample["filtered_resps"]
    return response[0] if isinstance(response, list) else response


def _mmbench(task: str, sample: dict) -> float:
    """Whether one question of MMBench is answered rightly; lmms-eval's own evaluator only says whether all its variants
    are.
    """
    evaluator = MMBench_Evaluator(API_KEY="", API_URL=os.environ.get("OPENAI_API_URL", ""))
    item = sample["gpt_eval_score"]
    return evaluator.eval_sub_data(
        pd.DataFrame([item]), {item["index"]: item["answer"]}, static_only=TASKS[task].judge is None
    )


def _hallusion(task: str, sample: dict) -> float:
    """`correct` is what a judge made of it; else `answer` is the 0 or 1 that lmms-eval read."""
    entry = sample["aAcc"]
    return entry["correct"] if "correct" in entry else entry["answer"] == entry["gt_answer"]


def _mme(task: str, sample: dict) -> float:
    return (sample.get("mme_perception_score") or sample["mme_cognition_score"])["score"]


#: How to get the score of a sample that has no such figure of its own: by `Task.score`.
_SCORES = {
    "mmbench": _mmbench,
    "hallusion": _hallusion,
    "mme": _mme,
    "seedbench": lambda task, sample: (
        sample["seed_all"]["pred"].lower().strip() == sample["seed_all"]["answer"].lower().strip()
    ),
    "cmmmu": lambda task, sample: sample["cmmmu_acc"]["judge"] == "正确",
    "llava": lambda task, sample: sample["gpt_eval_llava_all"]["scores"][1],
}


def _score(task: str, sample: dict) -> float:
    where = TASKS[task].score
    if where in _SCORES:
        return float(_SCORES[where](task, sample))
    for name in where.split("."):
        sample = sample[name]
    return float(sample)


def _reference(sample: dict) -> str:
    """The right answer; of ten people's, the commonest."""
    given = sample["doc"].get("answers")
    if not given:
        return str(sample["target"])
    return Counter(answer["answer"] if isinstance(answer, dict) else answer for answer in given).most_common(1)[0][0]


def _scored_with(task: str, sample: dict) -> object:
    """The key that samples scored together share: an image in MME, the question behind all variants in MMBench."""
    figure = BENCHMARKS[TASKS[task].benchmark].figure
    if figure == "mme":
        return sample["doc"]["category"], sample["doc"]["question_id"]
    return int(sample["doc"]["index"]) % 1_000_000 if figure == "circular" else sample["doc_id"]


def _chances(task: str, samples: list[dict]) -> list[float]:
    """The score of a guess: one over the number of options; in mini_vqa the share of a subtask's commonest answer; else
    0.
    """
    if task != "mini_vqa":
        options = [TASKS[task].options(sample["doc"]) for sample in samples]
        return [1 / n if n else 0.0 for n in options]
    answers = defaultdict(Counter)
    for sample in samples:
        answers[sample["doc"]["category"]][sample["doc"]["answer"]] += 1
    share = {name: counts.most_common(1)[0][1] / counts.total() for name, counts in answers.items()}
    return [share[sample["doc"]["category"]] for sample in samples]


def _column(doc: dict, name: str | None, otherwise: str) -> str:
    return otherwise if doc.get(name) is None else str(doc[name])


def sample_rows(task: str, samples: list[dict]) -> list[dict]:
    """One plain row a sample, by document. score is within 0 and 1, or judge points, and `scale` then the reference's
    points.
    """
    known, samples = TASKS[task], sorted(samples, key=lambda sample: sample["doc_id"])
    first: dict[object, int] = {}
    rows = []
    for sample, chance in zip(samples, _chances(task, samples), strict=True):
        doc = sample["doc"]
        rows.append(
            {
                "task": task,
                "doc": sample["doc_id"],
                "subtask": _column(doc, known.subtask, task),
                "meta_task": _column(doc, known.meta, known.folder.replace("-", "_")),
                "answer": _reference(sample),
                "prediction": _answer(sample),
                "score": _score(task, sample),
                "chance": chance,
                "scale": sample["gpt_eval_llava_all"]["scores"][0] if known.score == "llava" else 1.0,
                "unit": first.setdefault(_scored_with(task, sample), sample["doc_id"]),
            }
        )
    return rows
