"""Refusals, and talk of a model of itself: what is found, and what must not be flagged."""

import time

import pytest
from labelled import ABNORMAL, abnormal_rows, lines, row

from cadc.cleaning import abnormal
from cadc.cleaning.garbled import garbled
from cadc.cleaning.meta_talk import meta_talk
from cadc.cleaning.refusals import refusal


def test_refusals_are_told_from_answers_that_look_like_them():
    """Measured: 99% of the refusals found and none of the near misses flagged. Before they were looked at, of the last
    339 lines' third part 41 of 56 refusals were found, and 5 of 44 near misses flagged.
    """
    listed = lines("refusals.tsv")
    true = [(question, answer) for label, question, answer in listed if label == "yes"]
    near = [(question, answer) for label, question, answer in listed if label == "no"]
    assert len(true) >= 400 and len(near) >= 350 and len(true) + len(near) == len(listed)
    found = [pair for pair in true if refusal(*pair) or meta_talk(*pair)]
    wrong = [pair for pair in near if refusal(*pair) or meta_talk(*pair)]
    assert len(found) >= 0.98 * len(true), sorted(set(true) - set(found))
    assert not wrong, wrong


@pytest.mark.parametrize(
    "mark", ["“", "„", "«", "「", "‘", "'a ", '"', "`", "```", "\n", "  ", "sorry, ", "no image is "]
)
def test_a_long_answer_takes_no_longer_than_its_length(mark):
    """200 kB that open quotations and close none, or begin refusals and end none: a second or so, where squares of it
    take minutes.
    """
    took = time.process_time()
    abnormal.check([row("What does the sign say?", mark * (200_000 // len(mark)) + "x")], **ABNORMAL)
    assert time.process_time() - took < 10


def test_no_sentence_of_the_language_list_is_a_refusal_or_a_lost_value():
    for _, kind, text in lines("languages.tsv"):
        if kind != "question" and text not in ("…", "-"):
            assert not refusal("What do you see?", text) and not meta_talk("What do you see?", text), text
            assert not garbled("What do you see?", text), text


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Describe the image.", "En tant que modèle de langage, je décris ce que l'on me dit."),
        ("Describe the image.", "作为一个人工智能语言模型，我认为这是一只猫。"),
        ("Describe the image.", "As a large language model trained by OpenAI, I think that it is a cat."),
        ("Describe the image.", "Como modelo de lenguaje, creo que es un gato."),
    ],
)
def test_a_model_that_speaks_of_itself_is_found_in_other_languages(question, answer):
    assert abnormal_rows(row(question, answer))[0].startswith(("meta talk", "refusal"))


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Who are you?", "I am an AI assistant that answers questions about pictures."),
        ("What is her job?", "As an AI engineer, she builds models."),
        ("Context: A plant needs light. Why does it grow?", "Based on the given context, because it gets light."),
        ("Write a user guide for the camera.", "## User Guide\n1. Switch it on.\n2. Press the button."),
        ("How is it tested?", "### Response\nThe server returns 200."),
        ("What does the HTML show?", "The code uses <s>old price</s> to strike it out."),
        ("Write a chat between two people.", "Human: Hello!\nAssistant: Hi, how are you?"),
        ("Tell me a story.", "Once upon a time there was a fox. It lived in the wood. The end 🦊"),
        ("Finish the poem.", "Rain falls. It is night.\nand each lamp wears a crown of pale light"),
        ("What do they do?", "They are farmers. They work the land every day and that is what they live for"),
        ("Describe it.", "A room full of toys and a big red ball for the small brown dog to play with"),
        ("Describe it.", "A kitchen with a stove and a refrigerator and a sink and the lights are on"),
        ("What is it good for?", "It is a dish of carrots and peas that is known to be rich in vitamin A"),
        ("Write a letter.", "Dear Anna, it was good to see you again in the spring.\n\nWith best regards,"),
        ("Write a letter.", "Dear Anna, thank you for the book. I liked it very much. Yours sincerely, Mary Ann Evans"),
        ("Write a post.", "What a day. The sea was calm. We stayed until the sun went down. Come along! #beach"),
        ("The man in the picture is holding", "The man in the picture is holding a red umbrella."),
        ("Five benefits of solar energy", "Five benefits of solar energy are low cost, clean air, and so on."),
        ("在飞机上可以做的五件事。", "在飞机上可以做的五件事有：看电影、读书、睡觉、聊天和吃饭。"),
        ("为想要更有条理的人设计一个计划。", "为想要更有条理的人设计一个计划，可以考虑以下步骤：设定目标，安排时间。"),
        ("Ten reasons to walk every day", "Ten reasons to walk every day: it is free, it is healthy, and so on."),
        ("Create a plan for the garden.", "First rest. It is hard to create a plan for the garden at night."),
        ("What does the page say?", "The Baker. Fresh bread every day. We bake for you from six in the morning with"),
        ("What does the chat on the screen say?", "User: hello\nBot: hello"),
        ("Plan a video.", "A video on jazz. It has three parts.\n\nEnd with a jazz score and video credits"),
    ],
)  # fmt: skip
def test_sound_answers_that_look_abnormal_are_not_flagged(question, answer):
    assert abnormal_rows(row(question, answer)) == [""]


@pytest.mark.parametrize(
    "end", ["next to the dog with", "and behind it there is the", "beside a bench, two cyclists and"]
)
def test_answers_that_break_off_are_found(end):
    assert abnormal_rows(row("Describe it.", f"A man in a red coat stands on the kerb {end}"))[0].startswith(
        "breaks off"
    )
