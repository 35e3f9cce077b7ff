"""Image and words that do not belong together."""

from __future__ import annotations

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings, robust_z


def check(evidence: Evidence, z: float) -> Findings:
    """Rows whose image fits their words badly in two views; the score is how many robust standard deviations below the pool's medians both are, summed.

    The views: cosine of image and text in a contrastive tower (CLIPScore, Hessel et al. 2021), and the visual information gain, by how
    many nats a token the row's own image makes its answer likelier than other rows' images do, for a model that never saw the row. NaN without an image.
    """
    gain = evidence.row_mean(evidence.gain())
    away = -np.stack([robust_z(evidence.similarity.astype(np.float64)), robust_z(gain)])
    score = away.sum(0)
    flag = score > z
    said = [""] * len(flag)
    for row in np.flatnonzero(flag):
        said[row] = f"image-text similarity {evidence.similarity[row]:.2f}, the image gains {gain[row]:.2f} nats a token"
    return Findings.of(score, flag, said)
