"""Bytes that a pass holds on its device, from shapes alone (ours): held to what narrow models of the published
architectures are measured to hold (tests/unit/test_memory.py).

What a decoder layer saves for its backward pass where its base is frozen, a token: two 32-bit inputs of norms; queries,
keys and values (these repeated for every head where a batch is padded) and the output of attention, with a row of its
mask; gate, activated gate and up of the MLP. LoRA adds what its layers read: A a copy for each layer in training, which
runs under autocast, and one for layers that read the same in gradients of single rows; B its 32-bit input of rank's
width. With dropout each of LoRA's layers has a copy of its own, and a mask. A connector that is trained whole saves
what its layers read and give of every token of a picture, checkpointed or not.
"""

from __future__ import annotations

from cadc.doctor.published import Size
from cadc.gradients.influence import GRADIENT_BYTES

CONTEXT = 1e9  # of CUDA itself and its libraries (ours: what an idle process of PyTorch takes)
_LOGITS = 12  # bytes a word of the vocabulary: log-probabilities and two gradients of them, in 32 bits
_PASSING = 8  # bytes a token and unit of the MLP's and the layer's width that a layer's backward pass makes and drops
_ROW_COPIES = 4  # of one parameter's row gradients: themselves, signed, padded, rotated
_SHORT = 40  # tokens of a short row of text: batches of these have most rows (ours)
_WIDE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj")  # layers that read the model's width


def _reads(size: Size, *suffixes: str) -> int:
    """How many of these layers of the language model have LoRA."""
    names = {name for name in size.adapted if ".layers." in name and "vision" not in name}
    return sum(any(name.endswith(suffix) for name in names) for suffix in suffixes)


def _layer(size: Size, a: int, length: float) -> float:
    """Bytes a token that a decoder layer saves, LoRA apart; `a` bytes a number, rows of `length` tokens."""
    return 8 * size.width + a * (4 * size.heads + length) + 3 * a * size.inner


def _read(size: Size) -> int:
    """Numbers a token that LoRA's layers read in a decoder layer; what several read counts once."""
    attention, mlp = _reads(size, "q_proj", "k_proj", "v_proj"), _reads(size, "gate_proj", "up_proj")
    return size.width * (bool(attention) + bool(mlp)) + size.inner * _reads(size, "down_proj")


def gradient_bytes(size: Size, a: int, length: float) -> float:
    """Bytes a token, logits apart, that gradients of single rows hold when the backward pass begins."""
    n_layers = _reads(size, *_WIDE, "down_proj")
    return size.layers * (_layer(size, a, length) + a * _read(size) + 4 * size.rank * n_layers) + 4 * size.width


def training_bytes(size: Size, a: int, length: float, checkpointing: bool, a_mask: int = 1) -> float:
    """The same for a step of training; with checkpointing each layer's input, and all of one layer.

    a_mask: bytes of a number of dropout's masks: 1 on GPUs, `a` on CPUs.
    """
    wide, down = _reads(size, *_WIDE), _reads(size, "down_proj")
    each = wide * size.width + down * size.inner
    read = _read(size) if a == 4 and not size.dropout else each  # autocast, too, makes a copy for each
    layer = _layer(size, a, length) + a * (read + size.rank * (wide + down)) + a_mask * each * size.dropout
    return (size.layers * a * size.width + layer if checkpointing else size.layers * layer) + 4 * size.width


def _passing(size: Size) -> float:
    return _PASSING * (size.inner + size.width)


def whole_bytes(size: Size, a: int, rows: float) -> float:
    """Bytes that layers trained whole, a connector's, save of the pictures of `rows` rows."""
    return rows * size.picture.tokens * a * size.whole


def _pictures(size: Size, a: int, rows: float) -> float:
    """Bytes of a batch's pixels, as they come and in the model's precision, picked and not."""
    return rows * size.picture.pixels * (4 + 2 * a)


def _tower(size: Size, a: int, rows: float) -> float:
    """Bytes that a frozen tower holds at once: a layer's states, and its MLP's inner ones before and after."""
    return rows * size.picture.patches * size.tower_width * a * (4 + 2 * 4)


def gradient_memory(size: Size, a: int, tokens: float, length: float) -> float:
    """Bytes on a device of gradients of single rows over `tokens` tokens, rows of `length`, in other batches `_SHORT`;
    a batch has one row at least."""
    rows, a_row = max(1.0, tokens / length), 4 * size.largest
    weights = size.parameters * a + 16 * size.lora  # what is trained, the sketch's signs, two moments
    states = tokens * (gradient_bytes(size, a, length) + _passing(size) + _LOGITS * size.vocabulary)
    states += whole_bytes(size, a, rows)
    of_rows = _ROW_COPIES * max(a_row, min(GRADIENT_BYTES, a_row * tokens / _SHORT))
    return weights + _pictures(size, a, rows) + max(states, _tower(size, a, rows)) + of_rows


def training_memory(size: Size, a: int, tokens: float, length: float, learnt: float, checkpointing: bool) -> float:
    """Bytes on a device of a training step over `tokens` tokens, a share `learnt` of which has logits: weights, LoRA
    with gradient and AdamW's state."""
    rows = max(1.0, tokens / length)
    a_token = training_bytes(size, a, length, checkpointing) + _passing(size) + learnt * _LOGITS * size.vocabulary
    states = tokens * a_token + whole_bytes(size, a, rows)
    return size.parameters * a + 16 * size.lora + _pictures(size, a, rows) + max(states, _tower(size, a, rows))


def forward_memory(
    size: Size, a: int, tokens: float, length: float, foretold: float = 1.0, cached: bool = False
) -> float:
    """Bytes on a device of a forward pass alone, a share `foretold` of whose tokens has logits; `cached`: with keys and
    values of all layers, for generation."""
    rows = max(1.0, tokens / length)
    a_token = a * (4 * size.width + 3 * size.inner) + foretold * (a + 4) * size.vocabulary
    a_token += 2 * a * size.layers * size.heads * cached
    states = max(tokens * a_token, _tower(size, a, rows))
    return size.parameters * a + 4 * size.lora + _pictures(size, a, rows) + states
