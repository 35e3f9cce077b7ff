"""Targeted retrieval: exact lists, ties, round-robin, mutual ranking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadc.config.errors import InputError
from cadc.selectors.shared.knn import matches
from cadc.selectors.shared.retrieval import (
    Aim,
    Lists,
    PoolViews,
    View,
    alike,
    by_max,
    by_sum,
    by_view,
    first_rows,
    predicted,
    ranks_of_nearest,
    round_robin,
    rows_of_target,
)
from cadc.selectors.targeted import by_product


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def chosen(lists, n, n_rows):
    return round_robin([[lists]], n, n_rows).tolist()


def drawn(rng, n_rows=60, n_queries=7, width=5, copies=2):
    """Pool rows in two views, some of them the same in one of these, and queries, two of which ask for the same."""
    made = []
    for _ in range(2):
        rows, queries = (
            unit(rng.standard_normal((n_rows // copies, width))),
            unit(rng.standard_normal((n_queries, width))),
        )
        queries[1] = queries[0]
        made += [rows[rng.integers(0, len(rows), n_rows)] if copies > 1 else rows, queries]
    return made


def test_rows_are_alike_where_every_bit_is_and_zeros_of_either_sign_are_one():
    rows = np.array([[1, 2], [0, 1], [1, 2], [-0.0, 1], [1, np.nextafter(np.float32(2), 3)]], np.float32)
    assert alike(rows).tolist() == [0, 1, 0, 1, 2]
    signs = np.unique(np.sign(np.random.default_rng(0).standard_normal((50_000, 32))).astype(np.float32), axis=0)
    assert alike(signs).max() + 1 == len(signs)  # coarse values, whose bits are mostly zero


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([1, 40, 100, 700, 3000]), st.sampled_from([0.0, 1e-9, 1e-7, 1e-5]))
def test_matches_are_exact_among_near_copies(seed, k, noise):
    rng = np.random.default_rng(seed)
    rows = unit(rng.standard_normal((3000, 24)))
    copies = rng.choice(3000, 400, replace=False)
    rows[copies] = unit(rows[copies[0]] + noise * rng.standard_normal((400, 24)))
    queries = np.concatenate([rows[copies[:2]], unit(rng.standard_normal((2, 24))), np.zeros((1, 24), np.float32)])
    index, value = matches(queries, rows, k)
    exact = np.array(
        [
            [sum(float(a) * float(b) for a, b in zip(query, row, strict=True)) for row in rows[index[q]]]
            for q, query in enumerate(queries)
        ]
    )
    assert np.array_equal(value, exact) and all(len(set(each)) == k for each in index.tolist())
    close = queries.astype(np.float64) @ rows.astype(np.float64).T
    for q in range(len(queries)):
        left = np.setdiff1d(np.arange(3000), index[q])
        assert not len(left) or close[q, left].max() <= value[q, -1] + 1e-12
        assert index[q].tolist() == [row for _, row in sorted(zip(-value[q], index[q].tolist(), strict=True))]
    longer = matches(queries, rows, min(2 * k, 3000))[0]
    assert np.array_equal(longer[:, :k], index)


def test_the_number_of_workers_changes_no_match(monkeypatch):
    rng = np.random.default_rng(0)
    rows, queries = unit(rng.standard_normal((2000, 16))), unit(rng.standard_normal((700, 16)))
    one = matches(queries, rows, 20)
    monkeypatch.setenv("CADC_WORKERS", "3")
    assert all(np.array_equal(a, b) for a, b in zip(one, matches(queries, rows, 20), strict=True))


def test_a_list_is_by_cosine_and_equals_follow_the_pool():
    rows = unit([[0, 1], [1, 1], [1, 0], [1, 1], [-1, 0], [1, 0]])
    assert chosen(by_view(View.of_rows(rows), unit([[1, 0.2]])), 6, 6) == [2, 5, 1, 3, 0, 4]


def test_benchmark_rows_take_turns_and_no_row_is_taken_twice():
    rows = unit([[1, 0], [1, 0.1], [1, 0.3], [0, 1], [0.1, 1]])
    assert chosen(by_view(View.of_rows(rows), unit([[1, 0], [1, 0], [0, 1]])), 5, 5) == [0, 1, 3, 2, 4]


def test_targets_take_turns_too_and_so_do_the_lists_of_one():
    rows = unit(np.eye(8))
    one, two, three = (by_view(View.of_rows(rows), rows[order]) for order in ([0, 1, 2, 3], [0, 4, 5], [6, 7]))
    assert round_robin([[one], [three]], 5, 8).tolist() == [0, 6, 1, 7, 2]
    assert round_robin([[one], [two, three]], 6, 8).tolist() == [
        0,
        1,
        2,
        6,
        3,
        4,
    ]  # the second's 0 is gone: of those equally far the pool's first


def products(cosines, concept_queries):
    """Of both views' cosines, each at least 0; of a benchmark row without a picture those of its skills."""
    concept, skill = (np.maximum(one, 0) for one in cosines)
    return np.where(np.any(concept_queries != 0, 1, keepdims=True), concept, 1) * skill


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([(60, 2), (300, 3), (400, 50)]), st.floats(0, 1))
def test_round_robin_is_what_a_plain_loop_over_sorted_pools_does(seed, shape, share):
    (n_rows, copies), rng = shape, np.random.default_rng(seed)
    concept_rows, concept_queries, skill_rows, skill_queries = drawn(rng, n_rows, copies=copies)
    concept, skill, n = View.of_rows(concept_rows), View.of_rows(skill_rows), round(share * n_rows)
    cosines = [
        queries.astype(np.float64) @ rows.astype(np.float64).T
        for queries, rows in ((concept_queries, concept_rows), (skill_queries, skill_rows))
    ]
    for lists, scores, digits in (
        (by_view(concept, concept_queries), cosines[0], 12),
        (by_sum(View.of_both(concept, skill), concept_queries, skill_queries), cosines[0] + cosines[1], 12),
        (by_max(concept, skill, concept_queries, skill_queries), np.maximum(*cosines), 6),
        (by_product(PoolViews(concept, skill), concept_queries, skill_queries), products(cosines, concept_queries), 6),
    ):
        # many products are 0: rows that are alike stand together, at the place of the first of them
        group = View.of_both(concept, skill).group
        alike_at = first_rows(group)[group] if scores.min() == 0 else np.arange(n_rows)
        order = [np.lexsort((np.arange(n_rows), alike_at, -np.round(of, digits))).tolist() for of in scores]
        expected: list[int] = []
        while len(expected) < n:
            for each in order[: n - len(expected)]:
                expected.append(next(row for row in each if row not in expected))
        assert chosen(lists, n, n_rows) == expected


@pytest.mark.parametrize("n", [500, 2000, 3001])
def test_a_benchmark_row_without_an_image_shares_ties_by_the_sum_of_views(n):
    rng = np.random.default_rng(0)
    concept_rows, skill_rows = (
        unit(rng.standard_normal((3001, 8))),
        unit(rng.standard_normal((7, 6)))[rng.integers(0, 7, 3001)],
    )
    query = unit(rng.standard_normal((1, 6)))
    lists = by_sum(
        View.of_both(View.of_rows(concept_rows), View.of_rows(skill_rows)), np.zeros((1, 8), np.float32), query
    )
    by_skill = np.argsort(-np.round((query @ skill_rows.T)[0], 6), kind="stable")
    assert chosen(lists, n, 3001) == by_skill[:n].tolist()


def test_of_the_larger_cosines_equals_follow_the_pool_whichever_view_they_are_of():
    concept, skill = View.of_rows(unit([[0, 1], [1, 0], [0, 1]])), View.of_rows(unit([[1, 0], [0, 1], [0, 1]]))
    assert chosen(by_max(concept, skill, unit([[1, 0]]), unit([[1, 0]])), 3, 3) == [0, 1, 2]


def test_lists_grow_as_deep_as_a_budget_needs():
    depths = []

    def search(which, k):
        depths.append((which.tolist(), k))
        return np.stack([np.roll(np.arange(500), -100 * query)[: min(k, 500)] for query in which])

    lists = Lists(search, [np.array([i]) for i in range(500)], np.array([0, 0, 1]))
    rows = chosen(lists, 300, 500)
    assert (
        len(set(rows)) == 300
        and rows[:6] == [0, 1, 100, 2, 3, 101]
        and depths[0] == ([0, 1], 64)
        and max(k for _, k in depths) <= 512
    )


def place(view, queries, row):
    """Where a row stands in the view, by a pool of itself alone as the nearest."""
    one_hot = np.eye(len(view.group), dtype=np.float32)
    return ranks_of_nearest(View.of_rows(one_hot), one_hot[row], view, queries)


def test_a_place_counts_from_one_and_ties_share_theirs():
    rows = unit([[1, 0], [1, 0.1], [0, 1], [0, 1], [-1, 0]])
    assert place(View.of_rows(rows), unit([[1, 0]] * 5), np.arange(5)).tolist() == [1, 2, 3.5, 3.5, 5]


def test_of_rows_that_are_equally_near_the_mean_place_counts():
    by, other = (
        View.of_rows(unit([[1, 0], [0, 1], [1, 0], [0, 1]])),
        View.of_rows(unit([[1, 0], [1, 1], [0, 1], [-1, 0]])),
    )
    assert ranks_of_nearest(by, unit([[1, 0.1], [0, 1]]), other, unit([[1, 0.1]] * 2)).tolist() == [
        (1 + 3) / 2,
        (2 + 4) / 2,
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_pool_changes_no_list_and_no_rank(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(60)
    concept_rows, concept_queries, skill_rows, skill_queries = drawn(rng, copies=1)
    plain, moved = (PoolViews.of(concept_rows[by], skill_rows[by]) for by in (np.arange(60), order))
    for make in (
        lambda pool: by_view(pool.skill, skill_queries),
        lambda pool: by_sum(pool.both, concept_queries, skill_queries),
        lambda pool: by_max(pool.concept, pool.skill, concept_queries, skill_queries),
        lambda pool: by_product(pool, concept_queries, skill_queries),
    ):
        assert order[chosen(make(moved), 25, 60)].tolist() == chosen(make(plain), 25, 60)
    alike_skills = unit(rng.standard_normal((6, 5)))[
        rng.integers(0, 6, 60)
    ]  # ten rows each: which is nearest, the pool's order must not say
    ranks = [
        Aim(PoolViews.of(concept_rows[by], alike_skills[by]), concept_queries, skill_queries).ranks()
        for by in (np.arange(60), order)
    ]
    assert np.allclose(ranks[0], ranks[1]) and not np.allclose(ranks[0][0], ranks[0][1])


def test_a_benchmark_row_without_an_image_takes_no_turn_by_concept_and_has_no_rank():
    rows = unit(np.eye(4))
    queries = np.concatenate([np.zeros((3, 4)), np.eye(4)[2:3]]).astype(np.float32)
    assert chosen(by_view(View.of_rows(rows), queries), 1, 4) == [2]
    assert chosen(by_view(View.of_rows(rows), queries[:3]), 2, 4) == [0, 1]  # nothing to go by: the pool's order
    ranks = Aim(PoolViews.of(rows, rows), queries[:3], rows[:3]).ranks()
    assert [len(each) for each in ranks] == [0, 0] and predicted(*ranks, "concept") == "skill"


def test_a_view_that_is_not_finite_is_refused():
    rows = unit(np.eye(4))
    rows[2:, 1] = np.nan
    with pytest.raises(InputError, match=r"^a feature of a view is not finite .* in row 2, 3 \(2 of 4\); check the"):
        View.of_rows(rows)


def planted(finer, rng, n_groups=12, per_group=40, n_queries=60, width=32):
    """A pool in which the view `finer` tells `n_groups` kinds of rows apart; the other view shows three coarse kinds.

    Each fine kind lies in one coarse kind. What a row answers depends on its fine kind alone. Returns (pool in both
    views, queries of both), answers of pool rows and of queries.
    """
    fine, coarse = (rng.standard_normal((count, width)) for count in (n_groups, 3))

    def seen(kind):
        near = lambda centre: unit(centre + 0.5 * rng.standard_normal(centre.shape))
        parts = near(fine[kind]), near(coarse[kind % 3])
        return parts if finer == "concept" else parts[::-1]

    pool, asked = np.repeat(np.arange(n_groups), per_group), rng.integers(0, n_groups, n_queries)
    return Aim(PoolViews.of(*seen(pool)), *seen(asked)), pool, asked


@pytest.mark.parametrize("finer", ["concept", "skill"])
@pytest.mark.parametrize("seed", range(5))
def test_mutual_ranking_finds_the_view_that_helps(finer, seed):
    aim, answer, wanted = planted(finer, np.random.default_rng(seed))
    assert predicted(*aim.ranks(), "concept") == finer != predicted(*aim.ranks(), "skill")
    # That this view helps: how much of what each retrieves has the answers that the benchmark asks for.
    good = {}
    for name, view, queries in (
        ("concept", aim.pool.concept, aim.concept_queries),
        ("skill", aim.pool.skill, aim.skill_queries),
    ):
        nearest = matches(queries, view.different, 5)[0]
        good[name] = np.mean(
            [
                answer[view.members[group]].tolist() == [kind]
                for groups, kind in zip(nearest, wanted, strict=True)
                for group in groups
            ]
        )
    other = "skill" if finer == "concept" else "concept"
    assert good[finer] > 0.9 > 0.5 > good[other]


def test_a_target_is_a_benchmark_or_one_of_its_meta_tasks():
    target = np.array(["pope/pope", "mmt_val/counting", "mmt_val/ocr", "mmt_val/counting"])
    assert rows_of_target(target, "mmt_val").tolist() == [1, 2, 3] and rows_of_target(
        target, "mmt_val/counting"
    ).tolist() == [1, 3]
    with pytest.raises(
        InputError,
        match="no benchmark row belongs to mmt; `targets` can be mmt_val, mmt_val/counting, mmt_val/ocr, pope, .*",
    ):
        rows_of_target(target, "mmt")
