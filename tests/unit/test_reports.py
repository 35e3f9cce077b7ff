"""What reports say of capabilities, from what `discover` leaves in git."""

import matplotlib
import numpy as np
import small_results
from matplotlib import pyplot as plt
from PIL import Image

from cadc import artifacts
from cadc.capabilities.description import telling_words, without_prompts
from cadc.report import figures
from cadc.report.capabilities import draw, load_found, section


def test_every_capability_is_described_and_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_results.write_found("x")
    facts, rows = load_found(None, "x")
    text = section("x", facts)
    assert "| 0 | 25% | task_0, task_2 | how many |" in text and "| 1 | 75% | task_1, task_3 | read |" in text
    assert "| 0 | 1 | 2 |  | 1 | yes |" in text  # one partition agrees with none
    draw("x", facts, rows, tmp_path)
    for name in ("similarity", "self_influence", "rows"):
        assert f"plots/{name}_x.png" in text and Image.open(tmp_path / f"{name}_x.png").size[0] > 300
    assert artifacts.FOUND == artifacts.REPORTS / "capabilities"


PROMPT, LETTER = "Answer with one word.", "Answer with the option's letter from the given choices directly."


def test_words_are_those_of_the_questions_and_not_of_how_to_answer():
    asked = [f"how many cats are at place {i} ?\n{PROMPT}" for i in range(25)]
    asked += [f"Question: which hue has dog {i} ?\nA: red\nB: blue\n{LETTER}" for i in range(25)]
    kept = without_prompts(asked)
    assert kept[0] == "how many cats are at place 0 ?" and kept[25] == "which hue has dog 0 ?\nred\nblue"
    words = telling_words(kept, np.repeat([0, 1], 25), 2, 8)
    assert {"many", "cats"} < set(words[0]) and {"hue", "dog"} < set(words[1])
    assert not {"answer", "word", "letter", "a", "question", "directly"} & {*words[0], *words[1]}


def test_a_line_that_ends_few_questions_belongs_to_them():
    rare = [f"look at {i}\nwhat is it ?" for i in range(19)]
    assert without_prompts([*rare, "what is it ?"] * 9) == [*rare, "what is it ?"] * 9
    assert without_prompts(["a cat\nwhat is it ?"] * 50)[0] == "a cat\nwhat is it ?"  # one question, fifty times


def test_labels_of_points_that_coincide_do_not_collide():
    with matplotlib.rc_context(figures.STYLE):
        figure, axis = plt.subplots(figsize=(5, 3))
        points = [(f"a method of a long name {i}", 1.0, 50.0 + 0.1 * i) for i in range(7)] + [("right", 2.0, 60.0)]
        axis.plot([x for _, x, _ in points], [y for *_, y in points], "o")
        figures._label_points(axis, points)
        boxes = [text.get_window_extent().shrunk(0.98, 0.98) for text in axis.texts]
        assert len(boxes) == 8 and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1 for box in boxes)
        plt.close(figure)


def test_figures_of_percentages_say_so():
    assert figures.in_percent("POPE F1") == "POPE F1, %" and figures.in_percent("Rel. %") == "Rel. %"
