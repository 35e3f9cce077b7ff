"""Checks of what people's rows say: how often they are right, in many languages, and what they must not flag."""

from pathlib import Path

import pytest

from cadc.cleaning import abnormal, answer_format, repetition
from cadc.cleaning.garbled import garbled
from cadc.cleaning.languages import foreign
from cadc.cleaning.meta_talk import meta_talk
from cadc.cleaning.refusals import refusal
from cadc.cleaning.words import word_count

HERE = Path(__file__).parent
LOOP = dict(ngram=5, repeated=0.15, ratio=2.4)
ABNORMAL = dict(echo_words=5, prose_words=12, letters=6, margin=4)
SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
#: Languages that words tell apart; the others are told by their script.
BY_WORDS = {
    *("English", "German", "French", "Spanish", "Portuguese", "Italian", "Dutch", "Swedish", "Polish", "Turkish"),
    *("Vietnamese", "Indonesian", "Russian", "Ukrainian", "Arabic", "Persian", "Chinese", "Japanese"),
}


def lines(name: str) -> list[list[str]]:
    """The rows of a labelled list, without its header."""
    return [line.split("\t") for line in (HERE / name).read_text(encoding="utf-8").splitlines()[1:]]


def row(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "text": text} for i, text in enumerate(said)]


def abnormal_rows(*rows: list[dict[str, str]]) -> list[str]:
    return abnormal.check(list(rows), **ABNORMAL).evidence


# Languages -----------------------------------------------------------------------------------------------------------


def test_the_list_is_as_large_as_its_figures_need():
    listed = lines("languages.tsv")
    assert len(listed) >= 300 and len({name for name, _, _ in listed}) >= 20
    assert sum(name == "English" for name, _, _ in listed) >= 100
    assert len({text for _, _, text in listed}) > 0.98 * len(listed)


def test_every_question_of_the_list_beside_every_answer():
    """Of 13,828 pairs in one language 0 are flagged; of sentences in another 84%, of one to three words 8%."""
    listed = lines("languages.tsv")
    questions = [(name, text) for name, kind, text in listed if kind == "question"]
    right, wrong, found = 0, [], {"answer": [], "short": []}
    for asked, question in questions:
        for said, kind, answer in listed:
            if kind == "question":
                continue
            flagged = foreign(question, answer, ABNORMAL["letters"], ABNORMAL["margin"])
            if said in (asked, "-"):  # the question's language, or code, numbers and names, which have none
                right += 1
                wrong += [(question, answer, flagged)] if flagged else []
            elif kind in found:
                found[kind].append(bool(flagged))
    assert right > 10_000 and not wrong, wrong[:5]
    assert sum(found["answer"]) >= 0.82 * len(found["answer"])
    assert 0.05 * len(found["short"]) <= sum(found["short"]) <= 0.2 * len(found["short"])  # a word is no evidence
    precision = sum(found["answer"]) / (sum(found["answer"]) + len(wrong))
    assert precision >= 0.999


def test_a_language_that_is_named_is_the_right_one():
    """Measured: after an English question 92% of sentences of other languages are named, none of them wrongly."""
    named, wrong, n = 0, [], 0
    for name, kind, text in lines("languages.tsv"):
        if kind != "answer" or name not in BY_WORDS - {"English"}:
            continue
        found = foreign("What do you see on the table near the door?", text, ABNORMAL["letters"], margin=2)
        n += 1
        named += bool(found)
        wrong += [(name, found, text)] if found not in ("", name) and not found.endswith("letters") else []
    assert n > 80 and named >= 0.85 * n, (named, n)
    assert not wrong, wrong


@pytest.mark.parametrize("name", ["Korean", "Hindi", "Thai", "Greek", "Hebrew"])
def test_scripts_name_the_other_languages(name):
    own = {"Korean": "Hangul", "Hindi": "Devanagari"}.get(name, name)
    texts = [text for listed, kind, text in lines("languages.tsv") if listed == name and kind == "answer"]
    assert texts and all(foreign("What do you see?", text, 6, 4) == f"{own} letters" for text in texts)


ANSWER = (
    "The picture shows a small boat that is moored in the harbour, and there are two men who are working with a net."
)
SPANISH = "En la imagen se ve a una mujer que pasea con su perro por el parque y lleva un abrigo rojo."


@pytest.mark.parametrize(
    "said",
    [
        row("Traduce al inglés lo que ves en la imagen.", ANSWER),
        row("¿Qué hay en la imagen? Responde en inglés, por favor.", ANSWER),
        row("From now on answer in Spanish. What is this?", SPANISH, "And what do you see in the picture?", SPANISH),
        row(f"这是什么？\n{SHORT}", "一只在草地上奔跑的棕色小狗"),
        row("这是什么品牌？", "Mercedes-Benz"),
        row("What is this dish?", "Crème brûlée"),
        row("What does it say on the poster?", "Willkommen in der Stadt und auf dem Markt ist es nicht zu spät"),
        row("What do you see?", f"A book whose first line is “{SPANISH}”."),
    ],
)
def test_another_language_that_somebody_asked_for_or_quotes_is_not_flagged(said):
    assert abnormal_rows(said) == [""]


def test_another_language_that_nobody_asked_for_is_flagged_in_any_turn():
    rows = (
        row("What do you see in the picture?", SPANISH),
        row("¿Qué se ve en la imagen?", ANSWER),
        row("图片里有什么?", ANSWER),
        row("What is it?", "a boat", "What is the man in the boat doing?", "Мужчина ловит рыбу в гавани."),
    )
    assert [text.split(":")[0] for text in abnormal_rows(*rows)] == [
        "Spanish",
        "English",
        "English",
        "Cyrillic letters",
    ]


# Refusals ------------------------------------------------------------------------------------------------------------


def test_refusals_are_told_from_answers_that_look_like_them():
    """Measured: all 110 refusals found and none of 109 near misses flagged; before the last 50 lines were looked at,
    23 of 26 of their refusals were found, and 2 of 24 near misses flagged.
    """
    listed = lines("refusals.tsv")
    true = [(question, answer) for label, question, answer in listed if label == "yes"]
    near = [(question, answer) for label, question, answer in listed if label == "no"]
    assert len(true) >= 60 and len(near) >= 60 and len(true) + len(near) == len(listed)
    found = [pair for pair in true if refusal(*pair) or meta_talk(*pair)]
    wrong = [pair for pair in near if refusal(*pair) or meta_talk(*pair)]
    assert len(found) >= 0.97 * len(true), sorted(set(true) - set(found))
    assert not wrong, wrong


def test_no_sentence_of_the_language_list_is_a_refusal_or_a_lost_value():
    for _, kind, text in lines("languages.tsv"):
        if kind != "question" and text != "…":
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
        ("Finish the poem.", "Rain falls. Streets shine in the night\nand every lamp is wearing a crown of pale light"),
        ("What do they do?", "They are farmers. They work the land every day and that is what they live for"),
        ("Describe it.", "A room full of toys and a big red ball for the small brown dog to play with"),
        ("Describe it.", "A kitchen with a stove and a refrigerator and a sink and the lights are on"),
        ("What is it good for?", "It is a dish of carrots and peas that is known to be rich in vitamin A"),
        ("Write a letter.", "Dear Anna, it was good to see you again in the spring.\n\nWith best regards,"),
        ("Write a post.", "What a day. The sea was calm. We stayed until the sun went down. Come along! #beach"),
        ("The man in the picture is holding", "The man in the picture is holding a red umbrella."),
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


# Lost values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["What color is the car?", "Describe the image.", "这是什么？"])
@pytest.mark.parametrize(
    "answer",
    ["nan", "NaN", "None", "null", "NULL", "N/A", "n/a", "[UNK]", "<unk>", "[object Object]", "...", "\ufffd\ufffd",
     "A caf\ufffd"],
)  # fmt: skip
def test_values_that_a_program_lost_are_found(question, answer):
    assert abnormal_rows(row(question, answer))[0].startswith(("missing value", "lost characters"))


@pytest.mark.parametrize(
    "text", ["It’s a café", "Привет, мир", "图片中有一只猫", "über den Fluß", "The sea is at 20°C"]
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
        ("What does the speech bubble say?", "..."),
        ("What does the sign \ufffd mean?", "The sign \ufffd stands for a lost character."),
        ("Where is it?", "São Paulo"),
        ("What is it?", "A «CAFÉ» in the old town – naïve, but 100% genuine…"),
    ],
)
def test_answers_that_look_like_lost_values_are_not_flagged(question, answer):
    assert not garbled(question, answer)


# Formats -------------------------------------------------------------------------------------------------------------

LONG = "The image shows a red car that is parked in front of a large house."


@pytest.mark.parametrize(
    "said, flagged",
    [
        (row(f"What color is it?\n{SHORT}", "Red", "Describe the image in detail.", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Now explain your reasoning step by step.", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Can you tell me more about the house?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Why is it parked there?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Describe it.", LONG, "Where is the house?", LONG), False),
        (row(f"What color is it?\n{SHORT}", "Red", "Where is it?", LONG), True),
        (row(f"What color is it?\n{SHORT}", "Red", "How many houses are there?", LONG), True),
        (row(f"What color is it?\n{SHORT}", LONG), True),
        (row("What color is it? Answer in one word.", LONG), True),
        (row("In one word: what color is it?", LONG), True),
        (row("There is a word on the wall. Explain what it means.", LONG), False),
        (row("What color is the shirt with one word on it?", LONG), False),
        (row("Explain step by step, then answer with a single word.", LONG), False),
        (row("请用单个词回答", "这是一个很长的回答其中没有空格所以只算一个词但它显然不是一个词语而是一整段文字"), True),
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


# Loops ---------------------------------------------------------------------------------------------------------------

CHINESE = (
    "图片里有一位女士正在公园里遛狗，天空很蓝，远处有几棵树和一座白色的房子。左边的长椅上坐着三个人，其中一个在看报纸，"
    "另外两个在聊天。右边有一个小女孩拿着红色的气球，她的妈妈站在她旁边微笑。"
)


@pytest.mark.parametrize(
    "phrase, times",
    [
        ("狗在草地上跑，", 60),
        ("犬が走っています。", 30),
        ("ハ", 500),
        ("哈", 300),
        ("哈 ", 300),
        ("หมาวิ่งบนหญ้า", 60),
        ("ខ្ញុំស្រឡាញ់អ្នក", 30),
        ("ຂ້ອຍຮັກເຈົ້າ", 30),
        ("ချစ်တယ်", 40),
        ("개가 달린다. ", 40),
        ("ha", 200),
        ("1,", 200),
        ("!", 300),
        (CHINESE, 4),
    ],
)
def test_loops_are_found_with_and_without_blanks(phrase, times):
    found = repetition.check([row("Describe the image.", phrase * times)], **LOOP)
    assert found.flag[0] and "times" in found.evidence[0], found.score


@pytest.mark.parametrize(
    "answer",
    [
        CHINESE,
        "哈哈哈哈哈哈",
        "".join(text for name, kind, text in lines("languages.tsv") if name == "Thai"),
        "".join(text for name, kind, text in lines("languages.tsv") if name == "Japanese"),
        "https://example.org/" + "/".join(f"{i}a" for i in range(30)),
        f"| a | b |\n|{'-' * 80}|{'-' * 80}|\n| 1 | 2 |",
        "\n".join(f"{i}. item {i}" for i in range(60)),
    ],
)
def test_text_without_blanks_is_no_loop(answer):
    assert not repetition.check([row("Describe the image.", answer)], **LOOP).flag[0]


def test_words_are_counted_in_any_script():
    assert word_count("a red car") == 3 and word_count("") == 0
    assert word_count("一辆红色的汽车") == 4 and word_count("它是iPhone 15") == 3
    assert 4 <= word_count("รถสีแดงจอดอยู่หน้าบ้านเก่า") <= 9
