"""Gain of a selection against subtask difficulty, with a fitted Gaussian (PROGRESS, Fig. 7)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import curve_fit

from cadc.evaluation.accuracies import accuracies
from cadc.evaluation.statistics import Samples

_FEWEST = 5  # points needed to fit three parameters


def against_difficulty(
    better: list[Samples], worse: list[Samples], full: list[Samples]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Difficulty and gain per subtask, both float64 [n_subtasks] in percent, for each benchmark with several subtasks.

    Each argument holds the runs of one arm, one per seed, scored on the same samples. Difficulty is 100 minus the
    accuracy of full data. Gain is the accuracy of `better` minus that of `worse`. All are means over seeds.
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
    """Least-squares fit of a Gaussian: height, centre (0 to 100), width (2 to 100) and R².

    None for fewer than five points, constant input, or if the fit does not converge.
    """
    if len(difficulty) < _FEWEST or np.ptp(difficulty) == 0 or np.ptp(gain) == 0:
        return None
    highest = int(np.argmax(np.abs(gain)))
    start = (gain[highest], np.clip(difficulty[highest], 0, 100), max(2.0, float(np.std(difficulty))))
    bounds = ([-200, 0, 2], [200, 100, 100])
    try:
        found, _ = curve_fit(gaussian, difficulty, gain, p0=start, bounds=bounds, max_nfev=20_000)
    except RuntimeError:  # did not converge
        return None
    rest = np.sum((gain - gaussian(difficulty, *found)) ** 2)
    height, centre, width = (float(value) for value in found)
    return height, centre, width, float(1 - rest / np.sum((gain - gain.mean()) ** 2))
