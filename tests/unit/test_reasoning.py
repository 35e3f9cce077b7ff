"""Step-by-step answers: only what ends where the row's answer does is taken, and a reasoned row still parses."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from test_metabolism import planted

from cadc.cleaning import answer_format, reasoning
from cadc.cleaning.flags import settings_of, text_flags
from cadc.compute.endpoint import Endpoint
from cadc.compute.replies import EndpointError
from cadc.data.lineage import answers_of, apply_lineage
from cadc.data.wording import LLAVA_LETTER, SHORT_ANSWER
from cadc.metabolism.diagnosis import findings
from cadc.metabolism.reasoning import REASON, TOO_LONG, changes_of, drawn, fitting
from cadc.model.fit import Fit

CHOICE = f"what color is the star ?\nA: red\nB: blue\n{LLAVA_LETTER}"
POINTS = f"what color is the star ?\n(A) red\n(B) blue\n{LLAVA_LETTER}"
COUNT = f"how many dogs are there in the yard ?\n{SHORT_ANSWER}"
THERE = f"is there a star in the image ?\n{SHORT_ANSWER}"
STEPS = "One animal lies under a tree.\nTwo more run along the fence.\n"


def exchange(question: str, answer: str) -> list[dict]:
    return [{"role": "user", "text": question}, {"role": "assistant", "text": answer}]


@pytest.mark.parametrize(
    ("question", "answer", "form"),
    [
        (CHOICE, "A", reasoning.LETTER),
        (POINTS, "(B)", reasoning.LETTER),
        (CHOICE, "C", ""),
        (CHOICE, "red", ""),
        (THERE, "Yes.", reasoning.YES_NO),
        (THERE, "yes, at the top", ""),
        (COUNT, "1,250", reasoning.NUMBER),
        (COUNT, "3.5 %", reasoning.NUMBER),
        (COUNT, "three", ""),
        (COUNT, "3 dogs", ""),
        ("describe the image .", "a star", ""),
    ],
)
def test_rows_with_a_yes_or_no_a_letter_or_a_number_are_eligible(question, answer, form):
    row = exchange(question, answer)
    assert reasoning.form_of(question, answer) == form
    assert reasoning.eligible([row, row * 2]).tolist() == [bool(form), False]  # two turns are not


@pytest.mark.parametrize(
    ("question", "answer", "final"),
    [
        (CHOICE, "A", "A"),
        (CHOICE, "A", "(A)"),
        (CHOICE, "A", "A: red"),
        (CHOICE, "A", "Red."),
        (POINTS, "(B)", "B"),
        (THERE, "yes", "Yes."),
        (COUNT, "3", "3."),
    ],
)
def test_a_reply_that_ends_as_the_row_is_taken_and_still_parses(params, question, answer, final):
    row = exchange(question, answer)
    made, why = reasoning.checked(row, f"{STEPS}\nAnswer: {final}\n", params.clean)
    assert why == "" and made == f"<think>\n{STEPS}</think>\n{answer}"
    assert answer_format.final_answer(made) == answer and made.splitlines()[-1] == answer
    assert not any(found.flag[0] for found in text_flags([exchange(question, made)], params.clean).values())
    assert reasoning.is_reasoned(made) and not reasoning.is_reasoned(answer)
    assert not reasoning.eligible([exchange(question, made)])[0]  # no row is reasoned twice


def test_without_its_marks_the_same_answer_would_break_the_form_that_was_asked_for(params):
    plain = exchange(CHOICE, f"{STEPS}Answer: A")
    assert answer_format.check([plain], **settings_of(params.clean, "answer_format")).flag.tolist() == [True]


@pytest.mark.parametrize(
    ("question", "answer", "reply", "reason"),
    [
        (COUNT, "3", "", reasoning.NO_REPLY),
        (COUNT, "3", STEPS + "3", reasoning.NO_FINAL),
        (COUNT, "3", STEPS + "Answer:", reasoning.NO_FINAL),
        (COUNT, "3", STEPS + "So the Answer: 3", reasoning.NO_FINAL),
        (COUNT, "3", STEPS + "Answer: 3\nThat is all.", reasoning.NO_FINAL),
        (COUNT, "3", "Answer: 3\n" + STEPS + "Answer: 3", reasoning.NO_FINAL),
        (COUNT, "3", STEPS + "Answer: 4", reasoning.OTHER),
        (COUNT, "3", STEPS + "Answer: 3 dogs", reasoning.OTHER),
        (CHOICE, "A", STEPS + "Answer: B", reasoning.OTHER),
        (CHOICE, "A", STEPS + "Answer: blue", reasoning.OTHER),
        (CHOICE, "A", STEPS + "Answer: A or B", reasoning.OTHER),
        (COUNT, "3", "One lies under a tree.\nAnswer: 3", reasoning.SHORT),
        (COUNT, "3", "One lies there.\nOne lies there.\nAnswer: 3", reasoning.SHORT),
        (COUNT, "3", "Answer: 3", reasoning.SHORT),
        (COUNT, "3", STEPS + "so " * 400 + "\nAnswer: 3", reasoning.LONG),
        (COUNT, "3", "How many dogs are in the yard?\nThere are 3 dogs in the yard.\nAnswer: 3", reasoning.REPEATS),
        (COUNT, "3", "Let us look at the image.\nOne lies under a tree.\nAnswer: 3", reasoning.REPEATS),
        (COUNT, "3", STEPS + "</think>\nAnswer: 3", reasoning.MARKS),
        (COUNT, "3", STEPS + "\\boxed{4}\nAnswer: 3", reasoning.MARKS),
        (COUNT, "3", f"How many dogs are there in the yard?\n{STEPS}Answer: 3", f"{reasoning.FLAGGED} abnormal"),
        (COUNT, "3", f"I'm sorry, but I can't see the image.\n{STEPS}Answer: 3", f"{reasoning.FLAGGED} abnormal"),
        (COUNT, "3", "a dog and a cat and a bird there\n" * 20 + "a cat\nAnswer: 3", f"{reasoning.FLAGGED} repetition"),
    ],
)
def test_any_other_reply_is_left_out_and_says_why(params, question, answer, reply, reason):
    assert reasoning.checked(exchange(question, answer), reply, params.clean) == ("", reason)


def test_steps_in_a_language_without_blanks_say_something():
    assert reasoning.adds_nothing("狗有几只？", "狗有几只", "3") and not reasoning.adds_nothing(
        "狗有几只？", "一只在树下", "3"
    )


def test_what_is_left_out_is_counted_by_reason(params):
    turns = [exchange(COUNT, "3")] * 4
    replies = [f"{STEPS}Answer: 3", f"{STEPS}Answer: 4", f"{STEPS}Answer: 5", "Answer: 3"]
    taken, left = reasoning.accepted(turns, np.array([3, 2, 1, 0]), replies, params.clean)
    assert taken == {3: (("3",), (f"<think>\n{STEPS}</think>\n3",))}
    assert left == Counter({reasoning.OTHER: 2, reasoning.SHORT: 1})
    assert reasoning.summary(1, left) == (
        "1 of 4 rows are answered step by step; unchanged: 2 x another answer than the row's, 1 x fewer than 2 steps"
    )
    assert reasoning.summary(2, Counter()) == "2 of 2 rows are answered step by step"


def eligible_rows(pool: pa.Table) -> np.ndarray:
    return np.flatnonzero(reasoning.eligible(pool["turns"].to_pylist()))


def test_the_endpoint_is_shown_question_picture_and_form_but_not_the_answer(params, pool, serve, tmp_path, capsys):
    rows = eligible_rows(pool)[:12]
    records = pool.take(rows).to_pylist()
    first = records[0]["turns"][0]["text"].split("\n")[1]
    server = serve(lambda prompt, n: "" if first in prompt else f"{STEPS}Answer: no")
    endpoint = Endpoint(server.url, "m", cache=tmp_path, max_tokens=reasoning.TOKENS)
    for _ in range(2):
        replies = reasoning.asked_of(endpoint, pool, rows)
    assert len(server.pictures) >= sum(bool(record["images"]) for record in records)
    forms = [reasoning.form_of(*(turn["text"] for turn in record["turns"])) for record in records]
    assert len(set(forms)) > 1
    for record, form in zip(records, forms, strict=True):
        asked = reasoning.PROMPT.format(
            about=" about the image" if record["images"] else "", least=2, longest=1000, marker="Answer:", form=form,
            question=record["turns"][0]["text"].replace("<image>", "").strip(),
        )  # fmt: skip
        assert server.asked[asked] == (6 if first in asked else 1)  # what can be used is kept
    assert replies[0] == "" and replies[1] == f"{STEPS}Answer: no"
    assert "reasoning: " in capsys.readouterr().out


def test_where_no_reply_comes_nothing_is_reasoned(pool, serve, tmp_path):
    server = serve(lambda prompt, n: "filtered")
    with pytest.raises(EndpointError, match="3 of 3 rows get no new answer .*another model"):
        reasoning.asked_of(Endpoint(server.url, "m", tmp_path), pool, eligible_rows(pool)[:3])


def test_rows_of_kinds_that_fail_at_reasoning_are_drawn_first_and_in_proportion():
    names, group, replies, held = planted()
    found = findings(names, group, replies, held)
    steps = {"bare": {"reasoning": 18}, "contested": {"reasoning": 6, "looking": 4}, "formless": {"format": 12}}
    found = [type(d)(**{**vars(d), "steps": steps.get(d.name, {})}) for d in found]
    home = np.repeat([names.index("bare"), names.index("contested"), names.index("formless"), -1], 300)
    able = np.ones(1200, bool)
    able[::2] = False
    rows = drawn(able, home, found, 60, np.random.default_rng(0))
    by_kind = Counter(home[rows].tolist())
    assert len(set(rows.tolist())) == 60 and able[rows].all() and rows.tolist() == sorted(rows.tolist())
    assert set(by_kind) == {names.index("bare"), names.index("contested")}
    assert 1.8 < by_kind[names.index("bare")] / by_kind[names.index("contested")] < 6  # three to one is expected
    more = drawn(able, home, found, 400, np.random.default_rng(0))
    assert Counter(home[more].tolist())[-1] > 20 and set(rows.tolist()) <= set(more.tolist())
    assert len(drawn(able, home, found, 5000, np.random.default_rng(0))) == able.sum()
    assert drawn(able, home, found, 60, np.random.default_rng(1)).tolist() != rows.tolist()


def test_reasoned_rows_become_changes_and_those_too_long_for_the_model_do_not(params, pool):
    rows = eligible_rows(pool)[:3].tolist()
    turns = pool["turns"].to_pylist()
    short, long = STEPS, " ".join(["star"] * 300) + "\n"
    rewrites = {
        row: ((turns[row][1]["text"],), (reasoning.written([text], turns[row][1]["text"]),))
        for row, text in zip(rows, (short, long, short), strict=True)
    }
    kept, left = fitting(rewrites, pool, Fit(params.model))
    assert list(kept) == [rows[0], rows[2]] and left == Counter({TOO_LONG: 1})
    ids = pool["id"].to_pylist()
    changes = changes_of(kept, ids, 2)
    assert [(c.row, c.version, c.action, c.reason) for c in changes] == [
        (ids[row], 2, "rewrite", REASON) for row in (rows[0], rows[2])
    ]
    made = apply_lineage(pool, pool.slice(0, 0), changes)
    assert answers_of(made["turns"][rows[0]].as_py()) == kept[rows[0]][1]
    assert answers_of(made["turns"][rows[1]].as_py()) == answers_of(turns[rows[1]])
    assert fitting({}, pool, Fit(params.model)) == ({}, Counter())
