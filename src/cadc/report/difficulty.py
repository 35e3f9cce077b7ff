"""Where a selection helps, by how difficult a subtask is, and a Gaussian through it (PROGRESS, Fig. 7)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import curve_fit

from cadc.evaluation.accuracies import accuracies
from cadc.evaluation.statistics import Samples

_FEWEST = 5  # points that a fit of three numbers takes


def against_difficulty(
    better: list[Samples], worse: list[Samples], full: list[Samples]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each benchmark with several subtasks: difficulty and gain of each, float64 [n_subtasks], in percent.

    Runs of one arm each, one a seed, scored on the same samples. Difficulty is 100 less full data's accuracy; gain is
    the accuracy of `better` less that of `worse`; all are means over seeds.
    """
    mine, theirs, whole = (accuracies(runs, "subtask") for runs in (better, worse, full))
    return {
        task: (
            np.array([100 - whole[task][name] for name in own]),
            np.array([own[name] - theirs[task][name] for name in own]),
        )
        for task, own in mine.items()
    }


def gaussian(x: np.ndarray, height: float, centre: float, width: float) -> np.ndarray:
    """height * exp(-(x - centre)^2 / (2 width^2))."""
    return height * np.exp(-((x - centre) ** 2) / (2 * width**2))


def fitted(difficulty: np.ndarray, gain: np.ndarray) -> tuple[float, float, float, float] | None:
    """Height, centre and width of the Gaussian through the points by least squares, centre within 0 to 100 and width
    within 2 to 100, and R²; None where there are fewer than five points, all alike, or none is found."""
    if len(difficulty) < _FEWEST or np.ptp(difficulty) == 0 or np.ptp(gain) == 0:
        return None
    highest = int(np.argmax(np.abs(gain)))
    start = (gain[highest], np.clip(difficulty[highest], 0, 100), max(2.0, float(np.std(difficulty))))
    bounds = ([-200, 0, 2], [200, 100, 100])
    try:
        found, _ = curve_fit(gaussian, difficulty, gain, p0=start, bounds=bounds, max_nfev=20_000)
    except RuntimeError:  # no fit within so many steps
        return None
    rest = np.sum((gain - gaussian(difficulty, *found)) ** 2)
    height, centre, width = (float(value) for value in found)
    return height, centre, width, float(1 - rest / np.sum((gain - gain.mean()) ** 2))
