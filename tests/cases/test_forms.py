"""Checks of the form of answers: lost values, forms that were asked for, words."""

import pytest
from labelled import abnormal_rows, row
from test_words import SHORT, SPANISH

from cadc.cleaning import answer_format
from cadc.cleaning.garbled import garbled
from cadc.cleaning.words import word_count

LETTER = "Answer with the option's letter from the given choices directly."

# Lost values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["What color is the car?", "Describe the image.", "这是什么？"])
@pytest.mark.parametrize(
    "answer",
    [
        *("nan", "NaN", "None", "null", "NULL", "N/A", "n/a", "[UNK]", "<unk>", "[object Object]", "..."),
        *("\ufffd\ufffd", "A caf\ufffd", "nan, nan", "None None None", "-", "?", "###", "—"),
    ],
)
def test_values_that_a_program_lost_are_found(question, answer):
    assert abnormal_rows(row(question, answer))[0].startswith(("missing value", "lost characters"))


@pytest.mark.parametrize(
    "text",
    ["It’s a café", "Привет, мир", "图片中有一只猫", "über den Fluß", "The sea is at 20°C"],
)
def test_text_that_was_decoded_wrongly_is_found_and_the_right_text_is_not(text):
    wrong = text.encode().decode("cp1252", errors="replace").replace("\ufffd", "")
    assert garbled("What do you see?", wrong).startswith("wrongly decoded")
    assert not garbled("What do you see?", text) and not garbled(f"Repair this: {wrong}", wrong)


@pytest.mark.parametrize(
    "question, answer",
    [
        ("How many dogs are there?", "None"),
        ("What is on the table?", "None"),
        ("Which of these is a mammal?", "None"),
        ("What is the man wearing on his head?", "none"),
        ("What does the function return?", "None"),
        ("What is the fax number in the form?", "N/A"),
        ("What does the display read?", "NaN"),
        ("What is her name?", "Nan"),
        ("Which symbol is on the key?", "#"),
        ("Which sign stands between 3 and 2?", "-"),
        ("Which punctuation mark is it?", "?"),
        ("What does the speech bubble say?", "..."),
        ("What does the sign \ufffd mean?", "The sign \ufffd stands for a lost character."),
        ("Where is it?", "São Paulo"),
        ("Which hypothesis is not rejected?", "Null"),
        ("Is the pointer null or not?", "null"),
        ("What is the value of the second cell?", "N/A"),
        ("Wie viele Hunde sind auf dem Bild?", "Null"),
        ("Was ergibt 3 - 3?", "Null."),
        ("Hvor mange hunder er det?", "null"),
        ("表格中第二列的值是什么？", "NaN"),
        ("Was steht im Feld?", "n/a"),
        ("What is it?", "A «CAFÉ» in the old town – naïve, but 100% genuine…"),
    ],
)
def test_answers_that_look_like_lost_values_are_not_flagged(question, answer):
    assert not garbled(question, answer)


# Formats -------------------------------------------------------------------------------------------------------------

ASKED = "Is there a dog? Answer yes or no"
SHORT_TURNS = ("Is it new?", "Yes", "What kind of house is it?", "A cottage")
LONG = "The image shows a red car that is parked in front of a large house."


@pytest.mark.parametrize(
    "said, flagged",
    [
        (row(f"What color is it?\n{SHORT}", "Red", "Describe the image in detail.", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Now explain your reasoning step by step.", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Can you tell me more about the house?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Why is it parked there?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Describe it.", LONG, "Where is the house?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Where is it?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", *SHORT_TURNS, "Where is it?", LONG), True),
        (row(f"What color is it?\n{SHORT}", "Red", *SHORT_TURNS, "How many houses are there?", LONG), True),
        (row(f"What color is it?\n{SHORT}", "Red", *SHORT_TURNS, "What is the man doing?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", *SHORT_TURNS, "What do you see in the background?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", *SHORT_TURNS, "Is there anything unusual?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "How many houses are there?", LONG, "Is it new?", LONG), False),
        (row(f"¿De qué color es?\n{SHORT}", "Rojo", "¿Qué se ve al fondo?", SPANISH), False),
        (row(f"What color is it?\n{SHORT}", LONG), True),
        (row("What color is it? Answer in one word.", LONG), True),
        (row("In one word: what color is it?", LONG), True),
        (row("There is a word on the wall. Explain what it means.", LONG), False),
        (row("What color is the shirt with one word on it?", LONG), False),
        (row("Explain step by step, then answer with a single word.", LONG), False),
        (
            row("请用单个词回答", "这是一个很长的回答其中没有空格所以"
                "只算一个词但它显然不是一个词语而是一整段文字"),
            True,
        ),
        (row("请用单个词或短语回答", "一辆红色的汽车"), False),
        (row("Responde con una sola palabra.", SPANISH), True),
        (row(f"What is it?\n(a) dog\n(b) cat\n{LETTER}", "b"), False),
        (row(f"What is it?\n(a) dog\n(b) cat\n{LETTER}", "z"), True),
        (row(f"What is it? A. dog B. cat\n{LETTER}", "F"), True),
        (row(f"What is it? A. dog B. cat\n{LETTER}", "B. cat"), False),
        (row(f"What is it? A) dog, B) cat, C) cow\n{LETTER}", "a cow"), True),
        (row(f"What is it?\nA: dog\nB: cat\n{LETTER}", "**B**"), False),
        (row(f"Which ones?\nA: dog\nB: cat\nC: car\n{LETTER}", "A, B"), False),
        (row("这是什么？\nA．狗\nB．猫\n请直接回答选项字母。", "D"), True),
        (row("Write a letter that covers A. the rent B. the noise.", LONG), False),
        (row("Are there dogs? Please answer yes or no.", "There are."), True),
        (row("Are there dogs? Please answer yes or no.", "The answer is yes."), False),
        (row("Did he answer yes or no to the offer of the club?", "He turned it down."), False),
    ],
)  # fmt: skip
def test_a_format_holds_for_the_questions_that_ask_for_it(said, flagged):
    found = answer_format.check([said], phrase_words=8)
    assert found.flag[0] == flagged, found.evidence


@pytest.mark.parametrize(
    "question, answer",
    [
        ("What is the title of this book?", "The Complete Guide to the Birds of the Northern Lakes and Rivers"),
        ("What is the title of this book?", "La casa de los espíritus y otros cuentos de la tierra y del mar"),
        ("Who is the author of this book?", "Maria de los Angeles Torres, John W. Smith and the Editors of The News"),
        ("Who wrote this book?", "The International Agency for the Study of Old Languages in Europe and Asia"),
        ("What is written on the sign?", "No parking on this side of the street between 8 am and 6 pm"),
        ("What is the address?", "The Old Mill, 12 Long Lane, Little Green near Great Green, Kent"),
        ("What fruits are there?", "apples, pears, plums, kiwis, figs, grapes, bananas, melons, oranges"),
        ("What colors are there?", "red, blue, green, yellow, black and white, light grey, dark brown"),
    ],
)  # fmt: skip
def test_titles_texts_names_and_lists_are_as_long_as_they_are(question, answer):
    assert not answer_format.check([row(f"{question}\n{SHORT}", answer)], phrase_words=8).flag[0]


@pytest.mark.parametrize(
    "question, answer",
    [
        ("What is written on the sign?", "It says stop, as you can see in the image above"),
        ("What is the title of this book?", "The answer to this question is The Old Man and the Sea"),
        ("Is the text red?", "The text that is on the sign is red and large"),
        ("What fruits are there?", "There are apples that lie on a plate, and some very ripe pears, and a kiwi"),
    ],
)
def test_a_sentence_about_a_title_or_a_list_is_too_long(question, answer):
    assert answer_format.check([row(f"{question}\n{SHORT}", answer)], phrase_words=8).flag[0]


@pytest.mark.parametrize(
    "answer",
    [
        *("\\boxed{B}", "$\\boxed{\\text{B}}$", "It purrs. \\boxed{B}", "<answer>B</answer>", "<think>Hm.</think> A"),
        *("A and C", "A, C", "AC", "Both A and C", "A; B; D", "A & D", "(A) and (C)", "A y C", "A et C", "A und C"),
        *("A和C", "A、C", "答案：B", "答案是B", "选B", "正解はB"),
        *("La respuesta es B", "Réponse : B", "Ответ: B"),
        *("Option B", "The correct option is (B).", "Answer: B", "B is correct", "B because it purrs", "B\nA cat."),
        *("B - a cat", "[B]", "**B**", "b)", "D", "A e C", "Die Antwort ist B.", "None"),
    ],
)
def test_a_letter_may_be_given_in_many_ways(answer):
    options = "A. a dog\nB. a cat\nC. a cow\nD. a hen"
    rows = [row(f"Which?\n{options}\nAnswer with the letter of all that apply, or none if no option fits.", answer)]
    rows += [row(f"Which?\n{options}\n{LETTER}", answer)] if answer != "None" else []
    found = answer_format.check(rows, phrase_words=8)
    assert not found.flag.any(), found.evidence


@pytest.mark.parametrize(
    "answer",
    ["a cat", "\\boxed{cat}", "<answer>a cow</answer>", "A cat", "E", "A and F", "AE", "CAT", "None", "I think so"],
)
def test_what_is_no_letter_of_an_option_is_found(answer):
    question = f"Which?\nA. a dog\nB. a cat\nC. a cow\n{LETTER}"
    assert answer_format.check([row(question, answer)], phrase_words=8).flag[0]


@pytest.mark.parametrize(
    "question, answer",
    [
        *((ASKED, answer) for answer in ("Yes.", "Oui", "sí", "Ja", "nein", "Нет", "Evet")),
        *((ASKED, answer) for answer in ("是", "没有", "いいえ", "네", "نعم", "हाँ", "ไม่")),
        *((ASKED, answer) for answer in ("\\boxed{Yes}", "<answer>no</answer>")),
        (ASKED, "<think>A dog sits there.</think> Yes"),
        (ASKED, "I looked at all corners, so no."),
        (f"{ASKED} in Spanish", "sí"),
        ("Is there a dog? Answer yes or no, or say unknown.", "Unknown"),
        ("Is there a dog? Answer yes or no. If you can't tell, reply with cannot tell.", "Cannot tell."),
    ],
)  # fmt: skip
def test_yes_and_no_may_be_said_in_many_ways(question, answer):
    assert not answer_format.check([row(question, answer)], phrase_words=8).flag[0]


@pytest.mark.parametrize(
    "question, yes, other",
    [
        ("¿Es rojo? Responde sí o no.", "Sí", "Es de color verde"),
        ("É vermelho? Responda sim ou não.", "Não.", "É de cor verde"),
        ("Est-ce rouge ? Réponds par oui ou non.", "Oui", "Il est vert."),
        ("Ist es rot? Antworte mit Ja oder Nein.", "Nein.", "Das Auto ist grün."),
        ("È rosso? Rispondi sì o no.", "No", "È verde"),
        ("Is het rood? Antwoord met ja of nee.", "Ja", "Het is groen"),
        ("Он красный? Ответь да или нет.", "Нет", "Он зелёный"),
        ("是红色的吗？请回答是或否。", "是", "这辆车是蓝色的，停在房子前面。"),
        ("是红色的吗？请用“是”或“否”回答。", "否", "这辆车是蓝色的"),
        ("赤いですか？「はい」か「いいえ」で答えてください。", "はい", "車は青いです"),
        ("빨간색인가요? 예 또는 아니요로 답하세요.", "예", "파란 자동차입니다"),
    ],
)
def test_yes_or_no_is_asked_for_in_other_languages(question, yes, other):
    flagged = answer_format.check([row(question, yes), row(question, other)], phrase_words=8).flag
    assert flagged.tolist() == [False, True]
    reasoned = f"{question} Begründe es."
    assert not answer_format.check([row(reasoned, other)], phrase_words=8).flag[0]


@pytest.mark.parametrize("answer", ["There is no dog.", "A brown one.", "Unknown", "Una mujer", "\\boxed{2}"])
def test_what_is_neither_yes_nor_no_is_found(answer):
    assert answer_format.check([row(ASKED, answer)], phrase_words=8).flag[0]


# Loops ---------------------------------------------------------------------------------------------------------------


def test_words_are_counted_in_any_script():
    assert word_count("a red car") == 3 and word_count("") == 0
    assert word_count("一辆红色的汽车") == 4 and word_count("它是iPhone 15") == 3
    assert 4 <= word_count("รถสีแดงจอดอยู่หน้าบ้านเก่า") <= 9
