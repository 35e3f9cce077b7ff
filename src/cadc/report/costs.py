"""What a method costs, counted and not timed: rows passed through models, and floating-point operations (ours).

Seconds differ from machine to machine (they are in reports/costs.md); these figures don't, so they can stand in a DVC output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cached_property

import numpy as np
import pyarrow.parquet as pq
import torch
from torch.utils.flop_counter import FlopCounterMode

from cadc import artifacts
from cadc.config.budgets import n_selected
from cadc.config.params import Model, Params, Signal, load_params
from cadc.config.runs import Run, runs_of
from cadc.features.embeddings import (
    ContrastiveTower,
    load_sentence_encoder,
    row_text,
    sentence_embeddings,
    tower_embeddings,
)
from cadc.features.skills import instruction_lines, list_text
from cadc.gradients.influence import SketchedDirections, token_batches
from cadc.gradients.per_sample import answer_loss
from cadc.model.embed import embed_rows
from cadc.model.encode import EncodedRows, collate, model_inputs
from cadc.model.load import add_lora, load_base, load_processor
from cadc.training.schedule import n_examples
from cadc.training.snapshots import load_snapshots

_SAMPLE = 256  # pool rows on which operations are counted


class Operations:
    """Mean floating-point operations a pool row, each kind counted when it is first asked for.

    As torch counts them (matrix products and convolutions, two each multiply-add), in the batches of `capture`. The
    sketch's products with the trajectories are counted, its element-wise additions are not.
    """

    def __init__(self, params: Params, model: Model):
        self.params, self.pool = params, artifacts.load_pool()
        self.processor = load_processor(model)
        self.model = add_lora(load_base(model), model.lora, 0)
        self.rows, self.pad_id = (
            EncodedRows(self.pool, self.processor, model.max_length, long_rows=model.long_rows),
            self.processor.tokenizer.pad_token_id,
        )
        self.which = np.linspace(0, self.pool.num_rows - 1, min(_SAMPLE, self.pool.num_rows)).astype(int)

    def _counted(self, work: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops() / len(self.which)

    def _losses(self):
        lengths = np.array([len(self.rows[int(row)]["input_ids"]) for row in self.which])
        for at in token_batches(lengths, self.params.capture.batch_tokens):
            inputs = model_inputs(
                collate([self.rows[int(self.which[i])] for i in at], self.pad_id), next(self.model.parameters()).device
            )
            labels = inputs.pop("labels")
            yield answer_loss(self.model(**inputs, use_cache=False).logits, labels).sum()

    @cached_property
    def forward(self) -> float:
        """A forward pass."""
        with torch.no_grad():
            return self._counted(lambda: list(self._losses()))

    @cached_property
    def training(self) -> float:
        """A step of LoRA training."""
        return self._counted(lambda: [loss.backward() for loss in self._losses()])

    @cached_property
    def gradients(self) -> float:
        """The gradient engine at one snapshot, with the products against all subtasks."""
        n_subtasks = len(artifacts.read_json(artifacts.CAPTURE / "subtasks.json"))

        def work() -> None:
            engine = SketchedDirections(self.model, self.params.capture, self.pad_id)
            targets = torch.zeros(n_subtasks, engine.sketch.width, device=engine.device)
            for _, sketches, _, _ in engine.batches(self.rows, self.which, load_snapshots(artifacts.PROXY)[0]):
                sketches @ targets.T

        return self._counted(work)

    @cached_property
    def embedding(self) -> float:
        """Image and text embeddings."""
        records = self.pool.take(self.which).to_pylist()

        def work() -> None:
            if self.params.embed.tower:
                tower_embeddings(ContrastiveTower(self.params.embed.tower), records)
            else:
                embed_rows(load_base(self.params.model), self.processor, self.rows, self.which)

        return self._counted(work)

    def _reading(self, texts: set[str]) -> float:
        """Sentence embeddings of different texts, counted on some of them."""
        encoder, ordered = load_sentence_encoder(self.params.embed.sentences), sorted(texts)
        some = [ordered[i] for i in np.linspace(0, len(ordered) - 1, min(_SAMPLE, len(ordered))).astype(int)]
        return self._counted(lambda: sentence_embeddings(encoder, some)) * len(self.which) / len(some) * len(ordered)

    @cached_property
    def questions(self) -> float:
        """Sentence embeddings of all questions of the pool, each different one once."""
        return self._reading({row_text(turns, answers=False) for turns in self.pool["turns"].to_pylist()})

    @cached_property
    def skills(self) -> float:
        """Sentence embeddings of the pool's instructions and of their lists of skills, each different text once. What a language model is asked
        for lists, is counted in tokens by its client."""
        lists = {list_text(skills) for skills in pq.read_table(artifacts.VIEWS / "pool.parquet")["skills"].to_pylist()}
        lines = (
            set()
            if self.params.views.url
            else {line for turns in self.pool["turns"].to_pylist() for line in instruction_lines(turns)}
        )
        return self._reading(lists) + (self._reading(lines) if lines else 0.0)


def selection_cost(signal: Signal, params: Params, per_row: Operations) -> float:
    """Operations that a signal takes before any row is chosen: proxy run (for capabilities with its replicas), trajectories and influence, features, embeddings.

    Of the whole artifact: a method that reads one of its snapshots (ICONS, EL2N) could do with less.
    """
    n_rows = per_row.pool.num_rows
    if signal == "pool":
        return 0.0
    if signal == "embeddings":
        return n_rows * per_row.embedding
    if signal == "views":
        return n_rows * per_row.embedding + per_row.skills
    if signal == "score_net":
        return n_rows * (per_row.embedding + params.score_net.epochs * per_row.training)
    proxy = round(n_rows * params.proxy.pool_fraction) * params.proxy.epochs * per_row.training
    n_snapshots = len(params.proxy.snapshots_at)
    if signal == "features":
        return proxy + n_snapshots * n_rows * per_row.forward
    n_probe = sum(entry["rows"] for entry in artifacts.read_json(artifacts.CAPTURE / "subtasks.json"))
    once = proxy + n_snapshots * n_probe * per_row.gradients
    n_runs = 1 + len(params.replicate.seeds) if signal == "capabilities" else 1
    return n_runs * once + n_snapshots * n_rows * per_row.gradients


def counted(params: Params) -> tuple[Operations, Operations]:
    """Operations of the model that rows are chosen by, and of the one that is tuned on them: the same, but for a transfer."""
    chosen_by = Operations(params, params.model)
    return chosen_by, chosen_by if params.tuned == params.model else Operations(params, params.tuned)


def adaptive_cost(method: str, budget: str, params: Params, chosen_by: Operations, tuned: Operations) -> float:
    """Operations beside those of one tuning, where a method chooses while the model learns: clusters by what questions mean, measurements,
    and a first training whose rows are then shuffled; mean over seeds."""
    plan = _plan(method)
    if plan is None:
        return 0.0
    runs = [run for run in runs_of(method, params) if run.key == budget]
    measured = np.mean(
        [artifacts.load_array(artifacts.ADAPTERS / method / run.name / "rounds.npy")[:, :, 4].sum() for run in runs]
    )
    first = tuning_cost(method, runs[0], params, tuned) if plan["settings"]["shuffled"] else 0.0
    return chosen_by.questions + float(measured) * tuned.forward + first


def _plan(method: str) -> dict | None:
    """How a method buys its rows while the model learns, if it does."""
    plan = artifacts.SELECTIONS / method / "plan.json"
    return artifacts.read_json(plan) if plan.exists() else None


def tuning_cost(method: str, run: Run, params: Params, tuned: Operations) -> float:
    """Operations of one fine-tuning, its passes included, and what later stages replay where one pass is too short for it."""
    n_pool = tuned.pool.num_rows
    examples = n_examples(n_selected(run.budget, n_pool), n_pool, params.finetune.epochs)
    if _plan(method) is None:
        examples = max(examples, len(artifacts.load_selection(artifacts.selection_path(method, run.name))))
    return examples * tuned.training


def full_cost(params: Params, tuned: Operations) -> float:
    """Operations of tuning on all rows."""
    n_pool = tuned.pool.num_rows
    return n_examples(n_pool, n_pool, params.finetune.epochs) * tuned.training


def flops(method: str, params: Params) -> dict[str, list[float]]:
    """Operations of a method's selection and of one fine-tuning, by budget."""
    chosen_by, tuned = counted(params)
    selection = selection_cost(params.methods[method].signal, params, chosen_by)
    return {
        run.key: [
            selection + adaptive_cost(method, run.key, params, chosen_by, tuned),
            tuning_cost(method, run, params, tuned),
        ]
        for run in runs_of(method, params)
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(flops(sys.argv[1], load_params())))
