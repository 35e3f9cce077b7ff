"""Discovery and attribution: planted groups are found, and the influence store gives what gradients would."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cadc.capabilities.attribution import affinity, best_influence, capability_influence, purity, snapshot_weights
from cadc.capabilities.graph import capabilities, centered, communities, cosine_similarity
from cadc.capabilities.stability import consensus, drawn_gram, most_stable
from cadc.config.arms import Variant
from cadc.config.errors import InputError
from cadc.config.params import load_params


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
    np.testing.assert_allclose(
        centered(gram_of(trajectories)), gram_of(trajectories - trajectories.mean(1, keepdims=True)), atol=1e-8
    )


def test_degenerate_graphs():
    zero = cosine_similarity(np.zeros((1, 4, 4)), np.ones(1))
    assert np.array_equal(zero, np.eye(4))
    assert communities(zero, 0.0, 1.0, 0).tolist() == [0, 1, 2, 3]  # no edges: every subtask alone
    assert communities(np.ones((5, 5)), 0.5, 1.0, 0).tolist() == [0] * 5
    with pytest.raises(InputError, match="discover.tau"):
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


def test_what_is_the_only_one_is_not_taken_off_itself():
    """A file of one's own rows as the target is mostly one subtask: nothing would be left, and any row do."""
    rng = np.random.default_rng(5)
    target, directions = rng.normal(size=(2, 1, 30)), rng.normal(size=(2, 50, 30))
    influence, norm = np.einsum("mnd,msd->mns", directions, target), np.linalg.norm(directions, axis=2)
    whole, centred = (
        capability_influence(influence, norm, gram_of(target), np.ones(2), np.zeros(1, np.int32), center)
        for center in (False, True)
    )
    assert np.array_equal(whole, centred) and whole.std() > 0
    about = affinity(influence, norm, gram_of(target), np.ones(2))
    assert np.array_equal(about[:, 0].argsort(), whole[:, 0].argsort())
    np.testing.assert_allclose(about.std(0), 1, atol=1e-5)
    trajectories, _ = planted(seed=4)  # all subtasks one capability
    influence = np.einsum("mnd,msd->mns", rng.normal(size=(2, 9, trajectories.shape[2])), trajectories)
    one = np.zeros(trajectories.shape[1], np.int32)
    assert capability_influence(influence, np.ones((2, 9)), gram_of(trajectories), np.ones(2), one, True).std() > 0


def test_the_best_subtask_decides_where_the_mean_of_many_hides_it():
    about = np.array([[3.0, -1.0, -1.0, 0.5], [0.0, 0.1, 0.2, 2.0]], np.float32)
    capability = np.array([0, 0, 0, 1])
    assert best_influence(about, capability).tolist() == [[3.0, 0.5], [np.float32(0.2), 2.0]]
    assert about[0, capability == 0].mean() < about[0, 3] < best_influence(about, capability)[0, 0]


def probe_rows(n_groups=3, size=4, per_subtask=6, noise=1.0, seed=0):
    """Inner products [2, n, n] of probe rows, their subtasks, the subtasks' planted groups."""
    trajectories, groups = planted(n_groups, size, shared=1.0, seed=seed)
    subtask = np.repeat(np.arange(len(groups)), per_subtask)
    rows = trajectories[:, subtask] + noise * np.random.default_rng(seed).normal(
        size=(2, len(subtask), trajectories.shape[2])
    )
    return gram_of(rows).astype(np.float32), subtask, groups, rows


def test_the_gram_of_all_rows_is_that_of_their_means():
    row_gram, subtask, _, rows = probe_rows()
    means = np.stack([rows[:, subtask == s].mean(1) for s in range(subtask.max() + 1)], axis=1)
    np.testing.assert_allclose(drawn_gram(row_gram, subtask, None), gram_of(means), rtol=1e-4)


def settings(**changes):
    of_params = load_params(Variant("discoveries", "influence_coverage")).discover
    return of_params.model_copy(
        update={"center": False, "tau": [0.0], "resolutions": [1.0], "level": 1, "bootstrap": 8, "seed": 0} | changes
    )


def test_the_most_stable_partition_is_the_planted_one():
    row_gram, subtask, groups, _ = probe_rows(noise=2.0)
    candidates, again = (
        consensus([row_gram], subtask, np.ones(2), settings(resolutions=[0.05, 1.0, 6.0])) for _ in range(2)
    )
    chosen = most_stable(candidates)
    assert chosen.resolution == 1.0 and chosen.n_capabilities == 3 and chosen.agreement == 1.0
    assert len(set(zip(chosen.partition.tolist(), groups.tolist(), strict=True))) == 3
    assert np.array_equal(chosen.together, groups[:, None] == groups[None])
    assert all(np.array_equal(a.draws, b.draws) for a, b in zip(candidates, again, strict=True))


def test_the_consensus_finds_what_most_draws_miss():
    row_gram, subtask, groups, _ = probe_rows(per_subtask=4, noise=12.0)
    made = consensus([row_gram], subtask, np.ones(2), settings(bootstrap=30))[0]
    single = np.mean([adjusted_rand_score(draw, groups) for draw in made.draws])
    assert made.agreement < 0.9 and adjusted_rand_score(made.partition, groups) > single


def test_the_consensus_over_runs_outvotes_what_a_single_run_has_astray():
    trajectories, groups = planted(2, 8, shared=0.0, seed=11)
    subtask, row_grams, alone = np.repeat(np.arange(16), 4), [], []
    for run in range(3):  # every run has two subtasks of its own in the wrong group, whichever rows are drawn
        seen = trajectories.copy()
        seen[:, [run, 8 + run]] = trajectories[:, [8 + run, run]]
        noise = np.random.default_rng(run).normal(size=(2, 64, trajectories.shape[2]))
        row_grams.append(gram_of(seen[:, subtask] + noise).astype(np.float32))
        alone.append(most_stable(consensus([row_grams[-1]], subtask, np.ones(2), settings(center=True))))
    made = most_stable(consensus(row_grams, subtask, np.ones(2), settings(center=True)))
    assert (
        adjusted_rand_score(made.partition, groups)
        == 1.0
        > max(adjusted_rand_score(one.partition, groups) for one in alone)
    )
    assert len(made.draws) == 24 and made.agreement < min(
        one.agreement for one in alone
    )  # a run's own draws say nothing of other runs


def test_every_tau_is_tried_with_every_resolution():
    row_gram, subtask, _, _ = probe_rows()
    made = consensus([row_gram], subtask, np.ones(2), settings(tau=[0.0, 0.3], resolutions=[0.6, 1.0], bootstrap=2))
    assert [(one.tau, one.resolution) for one in made] == [(0.0, 0.6), (0.0, 1.0), (0.3, 0.6), (0.3, 1.0)]


def test_a_subtask_with_one_row_and_a_single_draw_are_no_trouble():
    row_gram, subtask, _, _ = probe_rows()
    keep = (subtask != 0) | (np.arange(len(subtask)) == 0)
    made = consensus([row_gram[:, keep][:, :, keep]], subtask[keep], np.ones(2), settings(center=True, bootstrap=1))
    assert made[0].agreement == 1.0 and len(made[0].partition) == subtask.max() + 1


def test_the_second_level_parts_each_capability_and_crosses_none():
    trajectories, groups = planted(3, 8, shared=1.0, seed=5)
    halves = groups * 2 + np.tile(np.repeat([0, 1], 4), 3)
    trajectories = trajectories + 0.7 * np.random.default_rng(6).normal(size=(6, trajectories.shape[2]))[halves]
    first, second = (capabilities(gram_of(trajectories), np.ones(2), True, 0.0, 1.0, level, 0) for level in (1, 2))
    assert first.max() == 2 and second.max() >= 5
    assert len(set(zip(second.tolist(), first.tolist(), strict=True))) == second.max() + 1
    assert len(set(zip(second.tolist(), halves.tolist(), strict=True))) == second.max() + 1


def test_affinity_tells_what_a_row_is_about_and_purity_whether_it_goes_against_the_course():
    trajectories, _groups = planted(3, 1, shared=3.0, seed=7)
    rng = np.random.default_rng(8)
    own = np.repeat([0, 1, 2], 40)
    wrong = np.arange(120) % 4 == 0
    directions = trajectories[:, own] + 2.0 * rng.normal(size=(2, 120, trajectories.shape[2]))
    directions[1, wrong] *= -1  # the first snapshot knows too little to be contradicted
    influence, norm, gram = (
        np.einsum("mnd,msd->mns", directions, trajectories),
        np.linalg.norm(directions, axis=2),
        gram_of(trajectories),
    )
    about = affinity(influence, norm, gram, np.ones(2))
    np.testing.assert_allclose(about.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(about.std(0), 1, atol=1e-5)
    assert np.array_equal(about.argmax(1)[~wrong], own[~wrong])
    clean = purity(influence, norm, gram)[np.arange(120), own]
    assert clean[wrong].max() < 0 < clean[~wrong].min()
    assert np.array_equal(snapshot_weights([0.3, 0.1], "lr"), [0.3, 0.1]) and np.array_equal(
        snapshot_weights([0.3, 0.1], "equal"), [1, 1]
    )
