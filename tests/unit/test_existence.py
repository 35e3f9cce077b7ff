"""Do capabilities exist here? What partitions follow, within one form too, and whether subtasks have own gradients."""

import importlib.util
import shutil
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest

from cadc import artifacts
from cadc.capabilities.halves import found_halves, split_halves
from cadc.capabilities.labels import LABELS, SHUFFLES, agreement, agreements, labels_of
from cadc.capabilities.stability import load_captured
from cadc.config.params import load_params
from cadc.report.existence import KEY, cell, follows, of_discovery
from cadc.world.scene import BACKGROUNDS, COLORS, COLUMNS, DIGITS, POSITIONS, ROWS, SIZES, TEXTURES
from cadc.world.subtasks import ASKED, SUBTASKS

REPOSITORY = Path(__file__).parents[2]


def rand_index(a, b) -> float:
    """The adjusted Rand index by counting pairs one by one (Hubert and Arabie 1985)."""
    pairs = list(combinations(range(len(a)), 2))
    both = sum(a[i] == a[j] and b[i] == b[j] for i, j in pairs)
    in_a, in_b = (sum(x[i] == x[j] for i, j in pairs) for x in (a, b))
    expected = in_a * in_b / comb(len(a), 2)
    return (both - expected) / ((in_a + in_b) / 2 - expected)


# --- labels


def test_the_legend_states_the_number_of_shuffles():
    assert f"over {SHUFFLES} shuffles" in KEY


def test_what_is_asked_for_goes_by_what_is_answered():
    assert set(ASKED) == set(SUBTASKS)
    domains = {
        "colour": [COLORS], "position": [POSITIONS, ROWS, COLUMNS], "size": [SIZES], "texture": [TEXTURES],
        "scene": [BACKGROUNDS], "truth": [("yes", "no")],
    }  # fmt: skip
    for name, subtask in SUBTASKS.items():
        of = [asked for asked, own in domains.items() if any(set(subtask.answers) == set(domain) for domain in own)]
        assert of == [ASKED[name]] or (not of and ASKED[name] not in domains), name
    assert {name for name in ASKED if ASKED[name] == "count"} == {n for n in SUBTASKS if SUBTASKS[n].meta == "counting"}
    assert all(set(SUBTASKS[name].answers) <= set(DIGITS) for name in ASKED if ASKED[name] == "arithmetic")


def subtask(name: str, target: str) -> dict:
    meta = SUBTASKS[name].meta if name in SUBTASKS else target
    return {"name": name + " (open)" * (target == "mini_vqa"), "target": target, "meta_task": meta, "rows": 6}


def test_labels_of_the_worlds_subtasks():
    named = [subtask("color_recognition", "mmt_val"), subtask("business", "mini_vqa")]
    named += [subtask("presence (yes)", "pope"), subtask("wild (conv)", "llava_in_the_wild")]
    assert labels_of(named) == {
        "form": ["choice", "open", "yes/no", "chat"],
        "family": ["perception", "symbols", "perception", None],
        "meta-task": ["visual_recognition", "discipline_knowledge_reasoning", "pope", "llava_in_the_wild"],
        "asked": ["colour", "arithmetic", "truth", None],
        "source": [None] * 4,
    }


def test_of_other_data_neither_family_nor_what_is_asked_for_is_known():
    made = labels_of([subtask("color_recognition", "mmt_val"), subtask("lesion_grading", "mmt_val")])
    assert made["family"] == made["asked"] == [None, None] and made["form"] == ["choice", "choice"]


# --- ARI


def test_a_partition_that_is_the_label_has_one_and_one_into_a_single_capability_none():
    labels = list("aabbbcc")
    assert agreement([2, 2, 0, 0, 0, 1, 1], labels)["ari"] == 1
    assert agreement([0] * 7, labels) == {"ari": 0, "shuffled": 0}


def test_ari_is_that_of_counted_pairs_and_leaves_out_what_has_no_label():
    rng = np.random.default_rng(0)
    found, labels = rng.integers(3, size=30), rng.choice(list("abcd"), 30)
    made = agreement([*found, 7], [*labels, None])
    assert made["ari"] == pytest.approx(rand_index(found, labels))
    assert made == agreement(found, list(labels))


def test_shuffled_labels_seldom_exceed_what_is_said_of_them():
    rng = np.random.default_rng(1)
    above = 0
    for seed in range(40):
        made = agreement(rng.integers(4, size=31), list(rng.choice(list("abcde"), 31)), seed)
        above += made["ari"] > made["shuffled"]
    assert above <= 6  # 2 of 40 are expected


def test_nothing_follows_labels_that_do_not_part_the_subtasks():
    assert agreement([0, 1, 0], ["a", "a", "a"]) is None
    assert agreement([0, 1, 0], ["a", "b", "c"]) is None
    assert agreement([0, 1], [None, None]) is None
    assert cell(None) == "" and cell({"ari": -0.001, "shuffled": 0.2}) == "0.00 (0.20)"


# --- halves


def gram_of(rows):
    return np.einsum("mnd,mkd->mnk", rows, rows).astype(np.float32)


def test_halves_part_the_rows_of_every_subtask():
    of = np.repeat([0, 1, 2], [4, 5, 2])
    halves = split_halves(of, np.random.default_rng(0))
    np.testing.assert_allclose(halves.sum(1), 1)
    for s in range(3):
        first, second = (np.flatnonzero(halves[2 * s + half]) for half in range(2))
        assert sorted([*first, *second]) == np.flatnonzero(of == s).tolist() and 0 <= len(second) - len(first) <= 1
    with pytest.raises(ValueError, match="subtask 1 has 1 probe rows"):
        split_halves(np.array([0, 0, 1]), np.random.default_rng(0))


@pytest.mark.parametrize("center", [False, True])
def test_halves_of_gradients_that_differ_are_found_and_those_of_noise_at_chance(center):
    rng = np.random.default_rng(2)
    of = np.repeat(np.arange(10), 12)
    own, noise = rng.normal(size=(10, 300))[of], rng.normal(size=(2, len(of), 300))
    parted = found_halves([gram_of(own + noise)], of, np.ones(2), center, splits=5)
    assert parted == {"found": 1.0, "chance": 1 / 19}
    nothing = found_halves([gram_of(noise), gram_of(noise[::-1])], of, np.ones(2), center, splits=40)
    assert abs(nothing["found"] - 1 / 19) < 0.05


def test_the_nearest_half_is_that_of_explicit_means():
    rng = np.random.default_rng(3)
    of, weights = np.repeat(np.arange(6), 5), np.array([1.0, 0.3])
    rows = rng.normal(size=(2, 30, 40)) + 0.5 * rng.normal(size=(6, 40))[of]
    right = []
    for split in range(4):
        halves = split_halves(of, np.random.default_rng([0, split]))
        long = np.concatenate([weight * (halves @ at) for weight, at in zip(weights, rows, strict=True)], axis=1)
        long /= np.linalg.norm(long, axis=1, keepdims=True)
        for h in range(12):
            nearest = max((o for o in range(12) if o != h), key=lambda o, h=h, long=long: long[h] @ long[o])
            right.append(nearest // 2 == h // 2)
    made = found_halves([gram_of(rows)], of, weights, False, splits=4)
    assert 0 < made["found"] < 1 and made["found"] == pytest.approx(np.mean(right))


# --- words


def test_words_are_those_of_the_figures():
    one = {"ari": 0.0, "shuffled": 0.0}
    said = follows("cadc", 1, dict.fromkeys(LABELS, one))
    assert said == "`cadc` finds 1 capability. There is no partition, so capabilities explain no result of `cadc`."
    labels = {"form": {"ari": 0.9, "shuffled": 0.1}, "family": None, "asked": {"ari": 0.05, "shuffled": 0.06}}
    said = follows("x", 2, labels)
    assert "agree most with *form* (ARI 0.90)" in said and "type of answer: 0.05 (shuffled labels: 0.06). In" in said
    labels["asked"] = {"ari": 0.95, "shuffled": 0.1}
    said = follows("x", 2, labels)
    assert "agree most with *asked* (ARI 0.95)" in said and said.endswith("answer: 0.95 (shuffled labels: 0.10).")
    assert follows("x", 2, {"form": one}).endswith("They agree with no label beyond chance.")
    assert "| 0.00 (0.00) |  |  |  |" in of_discovery("x", 2, {**dict.fromkeys(LABELS), "form": one})


# --- within one form

ASKS = (
    *("color_recognition", "font_recognition", "chart_to_text"),
    *("crowd_counting", "counting_by_category", "counting_by_reasoning"),
    *("object_detection", "pixel_localization", "visual_document_information_extraction"),
)


@pytest.fixture
def captured(tmp_path, monkeypatch):
    """A capture of two runs, here: gradients of a part that all share, one of the form and one of what is asked for."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", "params.yaml")
    rng = np.random.default_rng(4)
    named = [subtask(name, target) for target in ("mini_vqa", "mmt_val") for name in ASKS]
    named += [subtask(f"presence ({answer})", "pope") for answer in ("no", "yes")]
    named += [subtask(f"wild ({kind})", "llava_in_the_wild") for kind in ("conv", "detail")]
    labels = labels_of(named)
    parts = {
        label: {kind: rng.normal(size=600) for kind in dict.fromkeys(labels[label])} for label in ("form", "asked")
    }
    mean = rng.normal(size=600) + np.stack(
        [
            3 * parts["form"][form] + parts["asked"][asked]
            for form, asked in zip(labels["form"], labels["asked"], strict=False)
        ]
    )
    of = np.repeat(np.arange(len(named)), 6)
    folder = artifacts.CAPTURE / "default"
    for run in range(3):  # as many as params.yaml has
        rows = mean[of] + 0.5 * rng.normal(size=(2, len(of), 600))
        artifacts.save_array(folder / f"row_gram_run_{run}.npy", gram_of(rows))
    artifacts.save_array(folder / "row_subtask.npy", of.astype(np.int32))
    artifacts.write_json(folder / "subtasks.json", named)
    artifacts.write_json(artifacts.proxy_run("default") / "snapshots.json", [{"lr": 0.1}, {"lr": 0.05}])
    return folder


def test_a_capture_is_read_for_some_targets(captured):
    made = load_captured(captured, ["mmt_val"], 1)
    assert [one["name"] for one in made.subtasks] == list(ASKS) and made.kept.tolist() == list(range(9, 18))
    assert made.subtask.tolist() == np.repeat(np.arange(9), 6).tolist() and len(made.row_grams) == 1
    whole = np.load(captured / "row_gram_run_0.npy")
    assert np.array_equal(made.row_grams[0], whole[:, 54:108, 54:108])
    assert len(load_captured(captured, ["mmt_val", "pope"], 2).row_grams) == 2


def test_the_stage_finds_form_over_all_targets_and_what_is_asked_for_within_one(captured):
    (artifacts.REPORTS / "testbed").mkdir(parents=True)
    spec = importlib.util.spec_from_file_location("stage", REPOSITORY / "stages/capabilities.py")
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)
    stage.main(load_params())
    made = artifacts.read_json(artifacts.REPORTS / "testbed/capabilities.json")
    ours, cadc = made["influence_coverage"], made["cadc"]
    assert set(ours) == {"all", "open", "yes/no", "choice"}
    assert [[s for s in of if of[s]["own"]] for of in (ours, cadc)] == [["all"], ["choice"]]
    assert ours["all"]["labels"]["form"]["ari"] > 0.9 > 0.2 > ours["all"]["labels"]["asked"]["ari"]
    for form in ("open", "choice"):
        assert ours[form]["capabilities"] == 3 and ours[form]["labels"]["asked"]["ari"] == 1
        assert ours[form]["labels"]["form"] is None and ours[form]["subtasks"] == 9
        assert cadc[form]["capabilities"] == 1  # what all share hides the rest, and nothing is centred
    text = (artifacts.REPORTS / "testbed/capabilities.md").read_text()
    assert "`influence_coverage` on open questions only finds 3 capabilities. They agree most with *asked* (A" in text
    assert "They agree most with *form*" in text and "`cadc` on its own targets finds 1 capability." in text
    assert "| cadc | choice (its own) | 9 | 1 |" in text and "| cadc | choice | 18 |" in text


def test_labels_are_told_from_what_is_in_git():
    """facts.json has all that labels need."""
    for path in sorted((REPOSITORY / "reports/capabilities").glob("*/facts.json")):
        named = artifacts.read_json(path)["subtasks"]
        made = agreements(named, [one["capability"] for one in named])
        assert set(made) == set(LABELS) and made["meta-task"] is not None
