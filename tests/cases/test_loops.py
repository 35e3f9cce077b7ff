"""Loops: what repeats itself, and what only seems to."""

import pytest
from labelled import lines, row

from cadc.cleaning import repetition

LOOP = dict(ngram=5, repeated=0.15, ratio=2.4)

CHINESE = (
    "图片里有一位女士正在公园里遛狗，天空很蓝，"
    "远处有几棵树和一座白色的房子。左边的长椅上"
    "坐着三个人，其中一个在看报纸，"
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


MANAGER = "\n".join(
    f"{i}. A good manager should be able to {what}."
    for i, what in enumerate(
        ("listen to people and ask", "plan a week ahead", "say no kindly", "share the praise", "learn from errors",
         "explain why work matters", "hire well", "let go of small things", "keep calm in a storm", "thank the team"), 1
    )
)  # fmt: skip
TWICE = (
    "Premise: a boat leaves the small harbour at dawn with two men on board. Hypothesis: a boat is at sea with two men "
    "on board. A boat that leaves the small harbour at dawn with two men on board is at sea with two men on board. "
    "So the small harbour at dawn is what a boat leaves, and with two men on board it is at sea: that follows."
)


@pytest.mark.parametrize("answer", [MANAGER, TWICE])
def test_an_answer_that_comes_back_to_its_subject_is_no_loop(answer):
    pieces = answer.split()
    assert repetition.repeated_share(pieces, 5).share > LOOP["repeated"], "the test would show nothing"
    assert repetition.compression_ratio(answer) > 1.9
    assert not repetition.check([row("Explain it.", answer)], **LOOP | {"ratio": 1.9}).flag[0]


@pytest.mark.parametrize(
    "question, answer",
    [
        ("Write the lyrics of the chorus.", "La la la la la, hey! " * 12),
        ("Sing me a song.", "La " * 60),
        ("Write 'I will not chat' 50 times.", "I will not chat. " * 50),
        ("Repeat the word dog thirty times.", "dog " * 30),
        ("写一首歌的副歌", "啦啦啦啦啦，" * 40),
        ("Escribe la letra de la canción.", "La la la, " * 40),
        ("Name the color of each cell, row by row.", "white " * 64),
        ("Translate: " + "ha ha ha, " * 30, "ja ja ja, " * 30),
        ("Schreibe das Wort Hund fünfzig Mal.", "Hund " * 50),
        ("把“你好”写50遍", "你好，" * 50),
    ],
)
def test_repetition_that_was_asked_for_is_no_loop(question, answer):
    assert not repetition.check([row(question, answer)], **LOOP).flag[0]
    assert repetition.check([row("Describe the image.", answer)], **LOOP).flag[0]


@pytest.mark.parametrize(
    "question", ["Repeat the word dog.", "How many times does the dog bark?", "Repite la palabra perro."]
)
def test_a_word_that_is_to_be_said_once_is_no_loop_of_it(question):
    assert repetition.check([row(question, "dog " * 30)], **LOOP).flag[0]


def test_a_loop_that_counts_its_rounds_is_found():
    answer = "It has been seen. " + " ".join(f"{i}. The dog runs over the green grass." for i in range(60))
    assert repetition.check([row("Describe the image.", answer)], **LOOP).flag[0]
