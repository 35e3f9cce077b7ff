"""XMAS against its authors' output: BigML-CS-UCLA/XMAS c3e95c8."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cadc.features.attention import cross_attention, grouped, largest_singular_values
from cadc.selectors.xmas import clusters_of, instabilities, ranked, released_counts, trajectories

FOLDER = Path(__file__).parent / "xmas"
WHOLE, DRAWS = (dict(np.load(FOLDER / f"{name}.npz")) for name in ("trajectory_seed0", "draw_seed2"))


def test_instability_and_clusters():
    order = np.argsort(WHOLE["checkpoint"])
    made = trajectories(WHOLE["singular_values"].transpose(1, 0, 2)[order])
    np.testing.assert_allclose(
        np.nan_to_num(instabilities(made), nan=-1), np.nan_to_num(WHOLE["stability"], nan=-1), rtol=1e-5
    )
    fed = np.nan_to_num(made[WHOLE["order_in_files"]])
    cluster = np.empty(len(fed), np.int64)
    cluster[WHOLE["order_in_files"]] = clusters_of(fed, int(WHOLE["n_clusters"]), 100, 1234, 256)
    assert cluster.tolist() == WHOLE["cluster_by_kmeans"].tolist()


@pytest.mark.parametrize("case", [case for case in DRAWS["cases"].tolist() if not DRAWS[f"{case}__error"]])
def test_rows_of_each_cluster(case):
    made = {key.removeprefix(f"{case}__"): value for key, value in DRAWS.items() if key.startswith(f"{case}__")}
    pictured, n_clusters = len(made["cluster"]), len(made["per_cluster"])
    cluster = np.concatenate([made["cluster"], np.full(int(made["n_text_only"]), n_clusters - 1)])
    stability = np.concatenate([made["stability"], np.zeros(len(cluster) - pictured)])
    counts = released_counts(np.bincount(cluster, minlength=n_clusters), int(made["percent"]) * len(cluster) // 100)
    assert counts.tolist() == made["per_cluster"].tolist()
    rows = ranked(stability, cluster, np.arange(len(cluster)))
    chosen = np.concatenate([own[:k] for own, k in zip(rows, counts[: len(rows)], strict=True)])
    if np.isfinite(stability).all():
        assert sorted(chosen[chosen < pictured]) == sorted(row for row in made["selected_rows"] if row < pictured)


def test_singular_values_of_attention():
    made = dict(np.load(FOLDER / "attention_seed4.npz"))
    first, (begin, end) = int(made["first_text_token"]), made["vision_tokens"]
    place = torch.arange(made["q"].shape[2])
    text, image = place >= first, (place >= begin) & (place < end)
    for row in range(3):
        layers = [[torch.tensor(made[name][layer, row]) for layer in range(2)] for name in ("q", "k")]
        matrix = cross_attention(*layers, text, image, "released")
        np.testing.assert_allclose(largest_singular_values(matrix), made["exact_singular_values"][row], rtol=5e-3)
        np.testing.assert_allclose(matrix.mean(0), made["score_sum_mean_over_text_rows"][row], rtol=2e-2)
        assert not torch.allclose(matrix, cross_attention(*layers, text, image, "paper"), rtol=1e-2)


def test_a_row_of_little_text_has_fewer_singular_values_and_keys_of_fewer_heads_are_shared():
    assert largest_singular_values(torch.ones(2, 9)).tolist() == pytest.approx([18**0.5, 0, 0, 0, 0], abs=1e-5)
    assert largest_singular_values(torch.ones(0, 9)).tolist() == [0] * 5
    assert grouped(torch.tensor([[1, 2, 3, 4]]), 4, 2).tolist() == [[1, 2, 1, 2, 3, 4, 3, 4]]
