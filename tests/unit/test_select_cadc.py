"""CADC: the paper's rule, computed here once more in plain Python."""

from fractions import Fraction

import numpy as np
import pytest

from cadc.selectors import cadc, influence_coverage
from cadc.selectors.signal import Signal

N, K = 200, 3


def signal(seed=0, coarse=False):
    """Influence and self-influence alone; `coarse` has many ties."""
    rng = np.random.default_rng(seed)
    influence = rng.normal(size=(N, K))
    influence = np.round(influence) if coarse else influence
    self_influence = rng.uniform(size=(4, N)) * np.where(influence.argmax(1) == 1, 5, 1)
    arrays = {"influence": influence.astype(np.float32), "self_influence": self_influence.astype(np.float32)}
    return Signal(N, np.array(["a"] * N), arrays)


def select(given, n, delta=0.1, seed=0):
    return cadc.select(given, n, cadc.Params(delta=delta), np.random.default_rng(seed))


def shared(weights, rooms, total):
    """Whole shares of `total` by largest remainder; what a full group can't take goes to the others in proportion."""
    weights = [Fraction(weight) for weight in weights]
    order = sorted(range(len(weights)), key=lambda c: rooms[c] / weights[c])
    for n_full in range(len(weights) + 1):
        full, others = order[:n_full], order[n_full:]
        left, whole = total - sum(rooms[c] for c in full), sum(weights[c] for c in others)
        if all(weights[c] * left <= rooms[c] * whole for c in others):
            break
    exact = {c: weights[c] / whole * left for c in others}
    shares = [rooms[c] if c in full else int(exact[c]) for c in range(len(weights))]
    for c in sorted(others, key=lambda c: (shares[c] - exact[c], c))[: total - sum(shares)]:
        shares[c] += 1
    return shares


def by_the_formula(given, n, delta):
    """{row: capability} by the paper: who serves what, mean self-influence as budget, the most influential first."""
    influence, self_influence = given["influence"], given["self_influence"].astype(float)
    highest = influence.max(1)
    serves = [[z for z in range(N) if influence[z, c] >= highest[z] - np.float32(delta)] for c in range(K)]
    weights = [np.mean([self_influence[:, z].mean() for z in rows]) for rows in serves]
    rooms = [len(rows) for rows in serves]
    shares = shared(weights, rooms, n) if n < sum(rooms) else rooms
    chosen, left_over = {}, 0
    for c in range(K):
        free = sorted((z for z in serves[c] if z not in chosen), key=lambda z: (-influence[z, c], z))
        own = free[: shares[c] + left_over]
        left_over += shares[c] - len(own)
        chosen |= dict.fromkeys(own, c)
    free = sorted((z for z in range(N) if z not in chosen), key=lambda z: (-highest[z], z))
    return chosen | dict.fromkeys(free[:left_over], K - 1)


@pytest.mark.parametrize("n", [1, 10, 57, 150, 199, 200])
@pytest.mark.parametrize("delta", [0.0, 0.3, 100.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("coarse", [False, True])
def test_rows_and_capabilities_are_those_of_the_formula(n, delta, seed, coarse):
    given = signal(seed, coarse)
    made = select(given, n, delta)
    assert dict(zip(made.row.tolist(), made.capability.tolist(), strict=True)) == by_the_formula(given, n, delta)
    assert len(made) == n and set(made.stage.tolist()) <= {0} and (made.weight == 1).all()


def test_budgets_follow_mean_self_influence():
    influence = np.repeat([[1, 0], [0, 1]], 50, axis=0).astype(np.float32)
    self_influence = np.repeat([1.0, 2.0], 50)[None].astype(np.float32)
    given = Signal(100, np.array(["a"] * 100), {"influence": influence, "self_influence": self_influence})
    assert np.bincount(select(given, 30).capability).tolist() == [10, 20]
    assert np.bincount(select(given, 90).capability).tolist() == [40, 50]


def test_scaling_all_gradients_changes_no_selection():
    given = signal()
    scaled = {"influence": given["influence"], "self_influence": 64 * given["self_influence"]}  # influence is a cosine
    assert select(given, 60).row.tolist() == select(Signal(N, given.task, scaled), 60).row.tolist()


def test_our_method_with_the_paper_s_choices_is_cadc():
    given = signal()
    params = influence_coverage.Params(delta=0.1, budget_rule="self_influence", pick="top", keep=0.25)
    ours = influence_coverage.select(given, 60, params, np.random.default_rng(0))
    made = select(given, 60)
    assert all(np.array_equal(getattr(made, f), getattr(ours, f)) for f in ("row", "weight", "capability", "stage"))


@pytest.mark.parametrize("section", [{"delta": -1}, {}, {"delta": 0, "pick": "diverse"}])
def test_nothing_but_a_tolerance_can_be_set(section):
    with pytest.raises(ValueError):
        cadc.Params(**section)
