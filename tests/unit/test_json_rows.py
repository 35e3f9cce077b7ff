"""JSON as people write it: keys that stand twice, commas too many, lists called .jsonl."""

import json

import pytest

from cadc.data import json_rows
from cadc.data.reader import PoolError, read_pool

TALK = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
ROWS = [{"id": f"r{i}", "conversations": TALK} for i in range(4)]


def write(folder, text, name="pool.json"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def lines(rows):
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.ndjson", "pool.JSONL", "pool.NDJSON", "pool.jsonlines"])
@pytest.mark.parametrize(
    "text", [lines(ROWS), json.dumps(ROWS), "\ufeff\n \n" + json.dumps(ROWS, indent=1), "\ufeff" + lines(ROWS)]
)
def test_a_row_a_line_or_one_list(tmp_path, name, text):
    assert read_pool(write(tmp_path, text, name), None)[0]["id"].to_pylist() == ["r0", "r1", "r2", "r3"]


TWICE = [  # what is put into row r2
    ('"image": "a.png", "image": "b.png", ', "'image'"),
    ('"source": "x", "SOURCE": "z", "source": "y", ', "'source'"),
    ('"meta": {"a": [{"k": 1, "k": 1}]}, ', "'k'"),
]


@pytest.mark.parametrize("fields, key", TWICE)
@pytest.mark.parametrize("name", ["pool.json", "pool.jsonl"])
def test_a_key_that_stands_twice_is_refused(tmp_path, fields, key, name):
    text = lines(ROWS).replace('"id": "r2", ', f'"id": "r2", {fields}')
    path = write(tmp_path, text if name == "pool.jsonl" else "[" + text.replace("\n", ",\n") + "]", name)
    said = f"row id r2: names {key} twice in one object \\(line 3\\); keep one of the two"
    with pytest.raises(PoolError, match=said):
        read_pool(path, None)
    table, skipped = read_pool(path, None, on_bad_row="skip")
    assert table["id"].to_pylist() == ["r0", "r1", "r3"] and [row.id for row in skipped] == ["r2"]


def test_a_turn_that_says_two_things_is_refused(tmp_path):
    text = json.dumps(ROWS).replace('"value": "a"', '"value": "a", "value": "b"', 1)
    with pytest.raises(PoolError, match="row id r0: names 'value' twice"):
        read_pool(write(tmp_path, text), None)


@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize(
    "text, line, column",
    [
        ("[\n" + lines(ROWS[:2]).replace("\n", ",\n") + ",\n ]", 4, 2),
        ('[\n{"id": "r0", "conversations": [1, 2,\n\n ]}]', 4, 2),
        ('[{"id": "r0",\n  "conversations": 1, }]', 2, 23),
        ('[{"id": "r0", "a": {"b": 1,}}, ' + lines(ROWS[1:2]) + "]", 1, 28),
    ],
)
def test_a_comma_too_many_is_named_by_line_and_column(tmp_path, monkeypatch, block, text, line, column):
    monkeypatch.setattr(json_rows, "_BLOCK", block)
    assert text.split("\n")[line - 1][column - 1] in "]}"
    with pytest.raises(PoolError) as error:
        read_pool(write(tmp_path, text), None)
    assert f"line {line} near row r" in str(error.value)
    assert f"not JSON (column {column}: a comma before the closing" in str(error.value) and "delete it" in str(
        error.value
    )


def test_a_comma_too_many_in_a_line(tmp_path):
    text = lines(ROWS[:2]) + '\n  {"id": "r2", "conversations": [1, ]}\n'
    with pytest.raises(
        PoolError, match=r"pool.jsonl, line 3: not JSON \(column 37: a comma before the closing \]: delete it"
    ):
        read_pool(write(tmp_path, text, "pool.jsonl"), None)


@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_a_slip_inside_a_file_is_not_taken_for_its_end(tmp_path, monkeypatch, block):
    monkeypatch.setattr(json_rows, "_BLOCK", block)
    text = json.dumps([row | {"number": i} for i, row in enumerate(ROWS)])
    for wrong, said in (
        (text.replace('"number": 2', '"number" 2'), "Expecting ':' delimiter"),
        (text.replace('"number": 2', '"number": 2 "x"'), "Expecting ',' delimiter"),
        (text.replace('"number": 2', '"number": NAN'), "Expecting value"),
    ):
        with pytest.raises(PoolError, match=f"line 1 near row r2: not JSON .*{said}.*repair or remove the row"):
            read_pool(write(tmp_path, wrong), None)
    for end in (-1, -9, -20, -45):
        with pytest.raises(PoolError, match="line 1 near row r3: JSON is truncated"):
            read_pool(write(tmp_path, text[:end]), None)
