"""Questions of one's own: parted into rows that are aimed at and rows that are scored, and every fault named
with line, value and fix."""

import base64
import csv
import io
import json

import pytest
from PIL import Image

from cadc.data.checks import Checker
from cadc.data.own_questions import read_choice, read_yesno, write_own
from cadc.data.probe import load_probe
from cadc.data.records import PoolError

COLUMNS = ["index", "question", "A", "B", "C", "answer", "category", "l2-category", "image_path", "split"]


def png(color="red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 12), color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name, color in zip("abcd", ("red", "green", "blue", "white"), strict=True):
        (tmp_path / "images" / f"{name}.png").write_bytes(png(color))
    choice = [
        dict(
            zip(
                COLUMNS,
                [
                    i,
                    f"What is {i}?",
                    "one",
                    "two",
                    "",
                    "AB"[i % 2],
                    f"kind {i % 3}",
                    "meta",
                    f"{('ac', 'bd')[i // 3][i % 2]}.png",
                    ("VAL", "TEST")[i // 3],
                ],
                strict=False,
            )
        )
        for i in range(6)
    ]
    write_choice(tmp_path, choice)
    yesno = [
        {"question_id": i, "image": f"{'abcd'[i // 2]}.png", "text": f"Is there a {i}?", "label": ("yes", "no")[i % 2]}
        for i in range(8)
    ]
    write_yesno(tmp_path, yesno)
    return tmp_path, choice, yesno


def write_choice(folder, rows, columns=None):
    with (folder / "mmt.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def write_yesno(folder, rows):
    (folder / "pope.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_aimed_at_and_scored_share_no_row_and_no_picture_of_yes_no_questions(folder):
    path, _, _ = folder
    choice = read_choice(path / "mmt.tsv", Checker(path / "images"))
    assert [doc["index"] for doc in choice["probe"]] == [0, 1, 2] and [doc["index"] for doc in choice["score"]] == [
        3,
        4,
        5,
    ]
    yesno = read_yesno(path / "pope.jsonl", Checker(path / "images"))
    assert {doc["image_source"] for doc in yesno["probe"]} == {"a.png", "c.png"} and {
        doc["image_source"] for doc in yesno["score"]
    } == {"b.png", "d.png"}


def test_what_is_written_is_read_as_the_hub_s_benchmarks_are(folder):
    path, _, _ = folder
    roots = {part: path / part for part in ("probe", "score")}
    write_own(path / "mmt.tsv", path / "pope.jsonl", Checker(path / "images"), roots)
    table, subtasks, known = load_probe(roots["probe"], ["mmt_val", "pope"])
    assert table.num_rows == 7 and set(subtasks) == {"kind 0", "kind 1", "kind 2", "presence (yes)", "presence (no)"}
    assert (
        table["turns"][0].as_py()[0]["text"].startswith("<image>\nQuestion: \nWhat is 0?\nA: one\nB: two\nAnswer")
        and known["kind 0"]["meta_task"] == "meta"
    )


def test_a_picture_may_stand_in_the_table_itself(folder):
    path, choice, _ = folder
    rows = [
        {
            **{k: v for k, v in row.items() if k != "image_path"},
            "image": base64.b64encode(png("blue" if row["split"] == "VAL" else "red")).decode(),
        }
        for row in choice
    ]
    write_choice(path, rows)
    assert read_choice(path / "mmt.tsv", Checker(path / "images"))["probe"][0]["image"]["bytes"] == png("blue")


CHOICE = [
    ({"answer": "C"}, ["line 2", "index 0", "'C'", "A, B"]),
    ({"answer": ""}, ["line 2", "not one of its options"]),
    ({"split": "DEV"}, ["line 2", "'DEV'", "VAL"]),
    ({"category": " "}, ["line 2", "category is empty"]),
    ({"index": "x"}, ["line 2", "'x'", "number the rows"]),
    ({"index": 1 << 31}, ["line 2", "number the rows with integers below 2147483648"]),
    ({"index": 4}, ["index 4", "already has this index"]),
    ({"image_path": "../a.png"}, ["line 2", "../a.png", "outside"]),
    ({"image_path": "e.png"}, ["line 2", "e.png", "missing"]),
]


@pytest.mark.parametrize("change, words", CHOICE)
def test_faults_of_multiple_choice_are_named(folder, change, words):
    path, choice, _ = folder
    write_choice(path, [choice[0] | change, *choice[1:]])
    with pytest.raises(PoolError) as error:
        read_choice(path / "mmt.tsv", Checker(path / "images"))
    assert all(word in str(error.value) for word in ["mmt.tsv", *words]), error.value


def test_faults_of_the_table_itself_are_named(folder):
    path, choice, _ = folder
    cases = [
        ([{k: v for k, v in row.items() if k != "answer"} for row in choice], "header lacks answer"),
        ([{k: v for k, v in row.items() if k != "image_path"} for row in choice], "header lacks image_path"),
        (choice[:3], "no row of split TEST"),
    ]
    for rows, words in cases:
        write_choice(path, rows)
        with pytest.raises(PoolError, match=words):
            read_choice(path / "mmt.tsv", Checker(path / "images"))
    (path / "mmt.tsv").write_text("\t".join(COLUMNS) + "\n0\tWhat?\tone\n")
    with pytest.raises(PoolError, match="line 2, index 0: has more or fewer fields"):
        read_choice(path / "mmt.tsv", Checker(path / "images"))
    with pytest.raises(PoolError, match="set data.choice"):
        read_choice(path / "none.tsv", Checker(path / "images"))


YESNO = [
    ({"label": "maybe"}, ["line 1", "question_id 0", "'maybe'", "yes or no"]),
    ({"text": ""}, ["line 1", "lacks text"]),
    ({"text": 5}, ["line 1", "text is 5; write a text"]),
    ({"text": "half \ud800"}, ["line 1", "half a surrogate pair"]),
    ({"image": "/etc/passwd"}, ["line 1", "/etc/passwd", "outside"]),
    ({"question_id": 3}, ["question_id 3", "twice"]),
]


@pytest.mark.parametrize("change, words", YESNO)
def test_faults_of_yes_no_questions_are_named(folder, change, words):
    path, _, yesno = folder
    write_yesno(path, [yesno[0] | change, *yesno[1:]])
    with pytest.raises(PoolError) as error:
        read_yesno(path / "pope.jsonl", Checker(path / "images"))
    assert all(word in str(error.value) for word in ["pope.jsonl", *words]), error.value


def test_one_picture_can_not_be_parted_and_a_broken_line_is_named(folder):
    path, _, yesno = folder
    write_yesno(path, yesno[:2])
    with pytest.raises(PoolError, match="at least two are needed"):
        read_yesno(path / "pope.jsonl", Checker(path / "images"))
    (path / "pope.jsonl").write_text('{"question_id": 0,\n')
    with pytest.raises(PoolError, match="line 1: not JSON"):
        read_yesno(path / "pope.jsonl", Checker(path / "images"))
