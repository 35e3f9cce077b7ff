"""Text-to-image attention: ScalSelect's representation of a row, and XMAS's singular values.

ScalSelect: arXiv 2602.11636, ChangtiWu/ScalSelect 74375d3. XMAS: arXiv 2510.01454, BigML-CS-UCLA/XMAS c3e95c8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch.nn import functional as F

TOP = 5  # singular values (XMAS)
ENERGY = 0.9  # share of attention covered by an image's kept tokens (ScalSelect)


def most_attended(weights: torch.Tensor, energy: float = ENERGY) -> torch.Tensor:
    """The fewest tokens whose weights sum to more than `energy` of the total: positions int64 [k], heaviest first.

    weights [n_tokens] >= 0. All tokens if no subset sums to more; equal weights if all are 0. Ties by position.
    """
    total = weights.sum()
    share = weights / total if total > 0 else torch.full_like(weights, 1 / len(weights))
    order = torch.argsort(share, descending=True, stable=True)
    above = torch.nonzero(share[order].cumsum(0) > energy)
    return order[: int(above[0]) + 1 if len(above) else len(order)]


def attended(
    attention: torch.Tensor, hidden: torch.Tensor, user: torch.Tensor, image: torch.Tensor, energy: float = ENERGY
) -> torch.Tensor:
    """Mean layer output over the image's most attended tokens: float32 [width] (ScalSelect).

    attention [n_tokens, n_tokens], mean over heads; hidden [n_tokens, width], the layer's output; user, image bool
    [n_tokens]: text without loss, and image tokens. Zero for a row without an image.
    """
    if not image.any():
        return hidden.new_zeros(hidden.shape[1]).float()
    weights = attention[user][:, image].float().mean(0) if user.any() else hidden.new_zeros(int(image.sum())).float()
    return hidden[image].float()[most_attended(weights, energy)].mean(0)


def cross_attention(
    queries: Sequence[torch.Tensor],
    keys: Sequence[torch.Tensor],
    text: torch.Tensor,
    image: torch.Tensor,
    variant: Literal["paper", "released"] = "paper",
) -> torch.Tensor:
    """A row's text-to-image attention, summed over layers: float32 [n_text, n_image] (XMAS).

    queries, keys: per layer [n_tokens, width], all heads concatenated, before position encoding; with fewer key heads,
    each key is repeated for its queries. text, image bool [n_tokens]. No causal mask. `released` swaps queries and
    keys.
    """
    total = torch.zeros(int(text.sum()), int(image.sum()), device=queries[0].device)
    for query, key in zip(queries, keys, strict=True):
        ours, theirs = (query, key) if variant == "paper" else (key, query)
        scale = query.shape[1] ** -0.5
        products = ours[text].float() @ theirs.float().T * scale
        total += products.softmax(1)[:, image]
    return total


def grouped(keys: torch.Tensor, n_heads: int, n_key_heads: int) -> torch.Tensor:
    """Repeat the keys of grouped-query attention once per query head.

    [n_tokens, n_key_heads * d] -> [n_tokens, n_heads * d].
    """
    parts = keys.unflatten(1, (n_key_heads, -1))
    return parts.repeat_interleave(n_heads // n_key_heads, 1).flatten(1)


def largest_singular_values(matrix: torch.Tensor) -> torch.Tensor:
    """The TOP largest singular values, descending: float32 [TOP], padded with 0."""
    if not matrix.numel():
        return torch.zeros(TOP)
    values = torch.linalg.svdvals(matrix.float())[:TOP].cpu()
    return F.pad(values, (0, TOP - len(values)))
