"""ScalSelect against its authors' output: ChangtiWu/ScalSelect 74375d3, cur.py and select_sharegpt.py."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from cadc.features.attention import attended, most_attended
from cadc.selectors.scalselect import Leverage, Params, leverages, measure, select
from cadc.selectors.signal import Signal

SCORES, ATTENTION = (
    dict(np.load(Path(__file__).parent / "scalselect" / f"{name}.npz")) for name in ("scores_seed0", "attention_seed2")
)


@pytest.mark.parametrize("variant", SCORES["variants"].tolist())
def test_leverages_and_the_rows_chosen_by_them(variant):
    made = {key.removeprefix(f"{variant}_"): value for key, value in SCORES.items() if key.startswith(f"{variant}_")}
    options = [bool(one) for one in made["center_standardize_l2"]]
    score, singular = leverages(SCORES["representation"], float(made["threshold"]), *options)
    np.testing.assert_allclose(singular, made["singular_values"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(score, made["score"], atol=2e-6)
    assert score.sum() == pytest.approx(int(made["k"]))
    params = Params(energy=0.9, standardise=options[1], unit_rows=options[2])
    chosen = select(Leverage(score, np.ones(len(score), bool)), 144, params, np.random.default_rng(0)).row
    assert np.sort(SCORES["sample_id"][chosen]).tolist() == made["selected_ids"].tolist()


def test_a_matrix_larger_than_a_block_and_one_of_equal_rows():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9000, 6)) * [5, 3, 1, 0.1, 0.1, 0.1]
    score, singular = leverages(features, 0.9)
    left, values, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    np.testing.assert_allclose(singular, values, rtol=1e-9)
    np.testing.assert_allclose(score, (left[:, :2] ** 2).sum(1), atol=1e-9)
    assert leverages(np.ones((5, 3)), 0.9)[0].tolist() == [0.0] * 5


def test_features_larger_than_memory_are_read_a_block_at_a_time(tmp_path):
    rng = np.random.default_rng(0)
    shows = rng.random(200_000) < 0.9
    np.save(tmp_path / "attended.npy", rng.normal(size=(len(shows), 32)).astype(np.float32))
    features = np.load(tmp_path / "attended.npy", mmap_mode="r")
    signal = Signal(len(shows), np.zeros(len(shows)), {"attended": features, "shows": shows})
    tracemalloc.start()
    made = measure(signal, Params(energy=0.9, standardise=True, unit_rows=True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < features.nbytes
    expected, _ = leverages(features[shows], 0.9, True, True, True)
    np.testing.assert_array_equal(made.score[shows], expected)
    assert not made.score[~shows].any()


@pytest.mark.parametrize("case", ATTENTION["cases"].tolist())
def test_what_is_attended_to(case):
    made = {key.removeprefix(f"{case}__"): value for key, value in ATTENTION.items() if key.startswith(f"{case}__")}
    attention, hidden = torch.tensor(made["attention"]), torch.tensor(made["hidden"])
    user, image = (
        torch.zeros(48, dtype=torch.bool).index_fill(0, torch.tensor(made[name]), True) for name in ("user", "vision")
    )
    weights = attention[user][:, image].mean(0)
    chosen = most_attended(weights, float(made["threshold"]))
    if case.split("_", 1)[1] in ("no_attention", "equal", "user_before_image_only"):  # all tie
        assert len(chosen) == len(made["chosen_tokens_in_order"])
        return
    assert chosen.tolist() == made["chosen_tokens_in_order"].tolist()
    row = attended(attention, hidden, user, image, float(made["threshold"]))
    np.testing.assert_allclose(row, made["representation"], atol=1e-6)


def test_a_row_without_a_picture_is_zero():
    nothing, one = torch.zeros(4, dtype=torch.bool), torch.ones(4, dtype=torch.bool)
    assert attended(torch.ones(4, 4), torch.ones(4, 3), one, nothing).tolist() == [0, 0, 0]
    assert attended(torch.ones(4, 4), torch.ones(4, 3), nothing, one).tolist() == [1, 1, 1]
