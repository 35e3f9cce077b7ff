"""Attribution: the step that a wrong answer failed at, asked of wrong answers alone, and what reports make of it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from test_metabolism import CHOICE, planted

from cadc.metabolism import attribution
from cadc.metabolism.diagnosis import Replies, failed_steps, findings, recommend
from cadc.metabolism.errors import KINDS, means_the_same
from cadc.metabolism.rounds import failures
from cadc.metabolism.steps import MODEL, STEPS, WORLD, Attribution, failed_step
from cadc.report.diagnosis import capability_table, diagnosis_table, steps_table
from cadc.world.scene import draw_scene, sample_scene
from cadc.world.told import told

OPEN = "how many ?\nAnswer the question using a single word or phrase."


@pytest.mark.parametrize(
    ("question", "answer", "said", "blind", "words", "step"),
    [
        (CHOICE, "A", "the picture", "A", "A", "format"),
        ("is it red ?", "no", "No, it is not", "yes", "", "format"),  # right, but it is scored as wrong
        ("what is it ?", "star", "it is a star .", "", "", "format"),
        ("is it red ?", "yes", "No, it is not", "No, it is not", "yes", "looking"),
        (CHOICE, "A", "B", "B", "A", "looking"),
        (CHOICE, "A", "B", "D", "A: red", "looking"),
        (CHOICE, "A", "B", "D", "B", "reasoning"),
        (CHOICE, "A", "B", "D", "there is no image", "not told"),
        (CHOICE, "A", "B", "D", "", "not told"),
        (OPEN, "7", "8", "1", "it is 7 .", "looking"),
        (OPEN, "7", "8", "1", "9", "reasoning"),
        ("is it red ?", "yes", "no", "yes", "Yes.", "looking"),
        ("is it red ?", "yes", "no", "yes", "no", "reasoning"),
    ],
)
def test_the_first_step_that_failed(question, answer, said, blind, words, step):
    assert failed_step(question, answer, said, blind, words) == step


def test_what_an_answer_means_is_neither_its_form_nor_another_word():
    options = {"A": "no star", "B": "star"}
    assert means_the_same("The answer is a star.", "star", {}) and means_the_same("B", "star", options)
    assert not means_the_same("starfish", "star", {}) and not means_the_same("A", "star", options)
    assert not means_the_same("not known", "no", {}) and means_the_same("no, it isn't", "no", {})


class Asked:
    """Stands for models: answers by `reply(purpose, model, text)`, and keeps what each was asked."""

    def __init__(self, reply):
        self.reply, self.texts = reply, {}

    def __call__(self, params, name, trials, purpose, tables, longest):
        assert purpose not in self.texts, "asked twice"
        self.texts[purpose] = [[turns[0]["text"] for turns in table["turns"].to_pylist()] for table in tables]
        self.shown = {purpose: [table["images"].to_pylist() for table in tables]}
        return [[self.reply(purpose, k, text) for text in own] for k, own in enumerate(self.texts[purpose])]


def png(picture: Image.Image, tmp_path, name: str) -> dict:
    picture.save(tmp_path / name)
    return {"bytes": None, "path": str(tmp_path / name)}


def test_only_what_is_wrong_and_undecided_is_asked_again_and_told_by_the_world_or_the_model(
    params, tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    own = draw_scene(sample_scene(rng, "objects"), rng)
    images = [
        [png(own, tmp_path, "world.png")],
        [png(Image.new("RGB", (64, 40), (9, 8, 7)), tmp_path, "photo.png")],
        [png(Image.new("RGB", (64, 40), (7, 8, 9)), tmp_path, "other.png")],
    ]
    # of two models, rows: right; blind; asked of the world; asked of the model; the same picture; no description
    question = [f"<image>\nQ{i} ?" for i in range(6)]
    order = np.array([0, 0, 0, 1, 1, 2])
    said = [["star"] + ["heart"] * 5, ["star"] * 6]
    blind = [["no", "heart", "no", "no", "no", "no"]] * 2
    score = np.array([[1.0] + [0.0] * 5, [1.0] * 6])
    replies = Replies(question, ["star"] * 6, np.zeros(6), said, blind, score)

    def reply(purpose, k, text):
        if purpose == "describe":
            return described.pop(0)
        return "star" if "Q3" in text else "circle"

    described = ["a star on a desk", "i'm sorry, but i can't see the image"]
    asked = Asked(reply)
    monkeypatch.setattr(attribution, "ask", asked)
    column = pa.chunked_array([pa.array(images, pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])))])
    found = attribution.attribute(params, "round_0", [None, None], replies, column, order)
    assert found.step == [["", "looking", "reasoning", "looking", "reasoning", "not told"], [""] * 6]
    assert found.teller == [["", "", WORLD, MODEL, MODEL, ""], [""] * 6]
    assert [len(texts) for texts in asked.texts["describe"]] == [2, 0] and described == []
    words = told(own)
    assert words and asked.texts["tell"] == [[f"{words}\nQ2 ?", "a star on a desk\nQ3 ?", "a star on a desk\nQ4 ?"], []]
    assert asked.shown["tell"] == [[[], [], []], []]


def test_where_nothing_is_wrong_nobody_is_asked(params, monkeypatch):
    monkeypatch.setattr(attribution, "ask", lambda *_: pytest.fail("asked"))
    replies = Replies(["a ?"], ["star"], np.zeros(1), [["star"]], [["no"]], np.ones((1, 1)))
    none = pa.chunked_array([[[]]], pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    assert attribution.attribute(params, "round_0", [None], replies, none, np.zeros(1, int)).step == [[""]]


def attributed() -> tuple:
    """The planted faults, each wrong answer with a step: of `contested` all at reasoning, told by the world."""
    names, group, replies, held = planted()
    wrong, contested = replies.score[0] < 1, group == names.index("contested")
    step = np.where(wrong, np.where(contested, "reasoning", "looking"), "").tolist()
    teller = np.where(wrong & contested, WORLD, "").tolist()
    return names, group, replace(replies, attribution=Attribution([step], [teller])), held


def test_steps_are_counted_by_subtask_and_change_no_advice(params):
    found = {d.name: d for d in findings(*attributed())}
    assert found["contested"].steps == {"reasoning": 10} and found["contested"].told == {WORLD: 10}
    assert found["bare"].steps == {"looking": 18} and found["bare"].told == {} and found["healthy"].steps == {}
    assert all(sum(d.steps.values()) == sum(d.kinds.values()) for d in found.values())
    rules = params.metabolize.rules
    for before in findings(*planted()):
        assert before.steps == {} and recommend(found[before.name], rules) == recommend(before, rules)


def test_the_report_gives_counts_and_shares_of_steps():
    found = findings(*attributed())
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in steps_table(found).splitlines()]
    wrong = {"contested": 10, "bare": 18, "formless": 12, "soiled": 6}
    assert cells[0][1:] == ["wrong answers", *STEPS, "described by the world", "described by the model"]
    assert cells[2] == ["all", "46", "0 (0%)", "36 (78%)", "10 (22%)", "0 (0%)", "10", "0"]
    assert [(row[0], int(row[1])) for row in cells[3:]] == sorted(wrong.items(), key=lambda item: -item[1])
    assert failed_steps(found) == {"format": 0, "looking": 36, "reasoning": 10, "not told": 0}
    assert failures(found) == "46 wrong answers by failed step: looking 36 (78%), reasoning 10 (22%)"
    healthy = [d for d in found if d.name == "healthy"]
    assert steps_table(healthy) == "" and failures(healthy) == "no wrong answers"


def test_the_diagnosis_has_the_steps_beside_the_kinds():
    found = findings(*attributed())
    for table in (diagnosis_table(found), capability_table(found)):
        header, _, *body = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
        at = header.index(KINDS[-1]) + 1
        assert header[at : at + 4] == ["fails at format", "fails at looking", "fails at reasoning", "not told"]
        shares = {row[0]: row[at : at + 4] for row in body}
        assert shares["contested"] == ["0", "0", "100", "0"] and shares["bare"] == ["0", "100", "0", "0"]
        assert shares["healthy"] == [""] * 4
