"""The fine-tuning of an arm: one run a seed, on the selection in its own order or on what its plan goes on to
choose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cadc import artifacts
from cadc.compute import console
from cadc.compute.launch import team
from cadc.config.budgets import n_selected
from cadc.config.params import Params
from cadc.config.plan import Plan
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor, save_adapter
from cadc.training import unlocking
from cadc.training.checkpoint import Checkpoint, checkpoint_beside
from cadc.training.finetune import finetune
from cadc.training.schedule import n_examples, static_schedule


class Tuner:
    """What all runs of a process share: the pool and its encoded rows."""

    def __init__(self, params: Params):
        self.params, self.pool, self.processor = params, artifacts.load_pool(), load_processor(params.model)
        model = params.model
        self.rows = EncodedRows(self.pool, self.processor, model.max_length, long_rows=model.long_rows)

    def fresh_model(self, seed: int):
        """The base with a fresh adapter."""
        return add_lora(load_base(self.params.model), self.params.model.lora, seed)

    def static(self, seed: int, selection: artifacts.Selection, folder: Path) -> None:
        """Train on `selection` in rank order; the adapter and loss.npy go into `folder`."""
        settings, model = self.params.finetune, self.fresh_model(seed)
        examples = n_examples(selection.n_unique, self.pool.num_rows, settings.epochs)
        checkpoint = Checkpoint(checkpoint_beside(folder))
        schedule = static_schedule(selection, examples)
        losses = finetune(model, self.rows, schedule, settings, self.params.model, checkpoint=checkpoint)
        self._save(model, losses, folder)
        if team()[0] == 0 and self.rows.cut:
            console.line(self.rows.summary())

    def adaptive(self, seed: int, warm_up: artifacts.Selection, plan: Path, folder: Path) -> None:
        """Train on the warm-up, then on what `plan`, the selection's plan.json, chooses; beside the adapter all rows
        and rounds.npy."""
        settings, model, n = (
            self.params.finetune,
            self.params.model,
            n_selected(self.params.arm.budget, self.pool.num_rows),
        )
        rows = unlocking.UnlockedRows(self.pool, self.processor, model.max_length, long_rows=model.long_rows)
        made = unlocking.tune(
            lambda: self.fresh_model(seed),
            rows,
            Plan(**artifacts.read_json(plan)),
            np.asarray(artifacts.load_array(plan.with_name("cluster.npy"))),
            warm_up.row,
            n,
            n_examples(n, self.pool.num_rows, settings.epochs),
            seed,
            settings,
            model,
            checkpoint_beside(folder),
        )
        if team()[0] == 0:
            artifacts.save_selection(folder / "selection.parquet", made.selection)
            artifacts.save_array(folder / "rounds.npy", made.history)
        self._save(made.model, made.losses, folder)

    def _save(self, model, losses: np.ndarray, folder: Path) -> None:
        if team()[0] == 0:
            save_adapter(model, folder)
            artifacts.save_array(folder / "loss.npy", losses)
            checkpoint_beside(folder).unlink(missing_ok=True)
