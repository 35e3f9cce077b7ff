"""`crossfit`'s evidence on each answer token, by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadc import artifacts
from cadc.config.errors import InputError


@dataclass(frozen=True)
class Evidence:
    """Arrays of the artifact crossfit/. Row r's answer tokens are those from bounds[r] to bounds[r + 1].

    bounds int64 [n_rows + 1]. similarity, match float32 [n_rows] and decoy float32 [draws, n_rows]
    (`picture_match.matched`), NaN without an image. other int64 [draws, n_rows]: the row whose image a decoy shows, -1
    without an image. A row that does not fit the model has fold -1, no tokens and no image here. token, likeliest
    int32, nll, likeliest_nll, entropy, blind_nll float32 [n_tokens], in nats.
    """

    bounds: np.ndarray
    fold: np.ndarray
    similarity: np.ndarray
    match: np.ndarray
    other: np.ndarray
    decoy: np.ndarray
    token: np.ndarray
    likeliest: np.ndarray
    nll: np.ndarray
    likeliest_nll: np.ndarray
    entropy: np.ndarray
    blind_nll: np.ndarray

    def tokens(self, row: int | np.integer) -> slice:
        return slice(int(self.bounds[row]), int(self.bounds[row + 1]))

    def row_mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over each row's answer tokens: [n_tokens] -> float64 [n_rows], NaN without tokens or if one is NaN."""
        sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values, nan=0.0), dtype=np.float64)])
        counts, missing = np.diff(self.bounds), np.concatenate([[0], np.cumsum(np.isnan(values))])
        clear = (np.diff(missing[self.bounds]) == 0) & (counts > 0)
        return np.where(clear, np.diff(sums[self.bounds]) / np.maximum(counts, 1), np.nan)

    def gain(self) -> np.ndarray:
        """Visual information gain of each answer token, float32 [n_tokens]: by how many nats its own image makes it
        likelier than other images do.
        """
        return self.blind_nll - self.nll


def load_evidence() -> Evidence:
    """The evidence written by `crossfit`. Raises InputError if it has not run."""
    if not artifacts.CROSSFIT.is_dir():
        raise InputError(f"{artifacts.CROSSFIT}: no such folder; run `dvc repro pipelines/cleaning/dvc.yaml:crossfit`")
    return Evidence(**artifacts.load_arrays(artifacts.CROSSFIT))
