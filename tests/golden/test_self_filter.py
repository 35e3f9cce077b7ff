"""Self-Filter's second stage against its authors' `dist_filter`: RayRuiboChen/Self-Filter ace4618, seeded features."""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors import self_filter
from cadc.selectors.signal import Signal

GOLDEN = np.load(Path(__file__).parent / "self_filter" / "dist_filter.npz")


@pytest.mark.parametrize("case", ["gamma1_k10", "gamma0.5_k5", "signed_difficulty"])
def test_picks_and_remaining_difficulty(case):
    signal = Signal(600, np.zeros(600), {"features": GOLDEN["features"], "difficulty": GOLDEN[f"{case}_difficulty"]})
    k, gamma = int(GOLDEN[f"{case}_k_nearest"]), float(GOLDEN[f"{case}_gamma"])
    measured = self_filter.measure(
        signal, self_filter.Params(neighbors=k, gamma=gamma, variant="released", exact_rows=600)
    )
    difficulty = measured.difficulty.copy()
    order = self_filter.pick_order(
        difficulty, measured.unit, measured.index, measured.cosine, k, gamma, int(GOLDEN[f"{case}_filter_num"])
    )
    assert order.tolist() == GOLDEN[f"{case}_pick_order"].tolist()
    difficulty[order] = np.nan
    np.testing.assert_allclose(difficulty, GOLDEN[f"{case}_remaining_difficulty"], rtol=1e-4, atol=1e-5)


def test_the_paper_s_picks_do_not_depend_on_a_constant_in_the_difficulty():
    def picks(shift, variant):
        signal = Signal(
            600, np.zeros(600), {"features": GOLDEN["features"], "difficulty": GOLDEN["gamma1_k10_difficulty"] + shift}
        )
        params = self_filter.Params(neighbors=10, gamma=1.0, variant=variant, exact_rows=600)
        return set(
            self_filter.select(self_filter.measure(signal, params), 150, params, np.random.default_rng(0)).row.tolist()
        )

    assert picks(0.0, "paper") == picks(-4.0, "paper") and picks(0.0, "released") != picks(-4.0, "released")
