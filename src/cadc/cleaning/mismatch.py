"""Image and words that do not belong together."""

from __future__ import annotations

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings

DELTA, GAMMA = 0.1, 0.01  # failure probability of the bound, and its extra width (Garg et al. 2021)


def expected_precision(own: np.ndarray, decoy: np.ndarray) -> tuple[np.ndarray, float]:
    """The expected share of mismatched rows among those whose log-odds are at most a row's, float64 [n]; and an upper
    bound of their share in all rows.

    own [n] are log-odds of rows with their own pictures, decoy [m] with others'. The pool is a mixture: rows that
    belong to their picture, and mismatched rows, which are like decoys. The share of the latter is at most the least
    quotient of both distribution functions (Blanchard et al. 2010); it is read where its upper confidence bound is
    least (Garg et al. 2021, algorithm 1). As in target-decoy search (Elias and Gygi 2007), decoys below a value then
    give the number of mismatched rows to expect there. A row gets the best share of all values from its own upward (1 -
    q-value, Storey 2002). It is above 1 where decoys score even lower than mismatched rows.
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
    )  # Dvoretzky, Kiefer and Wolfowitz's, of both
    least = ((seen + band)[known] / below[known]).argmin()
    share = min(1.0, float(seen[known][least] / below[known][least]))
    expected = np.maximum.accumulate((share * below * len(own) / count)[::-1])[::-1]
    return expected[np.searchsorted(order, own)], share


def check(evidence: Evidence, source: np.ndarray, precision: float) -> Findings:
    """Rows whose image does not belong to their words: as many as leave an expected share of `precision` mismatched
    among them.

    The score is `expected_precision`'s, NaN without an image. It is computed apart for answers of 1, 2 to 3, 4 to 7,
    ... tokens: the log-odds of a caption and of a single word mean different things, and unlike kinds do not share one
    bound (Efron 2008). A decoy is a row with the picture of a row of the same `source` ([n_rows]): rows are mismatched
    within a data set, and pictures of another kind are too easy, so that decoys of all sources expect too few
    mismatches.

    Evidence gives two other views: the cosine of image and text in a contrastive tower (CLIPScore, Hessel et al. 2021),
    and the visual information gain, by how many nats a token the row's own image, rather than others, makes its answer
    likelier. Neither adapter has seen the row.
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
            f"log-odds {evidence.match[row]:.1f} that image and words belong together; "
            f"their similarity is {evidence.similarity[row]:.2f}, "
            f"the image gains {gain[row]:.2f} nats a token"
        )
    return Findings.of(score, flag, said)
