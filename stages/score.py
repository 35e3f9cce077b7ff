"""score ARM: score every adapter on lmms-eval's own tasks, sample by sample. The arm's small results go to
reports/arms, in git.

First all questions are batched, once for all seeds and processes. Then they are asked in parts: a killed stage only
asks what is missing. Then lmms-eval scores each seed's answers.
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import pyarrow as pa
import torch

from cadc import artifacts
from cadc.compute import launch, shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.evaluation.catalogue import check
from cadc.evaluation.judge import check_scores, judge
from cadc.evaluation.results import save_results
from cadc.model.adapters import load_adapter
from cadc.model.load import load_base, load_processor, merged, release

if TYPE_CHECKING:  # lmms-eval takes 20 seconds to import
    from cadc.evaluation.adapter import Question
    from cadc.evaluation.asking import Part
    from cadc.evaluation.benchmarks import Benchmarks

VARIANT = Variant.asked("arms")
ADAPTERS = artifacts.ADAPTERS / VARIANT.name
#: Shared by the processes of this stage: the folder of the benchmarks' tables, the batches, the answers of each seed.
PLAN = artifacts.SCRATCH / "score_plans" / f"{VARIANT.name}.json"
_open = ExitStack()  # keep the judge until the process ends: lmms-eval stores its address
atexit.register(_open.close)  # close it while its thread still runs


def tasks_of(params: Params, tables: Path) -> Benchmarks:
    """The tasks; their data are laid out under `tables` once for all processes."""
    from cadc.evaluation.benchmarks import SHOWN, load_tasks

    root, evaluate = artifacts.BENCHMARKS / params.evaluate.split, params.evaluate
    return load_tasks(root, evaluate.tasks, evaluate.judge.url is not None, SHOWN[params.model.pictures], tables)


@cache
def questions(tables: Path) -> list[Question]:
    """All questions of a cell. Forked processes inherit them."""
    from cadc.evaluation.adapter import questions_of

    return questions_of(tasks_of(load_params(VARIANT), tables).tasks)


def asking() -> shards.Task:
    """A task: the answers to one part of the questions, as answers.parquet in a folder."""
    torch.set_num_threads(1)
    params, plan = load_params(VARIANT), artifacts.read_json(PLAN)
    from cadc.evaluation.adapter import chat_of
    from cadc.evaluation.asking import ask

    asked, chat = questions(Path(plan["tables"])), chat_of(params, load_processor(params.model))
    held = []  # the seed of the loaded adapter

    def answer(part: Part, folder: Path) -> None:
        if held != [part.seed]:
            chat.model = None
            release()
            tuned = load_adapter(load_base(params.model), ADAPTERS / artifacts.run_name(part.seed))
            chat.model, held[:] = merged(tuned) if params.evaluate.merge_adapter else tuned, [part.seed]
        artifacts.write_table(folder / "answers.parquet", ask(chat, asked, plan["batches"], part))

    return answer


def scoring() -> shards.Task:
    """A task: the samples of one seed's adapter, as samples.parquet and metrics.json (lmms-eval's metrics) in a
    folder."""
    params, plan = load_params(VARIANT), artifacts.read_json(PLAN)
    asked = _open.enter_context(judge(params.evaluate.judge))
    from cadc.evaluation.adapter import Answered
    from cadc.evaluation.asking import load_answers
    from cadc.evaluation.benchmarks import run
    from cadc.evaluation.samples import sample_rows, sample_schema

    tasks = tasks_of(params, Path(plan["tables"]))

    def score(seed: int, folder: Path) -> None:
        answers = load_answers([Path(part) / "answers.parquet" for part in plan["answers"][str(seed)]])
        metrics, samples = run(Answered(answers), tasks)
        asked.check()
        if wild := samples.get("llava_in_the_wild"):
            pairs = [(sample["doc"]["question_id"], sample["gpt_eval_llava_all"]["scores"]) for sample in wild]
            check_scores(pairs, asked.of)
        rows = [row for task in sorted(samples) for row in sample_rows(task, samples[task])]
        table = pa.Table.from_pylist(rows, schema=pa.schema(sample_schema(params.evaluate.tasks)))
        artifacts.write_table(folder / "samples.parquet", table)
        artifacts.write_json(folder / "metrics.json", metrics)

    return score


def main(params: Params) -> int:
    root, evaluate, seeds = artifacts.BENCHMARKS / params.evaluate.split, params.evaluate, params.arm.seeds
    check(root, evaluate.tasks, evaluate.judge.url is not None)  # before importing lmms-eval, which takes 20 seconds
    data, asked = shards.digest(root), evaluate.model_dump(exclude={"bootstrap", "shard_questions", "judge"})
    adapters = {seed: shards.digest(ADAPTERS / artifacts.run_name(seed)) for seed in seeds}
    common = shards.digest(asked, params.model.model_dump(), data, *params.model.sources)
    inputs = {seed: [common, evaluate.judge.model_dump(), adapters[seed]] for seed in seeds}
    from cadc.evaluation.adapter import chat_of  # once, before forking
    from cadc.evaluation.asking import batches_of, group, parts

    # Links to these data, laid out by this code: those of another version or of a moved checkout are not read.
    tables = artifacts.SCRATCH / "score_tables" / shards.digest(data, str(root.resolve()), *shards.code_of(asking))
    n_questions = len(questions(tables))
    todo = shards.kept(scoring, inputs, "score").todo()
    cut = {
        part: [common, adapters[seed], list(part)[1:]]
        for seed in seeds
        for part in parts(seed, n_questions, evaluate.shard_questions)
    }
    missing = {part: own for part, own in cut.items() if part.seed in todo}
    if launch.rank() == 0:
        torch.set_num_threads(1)  # threads do not survive a fork
        asks = shards.kept(asking, missing, "score_parts").todo()
        batches = batches_of(chat_of(params, load_processor(params.model)), questions(tables)) if asks else []
        artifacts.write_json(PLAN, {"tables": str(tables), "batches": batches})
    asked_parts = shards.run_kept(asking, missing, "score_parts", f"ask {VARIANT.name}", group=group)
    answers = {seed: [str(folder) for part, folder in asked_parts.items() if part.seed == seed] for seed in todo}
    artifacts.write_json(PLAN, {"tables": str(tables), "answers": answers})
    folders = shards.run_kept(scoring, inputs, "score", f"score {VARIANT.name}", here=True)
    n_samples = save_results(VARIANT.name, seeds, folders, artifacts.load_pool())
    for folder in shards.kept(asking, cut, "score_parts").folders.values():
        shards.drop(folder)  # usually absent for seeds scored before
    PLAN.unlink()
    return n_samples


if __name__ == "__main__":
    run_stage("score", main, VARIANT)
