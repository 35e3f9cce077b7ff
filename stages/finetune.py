"""finetune METHOD: a LoRA adapter per budget and seed, trained on the selection in its own order, or on what its plan goes on to choose."""

import sys
from pathlib import Path

import torch

from cadc import artifacts
from cadc.compute import console, shards
from cadc.compute.launch import team
from cadc.compute.stage import run_stage
from cadc.config.budgets import n_selected
from cadc.config.params import Params, load_params
from cadc.config.runs import Run, runs_of
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, save_adapter
from cadc.training import unlocking as buying
from cadc.training.adaptive import Plan
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.schedule import n_examples, static_schedule

METHOD = sys.argv[1]
PLAN = artifacts.SELECTIONS / METHOD / "plan.json"


def checkpoint_beside(folder: Path) -> Path:
    """Where the run that is tuned into `folder` keeps what it goes on from: a killed run's folder is cleared, what is beside it stays."""
    return folder.with_suffix(".checkpoint")


class Tuner:
    """What all runs of a process share: the pool, encoded rows, params."""

    def __init__(self, params: Params):
        self.params, self.pool, self.processor = params, artifacts.load_pool(), load_processor(params.tuned)
        self.rows = EncodedRows(self.pool, self.processor, params.tuned.max_length, long_rows=params.tuned.long_rows)

    def fresh_model(self, run: Run):
        return add_lora(load_base(self.params.tuned), self.params.tuned.lora, run.seed)

    def static(self, run: Run, selection: artifacts.Selection, folder: Path) -> None:
        settings, checkpoint = self.params.finetune, checkpoint_beside(folder)
        schedule = static_schedule(selection, n_examples(selection.n_unique, self.pool.num_rows, settings.epochs))
        model = self.fresh_model(run)
        losses = finetune(model, self.rows, schedule, settings, self.params.tuned, checkpoint=Checkpoint(checkpoint))
        if team()[0] == 0:
            save_adapter(model, folder)
            artifacts.save_array(folder / "loss.npy", losses)
            if self.rows.cut:
                console.line(f"{METHOD}: {self.rows.told()}")
            checkpoint.unlink(missing_ok=True)

    def adaptive(self, run: Run, warm_up: artifacts.Selection, folder: Path) -> None:
        n, settings, checkpoint = (
            n_selected(run.budget, self.pool.num_rows),
            self.params.finetune,
            checkpoint_beside(folder),
        )
        examples = n_examples(n, self.pool.num_rows, settings.epochs)
        rows = buying.BoughtRows(
            self.pool, self.processor, self.params.tuned.max_length, long_rows=self.params.tuned.long_rows
        )
        plan, cluster = (
            Plan(**artifacts.read_json(PLAN)["settings"]),
            artifacts.load_array(PLAN.with_name("cluster.npy")),
        )
        made = buying.tune(
            lambda: self.fresh_model(run),
            rows,
            plan,
            cluster,
            warm_up.row,
            n,
            examples,
            run.seed,
            settings,
            self.params.tuned,
            checkpoint,
        )
        if team()[0] == 0:
            save_adapter(made.model, folder)
            artifacts.save_array(folder / "loss.npy", made.losses)
            artifacts.save_selection(folder / "selection.parquet", made.selection)
            artifacts.save_array(folder / "rounds.npy", made.history)
            checkpoint.unlink(missing_ok=True)


def tuning() -> shards.Task:
    """The adapter of one run, trained into a folder."""
    torch.set_num_threads(1)
    params = load_params()
    tuner = Tuner(params)
    run_of = {run.name: run for run in runs_of(METHOD, params)}

    def tune(name: str, folder: Path) -> None:
        selection = artifacts.load_selection(artifacts.selection_path(METHOD, name))
        if PLAN.exists():
            tuner.adaptive(run_of[name], selection, folder)
        else:
            tuner.static(run_of[name], selection, folder)

    return tune


def main(params: Params) -> int:
    names = [run.name for run in runs_of(METHOD, params)]
    inputs = [
        params.finetune.model_dump(),
        params.tuned.model_dump(),
        artifacts.SELECTIONS / METHOD,
        artifacts.POOL,
        *params.tuned.sources,
    ]
    folders = shards.run(tuning, names, f"finetune_{METHOD}", inputs, f"fine-tune {METHOD}", together=True)
    artifacts.fresh(artifacts.ADAPTERS / METHOD)
    for name in names:
        folders[name].rename(artifacts.ADAPTERS / METHOD / name)
    shards.forget(f"finetune_{METHOD}")
    return (
        sum(len(artifacts.load_array(artifacts.ADAPTERS / METHOD / name / "loss.npy")) for name in names)
        * params.finetune.batch_size
    )


if __name__ == "__main__":
    run_stage(f"finetune@{METHOD}", main)
