"""What training the model's own weights takes (`finetune.full`), from what LoRA would take (ours)."""

from __future__ import annotations

from collections.abc import Mapping

from cadc.doctor.published import Size


def takes(size: Size, lora: Mapping[str, float], a_weight: int, runs: int) -> dict[str, float]:
    """What `lora`, a step of LoRA's training, becomes: bytes of a GPU (memory), of a process on the host and on disk,
    where a frozen weight takes `a_weight` and there are `runs` runs.

    A trained weight has 4 bytes in float32, 4 of its gradient and 8 of AdamW's moments, in place of `a_weight`; and in
    16 bits the copy that autocast makes of it. FSDP parts all but the copies between GPUs, which is not counted. A
    checkpoint is weights and moments in float32: one is on disk, and in the memory of the process that writes it.
    """
    copies, checkpoint = 0 if a_weight == 4 else a_weight, 12 * size.full
    return {
        "memory": lora["memory"] - 16 * size.lora + (16 + copies - a_weight) * size.full,
        "host": lora["host"] + checkpoint,
        "disk": runs * a_weight * size.full + checkpoint,
    }


def extra_operations(size: Size, tokens: float) -> float:
    """Operations of a row of `tokens` tokens beyond LoRA's: the gradients of the weights."""
    return 2 * size.full * tokens
