"""Cells that say nothing or two things: of benchmarks and questions of your own; files of another kind."""

import base64
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.checks import Checker
from cadc.data.hub_copy import copy_data_sets
from cadc.data.hub_layout import MMT_COLUMNS, POPE_COLUMNS, pictures_in
from cadc.data.own_questions import read_choice, read_yesno
from cadc.data.probe import LLAVA_W, MMT, POPE, load_probe
from cadc.data.reader import PoolError, read_pool

WILD_COLUMNS = {**dict.fromkeys(("question", "gpt_answer", "category"), "string"), "question_id": "int32"}
PUBLISHED = {
    "mmt_val": (MMT, "data/val", MMT_COLUMNS, {"index": 7, "A": "x", "B": "y", "answer": "A", "l2-category": "m"}),
    "pope": (POPE, "data/test", POPE_COLUMNS, {"id": "7", "question_id": "1", "answer": "yes"}),
    "llava_in_the_wild": (
        LLAVA_W,
        "data/train",
        WILD_COLUMNS | {"image": "image"},
        {"question_id": 7, "gpt_answer": "a"},
    ),
}


def publish(folder, target, *changes):
    """A benchmark under folder/root with a row for each change."""
    Image.new("RGB", (9, 9), "red").save(folder / "p.png")
    picture = {"bytes": (folder / "p.png").read_bytes(), "path": None}
    name, split, columns, cells = PUBLISHED[target]
    rows = [{"question": "q ?", "category": "c", "image": picture, **cells, **change} for change in changes]
    kinds = {key: datasets.Image() if kind == "image" else datasets.Value(kind) for key, kind in columns.items()}
    path = folder / "root" / name / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=datasets.Features(kinds).arrow_schema), path)
    return path


CELLS = [
    ("mmt_val", {"image": None}, "image is None, not an image in the table"),
    ("mmt_val", {"image": {"bytes": b"", "path": None}}, "image is .*, not an image in the table"),
    ("mmt_val", {"question": None}, "question is None, not a visible text"),
    ("mmt_val", {"question": "nan"}, "question is 'nan', not a visible text"),
    ("mmt_val", {"category": None}, "category is None, not a visible text"),
    ("mmt_val", {"l2-category": " "}, "l2-category is ' ', not a visible text"),
    ("mmt_val", {"answer": "category"}, "the answer 'category' is not one of its options A, B"),
    ("mmt_val", {"answer": "C", "C": " "}, "the answer 'C' is not one of its options A, B"),
    ("pope", {"answer": None}, "answer is None, not a visible text"),
    ("pope", {"answer": "maybe"}, "the answer is 'maybe', not yes or no"),
    ("pope", {"answer": "Yes"}, "the answer is 'Yes', not yes or no"),
    ("pope", {"image": None}, "image is None, not an image in the table"),
    ("pope", {"category": None}, "category is None, not a visible text"),
    ("llava_in_the_wild", {"gpt_answer": None}, "gpt_answer is None, not a visible text"),
    ("llava_in_the_wild", {"gpt_answer": "\u200b"}, "gpt_answer is '\\\\u200b', not a visible text"),
    ("llava_in_the_wild", {"question": ""}, "question is '', not a visible text"),
]


@pytest.mark.parametrize("target, change, said", CELLS)
def test_a_cell_of_a_published_benchmark_that_says_nothing_is_named(tmp_path, target, change, said):
    key = next(iter(PUBLISHED[target][3]))
    path = publish(tmp_path, target, {key: "1" if target == "pope" else 1}, change)
    with pytest.raises(InputError, match=f"{path}, row 1, {key} 7: {said}; repair the row, or fetch"):
        load_probe(tmp_path / "root", [target])


@pytest.mark.parametrize("target", PUBLISHED)
def test_a_row_without_a_name_of_its_own_is_refused(tmp_path, target):
    key = next(iter(PUBLISHED[target][3]))
    path = publish(tmp_path, target, {}, {})
    with pytest.raises(InputError, match=f"row 1, {key} 7: {path}, row 0, {key} 7 already has this id"):
        load_probe(tmp_path / "root", [target])
    publish(tmp_path, target, {key: None})
    with pytest.raises(InputError, match=f"row 0, {key} None: the {key} is missing; give every row its own"):
        load_probe(tmp_path / "root", [target])


@pytest.mark.parametrize("where", [slice(40, 300), slice(-30, None)])
def test_a_table_that_is_damaged_inside_is_named(tmp_path, where):
    path = publish(tmp_path, "pope", *({"id": str(i)} for i in range(50)))
    data = bytearray(path.read_bytes())
    data[where] = bytes(len(data[where])) if where.stop else b""
    path.write_bytes(data)
    for read in (lambda: load_probe(tmp_path / "root", ["pope"]), lambda: list(pictures_in([path]))):
        with pytest.raises(InputError, match=f"{path}: can't be read as a dataset .*fetch or write it again"):
            read()


def test_a_text_that_is_no_text_is_found_where_pictures_are_read(tmp_path):
    path = tmp_path / "a.parquet"
    texts = pa.array([b"\xff\xfe"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"question": texts, "image": [{"bytes": b"x", "path": ""}]}), path)
    with pytest.raises(InputError, match=f"{path}: can't be read"):
        list(pictures_in([path]))


def test_a_gap_in_a_published_benchmark_is_said(tmp_path, capsys):
    for i in (0, 2):
        publish(tmp_path, "pope", {}).rename(tmp_path / "root" / POPE / f"data/000{i}.parquet")
    copy_data_sets(tmp_path / "root", tmp_path / "copy", [POPE])
    assert "0001.parquet seems to be missing" in capsys.readouterr().out


@pytest.fixture
def pictures(tmp_path):
    for name, color in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (20, 12), color).save(tmp_path / f"{name}.png")
    return tmp_path


def choice(folder, *changes):
    rows = [
        {"index": i, "question": "q ?", "A": "x", "B": "y", "C": "", "answer": "A", "category": "kind"}
        | {"l2-category": "meta", "split": ("VAL", "TEST")[i], "image_path": f"{'ab'[i]}.png", "image": ""}
        for i in (0, 1)
    ]
    for row, change in zip(rows, changes, strict=False):
        row |= change
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(columns), *("\t".join(str(row.get(name, "")) for name in columns) for row in rows)]
    (folder / "mmt.tsv").write_text("\n".join(lines) + "\n")
    return read_choice(folder / "mmt.tsv", Checker(folder))["probe"][0]


@pytest.mark.parametrize("empty", ["nan", "NaN", "NAN", " nan ", "<NA>"])
def test_what_pandas_writes_for_an_empty_cell_is_empty(pictures, empty):
    made = choice(pictures, {"C": empty, "D": empty} | dict.fromkeys(("J", "c", "image"), "nan"))
    assert made["C"] is None and made["B"] == "y"


REFUSED = [
    ({"question": "nan"}, "line 2, index 0: question is 'nan', an empty cell"),
    ({"question": "<NA>"}, "question is '<NA>', an empty cell"),
    ({"question": "None"}, "question is 'None'"),
    ({"category": "NaN"}, "category is 'NaN', an empty cell"),
    ({"l2-category": "null"}, "l2-category is 'null'"),
    ({"B": "nan"}, "has only one option, A"),
    ({"C": "None"}, "option C is 'None': leave the cell empty if there is no such option"),
    ({"C": "null"}, "option C is 'null'"),
    ({"answer": "C", "C": "nan"}, "the answer 'C' is not one of its options A, B"),
    ({"question": "a\0b"}, "question holds a NUL at character 1; delete it"),
    ({"B": "\0y"}, "B holds a NUL"),
    ({"category": "Kind"}, "line 3, index 1: category is 'kind', but 'Kind' on line 2: .* spell them the same"),
    ({"category": "ki\u200bnd"}, r"category is 'kind', but 'ki\\u200bnd' on line 2"),
    ({"l2-category": "me ta"}, "l2-category is 'meta', but 'me ta' on line 2"),
    ({"image_path": "nan"}, "has neither image_path nor image; give one of them"),
    ({"image": "a.png"}, "image is 'a.png', not base64; write a path inside the image folder as image_path"),
    ({"text": "another ?"}, "has question 'q .' and text 'another .', which differ; keep .* as question"),
    ({"label": "B"}, "has answer 'A' and label 'B', which differ"),
    ({"ground_truth": "y"}, "has answer 'A' and ground_truth 'y'"),
]


@pytest.mark.parametrize("change, said", REFUSED)
def test_a_question_that_says_nothing_or_two_things_is_refused(pictures, change, said):
    with pytest.raises(PoolError, match=said):
        choice(pictures, change)


def test_what_says_the_same_is_let_pass(pictures):
    made = choice(
        pictures, {"category": "kind ", "answer": "C", "C": "None", "text": " Q ?", "label": "C", "gt": "none"}
    )
    assert (made["category"], made["C"]) == ("kind", "None")


def test_a_picture_in_base64_may_be_written_in_several_ways(pictures):
    data = (pictures / "a.png").read_bytes()
    text = base64.b64encode(data).decode()
    lines = '"' + base64.encodebytes(data).decode() + '"'
    for cell in (lines, f"data:image/png;base64,{text}", text.rstrip("="), base64.urlsafe_b64encode(data).decode()):
        assert choice(pictures, {"image": cell, "image_path": ""})["image"]["bytes"] == data
        assert choice(pictures, {"image": cell})["image"]["bytes"] == data  # beside the same
        with pytest.raises(PoolError, match="image_path 'b.png' and the base64 image are two different images"):
            choice(pictures, {"image": cell, "image_path": "b.png"}, {"image_path": "a.png"})


def yesno(folder, change, text=None):
    rows = [{"question_id": i, "image": f"{'ab'[i]}.png", "text": "Is it ?", "label": "yes"} for i in (0, 1)]
    rows[0] |= change
    (folder / "pope.jsonl").write_text(text or "\n".join(map(json.dumps, rows)))
    return read_yesno(folder / "pope.jsonl", Checker(folder))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"answer": "no"}, "line 1, question_id 0: has label 'yes' and answer 'no', which differ; keep .* as label"),
        ({"question": "Is he ?"}, "has text 'Is it .' and question 'Is he .', which differ"),
        ({"ground_truth": "no"}, "ground_truth 'no'"),
        ({"image_path": "x/b.png"}, "has image 'a.png' and image_path 'x/b.png', which differ"),
        ({"text": "Is\0 it ?"}, "text holds a NUL at character 2"),
        ({"question_id": float("inf")}, "the question_id is an infinite number"),
        ({"question_id": "\u200b"}, "the question_id is missing: '\\\\u200b'"),
    ],
)
def test_a_yes_no_question_that_says_two_things_is_refused(pictures, change, said):
    with pytest.raises(PoolError, match=said):
        yesno(pictures, change)
    assert yesno(pictures, {"answer": "Yes", "question": "is it ?", "image_path": "x/a.png"})["probe"]


DIGITS = "9" * 5000


@pytest.mark.parametrize("name", ["pool.json", "pool.jsonl"])
@pytest.mark.parametrize("field", ["{}", '{{"a": [1, {}]}}', "-{}"])
def test_a_number_that_is_too_long_is_a_bad_row(tmp_path, name, field):
    talk = '"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]'
    rows = [f'{{"id": "r{i}", "n": {field.format(DIGITS) if i == 1 else 3}, {talk}}}' for i in range(3)]
    (tmp_path / name).write_text("\n".join(rows) if name.endswith("l") else "[" + ",\n".join(rows) + "]")
    with pytest.raises(PoolError, match=rf"{name}, row id r1: holds a number of 500[01] digits, -?9999.*\(line 2\)"):
        read_pool(tmp_path / name, None)
    table, skipped = read_pool(tmp_path / name, None, "skip")
    assert table["id"].to_pylist() == ["r0", "r2"] and len(skipped) == 1


def test_a_number_that_is_too_long_in_a_question_is_named(pictures):
    with pytest.raises(PoolError, match="pope.jsonl, line 1: holds a number of 5000 digits"):
        yesno(pictures, {}, f'{{"question_id": {DIGITS}, "image": "a.png", "text": "x", "label": "yes"}}')


@pytest.mark.parametrize(
    "name, said",
    [
        ('"  "', "the id is missing: '  '; give every row its own"),
        ('"\\u200b"', "the id is missing: "),
        ('"nan"', "the id is missing: 'nan'"),
        ("1e999", "the id is an infinite number"),
        ("-1e999", "the id is an infinite number"),
        ("true", "the id is True; make it a text or a number"),
        ("null", "the id is missing; give every row its own"),
    ],
)
def test_ids_that_name_nothing_are_refused(tmp_path, name, said):
    talk = '"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]'
    (tmp_path / "pool.json").write_text(f'[{{"id": 0, {talk}}}, {{"id": {name}, {talk}}}]')
    with pytest.raises(PoolError, match=said):
        read_pool(tmp_path / "pool.json", None)
    assert read_pool(tmp_path / "pool.json", None, "skip")[0]["id"].to_pylist() == ["0"]


TALK = [{"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": "a"}]
MISREAD = [
    (
        {"conversations": {"from": ["human", "gpt"], "value": ["q", "a"]}},
        "conversations is one object, .*write it as a",
    ),
    ({"conversations": []}, "conversations is empty or missing"),
    (
        {"image": {"<image_00>": "a.png"}},
        "image is {'<image_00>': 'a.png'}; give a path inside the image folder, a list",
    ),
    ({"image": {"path": None, "url": "http://a"}}, "image is {'path': None, 'url': 'http://a'}"),
    ({"image": [["a.png"]]}, r"image is \['a.png'\]"),
]


@pytest.mark.parametrize("change, said", MISREAD)
def test_a_message_says_what_is_there(pictures, change, said):
    (pictures / "pool.json").write_text(json.dumps([{"id": "0", "image": "a.png", "conversations": TALK} | change]))
    with pytest.raises(PoolError, match=said):
        read_pool(pictures / "pool.json", pictures)


def test_a_key_with_braces_that_stands_twice_is_named(tmp_path):
    (tmp_path / "pool.jsonl").write_text('{"id": "a", "{b}": 1, "{b}": 2}\n')
    with pytest.raises(PoolError, match=r"row id a: names '\{b\}' twice in one object \(line 1\); keep one of the two"):
        read_pool(tmp_path / "pool.jsonl", None)
