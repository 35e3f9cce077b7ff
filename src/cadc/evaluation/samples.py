"""lmms-eval's samples as one plain table, with fields that reports need and lmms-eval leaves out.

Every sample has its score, subtask, meta-task, chance level and prediction, and the unit that it is resampled with.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from hashlib import blake2b
from typing import Any

import pandas as pd
import pyarrow as pa
from lmms_eval.tasks.mmbench.mmbench_evals import MMBench_Evaluator

from cadc.evaluation.catalogue import BENCHMARKS, TASKS

SAMPLE_SCHEMA = pa.schema(
    [("task", pa.string()), ("doc", pa.int32()), ("subtask", pa.string()), ("meta_task", pa.string()),
     ("answer", pa.string()), ("prediction", pa.string()), ("score", pa.float64()), ("chance", pa.float64()),
     ("scale", pa.float64())]
)  # fmt: skip


def sample_schema(names: list[str]) -> pa.Schema:
    """SAMPLE_SCHEMA and, if questions of a task are resampled together, `unit`: the number that they share."""
    together = any(TASKS[name].image or _figure(name) in ("mme", "circular") for name in names)
    return SAMPLE_SCHEMA.append(pa.field("unit", pa.int64())) if together else SAMPLE_SCHEMA


def _figure(task: str) -> str:
    return BENCHMARKS[TASKS[task].benchmark].figure


def _answer(sample: dict) -> str:
    response = sample["filtered_resps"]
    return response[0] if isinstance(response, list) else response


def _mmbench(task: str, sample: dict) -> float:
    """Whether a single MMBench question is answered correctly. lmms-eval's evaluator only reports whether all variants
    of a question are.
    """
    evaluator = MMBench_Evaluator(API_KEY="", API_URL=os.environ.get("OPENAI_API_URL", ""))
    item = sample["gpt_eval_score"]
    return evaluator.eval_sub_data(
        pd.DataFrame([item]), {item["index"]: item["answer"]}, static_only=TASKS[task].judge is None
    )


def _hallusion(task: str, sample: dict) -> float:
    """`correct` is a judge's verdict; without a judge, `answer` is the 0 or 1 that lmms-eval parsed."""
    entry = sample["aAcc"]
    return entry["correct"] if "correct" in entry else entry["answer"] == entry["gt_answer"]


def _mme(task: str, sample: dict) -> float:
    return (sample.get("mme_perception_score") or sample["mme_cognition_score"])["score"]


#: How to compute a sample's score if lmms-eval gives none, by `Task.score`.
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


def _score(task: str, sample: Any) -> float:
    where = TASKS[task].score
    if where in _SCORES:
        return float(_SCORES[where](task, sample))
    for name in where.split("."):
        sample = sample[name]
    return float(sample)


def _reference(sample: dict) -> str:
    """The reference answer; the most common one if ten people answered."""
    given = sample["doc"].get("answers")
    if not given:
        return str(sample["target"])
    return Counter(answer["answer"] if isinstance(answer, dict) else answer for answer in given).most_common(1)[0][0]


def _unit(task: str, sample: dict) -> int:
    """The number of the unit of a sample: its image if that has a name, in MMBench the question behind all variants,
    else its document.

    The number of an image depends only on its name, so it is the same in all splits.
    """
    doc, figure = sample["doc"], _figure(task)
    if figure == "circular":
        return int(doc["index"]) % 1_000_000
    name = f"{doc['category']}/{doc['question_id']}" if figure == "mme" else doc.get(TASKS[task].image)
    if name is None:
        return sample["doc_id"]
    return int.from_bytes(blake2b(str(name).encode(), digest_size=8).digest(), "big") >> 1  # an int64


def _chances(task: str, samples: list[dict]) -> list[float]:
    """The score of a guess: one over the number of options; for mini_vqa the share of a subtask's most common answer;
    else 0.
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
    """One plain row per sample, by document. score is in 0 to 1, or in judge points; `scale` then holds the reference's
    points.
    """
    known, samples = TASKS[task], sorted(samples, key=lambda sample: sample["doc_id"])
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
                "unit": _unit(task, sample),
            }
        )
    return rows
