"""VisNec against its authors' output: DMK041218/VisNec f0a4e9d, scripts/task_distribution.py."""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors.shared.kmeans import members
from cadc.selectors.visnec import Needs, Params, ranked, released_counts, select

CASES = ("select_k20_r0.15_seed0", "select_k120_r0.05_nan_seed2")


def golden(case):
    return dict(np.load(Path(__file__).parent / "visnec" / f"{case}.npz"))


@pytest.mark.parametrize("case", CASES)
def test_rows_of_each_cluster_and_their_number(case):
    made = golden(case)
    need = made["loss_text"] - made["loss_multimodal"]
    np.testing.assert_allclose(np.round(need, 6), made["score_as_written"], atol=1e-9)
    counts = released_counts(made["cluster_size"], float(made["ratio"]))
    assert counts.tolist() == made["per_cluster"].tolist()
    rows = ranked(made["score_as_written"], made["cluster"], np.arange(len(need)))
    chosen = np.sort(np.concatenate([own[:k] for own, k in zip(rows, counts, strict=True)]))
    assert chosen.tolist() == made["selected_rows"].tolist()


def test_a_budget_is_met_exactly_and_a_cluster_s_share_is_its_size():
    made = golden("select_k20_r0.15_seed0")
    shows = np.ones(1600, bool)
    needs = Needs(made["score_as_written"], ranked(made["score_as_written"], made["cluster"], np.arange(1600)), shows)
    exact, released = (
        select(needs, 240, Params(clusters=20, seed=42, variant=variant), np.random.default_rng(0)).row
        for variant in ("paper", "released")
    )
    assert len(np.unique(exact)) == len(np.unique(released)) == 240 and set(made["selected_rows"]) <= set(released)
    counts = np.bincount(made["cluster"][exact], minlength=20)
    assert (np.abs(counts - 0.15 * made["cluster_size"]) < 1).all()
    for own in members(made["cluster"], 20):
        taken = np.isin(own, exact)
        assert made["score_as_written"][own[taken]].min() >= np.nanmax(made["score_as_written"][own[~taken]])
