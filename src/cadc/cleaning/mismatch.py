"""Image and words that do not belong together."""

from __future__ import annotations

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings

DOUBT, GAMMA = 0.1, 0.01  # that the confidence bound does not hold, and how much wider it is (Garg et al. 2021)


def expected_precision(own: np.ndarray, decoy: np.ndarray) -> tuple[np.ndarray, float]:
    """How many mismatched rows to expect among those up to a row's log-odds, by their number, float64 [n]; and the share of all rows that is mismatched, at most.

    own [n] are log-odds of rows with their own pictures, decoy [m] with others'. The pool is a mixture of rows that belong to their picture and rows that do not, and the
    latter are like decoys: their share is at most the least quotient of both distribution functions (Blanchard et al. 2010), taken where its upper confidence bound is
    least (Garg et al. 2021, algorithm 1). Up to a value decoys then tell, as in target-decoy search (Elias and Gygi 2007), how many mismatched rows to expect. A row counts as what the
    best value from its own upward gives (1 - q-value, Storey 2002); above 1 where decoys go astray further than mismatched rows do.
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
        np.sqrt(np.log(4 / DOUBT) / (2 * n)) for n in (len(own), len(decoy))
    )  # Dvoretzky, Kiefer and Wolfowitz's, of both
    least = ((seen + band)[known] / below[known]).argmin()
    share = min(1.0, float(seen[known][least] / below[known][least]))
    expected = np.maximum.accumulate((share * below * len(own) / count)[::-1])[::-1]
    return expected[np.searchsorted(order, own)], share


def check(evidence: Evidence, source: np.ndarray, precision: float) -> Findings:
    """Rows whose image does not belong to their words, so many of which as `precision` says are expected to be mismatched; the score is `expected_precision`'s, NaN
    without an image.

    It is taken apart for answers of 1, 2 to 3, 4 to 7, ... tokens: what the log-odds of a caption and of a single word mean differs, and kinds that differ are not to be
    judged by one bound (Efron 2008). Decoys are rows with the picture of a row of the same `source` ([n_rows]): rows go astray within a data set, and pictures of another
    kind are too easily told, so that decoys of all sources expect too few mismatches. Evidence names two other views: the cosine of image and text in a contrastive tower
    (CLIPScore, Hessel et al. 2021), and the visual information gain, by how many nats a token the row's own image makes its answer likelier than other rows' images do. For
    both adapters the row is new.
    """
    known, alike = np.isfinite(evidence.match), np.isfinite(evidence.decoy) & (source[evidence.other] == source)
    score, doublings = np.full(len(known), np.nan), np.log2(np.maximum(np.diff(evidence.bounds), 1)).astype(int)
    for kind in np.unique(doublings[known]):
        at = known & (doublings == kind)
        score[at], _ = expected_precision(evidence.match[at], evidence.decoy[:, at][alike[:, at]])
    flag, gain = known & (score >= precision), evidence.row_mean(evidence.gain())
    said = [""] * len(flag)
    for row in np.flatnonzero(flag):
        said[row] = (
            f"log-odds {evidence.match[row]:.1f} that image and words belong together; their similarity is {evidence.similarity[row]:.2f}, "
            f"the image gains {gain[row]:.2f} nats a token"
        )
    return Findings.of(score, flag, said)
