"""Discovery and attribution: planted groups are found, and the influence store gives what gradients would."""

import numpy as np
import pytest

from cadc.capabilities.attribution import capability_influence
from cadc.capabilities.graph import centered, communities, cosine_similarity


def planted(n_groups=3, size=6, width=400, shared=3.0, seed=0):
    """Trajectories [2, n_groups * size, width]: a shared part, a part of each group, noise."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    own = rng.normal(size=(n_groups, width))[groups]
    return shared * rng.normal(size=width) + own + 0.8 * rng.normal(size=(2, len(groups), width)), groups


def gram_of(trajectories):
    return np.einsum("msd,mtd->mst", trajectories, trajectories)


def test_planted_groups_are_found_and_centring_is_what_finds_them():
    trajectories, groups = planted()
    gram, rates = gram_of(trajectories), np.array([1.0, 0.5])
    found = communities(cosine_similarity(centered(gram), rates), 0.0, 1.0, 0)
    assert len(set(zip(found.tolist(), groups.tolist(), strict=True))) == 3 and found.max() == 2
    raw = cosine_similarity(gram, rates)
    assert raw[groups[:, None] != groups[None]].min() > 0.5  # the shared part lifts every cosine


def test_cosine_is_that_of_the_concatenated_weighted_trajectories():
    trajectories, _ = planted(seed=1)
    rates = np.array([0.3, 0.7])
    long = np.concatenate([rate * t for rate, t in zip(rates, trajectories, strict=True)], axis=1)
    long /= np.linalg.norm(long, axis=1, keepdims=True)
    np.testing.assert_allclose(cosine_similarity(gram_of(trajectories), rates), long @ long.T, atol=1e-10)


def test_centring_the_gram_matrix_is_centring_the_trajectories():
    trajectories, _ = planted(seed=2)
    np.testing.assert_allclose(centered(gram_of(trajectories)), gram_of(trajectories - trajectories.mean(1, keepdims=True)), atol=1e-8)


def test_degenerate_graphs():
    zero = cosine_similarity(np.zeros((1, 4, 4)), np.ones(1))
    assert np.array_equal(zero, np.eye(4))
    assert communities(zero, 0.0, 1.0, 0).tolist() == [0, 1, 2, 3]  # no edges: every subtask alone
    assert communities(np.ones((5, 5)), 0.5, 1.0, 0).tolist() == [0] * 5
    with pytest.raises(ValueError, match="discover.tau"):
        communities(np.eye(3), -0.1, 1.0, 0)


def test_the_same_seed_gives_the_same_partition_and_resolution_refines_it():
    cosine = cosine_similarity(gram_of(planted(6, 4, shared=1.0, seed=3)[0]), np.ones(2))
    assert np.array_equal(communities(cosine, 0.0, 1.0, 7), communities(cosine, 0.0, 1.0, 7))
    counts = [communities(cosine, 0.0, resolution, 0).max() + 1 for resolution in (0.5, 1.2, 5.0)]
    assert counts == sorted(counts) and counts[0] < counts[-1]


@pytest.mark.parametrize("center", [False, True])
def test_capability_influence_equals_the_formula_on_explicit_directions(center):
    rng = np.random.default_rng(4)
    trajectories, groups = planted(seed=4)
    directions, rates = rng.normal(size=(2, 9, trajectories.shape[2])), np.array([0.2, 0.1])
    directions[:, 3] = 0
    influence = np.einsum("mnd,msd->mns", directions, trajectories).astype(np.float32)
    norm = np.linalg.norm(directions, axis=2).astype(np.float32)
    made = capability_influence(influence, norm, gram_of(trajectories), rates, groups.astype(np.int32), center)
    used = trajectories - trajectories.mean(1, keepdims=True) if center else trajectories
    expected = np.zeros((9, 3))
    for t in range(2):
        for c in range(3):
            target = used[t, groups == c].mean(0)
            with np.errstate(invalid="ignore"):
                cosine = directions[t] @ target / np.linalg.norm(directions[t], axis=1) / np.linalg.norm(target)
            expected[:, c] += rates[t] * np.nan_to_num(cosine)
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert (made[3] == 0).all()
