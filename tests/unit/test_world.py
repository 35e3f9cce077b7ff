"""The mini world: answers are right by an independent reading of the scene, and everything comes from the seed."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from cadc.world.benchmarks import absent_nouns
from cadc.world.mini_world import draw_rows, long_tail, write_pool
from cadc.world.rows import ask, find_question
from cadc.world.scene import OBJECT_NOUNS, SHAPES, draw_scene, sample_scene
from cadc.world.subtasks import SUBTASKS, draw_question

POSITION = {
    c: f"{r} {k}"
    for c, (r, k) in enumerate((r, k) for r in ("top", "middle", "bottom") for k in ("left", "center", "right"))
}


def answer_from(description: dict, subtask: str, words: dict) -> str:
    """The right answer, worked out from the scene's JSON with none of the world's own code."""
    items = description["items"]
    by = {key: {str(item[key]): item for item in items} for key in ("noun", "color", "value")}
    at = {POSITION[item["cell"]]: item for item in items}
    noun, color, position = words.get("noun"), words.get("color"), words.get("position")
    digits = [int(item["value"]) for item in items if item["noun"] == "digit"]
    bars = Counter(item["color"] for item in items if item["noun"] == "bar")
    shapes = [item for item in items if item["noun"] in SHAPES]
    one = {
        kind: next((item["value"] for item in items if item["noun"] == kind), None)
        for kind in ("face", "arrow", "light", "clock", "letter", "digit")
    }
    cell = by["noun"].get(noun, {}).get("cell")
    return {
        "object_detection": lambda: POSITION[cell],
        "small_object_detection": lambda: next(i["noun"] for i in shapes if i["size"] == "small"),
        "salient_object_detection_rgb": lambda: next(i["color"] for i in shapes if i["size"] == "big"),
        "pixel_localization": lambda: POSITION[cell].split()[0],
        "polygon_localization": lambda: POSITION[cell].split()[1],
        "pixel_recognition": lambda: at[position]["color"],
        "depth_estimation": lambda: by["noun"][noun]["size"],
        "referring_detection": lambda: at[position]["noun"],
        "counting_by_category": lambda: str(sum(i["noun"] == noun for i in items)),
        "counting_by_reasoning": lambda: str(sum(i["color"] == color for i in items)),
        "crowd_counting": lambda: str(len(items)),
        "counting_by_visual_prompting": lambda: str(sum(POSITION[i["cell"]].startswith(words["row"]) for i in items)),
        "color_recognition": lambda: by["noun"][noun]["color"],
        "shape_recognition": lambda: by["color"][color]["noun"],
        "texture_material_recognition": lambda: by["noun"][noun]["texture"],
        "scene_recognition": lambda: description["background"],
        "exist_hallucination": lambda: "yes" if noun in by["noun"] else "no",
        "attribute_hallucination": lambda: "yes" if by["noun"][noun]["color"] == color else "no",
        "facial_expression_recognition": lambda: one["face"],
        "navigation": lambda: one["arrow"],
        "traffic_light_understanding": lambda: one["light"],
        "clock_reading": lambda: one["clock"],
        "scene_text_recognition": lambda: one["letter"],
        "handwritten_text_recognition": lambda: one["digit"],
        "font_recognition": lambda: by["value"][words["letter"]]["color"],
        "doc_vqa": lambda: at[position]["value"],
        "visual_document_information_extraction": lambda: POSITION[by["value"][words["letter"]]["cell"]],
        "chart_vqa": lambda: str(bars[color]),
        "chart_to_text": lambda: max(bars, key=bars.get),
        "science": lambda: str(max(digits)),
        "business": lambda: str(sum(digits)),
    }[subtask]()


@pytest.mark.parametrize("name", SUBTASKS)
def test_answers_are_right_and_unambiguous(name):
    rng = np.random.default_rng(1)
    answers = set()
    for _ in range(60):
        scene, question = find_question(name, rng)
        assert question.answer == answer_from(scene.describe(), name, question.words)
        assert question.answer in SUBTASKS[name].answers and question.answer not in question.distractors(rng, 9)
        answers.add(question.answer)
    assert len(answers) > 1


def test_subtasks_cover_the_groups_and_enough_meta_tasks():
    assert len(SUBTASKS) >= 24
    assert len({s.meta for s in SUBTASKS.values()}) >= 8
    assert len({s.group for s in SUBTASKS.values()}) == 3


@pytest.mark.parametrize("form", ["open", "yesno", "choice", "chat"])
def test_forms_hold_the_right_answer(form):
    rng = np.random.default_rng(2)
    for name in SUBTASKS:
        _scene, question = find_question(name, rng)
        turn = ask(question, form, rng)
        assert turn.wrong != turn.answer
        if form == "choice":
            options = dict(line.split(": ") for line in turn.human.split("\n") if line[1:3] == ": ")
            assert options[turn.answer] == question.answer
            assert len(set(options.values())) == len(options)
        if form == "open":
            assert turn.answer == question.answer


def test_the_same_seed_gives_the_same_bytes(world, tmp_path):
    def written(folder, seed):
        write_pool(folder, world, np.random.default_rng(seed))
        return {
            str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.*"))
        }

    assert written(tmp_path / "a", 5) == written(tmp_path / "b", 5) != written(tmp_path / "c", 6)


def test_shares_of_copies_and_the_long_tail_are_as_stated(params):
    world = params.world.model_copy(update={"rows": 4000})
    rows = draw_rows(world, np.random.default_rng(0))
    assert len(rows) == 4000
    originals = [row for row in rows if row.copy_of < 0]
    assert len(rows) - len(originals) == round((world.exact_duplicate_share + world.near_duplicate_share) * 4000)
    assert sum(row.scene is None for row in originals) / len(originals) == pytest.approx(
        world.text_only_share, abs=0.02
    )
    tail = long_tail(31, 1.0, np.random.default_rng(0))
    assert tail.sum() == pytest.approx(1) and tail.max() / tail.min() == pytest.approx(31)


def test_pope_negatives_are_absent_and_differ_by_mode():
    rng = np.random.default_rng(4)
    frequency, together = Counter({"circle": 9, "star": 5}), Counter({("clock", "light"): 7})
    scene = next(
        s for s in iter(lambda: sample_scene(rng, "objects"), None) if {i.noun for i in s.items} == {"light", "heart"}
    )
    firsts = {
        mode: absent_nouns(scene, mode, (frequency, together), np.random.default_rng(0))
        for mode in ("random", "popular", "adversarial")
    }
    assert firsts["popular"][:2] == ["circle", "star"]
    assert firsts["adversarial"][0] == "clock"
    for absent in firsts.values():
        assert sorted(absent) == sorted(set(OBJECT_NOUNS) - {"light", "heart"})


def test_pictures_differ_wherever_scenes_do():
    rng = np.random.default_rng(5)
    scenes = {
        scene: draw_scene(scene, np.random.default_rng(0)).tobytes()
        for scene in (sample_scene(rng, k) for k in ("objects", "text", "chart") * 60)
    }
    assert len(set(scenes.values())) == len(scenes)


def test_a_question_that_a_scene_can_not_answer_is_not_asked():
    scene = sample_scene(np.random.default_rng(0), "chart")
    assert draw_question("facial_expression_recognition", scene, np.random.default_rng(0)) is None
