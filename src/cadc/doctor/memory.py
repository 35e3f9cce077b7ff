"""Estimate the bytes that a pass holds on its device, from shapes alone (ours). tests/unit/test_memory.py compares the
estimates with measurements on narrow models of the published architectures.

Per token, a decoder layer with a frozen base saves for its backward pass: two float32 inputs of norms; queries, keys
and values (repeated for every head if the batch is padded) and the output of attention, with a row of its mask; gate,
activated gate and up projection of the MLP. LoRA adds the inputs of its layers. For A: in training, which runs under
autocast, one copy per layer; in per-row gradients, one copy for layers that share an input. For B: its float32 input of
width `rank`. With dropout, each LoRA layer has its own copy and a mask. A fully trained connector saves its layers'
inputs and outputs for every image token, with or without checkpointing.
"""

from __future__ import annotations

from cadc.doctor.published import Size
from cadc.gradients.influence import GRADIENT_BYTES

CONTEXT = 1e9  # CUDA context and libraries (ours: what an idle PyTorch process takes)
_LOGITS = 12  # bytes per vocabulary entry: log-probabilities and two gradients of them, in float32
_PASSING = 8  # transient bytes per token and unit of MLP and layer width in a layer's backward pass
_ROW_COPIES = 4  # copies of one parameter's row gradients: original, signed, padded, rotated
_SHORT = 40  # tokens in a short text row: batches of these have the most rows (ours)
_WIDE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj")  # layers with inputs of the model's width


def _reads(size: Size, *suffixes: str) -> int:
    """How many of these language model layers have LoRA."""
    names = {name for name in size.adapted if ".layers." in name and "vision" not in name}
    return sum(any(name.endswith(suffix) for name in names) for suffix in suffixes)


def _layer(size: Size, a: int, length: float) -> float:
    """Bytes per token saved by a decoder layer without LoRA; `a` bytes per number, rows of `length` tokens."""
    return 8 * size.width + a * (4 * size.heads + length) + 3 * a * size.inner


def _read(size: Size) -> int:
    """Numbers per token that LoRA's layers read in a decoder layer; a shared input counts once."""
    attention, mlp = _reads(size, "q_proj", "k_proj", "v_proj"), _reads(size, "gate_proj", "up_proj")
    return size.width * (bool(attention) + bool(mlp)) + size.inner * _reads(size, "down_proj")


def gradient_bytes(size: Size, a: int, length: float) -> float:
    """Bytes per token, without logits, held when the backward pass for per-row gradients begins."""
    n_layers = _reads(size, *_WIDE, "down_proj")
    return size.layers * (_layer(size, a, length) + a * _read(size) + 4 * size.rank * n_layers) + 4 * size.width


def training_bytes(size: Size, a: int, length: float, checkpointing: bool, a_mask: int = 1) -> float:
    """The same for a training step. With checkpointing: each layer's input, and everything for one layer.

    a_mask: bytes per number in dropout's masks: 1 on GPUs, `a` on CPUs.
    """
    wide, down = _reads(size, *_WIDE), _reads(size, "down_proj")
    each = wide * size.width + down * size.inner
    read = _read(size) if a == 4 and not size.dropout else each  # autocast also makes a copy per layer
    layer = _layer(size, a, length) + a * (read + size.rank * (wide + down)) + a_mask * each * size.dropout
    return (size.layers * a * size.width + layer if checkpointing else size.layers * layer) + 4 * size.width


def _passing(size: Size) -> float:
    return _PASSING * (size.inner + size.width)


def whole_bytes(size: Size, a: int, rows: float) -> float:
    """Bytes that a fully trained connector saves for the images of `rows` rows."""
    return rows * size.picture.tokens * a * size.whole


def _pictures(size: Size, a: int, rows: float) -> float:
    """Bytes of a batch's pixels: as loaded, and two copies in the model's precision."""
    return rows * size.picture.pixels * (4 + 2 * a)


def _tower(size: Size, a: int, rows: float) -> float:
    """Peak bytes of a frozen tower: one layer's states, and the inner states of its MLP before and after activation."""
    return rows * size.picture.patches * size.tower_width * a * (4 + 2 * 4)


def gradient_memory(size: Size, a: int, tokens: float, length: float) -> float:
    """Device bytes of per-row gradients over `tokens` tokens. Rows have `length` tokens, or `_SHORT` in batches of
    short rows; a batch has at least one row."""
    rows, a_row = max(1.0, tokens / length), 4 * size.largest
    weights = size.parameters * a + 16 * size.lora  # per trained parameter: weight, sketch sign, two moments
    states = tokens * (gradient_bytes(size, a, length) + _passing(size) + _LOGITS * size.vocabulary)
    states += whole_bytes(size, a, rows)
    of_rows = _ROW_COPIES * max(a_row, min(GRADIENT_BYTES, a_row * tokens / _SHORT))
    return weights + _pictures(size, a, rows) + max(states, _tower(size, a, rows)) + of_rows


def training_memory(size: Size, a: int, tokens: float, length: float, learnt: float, checkpointing: bool) -> float:
    """Device bytes of a training step over `tokens` tokens, a share `learnt` of which has logits: weights, LoRA with
    its gradient and AdamW's state."""
    rows = max(1.0, tokens / length)
    a_token = training_bytes(size, a, length, checkpointing) + _passing(size) + learnt * _LOGITS * size.vocabulary
    states = tokens * a_token + whole_bytes(size, a, rows)
    return size.parameters * a + 16 * size.lora + _pictures(size, a, rows) + max(states, _tower(size, a, rows))


def forward_memory(
    size: Size, a: int, tokens: float, length: float, foretold: float = 1.0, cached: bool = False
) -> float:
    """Device bytes of a forward pass over `tokens` tokens, a share `foretold` of which has logits; `cached`: including
    keys and values of all layers, for generation."""
    rows = max(1.0, tokens / length)
    a_token = a * (4 * size.width + 3 * size.inner) + foretold * (a + 4) * size.vocabulary
    a_token += 2 * a * size.layers * size.heads * cached
    states = max(tokens * a_token, _tower(size, a, rows))
    return size.parameters * a + 4 * size.lora + _pictures(size, a, rows) + states
