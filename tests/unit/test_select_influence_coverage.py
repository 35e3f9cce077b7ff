"""Influence coverage (ours): budgets by rule, subtasks covered, doubtful rows left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.capabilities.attribution import affinity, capability_influence, purity
from cadc.curation.attribution import attribute
from cadc.selectors.influence_coverage import Params, budget_weights, select
from cadc.selectors.signal import Signal

PICKS = ("diverse", "top", "weighted")
PARAMS = Params(delta=0.0, budget_rule="targets", pick="diverse", keep=0.25)


def signal(n=200, k=3, seed=0, constant=False):
    """Two subtasks a capability."""
    rng = np.random.default_rng(seed)
    influence = np.zeros((n, k), np.float32) if constant else rng.normal(size=(n, k)).astype(np.float32)
    about = np.repeat(influence, 2, axis=1) + rng.normal(size=(n, 2 * k)).astype(np.float32) * (not constant)
    arrays = {
        "influence": influence,
        "affinity": about,
        "purity": rng.normal(size=(n, 2 * k)).astype(np.float32) * (not constant),
        "capability": np.repeat(np.arange(k, dtype=np.int32), 2),
        "weight": np.ones(2 * k),
        "self_influence": rng.uniform(size=(4, n)).astype(np.float32),
    }
    return Signal(n, np.array(["a"] * n), arrays)


def rows_of(given, n, seed=0, **changes):
    return select(given, n, PARAMS.model_copy(update=changes), np.random.default_rng(seed))


@pytest.mark.parametrize("pick", PICKS)
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 200),
    k=st.integers(1, 6),
    constant=st.booleans(),
    delta=st.sampled_from([0.0, 0.1, 100.0]),
    rule=st.sampled_from(["targets", "self_influence", "pool", "equal"]),
    keep=st.sampled_from([0.01, 0.25, 1.0]),
)
def test_every_pick_fills_the_budget_exactly(pick, n, k, constant, delta, rule, keep):
    made = rows_of(signal(k=k, constant=constant), n, pick=pick, delta=delta, budget_rule=rule, keep=keep)
    assert len(made) == made.n_unique == n and set(made.stage.tolist()) <= {0}


def test_a_budget_is_in_proportion_to_what_its_rule_names():
    influence = np.repeat([[1, 0], [0, 1]], [20, 40], axis=0).astype(np.float32)
    arrays = {
        "influence": influence,
        "self_influence": np.repeat([[1.0, 3.0], [1.0, 1.0]], [20, 40], axis=1),
        "capability": np.array([0, 0, 1], np.int32),
        "weight": np.array([1.0, 3.0, 1.0]),
    }
    given = Signal(60, np.array(["a"] * 60), arrays)
    serves = attribute(influence, 0.0)
    expected = {"self_influence": [1, 2], "targets": [4, 1], "pool": [20, 40], "equal": [1, 1]}
    assert {rule: budget_weights(given, serves, rule).tolist() for rule in expected} == expected
    counts = {rule: np.bincount(rows_of(given, 15, pick="top", budget_rule=rule).capability) for rule in expected}
    assert {rule: count.tolist() for rule, count in counts.items()} == {
        "self_influence": [5, 10],
        "targets": [12, 3],
        "pool": [5, 10],
        "equal": [8, 7],
    }


def test_of_each_subtask_only_the_purest_share_is_taken():
    given = signal()
    own, rank = given["affinity"].argmax(1), np.empty(200, int)
    for s in range(6):
        mine = np.flatnonzero(own == s)
        rank[mine[np.argsort(-given["purity"][mine, s])]] = np.arange(len(mine))
    one = Signal(
        200, given.task, {**given.arrays, "capability": np.zeros(6, np.int32), "influence": np.zeros((200, 1))}
    )
    taken = rows_of(one, 40).row
    assert (rank[taken] < np.ceil(0.25 * np.bincount(own)[own[taken]])).all()
    assert (np.abs(np.bincount(own[taken], minlength=6) - 40 / 6) < 1).all()  # every subtask counts alike


@pytest.mark.parametrize("pick", ["top", "diverse"])
def test_permuting_the_pool_permutes_the_selection_and_nothing_else(pick):
    given, order = signal(), np.random.default_rng(5).permutation(200)
    by_row = {name: given[name][order] for name in ("influence", "affinity", "purity")} | {
        "self_influence": given["self_influence"][:, order]
    }
    moved = Signal(200, given.task[order], {**given.arrays, **by_row})
    rows, again = (set(rows_of(g, 60, pick=pick).row.tolist()) for g in (given, moved))
    assert rows == {int(order[row]) for row in again}


def test_scaling_all_gradients_changes_no_selection():
    rng, gram = np.random.default_rng(9), np.repeat(np.eye(6)[None], 2, 0)
    influence, norm, self_influence = (
        rng.normal(size=(2, 200, 6)),
        rng.uniform(1, 2, size=(2, 200)),
        rng.uniform(size=(2, 200)),
    )
    capability = np.array([0, 0, 0, 1, 1, 2], np.int32)

    def rows(scale):
        about = affinity(scale * influence, scale * norm, gram, np.ones(2))
        clean = purity(scale * influence, scale * norm, gram)
        on = capability_influence(scale * influence, scale * norm, gram, np.ones(2), capability, True)
        arrays = {"influence": on, "affinity": about, "purity": clean, "capability": capability, "weight": np.ones(6)}
        arrays["self_influence"] = (scale**2 * self_influence).astype(np.float32)
        given = Signal(200, np.array(["a"] * 200), arrays)
        return [rows_of(given, 60, pick=pick, budget_rule="self_influence").row.tolist() for pick in PICKS]

    assert rows(1.0) == rows(8.0)


def test_seeds_change_the_order_and_a_weighted_pick():
    given = signal()
    first, second = (rows_of(given, 60, seed).row for seed in (0, 1))
    assert first.tolist() != second.tolist() and set(first.tolist()) == set(second.tolist())
    drawn = [set(rows_of(given, 60, seed, pick="weighted").row.tolist()) for seed in (0, 1)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    "change", [{"delta": -1}, {"budget_rule": "random"}, {"pick": "best"}, {"keep": 0}, {"tau": 1}]
)
def test_values_out_of_range_are_refused(change):
    with pytest.raises(ValueError):
        Params(**(PARAMS.model_dump() | change))
