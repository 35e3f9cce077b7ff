"""PROGRESS before its first round: the warm-up, and the plan by which training goes on."""

import numpy as np
import pytest
from test_every_selector import SELECT, make_signal

from cadc.config.plan import Plan
from cadc.selectors.progress import Params, measure, plan, select
from cadc.selectors.shared.transfer_density import cluster_shares

PARAMS = Params(**SELECT["progress"])


@pytest.mark.parametrize("n", [0, 1, 20, 60])
def test_the_warm_up_is_its_share_of_the_budget_by_coincide_s_rule(n):
    clustered = measure(make_signal("generic"), PARAMS)
    rows = select(clustered, n, PARAMS, np.random.default_rng(0)).row
    assert len(set(rows.tolist())) == len(rows) == round(0.45 * n)
    sizes = np.array([len(each) for each in clustered.fine.rows])
    shares = cluster_shares(clustered.fine.score, sizes, len(rows), PARAMS.warm_up_temperature, "paper")
    assert [np.isin(each, rows).sum() for each in clustered.fine.rows] == shares.tolist()


@pytest.mark.parametrize("objective", ["loss", "accuracy"])
def test_the_plan_is_the_schedule_s_part_of_the_parameters(objective):
    params = Params(**(SELECT["progress"] | {"objective": objective, "gap": 0.2}))
    made, cluster = plan(measure(make_signal("generic"), params), params)
    assert isinstance(made, Plan) and made.objective == objective and made.gap == 0.2
    assert made.model_dump() == {name: getattr(params, name) for name in Plan.model_fields}
    assert cluster.shape == (60,) and cluster.max() < params.clusters


def test_the_objective_changes_no_row_of_the_warm_up():
    other = Params(**(SELECT["progress"] | {"objective": "accuracy"}))
    given = make_signal("generic")
    first, second = (select(measure(given, p), 40, p, np.random.default_rng(0)).row for p in (PARAMS, other))
    assert first.tolist() == second.tolist()


def test_no_answer_is_known_to_the_clusters():
    given = make_signal("generic")
    changed = {**given.arrays, "text": -given["text"], "words": given["words"] + 1}
    first, second = (measure(s, PARAMS) for s in (given, type(given)(given.n_rows, given.task, changed)))
    assert np.array_equal(first.tracked, second.tracked) and np.array_equal(first.fine.score, second.fine.score)


@pytest.mark.parametrize("change", [{"objective": "f1"}, {"judge_url": "http://127.0.0.1", "judge_model": "m"}])
def test_a_judge_grades_accuracy_alone(change):
    with pytest.raises(ValueError):
        Params(**(SELECT["progress"] | change))
