"""Extra cost of training the model's own weights (`finetune.full`) over LoRA (ours)."""

from __future__ import annotations

from collections.abc import Mapping

from cadc.doctor.published import Size


def takes(size: Size, lora: Mapping[str, float], a_weight: int, runs: int) -> dict[str, float]:
    """The cost of full training, from `lora`, the cost of a LoRA training step: bytes on a GPU (memory), of a host
    process and on disk. A frozen weight takes `a_weight` bytes; there are `runs` runs.

    A trained weight takes 4 bytes in float32, 4 for its gradient and 8 for AdamW's moments, instead of `a_weight`, and
    with 16-bit autocast another copy. FSDP would shard all but these copies over the GPUs; that is not counted. A
    checkpoint holds weights and moments in float32: one is on disk, and one in the memory of the process writing it.
    """
    copies, checkpoint = 0 if a_weight == 4 else a_weight, 12 * size.full
    return {
        "memory": lora["memory"] - 16 * size.lora + (16 + copies - a_weight) * size.full,
        "host": lora["host"] + checkpoint,
        "disk": runs * a_weight * size.full + checkpoint,
    }


def extra_operations(size: Size, tokens: float) -> float:
    """Operations per row of `tokens` tokens in addition to LoRA's: the gradients of the weights."""
    return 2 * size.full * tokens
