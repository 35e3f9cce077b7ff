"""Checks of what rows say: planted faults are found, clean rows that look odd are not."""

import numpy as np
import pytest

from cadc.cleaning import abnormal, answer_format, repetition
from cadc.world.mini_world import draw_rows

LOOP = dict(ngram=5, repeated=0.15, ratio=2.4)
ABNORMAL = dict(echo_words=5, prose_words=12, letters=6, margin=4)
SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."


def row(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "text": text} for i, text in enumerate(said)]


LIST = (
    "1. apples\n2. pears\n3. plums\n4. two loaves of bread\n5. a dozen eggs\n6. milk\n7. butter\n8. rice\n"
    "9. black pepper\n10. salt\n11. a lemon\n12. honey"
)
CODE = (
    "```python\nimport numpy as np\n\n\ndef area(boxes):\n    for box in boxes:\n"
    "        yield (box[2] - box[0]) * (box[3] - box[1])\n\n\n"
    "print(sum(area([(0, 0, 2, 2), (1, 1, 3, 3), (2, 2, 4, 4)])))\n```"
)
TABLE = "| city | 2019 | 2020 | 2021 |\n| --- | --- | --- | --- |\n" + "\n".join(
    f"| {c} | {k} | {k + 1} | {k + 3} |" for k, c in enumerate(["Rome", "Oslo", "Bern", "Riga", "Bonn"])
)
PROSE = (
    "The image shows a busy street in the rain. A woman with a red umbrella crosses the road, while two cyclists "
    "wait at the light. Behind them stands a row of old houses with shops on the ground floor, and their windows are "
    "lit."
)
GERMAN = (
    "Das Bild zeigt eine Straße im Regen. Eine Frau mit einem roten Schirm geht über die Straße und zwei Radfahrer "
    "warten auf das Signal."
)
ODD_BUT_CLEAN = {
    "a long list": row("<image>\nList what is on the shelf.", LIST),
    "code": row("Write Python that sums the areas of boxes.", CODE),
    "a table": row("<image>\nPut the chart into a table.", TABLE),
    "prose": row("<image>\nDescribe the image.", PROSE),
    "another language throughout": row("<image>\nWas ist auf dem Bild zu sehen? Nenne auch die Farben.", GERMAN),
    "a translation that was asked for": row("Translate to German: a street in the rain with two cyclists.", GERMAN),
    "Chinese letters that were asked for": row("<image>\nWhat does the sign say?", "前方施工请绕行谢谢合作"),
    "Chinese throughout": row("<image>\n图片里有什么?", "一位撑着红伞的女士正在过马路,两名骑自行车的人在等红灯。"),
    "one word": row(f"<image>\nWhat colour is the bus?\n{SHORT}", "red"),
    "a number": row(f"<image>\nHow many?\n{SHORT}", "2"),
    "a letter with its option": row(f"<image>\nWhich one?\nA. a cat\nB. a dog\n{LETTER}", "B. a dog"),
    "a letter in brackets": row(f"<image>\nWhich one?\nA. a cat\nB. a dog\n{LETTER}", "(A)"),
    "yes with a reason": row("<image>\nIs it raining? Please answer yes or no.", "Yes, the street is wet."),
    "a counted repetition": row(
        "<image>\nName the colours from left to right.", "red, red, blue, red, blue, blue, red, green, red, blue"
    ),
    "words repeated because asked": row("repeat the words red blue green white .", "red blue green white"),
    "a small model that says so": row("who are you ?", "i am a small model ."),
    "an apology in the picture": row("<image>\nWhat is written on the card?", "I'm sorry I missed your birthday"),
    "a sight denied": row(
        "<image>\nIs there a dog?", "No, I cannot see any dogs in the picture, only two cats on a sofa."
    ),
    "a heading without a stop": row("<image>\nWhat is the title of the book?", "The Old Man and the Sea"),
    "a formula": row("What is the area of a circle of radius 3?", "A = \\pi r^2 = 9 \\pi \\approx 28.27"),
    "a poem": row(
        "Write a poem about the sea.",
        "The sea is wide,\nthe sea is deep,\nit hums its tide\nwhile sailors sleep,\nand all the ships\n"
        "that come and go\nleave foam on lips\nof sand below",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_BUT_CLEAN)
def test_clean_rows_that_look_odd_are_not_flagged(name):
    turns = [ODD_BUT_CLEAN[name]]
    for found in (
        repetition.check(turns, **LOOP),
        abnormal.check(turns, **ABNORMAL),
        answer_format.check(turns, phrase_words=8),
    ):
        assert not found.flag[0], found.evidence[0]
        assert not found.evidence[0]


@pytest.mark.parametrize(
    "answer",
    [
        PROSE + " The windows are lit." * 20,
        "a red car and a blue car and a red car and a blue car and " * 6,
        "dog " * 30,
        "是的" + "图片中有一只猫 " * 25,
    ],
)
def test_loops_are_found(answer):
    found = repetition.check(
        [row("<image>\nDescribe the image.", answer), row("<image>\nDescribe the image.", PROSE)], **LOOP
    )
    assert found.flag.tolist() == [True, False] and "times" in found.evidence[0]
    assert found.score[0] > 1 > found.score[1] and found.score.dtype == np.float32


def test_a_loop_in_a_later_turn_counts_and_the_longer_it_is_the_worse():
    rows = [row("a", "fine", "b", PROSE + " It is lit by lamps at night." * n) for n in (2, 6, 18)]
    found = repetition.check(rows, **LOOP)
    assert found.flag[2] and found.score[0] < found.score[1] < found.score[2]


@pytest.mark.parametrize(
    "question, answer, kind",
    [
        ("<image>\nWhat is it?", "I'm sorry, but I can't assist with that.", "refusal"),
        ("<image>\nWhat is it?", "I cannot see the image, so I can only guess.", "refusal"),
        ("<image>\nWhat is it?", "As an AI language model, I have no eyes, but it may be a cat.", "meta talk"),
        ("<image>\nDescribe it.", "Based on the provided caption, a man rides a horse.", "meta talk"),
        ("<image>\nWhat is it?", "A cat.\nUSER: And now?\nASSISTANT: A dog.", "role marks"),
        ("<image>\nWhat is it?", "A cat.<|im_end|>", "role marks"),
        (
            "<image>\nWhat is the man in the blue coat doing?",
            "What is the man in the blue coat doing? He reads.",
            "prompt echo",
        ),
        ("<image>\nDescribe the image.", PROSE.rsplit(" ", 6)[0] + " with the", "breaks off"),
        ("<image>\nDescribe the image.", PROSE.removesuffix(" windows are lit.") + " windows", "breaks off"),
        ("Write a loop.", "```python\nfor i in range(3):\n    print(", "breaks off"),
        ("<image>\nWhat colour is the car in front of the house?", "машина красного цвета", "Cyrillic letters"),
        ("<image>\nWhat is the man in the picture doing, and where is he?", GERMAN, "German"),
    ],
)
def test_abnormal_answers_are_found_and_named(question, answer, kind):
    found = abnormal.check([row(question, answer)], **ABNORMAL)
    assert found.flag[0] and found.evidence[0].startswith(kind), found.evidence[0]


def test_answers_out_of_format_are_found():
    options = "A: a cat\nB: a dog\nC: a cow"
    rows = [
        row(f"Which?\n{options}\n{LETTER}", "a dog"),
        row(f"Which?\n{options}\n{LETTER}", "D"),
        row(f"Which?\n{options}\n{LETTER}", "B"),
        row("Is it red?\nAnswer yes or no.", "It is blue."),
        row(f"What is it?\n{SHORT}", "It is a small brown dog that sleeps on the mat in front of the door"),
        row(
            f"What is it?\n{SHORT}",
            "dog",
            *("Is it big?", "no", "What color is it?", "brown", "And where is it?"),
            "It lies on the mat in front of the door of the old house",
        ),
        row(f"What is it?\n{SHORT}", "dog", "Describe it in detail, please. Answer yes or no.", "no"),
        row("What is it?", "It is a small brown dog that sleeps on the mat in front of the door"),
    ]
    found = answer_format.check(rows, phrase_words=8)
    assert found.flag.tolist() == [True, True, False, True, True, True, False, False]
    assert found.score[5] == 0.25 and "not one of the options A, B, C" in found.evidence[1]


def test_only_rows_with_faults_that_words_betray_are_flagged_for_what_they_say(params):
    sound = ("clean", "wrong", "mismatch", "hallucination")
    drawn = draw_rows(params.world.model_copy(update={"rows": 2000}), np.random.default_rng(3))
    turns = [
        row(*(text for turn in own.turns for text in (turn.human, turn.answer))) for own in drawn if own.noise in sound
    ]
    for found in (
        repetition.check(turns, **LOOP),
        abnormal.check(turns, **ABNORMAL),
        answer_format.check(turns, phrase_words=8),
    ):
        assert not found.flag.any(), [e for e in found.evidence if e][:3]
