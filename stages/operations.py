"""operations: floating-point operations per pool row on the root's model, used for the costs of arms."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.features.embeddings import (
    Tower,
    load_sentence_encoder,
    row_text,
    sentence_embeddings,
    tower_embeddings,
)
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import SketchedDirections
from cadc.gradients.per_sample import answer_loss
from cadc.model.batches import model_inputs
from cadc.model.embed import embed_rows
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, load_base, load_processor
from cadc.training.snapshots import load_snapshots

SAMPLE = 256  # pool rows or texts used for counting
DIGITS = 4


def counted(work: Callable[[], object]) -> float:
    """Operations of `work` as torch counts them: matrix products and convolutions, two per multiply-add."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def spread(n: int) -> np.ndarray:
    """At most SAMPLE positions of `n`, evenly spaced: int64."""
    return np.linspace(0, n - 1, min(SAMPLE, n)).astype(int)


def of_model(params: Params, pool, which: np.ndarray, n_subtasks: int) -> dict[str, float]:
    """Operations per row of a forward pass, a LoRA training step, and the gradient engine at one snapshot.

    The engine includes the products with the trajectories of all subtasks, but not the sketch's additions.
    """
    processor, made = load_processor(params.model), dict.fromkeys(("forward", "training", "gradients"), 0.0)
    engine = SketchedDirections(
        add_lora(load_base(params.model), params.model.lora, 0), params.capture, processor.tokenizer.pad_token_id
    )
    rows = EncodedRows(pool, processor, params.model.max_length, long_rows=params.model.long_rows)
    snapshot = load_snapshots(artifacts.proxy_run("default"))[0]
    directions = [Direction(snapshot, params.capture.update, engine.device)]
    targets = torch.zeros(n_subtasks, engine.sketch.width, device=engine.device)

    def loss_of(batch) -> torch.Tensor:
        inputs = model_inputs(batch, engine.device)
        labels = inputs.pop("labels")
        return answer_loss(engine.model(**inputs, use_cache=False).logits, labels).sum()

    def embedding() -> None:
        if params.embed.tower:
            tower_embeddings(Tower(params.embed.tower), pool.take(which).to_pylist())
        else:
            embed_rows(load_base(params.model), processor, rows, which)

    for _, batch in chain.from_iterable(engine.stretches(rows, which)):
        with torch.no_grad():
            made["forward"] += counted(lambda batch=batch: loss_of(batch))
        made["training"] += counted(lambda batch=batch: loss_of(batch).backward())
        with engine.gradients:
            made["gradients"] += counted(
                lambda batch=batch: engine.sketched(batch, snapshot, directions)[0][0] @ targets.T
            )
    made["embedding"] = counted(embedding)
    return {name: value / len(which) for name, value in made.items()}


def main(params: Params) -> int:
    torch.set_num_threads(1)
    pool, subtasks = artifacts.load_pool(), artifacts.read_json(artifacts.CAPTURE / "default" / "subtasks.json")
    which = spread(pool.num_rows)
    texts = sorted({row_text(turns, answers=False) for turns in pool["turns"].to_pylist()})
    some = [texts[i] for i in spread(len(texts))]
    encoder = load_sentence_encoder(params.embed.sentences)
    questions = counted(lambda: sentence_embeddings(encoder, some)) / len(some) * len(texts) / pool.num_rows
    made = of_model(params, pool, which, len(subtasks)) | {"questions": questions}
    figures = {name: float(f"{value:.{DIGITS}g}") for name, value in made.items()}
    sizes = {"n_rows": pool.num_rows, "n_probe": sum(one["rows"] for one in subtasks), "n_subtasks": len(subtasks)}
    artifacts.write_json(artifacts.REPORTS / "operations.json", figures | sizes)
    return len(which)


if __name__ == "__main__":
    run_stage("operations", main)
