"""evaluate METHOD: every adapter on lmms-eval's own tasks, sample by sample."""

import os
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cadc import artifacts
from cadc.compute import console
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.config.runs import runs_of
from cadc.evaluation.catalogue import check
from cadc.evaluation.judge import check_scores, judge
from cadc.model.load import load_adapter, load_base, load_processor

METHOD = sys.argv[1]


def main(params: Params) -> int:
    torch.set_num_threads(1)
    names, judged, root = (
        params.evaluate.tasks,
        params.evaluate.judge.url is not None,
        artifacts.BENCHMARKS / params.evaluate.split,
    )
    check(root, names, judged)  # now, for lmms-eval takes 20 seconds to import
    with judge(params.evaluate.judge) as asked:
        from cadc.evaluation.adapter import ChatModel
        from cadc.evaluation.benchmarks import (
            load_tasks,
            run,
            sample_rows,
            sample_schema,
        )  # lmms-eval reads the judge's address as tasks are loaded

        tasks = load_tasks(root, names, judged)
        chat = ChatModel(load_processor(params.tuned), params.evaluate.batch_size, params.evaluate.max_new_tokens)
        rows, figures = [], {}
        for cell in console.track(runs_of(METHOD, params), f"evaluate {METHOD}"):
            chat.model = load_adapter(load_base(params.tuned), artifacts.ADAPTERS / METHOD / cell.name)
            metrics, samples = run(chat, tasks)
            asked.check()
            if "llava_in_the_wild" in samples:
                check_scores(
                    [
                        (s["doc"]["question_id"], s["gpt_eval_llava_all"]["scores"])
                        for s in samples["llava_in_the_wild"]
                    ],
                    asked.of,
                )
            figures.setdefault(cell.key, {})[f"s{cell.seed}"] = metrics
            for task in sorted(samples):
                rows += [{"budget": cell.key, "seed": cell.seed, **row} for row in sample_rows(task, samples[task])]
            asked.check()
    folder = artifacts.fresh(artifacts.RESULTS / METHOD)
    schema = pa.schema([("budget", pa.string()), ("seed", pa.int32()), *sample_schema(names)])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "samples.parquet")
    artifacts.write_json(folder / "metrics.json", figures)
    return len(rows)


if __name__ == "__main__":
    run_stage(f"evaluate@{METHOD}", main)
