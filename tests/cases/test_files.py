"""Files of questions as people have them: tables as spreadsheets and pandas write them, JSON lines."""

import csv
import io
import json
import shutil

import pandas as pd
import pytest
from PIL import Image

from cadc.data.checks import Checker
from cadc.data.own_questions import read_choice, read_yesno, write_own
from cadc.data.probe import load_probe
from cadc.data.reader import PoolError

COLUMNS = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path"]
COLORS = {"a": "red", "b": "blue", "c": "green", "d": "white"}


@pytest.fixture
def folder(tmp_path):
    for name, color in COLORS.items():
        Image.new("RGB", (20, 12), color).save(tmp_path / f"{name}.png")
    return tmp_path


def questions(*changes):
    rows = [[i, f"q {i} ?", "left", "right", "A", "kind", "meta", ("VAL", "TEST")[i], f"{'ab'[i]}.png"] for i in (0, 1)]
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for row, change in zip(rows, changes, strict=False):
        row |= change
    return rows


def choice(folder, text, encoding="utf-8"):
    (folder / "mmt.tsv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_choice(folder / "mmt.tsv", Checker(folder))


def table(rows, **how):
    return pd.DataFrame(rows).to_csv(sep="\t", index=False, **how)


@pytest.mark.parametrize("text", ["two\nlines", "a\ttab", 'says "stop"', '"Stop" where ?', "U+2028\u2028here",
                                  "a\x0bb\x0cc\x85d\x1ce", "a\r\nb", '"', "nan ?", "一\u3000二"])  # fmt: skip
@pytest.mark.parametrize("ends, encoding", [("\n", "utf-8"), ("\r\n", "utf-8"), ("\n", "utf-8-sig")])
def test_what_pandas_writes_is_read_as_it_was(folder, text, ends, encoding):
    made = choice(folder, table(questions({"question": text, "A": text}), lineterminator=ends), encoding)["probe"][0]
    assert (made["question"], made["A"]) == (text, text.strip())


def test_csv_s_own_writer_is_read_too(folder):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter="\t", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(questions({"question": "a\nb"}))
    assert choice(folder, out.getvalue())["probe"][0]["question"] == "a\nb"


HEAD = "\t".join(COLUMNS) + "\n"
REST = "left\tright\tA\tocr\tv\t{}\t{}.png\n"
TORN = {
    "a word in quotes": ('0\t"Stop" is where?\t' + REST.format("VAL", "a"), ["line 2", "quotes"]),
    "a quote that closes in the next row": (
        '0\t"Stop is where?\t' + REST.format("VAL", "a") + '1\tWhat says Go"\t' + REST.format("TEST", "b"),
        ["line 2", "tabs and line breaks", "not closed"],
    ),
    "a quote that never closes": ('0\twhat ?\t"' + REST.format("VAL", "a"), ["line 2", "quotes"]),
    "too few fields": ("0\tWhat?\tone\n", ["line 2", "index 0", "more or fewer fields", "3, not 9"]),
    "a line break without quotes": ("0\tone\ntwo\t" + REST.format("VAL", "a"), ["line 2", "more or fewer fields"]),
}


@pytest.mark.parametrize("lines, said", TORN.values(), ids=TORN)
def test_torn_rows_are_refused(folder, lines, said):
    with pytest.raises(PoolError) as error:
        choice(folder, HEAD + lines)
    assert all(part in str(error.value) for part in ["mmt.tsv", *said]), error.value


TABLES = [
    "Read the table:\n\tApples\tPears\nMay\t3\t5\nJune\t4\t6\nHow many pears in May ?",
    "a\tb\n",
    "\n\t\t\t\t\t\t\t\t\n",
    "\t\t\t\t\t\t\t\tx\nwhat ?",
]


@pytest.mark.parametrize("text", TABLES, ids=repr)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_table_in_quotes_is_a_text(folder, text, ends):
    asked = text if text.strip() else f"what ?{text}."
    made = choice(folder, table(questions({"question": asked}, {"question": f"{asked} in June"}), lineterminator=ends))
    assert made["probe"][0]["question"] == asked and made["score"][0]["question"] == f"{asked} in June"


@pytest.mark.parametrize("tabs", ["\t", "\t\t\t", "\t \t"])
@pytest.mark.parametrize("where", ["head", "rows", "both"])
@pytest.mark.parametrize("behind", ["", "\t\t\t\n", "\t" * 8 + "\n\n" + "\t" * 12])
def test_tabs_at_the_end_of_lines_are_no_fields(folder, tabs, where, behind):
    head, *rows = table(questions()).splitlines()
    lines = [head + tabs * (where != "rows"), *(row + tabs * (where != "head") for row in rows)]
    made = choice(folder, "\n".join(lines) + "\n" + behind)
    assert [made[part][0]["index"] for part in ("probe", "score")] == [0, 1]
    with pytest.raises(PoolError, match="line 2, index 0: has more or fewer fields"):
        choice(folder, "\n".join([head, rows[0] + "\tx", rows[1]]))


@pytest.mark.parametrize("text", ['Who says ""stop""?', '""Go"" it says', 'a ""b c!"" d', '""ナマ""'])
def test_quotes_that_are_still_doubled_are_refused(folder, text):
    line = f"0\tWhat ? {text}\t" + REST.format("VAL", "a")
    with pytest.raises(PoolError, match="line 2: .* has doubled quotes but is not a quoted field"):
        choice(folder, HEAD + line + "1\tq\t" + REST.format("TEST", "b"))
    made = choice(folder, table(questions({"question": f"What ? {text}"})))  # in quotes it is what was meant
    assert made["probe"][0]["question"] == f"What ? {text}"


@pytest.mark.parametrize("text", ['print("") ?', 'f("","") ?', 'a="" or b="" ?', '5 "" long', 'says "stop" ?'])
def test_quotes_that_are_texts_are_let_pass(folder, text):
    rows = f"0\t{text}\t" + REST.format("VAL", "a") + "1\tq\t" + REST.format("TEST", "b")
    assert choice(folder, HEAD + rows)["probe"][0]["question"] == text


BESIDE = [
    ({"hint": "It is late."}, r"line 2, index 0: has a text hint, 'It is late.', which is not shown.*into question"),
    ({"Context": "A passage."}, "has a text Context, 'A passage.'"),
    ({"J": "the tenth"}, "has an option J, 'the tenth', which is not shown: the task reads index, question, A, B"),
    ({"c": "no"}, "has an option c, 'no'"),
    ({"video": "a.mp4"}, "has a video"),
    ({"weight": 0.5}, "has weight: '0.5'"),
    ({"System": "Be brief."}, "has the field System, a system prompt"),
    ({"B": ""}, "has only one option, A; give at least two"),
    ({"A": "right\u200b", "C": "c"}, "options A and B are both 'right"),
    ({"A": "caf\u00e9", "B": "cafe\u0301"}, "options A and B are both 'caf"),
    ({"A": "right ", "C": "c"}, "options A and B are both 'right'; make them differ"),
    ({"question": "<ImageHere>\nwhat ?"}, "question holds <ImageHere>, a mark for media in other formats"),
    ({"question": "In <image 1>, what ?"}, "question holds <image 1>"),
    ({"question": "<img>\nwhat ?"}, "question holds <img>"),
    ({"question": "<video>\nwhat ?"}, "question holds <video>"),
    ({"B": "<image 2>"}, "B holds <image 2>"),
]


@pytest.mark.parametrize("change, said", BESIDE)
def test_what_a_question_would_not_show_is_refused(folder, change, said):
    with pytest.raises(PoolError, match=said):
        choice(folder, table(questions(change)))


@pytest.mark.parametrize(
    "change",
    [
        {"hint": "", "context": "nan", "J": "", "video": "0", "weight": "1", "source": "mine", "comment": "late"},
        {"question": "Which tag shows a picture ?", "A": "<img>", "B": "<video>"},
        {"A": "Yes", "B": "yes"},
    ],
    ids=str,
)
def test_what_changes_nothing_of_a_question_is_let_pass(folder, change):
    assert choice(folder, table(questions(change)))["probe"][0]["answer"] == "A"


def test_a_category_is_of_one_meta_task(folder):
    with pytest.raises(
        PoolError, match="line 3, index 1: category 'kind' has l2-category 'other', but 'meta' on line 2"
    ):
        choice(folder, table(questions({}, {"l2-category": "other"})))
    assert choice(folder, table(questions({}, {"l2-category": "other", "category": "kind 2"})))


FAULTS = [
    ({"question": "<image> what ?"}, "line 2, index 0: question holds <image>"),
    ({"B": "the <image> tag"}, "line 2, index 0: B holds <image>"),
    ({"question": "\u200b"}, "question is empty"),
    ({"B": "\u200b"}, "B is empty"),
    ({"index": 1 << 31}, "index is '2147483648'"),
    ({"index": "1.0"}, "index is '1.0'"),
    ({"index": "٣"}, "index is '٣'"),
    ({"index": -1}, "index is '-1'"),
    ({"image_path": "b.png"}, r"also used on line 2 \(b.png\).*one split"),
]


@pytest.mark.parametrize("change, said", FAULTS)
def test_questions_that_would_fail_later_are_refused_when_they_are_read(folder, change, said):
    with pytest.raises(PoolError, match=said):
        choice(folder, table(questions(change)))


def test_lines_of_a_table_are_counted_where_they_begin(folder):
    with pytest.raises(PoolError, match="line 4, index 1: the answer 'Z'"):
        choice(folder, table(questions({"question": "a\nb"}, {"answer": "Z"})))
    for text, said in (("", "it is empty"), (HEAD.replace("A\t", "B\t", 1), "lacks A"), ("index\tindex\n", "lacks")):
        with pytest.raises(PoolError, match=said):
            choice(folder, text)


def yesno(folder, *rows, ends="\n", mark=""):
    rows = [{"question_id": i, "image": "a.png", "text": "Is it ?", "label": "yes"} | row for i, row in enumerate(rows)]
    text = mark + "".join(json.dumps(row, ensure_ascii=False) + ends for row in rows)
    (folder / "pope.jsonl").write_bytes(text.encode())
    return read_yesno(folder / "pope.jsonl", Checker(folder))


@pytest.mark.parametrize("ends, mark", [("\n", ""), ("\r\n", "\ufeff"), ("\n\n", "\ufeff")])
def test_lines_of_json_end_at_line_feeds_alone(folder, ends, mark):
    text = "Is\u2028there\x85a\u2029dog ?"
    made = yesno(folder, {"text": text}, {"image": "b.png", "question_id": "x"}, ends=ends, mark=mark)
    assert made["probe"][0]["question"] == text and made["score"][0]["id"] == "x"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"text": "<image>\nIs it ?"}, "line 1, question_id 0: text holds <image>"),
        ({"text": "\u200b"}, "text is empty"),
        ({"text": 5}, "text is 5; write a text"),
        ({"label": True}, "label is True"),
        ({"question_id": [1]}, r"the question_id is \[1\]; make it a text or a number"),
        ({"category": {"a": 1}}, "category is"),
        ({"image": 3}, "image is 3; write a text"),
        ({"question_id": float("nan")}, "line 1: lacks question_id; write"),
        ({"text": float("nan")}, "line 1: lacks text"),
        ({"context": "A passage."}, "has a text context, 'A passage.', which is not shown.*move it into text"),
        ({"hint": "h"}, "has a text hint"),
        ({"video": "a.mp4"}, "has a video"),
        ({"weight": 0}, "has weight: 0"),
        ({"image_2": "b.png"}, "has a text image_2, 'b.png'"),
        ({"text": "<|image_1|>\nIs it ?"}, "text holds <\\|image_1\\|>, a mark for media in other formats"),
        ({"text": "<audio> Is it ?"}, "text holds <audio>"),
    ],
)
def test_yes_no_questions_that_would_fail_later_are_refused(folder, change, said):
    with pytest.raises(PoolError, match=said):
        yesno(folder, change, {"image": "b.png"})


@pytest.mark.parametrize("given, category", [(3, "3"), (None, "own"), (float("nan"), "own"), ("", "own"), (0, "0")])
def test_a_number_as_category_is_a_text(folder, given, category):
    assert yesno(folder, {"category": given, "video": None}, {"image": "b.png"})["probe"][0]["category"] == category


def test_a_key_that_stands_twice_in_a_question_is_refused(folder):
    line = '{"question_id": 0, "image": "a.png", "text": "Is it ?", "label": "yes", "label": "no"}\n'
    (folder / "pope.jsonl").write_text("\n" + line)
    with pytest.raises(PoolError, match="pope.jsonl, line 2: names 'label' twice"):
        read_yesno(folder / "pope.jsonl", Checker(folder))


@pytest.mark.parametrize("name", ["pope.jsonl", "coco_pope_random.json"])
@pytest.mark.parametrize("form", ["lines", "list"])
def test_questions_are_lines_or_one_list_whatever_the_file_is_called(folder, name, form):
    rows = [{"question_id": i, "image": f"{'ab'[i]}.png", "text": "Is it ?", "label": "no"} for i in (0, 1)]
    (folder / name).write_text("\n".join(map(json.dumps, rows)) if form == "lines" else json.dumps(rows, indent=1))
    assert [doc["id"] for doc in read_yesno(folder / name, Checker(folder))["score"]] == ["1"]


def same(folder):
    """Other names of a.png's picture."""
    (folder / "sub").mkdir()
    shutil.copy(folder / "a.png", folder / "sub/copy.png")
    (folder / "link.png").symlink_to(folder / "a.png")
    Image.open(folder / "a.png").save(folder / "a.bmp")
    return ["./a.png", "sub/copy.png", "link.png", "a.bmp", ".//sub/./copy.png"]


def test_one_picture_is_one_picture_whatever_it_is_called(folder):
    for name in same(folder):
        with pytest.raises(PoolError, match=r"1 image\(s\); at least two"):
            yesno(folder, {}, {"image": name})
        made = yesno(folder, {}, {"image": name}, {"image": "b.png"}, {"image": name})
        assert [len(made[part]) for part in ("probe", "score")] == [3, 1]
        with pytest.raises(PoolError, match=r"line 3, index 1: its image, .* is also used on line 2 \(a.png\)"):
            choice(folder, table(questions({}, {"image_path": name})))


def test_a_picture_of_both_files_is_aimed_at_or_scored_in_both(folder):
    choice(folder, table(questions({"image_path": "b.png"}, {"image_path": "a.png"})))
    yesno(folder, {}, {"image": "b.png"}, {"image": "c.png"}, {"image": "d.png"})
    roots = {part: folder / part for part in ("probe", "score")}
    write_own(folder / "mmt.tsv", folder / "pope.jsonl", Checker(folder), roots)
    shown = {
        part: {row[0]["bytes"] for row in load_probe(roots[part], ["mmt_val", "pope"])[0]["images"].to_pylist()}
        for part in roots
    }
    assert not shown["probe"] & shown["score"] and len(shown["probe"] | shown["score"]) == 4
    assert (folder / "a.png").read_bytes() in shown["score"] and (folder / "b.png").read_bytes() in shown["probe"]
