"""What training the model's own weights takes (`finetune.full`), from what LoRA would take (ours)."""

from __future__ import annotations

from cadc.doctor.published import Size


def memory(size: Size, with_lora: float, a_weight: int) -> float:
    """Bytes of a GPU for a training step, where LoRA's takes `with_lora` and a frozen weight `a_weight`.

    A trained weight has 4 bytes in float32, 4 of its gradient and 8 of AdamW's moments, in place of `a_weight`; and in
    16 bits the copy that autocast makes of it. FSDP parts all but the copies between GPUs, which is not counted.
    """
    copies = 0 if a_weight == 4 else a_weight
    return with_lora - 16 * size.lora + (16 + copies - a_weight) * size.full


def disk(size: Size, a_weight: int, runs: int) -> float:
    """Bytes that `runs` runs leave, and one checkpoint: weights and moments in float32, which a process that writes it
    holds in host memory, too."""
    return runs * a_weight * size.full + 12 * size.full


def extra_operations(size: Size, tokens: float) -> float:
    """Operations of a row of `tokens` tokens beyond LoRA's: the gradients of the weights."""
    return 2 * size.full * tokens
