"""Why rows were chosen: ranks, scores, neighbours and the rows just below the line, held to hand-made ones."""

import json
import subprocess

import numpy as np
import pyarrow as pa
import pytest
from exported import ROWS, Exported, pictures
from test_every_selector import SELECT, N, make_signal, selector_of

from cadc.artifacts import Selection, write_json
from cadc.config.arms import Arm
from cadc.config.errors import InputError
from cadc.export.manifest import manifest, pool_digest, stamp
from cadc.export.why import Measured, below, flags_of, neighbours, next_budget, target_influence, why_table
from cadc.selectors.loading import choose, measure, scores

#: Methods whose choice is what scores highest.
BY_SCORE = ("length", "clip_score", "el2n", "perplexity", "predictive_entropy", "less", "self_sup")
IDS = pa.array([f"id {row}" for row in range(6)])


def scored(case, signal, **changes):
    module, settings = selector_of(case, **changes)
    measured = measure(module, signal, settings)
    return module, settings, measured, scores(module, measured, settings)


@pytest.mark.parametrize("n", [1, 2, 7, 30, N])
@pytest.mark.parametrize("method", BY_SCORE)
def test_a_method_that_ranks_by_a_number_takes_the_highest(method, n):
    for change in [{"band": band} for band in ("middle", "top", "bottom")] if "band" in SELECT[method] else [{}]:
        module, settings, measured, score = scored(method, make_signal("generic"), **change)
        chosen = choose(module, measured, n, settings, 0).row
        assert sorted(np.argsort(-np.asarray(score, float), kind="stable")[:n]) == sorted(chosen)


def test_inside_a_capability_the_highest_influence_is_taken():
    module, settings, measured, score = scored("cadc", make_signal("generic"))
    best, chosen = measured["influence"].argmax(1), choose(module, measured, 20, settings, 0).row
    for capability in np.unique(best):
        own = np.flatnonzero(best == capability)
        taken, left = np.intersect1d(own, chosen), np.setdiff1d(own, chosen)
        assert score[taken].min() > score[left].max()
    for pick, is_ranked in (("top", True), ("diverse", False)):
        found = scored("influence_coverage", make_signal("generic"), pick=pick)[-1]
        assert np.array_equal(found, score) if is_ranked else found is None


@pytest.mark.parametrize("method", SELECT)
def test_a_score_is_of_every_row(method):
    module, _settings = selector_of(method)
    if not hasattr(module, "plan"):
        score = scored(method, make_signal("generic"))[-1]
        assert score is None or (np.shape(score) == (N,) and np.isfinite(score).all())


@pytest.mark.parametrize("method", ["random", "task_budget_random", "tive", "length"])
def test_with_the_same_draws_a_larger_budget_goes_on_where_the_smaller_ends(method):
    module, settings, measured, score = scored(method, make_signal("generic"))
    chosen = choose(module, measured, 20, settings, 3).row
    following = below(choose(module, measured, 30, settings, 3, drawn_at=20), chosen, score)
    assert len(following) == 10 and not set(following) & set(chosen)
    if score is not None:
        assert (np.diff(score[following]) <= 0).all()


def test_the_next_budget():
    assert [next_budget(n, 0.1, 10, 500) for n in (5, 100, 101, 300, 495, 500)] == [15, 110, 112, 330, 500, 500]


def test_a_line_a_row_chosen_ones_in_training_order_and_those_below_behind():
    """Row 4 is replayed; 5 is below the line. Rows lie on a circle, so that neighbours are those beside them."""
    angle = np.radians([0, 90, 10, 180, 100, 185])
    features = 3 * np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    selection = Selection(
        np.array([4, 0, 2, 4, 1]),
        np.ones(5, np.float32),
        np.array([1, 0, -1, 1, 0], np.int32),
        np.array([0, 0, 1, 1, 1], np.int32),
    )
    known = Measured(
        features,
        np.arange(6.0),
        np.array([7, 7, 7, 7, 7, 8]),
        {"pope": np.linspace(0, 1, 6, dtype=np.float32)},
        [["repetition"] if row == 2 else [] for row in range(6)],
    )
    lines = why_table(selection, np.array([5]), IDS, known, 100).to_pylist()
    assert [line["row"] for line in lines] == [4, 0, 2, 1, 5]
    assert [line["rank"] for line in lines] == [0, 1, 2, 4, None] and [line["chosen"] for line in lines][3:] == [
        True,
        False,
    ]
    assert [line["stage"] for line in lines] == [0, 0, 1, 1, None]
    assert [line["capability"] for line in lines] == [1, 0, 7, 0, 8] and lines[0]["score"] == 4.0
    assert [line["nearest"] for line in lines] == ["id 1", "id 2", "id 0", "id 4", "id 4"]
    assert lines[0]["nearest_cosine"] == pytest.approx(np.cos(np.radians(10)))
    assert lines[4]["nearest_cosine"] == pytest.approx(np.cos(np.radians(85)))
    assert lines[2]["flags"] == ["repetition"] and lines[0]["flags"] == [] and lines[4]["influence_pope"] == 1.0


def test_what_is_not_known_is_null():
    table = why_table(Selection.of_rows([3]), np.empty(0, np.int64), IDS, Measured(np.ones((6, 2), np.float32)), 100)
    (line,) = table.to_pylist()
    assert {name for name, value in line.items() if value is None} == {
        "score", "capability", "nearest", "nearest_cosine", "flags"
    }  # fmt: skip


def test_neighbours_by_lists_are_those_by_all_pairs_where_groups_are_clear():
    rng = np.random.default_rng(0)
    features = (10 * rng.normal(size=(30, 8)).repeat(4, 0) + rng.normal(size=(120, 8))).astype(np.float32)
    chosen, others = np.arange(0, 100), np.arange(100, 120)
    exact, listed = (neighbours(features, chosen, others, most)[0] for most in (1000, 10))
    assert (exact[:100] // 4 == chosen // 4).all() and (exact == listed).mean() > 0.9


def test_influence_on_a_target_is_the_mean_over_its_subtasks():
    affinity = np.array([[1, 3, 5], [2, 4, 9]], np.float32)
    found = target_influence(affinity, ["a", "a", "b"])
    assert {name: values.tolist() for name, values in found.items()} == {"a": [2.0, 3.0], "b": [5.0, 9.0]}


def test_flags_go_by_id():
    findings = pa.table({"id": ["x", "y", "x"], "check": ["a", "a", "b"], "flag": [True, False, True]})
    assert flags_of(findings, ["y", "x", "z"]) == [[], ["a", "b"], []]


def test_a_pool_has_the_same_hash_wherever_its_pictures_lie_and_another_one_with_another_text(params, tmp_path):
    made = [
        Exported(params, pictures(tmp_path / name), rows, [0], embed_images=False)
        for name, rows in (("a", ROWS), ("b", ROWS), ("c", [*ROWS[:3], ROWS[3] | {"id": "other"}]))
    ]
    first, second, third = (pool_digest(each.pool, each.folder / "images") for each in made)
    assert first == second != third


def test_the_manifest_counts_different_rows_and_the_commit_is_added_to_a_copy(params, tmp_path):
    made = Exported(params, pictures(tmp_path), ROWS, [0, 1, 2, 3])
    selection = Selection(np.array([2, 0, 1, 2]), np.ones(4), np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1]))
    arm = Arm(
        method="cadc",
        signal="capabilities/cadc",
        budget=0.5,
        seeds=[0],
        curate={"by": "capabilities/cadc", "keep": 1.0, "sequence": "trend", "replay": 0.2},
        select={"delta": 0.0},
    )
    rows = [made.chosen[row] for row in (0, 1, 2)]
    found = manifest(arm, selection, rows, selection.capability, {"arm": "cadc", "seed": 3})
    assert (found["rows"], found["different_rows"], found["replayed_rows"], found["stages"]) == (4, 3, 1, 2)
    assert found["by_source"] == {"coco": 2, "text": 1} and found["by_capability"] == {"0": 2, "1": 1}
    assert found["parameters"]["select"] == {"delta": 0.0} and found["seed"] == 3
    write_json(tmp_path / "copy/manifest.json", found)
    with pytest.raises(InputError, match="git finds no commit here"):
        stamp(tmp_path / "copy", tmp_path)
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    stamp(tmp_path / "copy", tmp_path)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    assert json.loads((tmp_path / "copy/manifest.json").read_text()) == found | {"commit": commit}
    with pytest.raises(InputError, match="give a folder written by `export`"):
        stamp(tmp_path)
