"""Fine-tune on pool rows and answer a benchmark's questions in one process, for the gate and metabolism."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from peft import PeftModel
from transformers import PreTrainedModel

from cadc import artifacts
from cadc.config.params import Params
from cadc.evaluation.adapter import ChatModel
from cadc.evaluation.benchmarks import Benchmarks, run
from cadc.evaluation.samples import sample_rows, sample_schema
from cadc.model.encode import EncodedRows
from cadc.model.load import fresh_model, load_processor, release
from cadc.training.finetune import finetune
from cadc.training.schedule import static_schedule


class Bench:
    """A pool and the base model, loaded once and shared by all trials of a process."""

    def __init__(self, params: Params, pool: pa.Table):
        self.params, self.pool = params, pool
        self.processor = load_processor(params.model)
        self.rows = EncodedRows(pool, self.processor, params.model.max_length, long_rows=params.model.long_rows)

    def tuned(self, rows: np.ndarray, n_examples: int, seed: int) -> PeftModel | PreTrainedModel:
        """Fine-tune the base with a fresh adapter, or its own weights (`finetune.full`), on pool rows int64 [n] in this
        order, repeated up to `n_examples`. Without rows the base is returned untuned.
        """
        params = self.params
        release()  # free the previous model if nothing references it
        model = fresh_model(params, seed)
        if len(rows):
            finetune(
                model,
                self.rows,
                static_schedule(artifacts.Selection.of_rows(rows), n_examples),
                params.finetune,
                params.model,
                seed=seed,
            )
        return model


def answers(model: PeftModel | PreTrainedModel, chat: ChatModel, tasks: Benchmarks) -> pa.Table:
    """Every sample of every task as in `sample_schema`, by task and document."""
    chat.model = model
    try:
        samples = run(chat, tasks)[1]
    finally:
        chat.model = None  # keep the prompts, but not the model
    rows = [row for task in sorted(samples) for row in sample_rows(task, samples[task])]
    return pa.Table.from_pylist(rows, schema=sample_schema(sorted(samples)))
