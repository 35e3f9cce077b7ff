"""score ARM: every adapter on lmms-eval's own tasks, sample by sample; the arm's small results go to reports/arms, in
git."""

import atexit
import os
from contextlib import ExitStack
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params, load_params
from cadc.evaluation.catalogue import check
from cadc.evaluation.judge import check_scores, judge
from cadc.evaluation.results import save_results
from cadc.model.load import load_adapter, load_base, load_processor

VARIANT = Variant.asked("arms")
ADAPTERS = artifacts.ADAPTERS / VARIANT.name
_open = ExitStack()  # the judge stands as long as the process: lmms-eval keeps its address
atexit.register(_open.close)  # while its thread still runs


def scoring() -> shards.Task:
    """The samples of one seed's adapter, as samples.parquet and metrics.json (lmms-eval's own figures) in a folder."""
    torch.set_num_threads(1)
    params = load_params(VARIANT)
    asked = _open.enter_context(judge(params.evaluate.judge))
    from cadc.evaluation.adapter import ChatModel
    from cadc.evaluation.benchmarks import SHOWN, load_tasks, run
    from cadc.evaluation.samples import sample_rows, sample_schema

    names, judged = params.evaluate.tasks, params.evaluate.judge.url is not None
    root, picture = artifacts.BENCHMARKS / params.evaluate.split, SHOWN[params.model.pictures]
    tasks = load_tasks(root, names, judged, picture)
    chat = ChatModel(load_processor(params.model), params.evaluate.batch_size, params.evaluate.max_new_tokens)

    def score(seed: int, folder: Path) -> None:
        chat.model = load_adapter(load_base(params.model), ADAPTERS / artifacts.run_name(seed))
        metrics, samples = run(chat, tasks)
        asked.check()
        if wild := samples.get("llava_in_the_wild"):
            pairs = [(sample["doc"]["question_id"], sample["gpt_eval_llava_all"]["scores"]) for sample in wild]
            check_scores(pairs, asked.of)
        rows = [row for task in sorted(samples) for row in sample_rows(task, samples[task])]
        table = pa.Table.from_pylist(rows, schema=pa.schema(sample_schema(names)))
        pq.write_table(table, folder / "samples.parquet")
        artifacts.write_json(folder / "metrics.json", metrics)

    return score


def main(params: Params) -> int:
    root, evaluate = artifacts.BENCHMARKS / params.evaluate.split, params.evaluate
    check(root, evaluate.tasks, evaluate.judge.url is not None)  # now, for lmms-eval takes 20 seconds to import
    common = shards.digest(
        evaluate.model_dump(exclude={"bootstrap"}), params.model.model_dump(), root, *params.model.sources
    )
    inputs = {seed: [common, ADAPTERS / artifacts.run_name(seed)] for seed in params.arm.seeds}
    import cadc.evaluation.benchmarks  # noqa: F401 - once, before processes part

    folders = shards.run_kept(scoring, inputs, "score", f"score {VARIANT.name}")
    return save_results(VARIANT.name, params.arm.seeds, folders, artifacts.load_pool())


if __name__ == "__main__":
    run_stage("score", main, VARIANT)
