"""ICONS against its authors' output: princetonvisualai/icons b8ce8c8, on unit gradients of 2,000 rows and ten tasks."""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors.icons import Params, select, task_scores, votes

PERCENTS = (20, 10, 5)


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(Path(__file__).parent / "icons" / "icons_vote.npz"))


def test_mean_cosines_of_a_task(golden):
    names = [
        name for name in golden["task_names_column_order"].tolist() if name != "mme"
    ]  # released, MME's rows are not normalised
    train = golden["train_features"]
    halves = [
        part for name in names for part in np.array_split(golden[f"val_{name}"], [len(golden[f"val_{name}"]) // 3])
    ]  # two subtasks a task
    products = np.stack([train @ part.mean(0) for part in halves], 1)
    task = np.repeat(np.arange(len(names)), 2)
    scores = task_scores(products, np.ones(len(train)), task, np.array([len(part) for part in halves]))
    columns = [golden["task_names_column_order"].tolist().index(name) for name in names]
    np.testing.assert_allclose(scores, golden["mean_scores_matrix"][:, columns], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("percent", PERCENTS)
def test_votes_and_what_they_decide(golden, percent):
    scores = golden["mean_scores_matrix"]
    np.testing.assert_allclose(
        np.quantile(scores, 1 - percent / 100, axis=0), golden[f"thresholds_{percent}"], rtol=1e-4
    )
    made = votes(scores, percent / 100)
    assert made.tolist() == golden[f"votes_{percent}"].tolist()
    n, boundary = len(scores) * percent // 100, int(golden[f"boundary_vote_{percent}"])
    rows = select(scores, n, Params(snapshot=0), np.random.default_rng(0)).row
    assert (
        set(rows) >= set(np.flatnonzero(made > boundary))
        and made[rows].min() == boundary == made[golden[f"selected_{percent}"]].min()
    )
    assert np.array_equal(
        np.sort(made[rows]), np.sort(made[golden[f"selected_{percent}"]])
    )  # beyond that the released choice is arbitrary
    tied, left = np.flatnonzero(made == boundary), scores.mean(1)
    taken = np.isin(tied, rows)
    assert left[tied[taken]].min() >= left[tied[~taken]].max()


def test_a_zero_gradient_gets_no_say():
    scores = task_scores(np.array([[0.0, 0.0], [1.0, 3.0]]), np.array([0.0, 2.0]), np.array([0, 0]), np.array([1, 3]))
    assert scores.tolist() == [[0.0], [1.25]]
