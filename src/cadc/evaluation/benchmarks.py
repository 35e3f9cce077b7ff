"""Running lmms-eval's own tasks on local data, and its samples as one plain table.

Beside a task's own metrics (`run`), every sample becomes one row with what reports need and lmms-eval leaves out:
subtask, meta-task, chance level and prediction.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import lmms_eval.tasks
import pyarrow as pa
from lmms_eval.api.task import ConfigurableMessagesTask
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager

from cadc.evaluation.adapter import ChatModel

#: Every task that is run: lmms-eval's name -> (its folder, its headline metric).
TASKS = {
    "pope_adv": "pope",
    "pope_pop": "pope",
    "pope_random": "pope",
    "mmt_val": "mmt",
    "llava_in_the_wild": "llava-in-the-wild",
    "mini_vqa": "mini_vqa",
}
SAMPLE_SCHEMA = pa.schema(
    [("task", pa.string()), ("doc", pa.int32()), ("subtask", pa.string()), ("meta_task", pa.string()), ("answer", pa.string()),
     ("prediction", pa.string()), ("score", pa.float64()), ("chance", pa.float64()), ("scale", pa.float64())]
)  # fmt: skip


@dataclass(frozen=True)
class Benchmarks:
    """Loaded tasks, the manager of just their folders (lmms-eval would read all 2,000 tasks for every run), their data's folder."""

    tasks: list[ConfigurableMessagesTask]
    manager: TaskManager
    cache: tempfile.TemporaryDirectory


def load_tasks(root: Path, names: list[str]) -> Benchmarks:
    """The named tasks on the data sets that lie under `root` in the hub's layout, as lmms-eval ships them but for the path.

    Raises FileNotFoundError naming the data set that a requested task needs and `root` lacks.
    """
    shipped = Path(lmms_eval.tasks.__file__).parent
    folders = [str(Path(__file__).parent / "tasks" / folder if folder == "mini_vqa" else shipped / folder) for folder in sorted(set(TASKS.values()))]
    cache = tempfile.TemporaryDirectory(prefix="cadc-datasets-")  # the shared one knows a local folder by its name, whatever it holds
    manager = TaskManager(include_path=folders, include_defaults=False, model_name="cadc")
    tasks = []
    for name in names:
        config = manager._get_config(name)
        path = root / config["dataset_path"]
        if not path.is_dir():
            raise FileNotFoundError(f"{name}: no data set at {path}; put the hub repository {config['dataset_path']} there")
        tasks.append(ConfigurableMessagesTask(config={**config, "dataset_kwargs": {"cache_dir": cache.name}, "dataset_path": str(path)}, model_name="cadc"))
    return Benchmarks(tasks, manager, cache)


def run(model: ChatModel, benchmarks: Benchmarks) -> tuple[dict[str, dict[str, float]], dict[str, list[dict]]]:
    """lmms-eval's metrics by task, and its samples by task.

    One thread scores: MMT-Bench guesses at random where it can't parse an answer, and threads share one generator.
    """
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):  # lmms-eval's own bars; its warnings go to loguru's handler
        made = simple_evaluate(
            model=model,
            tasks=benchmarks.tasks,
            task_manager=benchmarks.manager,
            bootstrap_iters=0,
            process_docs_parallel=1,
            log_samples=True,
            verbosity="ERROR",
        )
    metrics = {
        task: {name.split(",")[0]: value for name, value in figures.items() if isinstance(value, int | float) and "stderr" not in name.lower()}
        for task, figures in made["results"].items()
    }
    return metrics, made["samples"]


def _answer(sample: dict) -> str:
    response = sample["filtered_resps"]
    return response[0] if isinstance(response, list) else response


def sample_rows(task: str, samples: list[dict]) -> list[dict]:
    """One plain row a sample, by document: score is 0 or 1, or judge points (`scale` then is the reference's points)."""
    rows = []
    majority = defaultdict(Counter)
    if task == "mini_vqa":
        for sample in samples:
            majority[sample["doc"]["category"]][sample["doc"]["answer"]] += 1
    for sample in sorted(samples, key=lambda sample: sample["doc_id"]):
        doc = sample["doc"]
        row = {"task": task, "doc": sample["doc_id"], "prediction": _answer(sample), "scale": 1.0, "chance": 0.0}
        if task.startswith("pope"):
            row |= {"subtask": task, "meta_task": "pope", "answer": doc["answer"], "score": sample["pope_accuracy"]["score"], "chance": 0.5}
        elif task.startswith("mmt"):
            options = sum(bool(doc.get(letter)) for letter in "ABCDEFGHI")
            row |= {"subtask": doc["category"], "meta_task": doc["l2-category"], "answer": doc["answer"],
                    "score": sample["accuracy"]["overall"], "chance": 1 / options}  # fmt: skip
        elif task == "mini_vqa":
            counts = majority[doc["category"]]
            row |= {"subtask": doc["category"], "meta_task": doc["l2-category"], "answer": doc["answer"],
                    "score": sample["exact_match"], "chance": counts.most_common(1)[0][1] / counts.total()}  # fmt: skip
        else:
            reference, points = sample["gpt_eval_llava_all"]["scores"]
            row |= {"subtask": doc["category"], "meta_task": task, "answer": doc["gpt_answer"], "score": points, "scale": reference}
        rows.append(row)
    return rows
