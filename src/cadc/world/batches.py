"""Batches for pre-training a base: scenes with their pixels, and short exchanges packed into sequences (ours).

Exchanges in a sequence don't attend to each other: the mask is block-diagonal, and positions restart with each.
"""

from __future__ import annotations

import numpy as np
import torch
from transformers import LlavaProcessor

from cadc.world.bases import END, IMAGE, USER
from cadc.world.dialect import Lexicon, Probe, cell_words, draw_probes
from cadc.world.reading import draw_text
from cadc.world.scene import Scene, draw_scene, sample_scene

_SCENES, _SCENE_SHARES = ("objects", "repeats", "text", "chart"), (0.5, 0.2, 0.22, 0.08)
Packed = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class Batches:
    """An endless source of batches for one seed and one phase of the dialect."""

    def __init__(self, processor: LlavaProcessor, lexicon: Lexicon, seed: int | list[int]):
        self.rng, self.lexicon = np.random.default_rng(seed), lexicon
        self.ids = processor.tokenizer.get_vocab()

    def scenes(self, n: int) -> tuple[list[Scene], torch.Tensor, torch.Tensor]:
        """`n` scenes, their pixels float32 [n, 3, side, side] and their cells' words, int64 [n, 9, n_groups]."""
        scenes = [sample_scene(self.rng, _SCENES[self.rng.choice(4, p=_SCENE_SHARES)]) for _ in range(n)]
        pixels = np.stack([np.asarray(draw_scene(scene, self.rng)) for scene in scenes])
        pixel_values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0  # SigLIP's mean and std 0.5
        return scenes, pixel_values, torch.from_numpy(np.stack([cell_words(scene) for scene in scenes]))

    def looking(self, scenes: list[Scene], n_probes: int, alone: float, pick: float) -> Packed:
        """Ids, labels, positions int64 [B, L] and mask bool [B, 1, L, L]: `n_probes` probes per scene, after its
        image."""
        return _stacked(
            [
                self._pack(self._picture(), draw_probes(scene, n_probes, self.lexicon, self.rng, alone, pick))
                for scene in scenes
            ]
        )

    def reading(self, n: int, n_texts: int, pictured: int = 0, untold: float = 0.0) -> Packed:
        """Like `looking`, for `n` sequences of `n_texts` texts each.

        The first `pictured` sequences start with an image; a share `untold` of their texts describes no scene.
        """
        texts = [[draw_text(self.rng, untold if i < pictured else 0.0) for _ in range(n_texts)] for i in range(n)]
        return _stacked(
            [self._pack(self._picture(), own) for own in texts[:pictured]]
            + [self._pack([], [([USER, *asked], given) for asked, given in own]) for own in texts[pictured:]]
        )

    def _picture(self) -> list[int]:
        return [self.ids[USER]] + [self.ids[IMAGE]] * 9

    def _pack(self, prefix: list[int], exchanges: list[Probe]) -> tuple[list[int], list[int], list[int], list[int]]:
        """Ids, labels, positions and blocks of one sequence; all blocks attend to the prefix, block 0."""
        ids, labels = list(prefix), [-100] * len(prefix)
        positions, blocks = list(range(len(prefix))), [0] * len(prefix)
        for block, (question, answer) in enumerate(exchanges, 1):
            asked = [self.ids[word] for word in question]
            given = [self.ids[word] for word in answer] + [self.ids[END]]
            ids += asked + given
            labels += [-100] * len(asked) + given
            positions += range(len(prefix), len(prefix) + len(asked) + len(given))
            blocks += [block] * (len(asked) + len(given))
        return ids, labels, positions, blocks


def _stacked(rows: list[tuple[list[int], list[int], list[int], list[int]]]) -> Packed:
    length = max(len(row[0]) for row in rows)
    ids, labels, positions, blocks = (
        torch.tensor([row[k] + [fill] * (length - len(row[0])) for row in rows])
        for k, fill in enumerate((0, -100, 0, -1))
    )
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = (blocks[:, :, None] == blocks[:, None, :]) | (blocks[:, None, :] == 0)
    return ids, labels, positions, (causal & same)[:, None]
