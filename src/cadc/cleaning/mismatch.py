"""Find rows whose image and text do not belong together."""

from __future__ import annotations

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings

DELTA, GAMMA = 0.1, 0.01  # failure probability of the bound, and its extra width (Garg et al. 2021)
#: The highest bound on the share of mismatched rows that is believed (ours). Where the model does not tell right images
#: from others, or rows are few, the bound is near 1 and every row would be flagged.
BELIEVED = 0.5


def expected_precision(own: np.ndarray, decoy: np.ndarray) -> tuple[np.ndarray, float]:
    """For each row, the expected share of mismatched rows among those with log-odds at most as high, float64 [n]; and
    an upper bound on the share of mismatched rows in the pool.

    own [n]: log-odds of rows with their own images; decoy [m]: with other rows' images. The pool is a mixture of
    matched rows and of mismatched rows, which look like decoys. The share of the latter is at most the minimum ratio of
    the two distribution functions (Blanchard et al. 2010), taken where its upper confidence bound is lowest (Garg et
    al. 2021, algorithm 1). As in target-decoy search (Elias and Gygi 2007), the decoys below a value then give the
    expected number of mismatched rows below it. A row gets the best share over all values from its own upward (1 -
    q-value, Storey 2002). The share exceeds 1 where decoys score even lower than mismatched rows.
    """
    order, sorted_decoy = np.sort(own), np.sort(decoy)
    if not len(own) or not len(decoy) or order[-1] < sorted_decoy[0]:
        return np.zeros(len(own)), 0.0
    count, below = (
        np.searchsorted(order, order, side="right"),
        np.searchsorted(sorted_decoy, order, side="right") / len(decoy),
    )
    known = below > 0
    seen = count / len(own)
    band = (1 + GAMMA) * sum(
        np.sqrt(np.log(4 / DELTA) / (2 * n)) for n in (len(own), len(decoy))
    )  # Dvoretzky-Kiefer-Wolfowitz bands of both
    least = ((seen + band)[known] / below[known]).argmin()
    share = min(1.0, float(seen[known][least] / below[known][least]))
    expected = np.maximum.accumulate((share * below * len(own) / count)[::-1])[::-1]
    return expected[np.searchsorted(order, own)], share


def check(evidence: Evidence, source: np.ndarray, precision: float) -> Findings:
    """Rows whose image does not match their text, flagged as far as the expected share of mismatched rows among them
    stays at least `precision`.

    The score is `expected_precision`'s. It is NaN without an image, without decoys, or where its bound exceeds
    BELIEVED. It is computed separately for answers of 1, 2 to 3, 4 to 7, ... tokens, because the log-odds of a caption
    and of a single word are not comparable, and unlike kinds should not share one bound (Efron 2008). A decoy is a row
    with the image of a row of the same `source` ([n_rows]): rows are mismatched within a data set, and images from
    other sources are too easy, so such decoys would underestimate mismatches.

    The evidence text gives two other views: the cosine of image and text in a contrastive tower (CLIPScore, Hessel et
    al. 2021), and the visual information gain per token. Neither model has seen the row.
    """
    known, alike = np.isfinite(evidence.match), np.isfinite(evidence.decoy) & (source[evidence.other] == source)
    score, doublings = np.full(len(known), np.nan), np.log2(np.maximum(np.diff(evidence.bounds), 1)).astype(int)
    for kind in np.unique(doublings[known]):
        at = known & (doublings == kind)
        decoys = evidence.decoy[:, at][alike[:, at]]
        expected, share = expected_precision(evidence.match[at], decoys)
        if len(decoys) and share <= BELIEVED:
            score[at] = expected
    flag, gain = score >= precision, evidence.row_mean(evidence.gain())
    said = [""] * len(flag)
    for row in np.flatnonzero(flag):
        said[row] = (
            f"log-odds {evidence.match[row]:.1f} that image and text match; "
            f"their similarity is {evidence.similarity[row]:.2f}, "
            f"and the image adds {gain[row]:.2f} nats per token"
        )
    return Findings.of(score, flag, said)
