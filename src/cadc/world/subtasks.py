"""The mini world's subtasks: questions about a scene, their wordings, and the right answers (ours).

Each subtask is named after the MMT-Bench subtask that it imitates, and belongs to that subtask's meta-task. Its `ask`
picks something unambiguous in the scene and returns the words to fill in and the answer, or None if the scene offers
nothing suitable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cadc.world.asking import (
    Answer,
    about_color,
    about_noun,
    about_position,
    attribute_holds,
    bar_height,
    color,
    count,
    count_row,
    exists,
    highest_bar,
    is_shape,
    larger,
    letter_color,
    letter_position,
    noun,
    odd_size,
    total,
    value_of,
)
from cadc.world.scene import (
    BACKGROUNDS,
    COLORS,
    COLUMNS,
    DIGITS,
    LETTERS,
    OBJECT_NOUNS,
    POSITIONS,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    VALUES,
    Scene,
)

STRUCTURE, PERCEPTION, SYMBOLS = "structure", "perception", "symbols"
WORDINGS = (0, 1, 2)  # indices of every subtask's wordings


@dataclass(frozen=True)
class Subtask:
    """One kind of question. `questions` and `claim` are templates over the words that `ask` returns."""

    name: str
    meta: str
    group: str
    scene: str
    answers: tuple[str, ...]
    questions: tuple[str, ...]
    claim: str
    ask: Callable[[Scene, np.random.Generator], Answer | None]


_COUNTS = tuple("123456")
SUBTASKS: dict[str, Subtask] = {
    subtask.name: subtask
    for subtask in (
        # --- structural grounding
        Subtask("object_detection", "localization", STRUCTURE, "objects", POSITIONS,
                ("where is the {noun} ?", "in which part of the image is the {noun} ?", "locate the {noun} ."),
                "is the {noun} at the {answer} ?", about_noun("position")),
        Subtask("small_object_detection", "localization", STRUCTURE, "objects", SHAPES,
                ("what is the small object ?", "name the small thing in the image .", "which shape is tiny ?"),
                "is the small object a {answer} ?", odd_size("small", "noun")),
        Subtask("salient_object_detection_rgb", "localization", STRUCTURE, "objects", tuple(COLORS),
                ("what color is the big object ?",
                 "which color does the large thing have ?", "name the color of the salient object ."),
                "is the big object {answer} ?", odd_size("big", "color")),
        Subtask("pixel_localization", "pixel_level_perception", STRUCTURE, "objects", ROWS,
                ("which row is the {noun} in ?", "in what row do you see the {noun} ?", "name the row of the {noun} ."),
                "is the {noun} in the {answer} row ?", about_noun("row")),
        Subtask("polygon_localization", "pixel_level_perception", STRUCTURE, "objects", COLUMNS,
                ("which column is the {noun} in ?",
                 "in what column do you see the {noun} ?", "name the column of the {noun} ."),
                "is the {noun} in the {answer} column ?", about_noun("column")),
        Subtask("pixel_recognition", "pixel_level_perception", STRUCTURE, "objects", tuple(COLORS),
                ("what color is at the {position} ?",
                 "which color fills the {position} cell ?", "name the color found {position} ."),
                "is the color at the {position} {answer} ?", about_position("color")),
        Subtask("depth_estimation", "pixel_level_perception", STRUCTURE, "objects", SIZES,
                ("how large is the {noun} ?",
                 "what size does the {noun} have ?", "is the {noun} near and big or far and small ?"),
                "is the {noun} {answer} ?", about_noun("size", is_shape)),
        Subtask("referring_detection", "visual_grounding", STRUCTURE, "objects", OBJECT_NOUNS,
                ("what is at the {position} ?",
                 "which object is in the {position} cell ?", "name the thing at {position} ."),
                "is the object at the {position} a {answer} ?", about_position("noun")),
        Subtask("counting_by_category", "counting", STRUCTURE, "repeats", _COUNTS,
                ("how many {noun} objects are there ?",
                 "count the {noun} objects .", "what is the number of {noun} things ?"),
                "are there {answer} {noun} objects ?", count(noun, "noun")),
        Subtask("counting_by_reasoning", "counting", STRUCTURE, "repeats", _COUNTS,
                ("how many {color} objects are there ?",
                 "count the {color} objects .", "what is the number of {color} things ?"),
                "are there {answer} {color} objects ?", count(color, "color")),
        Subtask("crowd_counting", "counting", STRUCTURE, "repeats", _COUNTS,
                ("how many objects are there in all ?",
                 "count everything in the image .", "what is the total number of things ?"),
                "are there {answer} objects in all ?", lambda scene, rng: ({}, str(len(scene.items)))),
        Subtask("counting_by_visual_prompting", "counting", STRUCTURE, "repeats", tuple("0123"),
                ("how many objects are in the {row} row ?",
                 "count the things in the {row} row .", "how many does the {row} row hold ?"),
                "are there {answer} objects in the {row} row ?", count_row),
        # --- perceptual recognition
        Subtask("color_recognition", "visual_recognition", PERCEPTION, "objects", tuple(COLORS),
                ("what color is the {noun} ?", "which color does the {noun} have ?", "name the color of the {noun} ."),
                "is the {noun} {answer} ?", about_noun("color")),
        Subtask("shape_recognition", "visual_recognition", PERCEPTION, "objects", SHAPES,
                ("what shape is the {color} object ?", "which shape is {color} ?", "name the {color} shape ."),
                "is the {color} object a {answer} ?", about_color("noun", is_shape)),
        Subtask("texture_material_recognition", "visual_recognition", PERCEPTION, "objects", TEXTURES,
                ("what texture does the {noun} have ?",
                 "which pattern is on the {noun} ?", "describe the surface of the {noun} ."),
                "is the {noun} {answer} ?", about_noun("texture", is_shape)),
        Subtask("scene_recognition", "visual_recognition", PERCEPTION, "objects", tuple(BACKGROUNDS),
                ("what scene is this ?", "which place is shown in the image ?", "name the background ."),
                "is this scene a {answer} ?", lambda scene, rng: ({}, scene.background)),
        Subtask("exist_hallucination", "hallucination", PERCEPTION, "objects", ("yes", "no"),
                ("is there a {noun} in the image ?", "can you see a {noun} ?", "does the image show a {noun} ?"),
                "is it {answer} that there is a {noun} ?", exists),
        Subtask("attribute_hallucination", "hallucination", PERCEPTION, "objects", ("yes", "no"),
                ("is the {noun} {color} ?",
                 "does the {noun} have the color {color} ?", "would you call the {noun} {color} ?"),
                "is it {answer} that the {noun} is {color} ?", attribute_holds),
        Subtask("facial_expression_recognition", "emotion", PERCEPTION, "objects", VALUES["face"],
                ("how does the face feel ?", "what mood is the face in ?", "name the emotion of the person ."),
                "does the face look {answer} ?", value_of("face")),
        Subtask("navigation", "embodied_ai", PERCEPTION, "objects", VALUES["arrow"],
                ("which way does the arrow point ?",
                 "where should you go if you follow the arrow ?", "name the direction of travel ."),
                "does the arrow point {answer} ?", value_of("arrow")),
        Subtask("traffic_light_understanding", "autonomous_driving", PERCEPTION, "objects", VALUES["light"],
                ("what does the light tell the driver ?",
                 "what should the car do at the light ?", "name the traffic signal ."),
                "does the light say {answer} ?", value_of("light")),
        # --- symbolic reasoning
        Subtask("clock_reading", "doc_understanding", SYMBOLS, "objects", VALUES["clock"],
                ("what time is it ?", "which hour does the clock show ?", "read the clock ."),
                "does the clock show {answer} ?", value_of("clock")),
        Subtask("scene_text_recognition", "ocr", SYMBOLS, "text", LETTERS,
                ("what letter is written ?", "which letter do you read ?", "read the letter in the image ."),
                "is the letter {answer} ?", value_of("letter")),
        Subtask("handwritten_text_recognition", "ocr", SYMBOLS, "text", DIGITS,
                ("what digit is written ?", "which digit do you read ?", "read the digit in the image ."),
                "is the digit {answer} ?", value_of("digit")),
        Subtask("font_recognition", "ocr", SYMBOLS, "text", tuple(COLORS),
                ("what color is the letter {letter} ?",
                 "which ink was used for {letter} ?", "name the color of {letter} ."),
                "is the letter {letter} {answer} ?", letter_color),
        Subtask("doc_vqa", "doc_understanding", SYMBOLS, "text", (*LETTERS, *DIGITS),
                ("what is written at the {position} ?",
                 "which character is in the {position} cell ?", "read the text at {position} ."),
                "is the text at the {position} {answer} ?", about_position("value")),
        Subtask("visual_document_information_extraction", "doc_understanding", SYMBOLS, "text", POSITIONS,
                ("where is the letter {letter} ?",
                 "in which part of the page is {letter} ?", "find {letter} on the page ."),
                "is the letter {letter} at the {answer} ?", letter_position),
        Subtask("chart_vqa", "doc_understanding", SYMBOLS, "chart", tuple("123"),
                ("how high is the {color} bar ?", "what value does the {color} bar have ?", "read the {color} bar ."),
                "is the {color} bar {answer} high ?", bar_height),
        Subtask("chart_to_text", "doc_understanding", SYMBOLS, "chart", tuple(COLORS),
                ("which bar is the highest ?", "what color has the largest value ?", "name the winner of the chart ."),
                "is the highest bar {answer} ?", highest_bar),
        Subtask("science", "discipline_knowledge_reasoning", SYMBOLS, "text", DIGITS,
                ("which digit is larger ?", "what is the maximum of the digits ?", "name the greater digit ."),
                "is the larger digit {answer} ?", larger),
        Subtask("business", "discipline_knowledge_reasoning", SYMBOLS, "text", DIGITS,
                ("what is the sum of the digits ?", "add the two digits .", "how much do the digits make together ?"),
                "is the sum of the digits {answer} ?", total),
    )
}  # fmt: skip

#: Requests for a description of an image.
REQUESTS = (
    "describe the image .",
    "what do you see ?",
    "give a short caption .",
    "tell me about the picture in detail .",
)

#: Kind of answer that each subtask asks for (ours); used in reports on capabilities, unknown to methods.
ASKED: dict[str, str] = {
    name: asked
    for asked, names in {
        "colour": "salient_object_detection_rgb pixel_recognition color_recognition font_recognition chart_to_text",
        "position": "object_detection pixel_localization polygon_localization visual_document_information_extraction",
        "count": "counting_by_category counting_by_reasoning crowd_counting counting_by_visual_prompting",
        "value": "clock_reading facial_expression_recognition navigation traffic_light_understanding chart_vqa",
        "name": "small_object_detection referring_detection shape_recognition scene_text_recognition "
        "handwritten_text_recognition doc_vqa",
        "size": "depth_estimation",
        "texture": "texture_material_recognition",
        "scene": "scene_recognition",
        "truth": "exist_hallucination attribute_hallucination",
        "arithmetic": "science business",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True)
class Question:
    """A question of one subtask about one scene, before it gets a form (open, yes/no, multiple choice)."""

    subtask: str
    words: dict[str, str]
    answer: str
    wording: int

    @property
    def text(self) -> str:
        return SUBTASKS[self.subtask].questions[self.wording].format(**self.words)

    def distractors(self, rng: np.random.Generator, n: int) -> list[str]:
        """Up to `n` wrong answers from the subtask's own domain."""
        wrong = [answer for answer in SUBTASKS[self.subtask].answers if answer != self.answer]
        return [wrong[i] for i in rng.permutation(len(wrong))[:n]]

    def claim(self, answer: str) -> str:
        return SUBTASKS[self.subtask].claim.format(answer=answer, **self.words)


def draw_question(
    name: str, scene: Scene, rng: np.random.Generator, wordings: Sequence[int] = WORDINGS
) -> Question | None:
    """A question of subtask `name` about `scene` in one of the `wordings`, or None if the scene offers none."""
    subtask = SUBTASKS[name]
    asked = subtask.ask(scene, rng)
    if asked is None or asked[1] not in subtask.answers:
        return None
    return Question(name, asked[0], asked[1], wordings[int(rng.integers(len(wordings)))])
