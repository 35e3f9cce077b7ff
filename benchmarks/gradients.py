"""What per-sample gradients cost beside a plain LoRA forward and backward pass: `python benchmarks/gradients.py`.

Everything runs in one process on the same model, rows and batches, in turns, so that a busy machine slows all alike;
the ratio to the plain pass is the median over turns. Needs `dvc repro prepare proxy_train` for the pool and a snapshot.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from cadc import artifacts
from cadc.gradients.adamw import Direction
from cadc.gradients.influence import token_batches
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.gradients.sketch import make_sketch
from cadc.model.encode import EncodedRows, collate, model_inputs
from cadc.model.load import add_lora, load_base, load_processor, trainable
from cadc.params import Lora, load_params
from cadc.training.snapshots import Snapshot


def random_snapshot(model) -> Snapshot:
    """Weights, first and second moments of plausible sizes: timing needs no more, for any LoRA rank."""
    generator = torch.Generator().manual_seed(0)
    draw = [{name: torch.randn(p.shape, generator=generator).to(p.device) * 1e-3 for name, p in trainable(model).items()} for _ in range(3)]
    return Snapshot(100, 1e-3, 0.9, 0.999, 1e-8, draw[0], draw[1], {name: m.square() for name, m in draw[2].items()})


def variants(model, capture) -> dict[str, Callable[[dict], object]]:
    """Name -> what is done with one collated batch."""
    parameters, device = list(trainable(model).values()), next(model.parameters()).device
    direction = Direction(random_snapshot(model), "adamw", device)

    def plain(batch):
        inputs = model_inputs(batch, device)
        labels = inputs.pop("labels")
        answer_loss(model(**inputs, use_cache=False).logits, labels).sum().backward()
        for parameter in parameters:
            parameter.grad = None

    def engine(consume_of):
        gradients = PerSampleGradients(model)

        def run(batch):
            with gradients:
                gradients(batch, consume_of(len(batch["input_ids"])))

        return gradients, run

    made: dict[str, Callable] = {"plain forward + backward": plain}
    gradients, made["per-sample gradients"] = engine(lambda n: lambda name, rows: None)

    def separate(n):
        sketch = make_sketch("count", gradients.names, gradients.sizes, 0, 0, device)
        out = sketch.zeros(n)
        return lambda name, rows: sketch.add_direction(name, rows, direction, out)

    made["+ AdamW direction, kept whole"] = engine(separate)[1]
    for width in (1024, 8192):
        sketch = make_sketch("count", gradients.names, gradients.sizes, width, 0, device)

        def fused(n, sketch=sketch):
            out, squared = sketch.zeros(n), torch.zeros(n, device=device)

            def consume(name, rows):
                squared.add_(torch.linalg.vector_norm(rows, dim=1).square_())
                sketch.add_direction(name, rows, direction, out)

            return consume

        made[f"+ AdamW + norms + CountSketch {width}"] = engine(fused)[1]
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--targets", default=r".*language_model.*_proj")
    args = parser.parse_args()
    torch.set_num_threads(1)
    params = load_params()
    processor = load_processor(params.model.path)
    model = add_lora(load_base(params.model), Lora(rank=args.rank, alpha=2 * args.rank, targets=args.targets), seed=0)
    rows = EncodedRows(artifacts.load_pool(), processor, params.model.max_length)
    which = np.random.default_rng(0).choice(len(rows), args.rows, replace=False)
    lengths = np.array([len(rows[int(i)]["input_ids"]) for i in which])
    batches = [collate([rows[int(which[i])] for i in at], processor.tokenizer.pad_token_id) for at in token_batches(lengths, params.capture.batch_tokens)]
    todo = variants(model, params.capture)
    print(f"{args.rows} rows of {lengths.mean():.0f} tokens in {len(batches)} batches, {sum(p.numel() for p in trainable(model).values()):,} LoRA parameters")
    seconds = {name: [] for name in todo}
    for turn in range(args.turns + 1):
        for name, run in todo.items():
            start = time.perf_counter()
            for batch in batches:
                run(batch)
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    limit = seconds["plain forward + backward"]
    for name, taken in seconds.items():
        print(f"{name:40s} {args.rows / statistics.median(taken):7.0f} rows/s  x{statistics.median(t / p for t, p in zip(taken, limit, strict=True)):.3f}")


if __name__ == "__main__":
    main()
