"""evaluate METHOD: every adapter on lmms-eval's own tasks, sample by sample."""

import os
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cadc import artifacts, console
from cadc.evaluation.judge import check_scores, judge
from cadc.model.load import load_adapter, load_base, load_processor
from cadc.params import Params
from cadc.runs import runs_of
from cadc.stage import run_stage

METHOD = sys.argv[1]


def main(params: Params) -> int:
    torch.set_num_threads(1)
    with judge(params.evaluate.judge) as url:
        from cadc.evaluation.adapter import ChatModel
        from cadc.evaluation.benchmarks import SAMPLE_SCHEMA, load_tasks, run, sample_rows  # lmms-eval reads the judge's address at import

        tasks = load_tasks(artifacts.BENCHMARKS / params.evaluate.split, params.evaluate.tasks)
        chat = ChatModel(load_processor(params.tuned.path), params.evaluate.batch_size, params.evaluate.max_new_tokens)
        rows, figures = [], {}
        for cell in console.track(runs_of(METHOD, params), f"evaluate {METHOD}"):
            chat.model = load_adapter(load_base(params.tuned), artifacts.ADAPTERS / METHOD / cell.name)
            metrics, samples = run(chat, tasks)
            if "llava_in_the_wild" in samples:
                check_scores([(s["doc"]["question_id"], s["gpt_eval_llava_all"]["scores"]) for s in samples["llava_in_the_wild"]], url)
            figures.setdefault(cell.key, {})[f"s{cell.seed}"] = metrics
            for task in sorted(samples):
                rows += [{"budget": cell.key, "seed": cell.seed, **row} for row in sample_rows(task, samples[task])]
    folder = artifacts.fresh(artifacts.RESULTS / METHOD)
    schema = pa.schema([("budget", pa.string()), ("seed", pa.int32()), *SAMPLE_SCHEMA])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "samples.parquet")
    artifacts.write_json(folder / "metrics.json", figures)
    return len(rows)


if __name__ == "__main__":
    run_stage(f"evaluate@{METHOD}", main)
