"""Image and words that do not belong together."""

from __future__ import annotations

import numpy as np

from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import Findings

DOUBT = 0.1  # that the confidence bound does not hold (Garg et al.'s choice)


def flagged_below(own: np.ndarray, decoy: np.ndarray, precision: float) -> tuple[float, float]:
    """The log-odds up to which rows are flagged, so that about `precision` of them are mismatched; and the share of the pool that is, at most.

    own [n] are log-odds of rows with their own pictures, decoy [m] with others'. The pool is a mixture of rows that belong to their picture and rows that do not, and the
    latter are like decoys: their share is at most the least quotient of both distribution functions (Blanchard et al. 2010), taken where its upper confidence bound is
    least (Garg et al. 2021). Up to a value decoys then tell, as in target-decoy search (Elias and Gygi 2007), how many mismatched rows to expect. -inf if no value will do.
    """
    own, decoy = np.sort(own), np.sort(decoy)
    if not len(own) or not len(decoy) or own[-1] < decoy[0]:
        return -np.inf, 0.0
    count, below = np.arange(1, len(own) + 1), np.searchsorted(decoy, own, side="right") / len(decoy)
    known = below > 0
    upper = (count + np.sqrt(len(own) * np.log(2 / DOUBT) / 2))[known] / below[known]  # Dvoretzky, Kiefer and Wolfowitz's band
    share = min(1.0, float((count[known] / below[known])[upper.argmin()]) / len(own))
    enough = np.flatnonzero(share * below * len(own) >= precision * count)
    return (float(own[enough[-1]]) if len(enough) else -np.inf), share


def check(evidence: Evidence, source: np.ndarray, precision: float) -> Findings:
    """Rows whose image does not belong to their words; the score is the log-odds that it does not (`matching.log_odds`, negated), NaN without an image.

    Decoys are rows with the picture of a row of the same `source` ([n_rows]): rows go astray within a data set, and pictures of another kind are too easily told, so that
    decoys of all sources expect too few mismatches. Evidence names two other views: the cosine of image and text in a contrastive tower (CLIPScore, Hessel et al. 2021), and the visual information gain, by how many
    nats a token the row's own image makes its answer likelier than other rows' images do. For both adapters the row is new.
    """
    known, alike = np.isfinite(evidence.match), np.isfinite(evidence.decoy) & (source[evidence.other] == source)
    bound, _ = flagged_below(evidence.match[known], evidence.decoy[alike], precision)
    flag, gain = known & (evidence.match <= bound), evidence.row_mean(evidence.gain())
    said = [""] * len(flag)
    for row in np.flatnonzero(flag):
        said[row] = (
            f"log-odds {evidence.match[row]:.1f} that image and words belong together; their similarity is {evidence.similarity[row]:.2f}, "
            f"the image gains {gain[row]:.2f} nats a token"
        )
    return Findings.of(-evidence.match, flag, said)
