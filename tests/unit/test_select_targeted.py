"""Targeted selection: each view retrieves by its own lists, and targets share the budget."""

import numpy as np
import pytest
from pydantic import ValidationError

from cadc.selectors.shared.retrieval import Aim, PoolViews, by_max, by_sum, by_view, predicted, round_robin
from cadc.selectors.signal import Signal
from cadc.selectors.targeted import Params, by_product, measure, select

N = 80
TARGETS = np.array(["pope/pope", "mmt_val/ocr", "mmt_val/counting", "pope/pope", "mmt_val/ocr"])


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def signal(seed=0):
    rng = np.random.default_rng(seed)
    arrays = {"concept": unit(rng.normal(size=(N, 4))), "skill": unit(rng.normal(size=(N, 5)))}
    arrays |= {"probe_concept": unit(rng.normal(size=(5, 4))), "probe_skill": unit(rng.normal(size=(5, 5)))}
    return Signal(N, np.array(["a"] * N), arrays | {"probe_target": TARGETS})


def rows_of(given, n, view, targets=("mmt_val", "pope"), lower="concept"):
    params = Params(view=view, targets=list(targets), lower=lower)
    return select(measure(given, params), n, params, np.random.default_rng(0)).row


def aims(given, targets=("mmt_val", "pope")):
    pool = PoolViews.of(given["concept"], given["skill"])
    which = [np.char.startswith(TARGETS, target) for target in targets]
    return [Aim(pool, given["probe_concept"][rows], given["probe_skill"][rows]) for rows in which]


LISTS = {
    "concept": lambda aim: [by_view(aim.pool.concept, aim.concept_queries)],
    "skill": lambda aim: [by_view(aim.pool.skill, aim.skill_queries)],
    "sum": lambda aim: [by_sum(aim.pool.both, aim.concept_queries, aim.skill_queries)],
    "max": lambda aim: [by_max(aim.pool.concept, aim.pool.skill, aim.concept_queries, aim.skill_queries)],
    "product": lambda aim: [by_product(aim.pool, aim.concept_queries, aim.skill_queries)],
    "split": lambda aim: LISTS["concept"](aim) + LISTS["skill"](aim),
}


@pytest.mark.parametrize("view", LISTS)
@pytest.mark.parametrize("n", [1, 20, 80])
def test_a_view_retrieves_by_its_lists(view, n):
    given = signal()
    expected = round_robin([LISTS[view](aim) for aim in aims(given)], n, N)
    assert set(rows_of(given, n, view).tolist()) == set(expected.tolist())


@pytest.mark.parametrize("lower", ["concept", "skill"])
@pytest.mark.parametrize("seed", range(4))
def test_auto_takes_for_each_target_the_view_that_mutual_ranking_predicts(lower, seed):
    given = signal(seed)
    views = [predicted(*aim.ranks(), lower) for aim in aims(given)]
    expected = round_robin([LISTS[view](aim) for view, aim in zip(views, aims(given), strict=True)], 20, N)
    assert set(rows_of(given, 20, "auto", lower=lower).tolist()) == set(expected.tolist())
    if views[0] == views[1]:
        assert set(rows_of(given, 20, views[0]).tolist()) == set(expected.tolist())


def test_half_of_split_is_nearest_by_concept_and_half_by_skill():
    given = signal()
    near = [given["concept"] @ given["probe_concept"][2], given["skill"] @ given["probe_skill"][2]]
    rows = rows_of(given, 2, "split", targets=["mmt_val/counting"])
    by_concept = int(np.argmax(near[0]))
    by_skill = next(row for row in np.argsort(-near[1], kind="stable").tolist() if row != by_concept)
    assert set(rows.tolist()) == {by_concept, by_skill}


@pytest.mark.parametrize("targets", [["pope", "pope"], ["mmt_val", "mmt_val/ocr"], ["mmt_val/ocr", "pope", "mmt_val"]])
def test_a_target_that_is_part_of_another_is_refused(targets):
    with pytest.raises(ValidationError, match="its rows would count twice"):
        Params(view="concept", targets=targets, lower="concept")


def test_by_the_product_neither_view_makes_up_for_the_other():
    concept = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    skill = np.array([[0, 1], [1, 0], [0.8, 0.6]], np.float32)
    query = np.array([[1, 0]], np.float32)
    first = {
        view: round_robin([LISTS[view](Aim(PoolViews.of(concept, skill), query, query))], 1, 3)[0]
        for view in ("max", "product")
    }
    assert first == {"max": 0, "product": 2}
