"""Targeted retrieval: ranks, ties, round-robin, mutual ranking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadc.selectors.shared.retrieval import Lists, View, alike, by_max, by_sum, by_view, mutual_ranks, rank_of, round_robin
from cadc.selectors.shared.targeted import predicted, rows_of_target


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def views(rng, n_rows=60, n_queries=7, width=5, copies=2):
    """Pool rows in two views, some of them the same in one of these, and queries."""
    made = []
    for _ in range(2):
        rows = unit(rng.standard_normal((n_rows // copies, width)))
        made += [rows[rng.integers(0, len(rows), n_rows)], unit(rng.standard_normal((n_queries, width)))]
    return View(made[0]), View(made[2]), made[1], made[3]


def test_rows_are_alike_where_every_bit_is_and_zeros_of_either_sign_are_one():
    rows = np.array([[1, 2], [0, 1], [1, 2], [-0.0, 1], [1, np.nextafter(np.float32(2), 3)]], np.float32)
    assert alike(rows).tolist() == [0, 1, 0, 1, 2]


def test_a_list_is_by_cosine_and_equals_follow_the_pool():
    rows = unit([[0, 1], [1, 1], [1, 0], [1, 1], [-1, 0], [1, 0]])
    lists = by_view(View(rows), unit([[1, 0.2]]))
    assert round_robin(lists, 6, np.zeros(6, bool)).tolist() == [2, 5, 1, 3, 0, 4]


def test_benchmark_rows_take_turns_and_no_row_is_taken_twice():
    rows = unit([[1, 0], [1, 0.1], [1, 0.3], [0, 1], [0.1, 1]])
    lists = by_view(View(rows), unit([[1, 0], [1, 0], [0, 1]]))
    taken = np.array([False, False, False, False, True])
    assert round_robin(lists, 3, taken).tolist() == [0, 1, 3]
    assert round_robin(lists, 9, taken).tolist() == [2] and taken.all()


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_round_robin_is_what_a_plain_loop_over_sorted_pools_does(seed, n):
    rng = np.random.default_rng(seed)
    concept, skill, concept_queries, skill_queries = views(rng)
    cosines = {"concept": concept_queries @ concept.rows.T, "skill": skill_queries @ skill.rows.T}
    for lists, scores in (
        (by_view(concept, concept_queries), cosines["concept"]),
        (by_sum(concept, skill, concept_queries, skill_queries), cosines["concept"] + cosines["skill"]),
        (by_max(concept, skill, concept_queries, skill_queries), np.maximum(cosines["concept"], cosines["skill"])),
    ):
        order = [sorted(range(60), key=lambda row, of=of: (-round(float(of[row]), 5), row)) for of in scores]
        expected: list[int] = []
        while len(expected) < n:
            for each in order:
                if len(expected) < n:
                    expected.append(next(row for row in each if row not in expected))
        assert round_robin(lists, n, np.zeros(60, bool)).tolist() == expected


def test_lists_grow_as_deep_as_a_budget_needs():
    depths = []

    def search(k):
        depths.append(k)
        return np.arange(min(k, 500))[None]

    lists = Lists(search, [np.array([i]) for i in range(500)])
    assert round_robin(lists, 300, np.zeros(500, bool)).tolist() == list(range(300)) and depths == [64, 128, 256, 512]


def test_a_rank_counts_from_one_and_ties_share_theirs():
    rows = unit([[1, 0], [1, 0.1], [0, 1], [0, 1], [-1, 0]])
    queries = unit([[1, 0]] * 5)
    assert rank_of(View(rows), queries, np.arange(5)).tolist() == [1, 2, 3.5, 3.5, 5]


def test_the_order_of_the_pool_s_rows_changes_only_which_of_two_equals_comes_first():
    rng = np.random.default_rng(0)
    concept, skill, concept_queries, skill_queries = views(rng, copies=1)
    concept, skill = View(unit(rng.standard_normal((60, 5)))), View(unit(rng.standard_normal((60, 5))))  # no two alike
    order = rng.permutation(60)
    for make, parts in ((by_view, ((concept,), (concept_queries,))), (by_max, ((concept, skill), (concept_queries, skill_queries)))):
        plain = round_robin(make(*parts[0], *parts[1]), 25, np.zeros(60, bool))
        moved = round_robin(make(*(View(view.rows[order]) for view in parts[0]), *parts[1]), 25, np.zeros(60, bool))
        assert order[moved].tolist() == plain.tolist()


def test_a_benchmark_row_without_an_image_takes_no_turn_by_concept():
    rows = unit(np.eye(4))
    queries = np.concatenate([np.zeros((3, 4)), np.eye(4)[2:3]]).astype(np.float32)
    assert round_robin(by_view(View(rows), queries), 1, np.zeros(4, bool)).tolist() == [2]
    assert round_robin(by_view(View(rows), queries[:3]), 2, np.zeros(4, bool)).tolist() == [0, 1]  # nothing to go by: the pool's order


def planted(finer, rng, n_groups=12, per_group=40, n_queries=60, width=32):
    """A pool in which the view `finer` tells `n_groups` kinds of rows apart, each inside one of three coarse kinds that the other view shows.

    What a row answers depends on its fine kind alone. Returns (concept, skill) views, queries of both, answers of pool rows and of queries.
    """
    fine, coarse = (rng.standard_normal((count, width)) for count in (n_groups, 3))

    def seen(kind):
        near = lambda centre: unit(centre + 0.5 * rng.standard_normal(centre.shape))  # noqa: E731
        parts = near(fine[kind]), near(coarse[kind % 3])
        return parts if finer == "concept" else parts[::-1]

    pool, asked = np.repeat(np.arange(n_groups), per_group), rng.integers(0, n_groups, n_queries)
    (concept, skill), queries = seen(pool), seen(asked)
    return View(concept), View(skill), *queries, pool, asked


@pytest.mark.parametrize("finer", ["concept", "skill"])
@pytest.mark.parametrize("seed", range(5))
def test_mutual_ranking_finds_the_view_that_helps(finer, seed):
    concept, skill, concept_queries, skill_queries, answer, wanted = planted(finer, np.random.default_rng(seed))
    assert predicted(*mutual_ranks(concept, skill, concept_queries, skill_queries), "concept") == finer
    # That this view helps: of what each retrieves, how much has the answers that the benchmark asks for, question by question.
    good = {}
    for name, view, queries in (("concept", concept, concept_queries), ("skill", skill, skill_queries)):
        nearest = view.groups_for(queries, 5)[0]
        good[name] = np.mean([answer[view.members[group]].tolist() == [kind] for groups, kind in zip(nearest, wanted, strict=True) for group in groups])
    other = "skill" if finer == "concept" else "concept"
    assert good[finer] > 0.9 > 0.5 > good[other]


def test_a_target_is_a_benchmark_or_one_of_its_meta_tasks():
    target = np.array(["pope/pope", "mmt_val/counting", "mmt_val/ocr", "mmt_val/counting"])
    assert rows_of_target(target, "mmt_val").tolist() == [1, 2, 3] and rows_of_target(target, "mmt_val/counting").tolist() == [1, 3]
    with pytest.raises(ValueError, match="no benchmark row is of mmt; `targets` can be mmt_val, mmt_val/counting, mmt_val/ocr, pope, pope/pope"):
        rows_of_target(target, "mmt")
