"""Fine-tune an arm: one run per seed, on the selection in its order, or on rows that its plan selects during
training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cadc import artifacts
from cadc.compute import console
from cadc.compute.launch import team
from cadc.config.budgets import n_selected
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.config.plan import Plan
from cadc.model.encode import EncodedRows
from cadc.model.load import DTYPES, fresh_model, load_processor
from cadc.training import unlocking
from cadc.training.checkpoint import Checkpoint, checkpoint_beside
from cadc.training.finetune import finetune
from cadc.training.grouping import grouped_schedule
from cadc.training.parallel import save_tuned
from cadc.training.schedule import n_examples, static_schedule


def _refuse_stages(there: bool, what: str) -> None:
    if there:
        raise InputError(
            f"finetune.grouped: {what}, and grouping by length would change the order; set it to false for this arm, "
            "or set curate.sequence: none"
        )


class Tuner:
    """Shared by all runs of a process: the pool and its encoded rows."""

    def __init__(self, params: Params):
        self.params, self.pool, self.processor = params, artifacts.load_pool(), load_processor(params.model)
        model = params.model
        self.rows = EncodedRows(self.pool, self.processor, model.max_length, long_rows=model.long_rows)

    def static(self, seed: int, selection: artifacts.Selection, folder: Path) -> None:
        """Train on `selection` in rank order, or in batches grouped by modality and length. Writes the trained weights
        and loss.npy to `folder`. Raises InputError if stages would be grouped."""
        settings, model = self.params.finetune, fresh_model(self.params, seed)
        examples = n_examples(selection.n_unique, self.pool.num_rows, settings.epochs)
        checkpoint = Checkpoint(checkpoint_beside(folder))
        if settings.grouped:
            _refuse_stages(len(np.unique(selection.stage)) > 1, "the selection has stages")
            schedule = grouped_schedule(self.pool, np.asarray(selection.row), examples, settings, seed)
        else:
            schedule = static_schedule(selection, examples)
        losses = finetune(model, self.rows, schedule, settings, self.params.model, checkpoint=checkpoint, seed=seed)
        self._save(model, losses, folder)
        if team()[0] == 0 and self.rows.cut:
            console.line(self.rows.summary())

    def adaptive(self, seed: int, warm_up: artifacts.Selection, plan: Path, folder: Path) -> None:
        """Train on the warm-up, then on the rows that `plan` (the selection's plan.json) selects. Also writes the
        selection and rounds.npy to `folder`. Raises InputError if the rounds would be grouped."""
        _refuse_stages(self.params.finetune.grouped, "the method selects rows during training")
        settings, model, n = (
            self.params.finetune,
            self.params.model,
            n_selected(self.params.arm.budget, self.pool.num_rows),
        )
        rows = unlocking.UnlockedRows(self.pool, self.processor, model.max_length, long_rows=model.long_rows)
        made = unlocking.tune(
            lambda: fresh_model(self.params, seed),
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
        save_tuned(model, folder, DTYPES[self.params.model.dtype])
        if team()[0] == 0:
            artifacts.save_array(folder / "loss.npy", losses)
            checkpoint_beside(folder).unlink(missing_ok=True)
