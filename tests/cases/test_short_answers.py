"""Short questions and answers: values that a program left, answers in another language, titles and songs."""

import pytest
from labelled import abnormal_rows, row


@pytest.mark.parametrize(
    "answer",
    ["None", "undefined", r"\N", "NULL", "nil", "<null>", "#N/A", "NaN.", "N/A", "{{answer}}", "<answer>", "TODO",
     "#DIV/0!", "#NUM!", "[insert answer here]", "{{ caption }}"],
)  # fmt: skip
@pytest.mark.parametrize("question", ["What is the man doing?", "What is in this image?", "Why does she smile?"])
def test_what_a_program_writes_for_nothing_is_no_answer(question, answer):
    assert abnormal_rows(row(question, answer))[0].startswith("missing value")


@pytest.mark.parametrize(
    "question, answer",
    [
        *((question, "None") for question in ("What is on the table?", "What toppings are on the pizza?")),
        *((question, "None") for question in ("Who is in the room?", "What colour shoes does he have?")),
        *((question, "None") for question in ("Which of these is a fruit?", "How many cars are parked?")),
        *((question, "undefined") for question in ("What is 1/0?", "What is the slope of a vertical line?")),
        *((question, "undefined") for question in ("What does the code print?", "Is y defined or undefined?")),
        ("What is log(0)?", "Undefined"),
        ("How does one write a missing value in a MySQL dump?", r"\N"),
        ("Which command of LaTeX gives the naturals?", r"\N"),
        ("What does the sticky note say?", "TODO"),
        ("What was the final score?", "Nil"),
        ("What is written in the cell?", "#DIV/0!"),
    ],
)
def test_what_looks_like_nothing_may_be_the_answer(question, answer):
    assert abnormal_rows(row(question, answer)) == [""]


ENGLISH = "The picture shows a small dog that runs across a green meadow today."


@pytest.mark.parametrize(
    "question, answer",
    [
        *((question, ENGLISH) for question in ("Was siehst du?", "¿Qué ves?", "Que vois-tu ?", "Cosa vedi?")),
        *((question, ENGLISH) for question in ("Wat zie je?", "Vad ser du?", "Co widzisz?", "Что это?")),
        ("Was macht er?", "He is sitting on a bench in the park and he is reading a newspaper."),
        ("Wer ist da?", "There are two men who are playing chess at a table under the trees."),
        ("¿Qué hace?", "The man is cutting the grass in the garden behind his house."),
        ("Was macht er?", "Está leyendo un libro en el sofá mientras su perro duerme a su lado."),
        ("What is he doing?", "Er liest ein Buch auf dem Sofa, während sein Hund neben ihm schläft."),
    ],
)
def test_another_language_is_found_after_a_short_question(question, answer):
    assert abnormal_rows(row(question, answer))[0].split(":")[0] in ("English", "Spanish", "German")


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Was ist das?", "The Lord of the Rings"),
        ("Que lit-il ?", "The Old Man and the Sea"),
        ("Was hört sie?", "With or Without You"),
        ("Wat is dit?", "The Night of the Living Dead"),
        ("Was trägt er?", "Ein T-Shirt mit der Aufschrift Keep Calm and Carry On"),
        ("Tell me about El Salvador.", ENGLISH),
        ("Tell me a story.", "Once upon a time there was a fox who lived in the wood and was very old."),
        ("What is he singing?", "Non, je ne regrette rien de ce que j'ai fait"),
        ("What are they singing?", "Freude, schöner Götterfunken, Tochter aus Elysium, wir betreten feuertrunken"),
        ("What is the first line of the anthem?", "Allons enfants de la Patrie, le jour de gloire est arrivé"),
        ("What is he yelling?", "¡No puedo ver nada desde aquí, quítate de ahí!"),
        ("What are the fans chanting?", "Vamos, vamos, esta noche tenemos que ganar"),
        ("Что он поёт?", "I did it my way and I ate it up and spit it out"),
        ("彼は何を歌っていますか？", "I will always love you and I wish you joy and happiness"),
        ("Was singt er?", "And I will always love you and I will be with you"),
        ("Que crie l'homme ?", "Get out of the way, all of you, the train is coming"),
    ],
)
def test_titles_songs_and_shouts_may_be_in_any_language(question, answer):
    assert abnormal_rows(row(question, answer)) == [""]


GIVEN = "According to the caption, there is a dog."


@pytest.mark.parametrize(
    "said, found",
    [
        (("What is this?", GIVEN), True),
        (("Is it old?", "Yes.", "What is this?", GIVEN), True),
        (("Read the caption.", "a dog", "What is this?", GIVEN), False),
        (("What does the poster show?", GIVEN), False),
        (("What is this?", "A meme. According to the caption, the dog is the boss."), False),
        (("What is this?", "According to the caption below the photo, it is a dog."), False),
        (("What is this?", "A photo with a caption. The caption says that it is a dog."), False),
        (("What does the chart show?", "According to the description, sales doubled."), False),
        (("What is this?", "According to the description on the box, it is a kettle."), False),
    ],
)
def test_a_caption_that_was_given_is_told_from_one_in_the_picture(said, found):
    assert abnormal_rows(row(*said))[0].startswith("meta talk") == found
