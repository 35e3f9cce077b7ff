"""Bad input is named: file, row id, value and what to do."""

import json

import pytest
from PIL import Image

from cadc.pool.reader import PoolError, read_pool

GOOD = {"id": "a1", "image": "x/ok.png", "conversations": [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}]}
TALK = GOOD["conversations"]


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images" / "x"
    images.mkdir(parents=True)
    Image.new("RGB", (32, 32), "red").save(images / "ok.png")
    Image.new("RGB", (1, 1)).save(images / "dot.png")
    (images / "broken.png").write_bytes((images / "ok.png").read_bytes()[:40])
    (images / "text.png").write_text("not an image")
    (tmp_path / "secret.png").write_bytes((images / "ok.png").read_bytes())
    (images / "leak.png").symlink_to(tmp_path / "secret.png")
    return tmp_path


def read(folder, records, **settings):
    path = folder / "pool.json"
    path.write_text(records if isinstance(records, str) else json.dumps(records))
    return read_pool(path, folder / "images", **settings)


BAD_ROWS = {
    "missing image": ({"image": "x/none.png"}, "missing from"),
    "no conversations": ({"conversations": []}, "conversations is empty"),
    "conversations is text": ({"conversations": "hi"}, "conversations is empty or missing"),
    "no answer": ({"conversations": TALK[:1]}, "no gpt answer"),
    "blank answer": ({"conversations": [TALK[0], {"from": "gpt", "value": "  "}]}, "turn 1 (gpt) is blank"),
    "answer is a number": ({"conversations": [TALK[0], {"from": "gpt", "value": 3}]}, "turn 1 has no text"),
    "unknown role": ({"conversations": [TALK[0], {"from": "tool", "value": "x"}]}, "unknown role 'tool'"),
    "gpt first": ({"conversations": TALK[::-1]}, "human must speak"),
    "parent folder": ({"image": "../secret.png"}, "outside the image folder"),
    "absolute": ({"image": "/etc/passwd"}, "outside the image folder"),
    "link out of the folder": ({"image": "x/leak.png"}, "link that leaves"),
    "image is a number": ({"image": 7}, "give a path"),
    "1x1": ({"image": "x/dot.png"}, "1x1 pixels, below pool.min_image_side=8"),
    "truncated": ({"image": "x/broken.png"}, "can't be decoded"),
    "not an image": ({"image": "x/text.png"}, "can't be decoded"),
    "token without image": ({"image": None}, "1 <image> token(s) in the human turns but 0 image(s)"),
    "image without token": ({"conversations": [{"from": "human", "value": "what?"}, TALK[1]]}, "0 <image> token(s)"),
    "two tokens": ({"conversations": [{"from": "human", "value": "<image> <image> x"}, TALK[1]]}, "2 <image> token(s)"),
    "token in an answer": ({"conversations": [TALK[0], {"from": "gpt", "value": "<image>"}]}, "a gpt turn contains <image>"),
}


@pytest.mark.parametrize("change, reason", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named_and_can_be_skipped(folder, change, reason):
    bad = GOOD | {"id": "bad7"} | change
    with pytest.raises(PoolError) as error:
        read(folder, [GOOD, bad])
    message = str(error.value)
    assert "pool.json" in message and "row id bad7" in message and reason in message and "on_bad_row: skip" in message
    table, skipped = read(folder, [GOOD, bad], on_bad_row="skip")
    assert table["id"].to_pylist() == ["a1"]
    assert [row.id for row in skipped] == ["bad7"] and reason in skipped[0].reason


def test_repeated_and_missing_ids(folder):
    with pytest.raises(PoolError, match="row id a1: the id is already that of row 0"):
        read(folder, [GOOD, GOOD])
    with pytest.raises(PoolError, match="row id row 1: has no id"):
        read(folder, [GOOD, GOOD | {"id": ""}])


def test_json_that_breaks_off_names_line_and_row(folder):
    text = json.dumps([GOOD, GOOD | {"id": "a2"}], indent=1)
    with pytest.raises(PoolError, match=r"pool.json, line \d+ near row a2: JSON breaks off"):
        read(folder, text[:-40])


def test_jsonl_line_is_named(folder):
    path = folder / "pool.jsonl"
    path.write_text(json.dumps(GOOD) + "\n{broken\n")
    with pytest.raises(PoolError, match="pool.jsonl, line 2: not JSON"):
        read_pool(path, folder / "images")


def test_files_that_are_no_pool(folder):
    with pytest.raises(PoolError, match="no such file"):
        read_pool(folder / "none.json", folder)
    with pytest.raises(PoolError, match="not a list of rows"):
        read(folder, {"id": 1})
    with pytest.raises(PoolError, match="the list is empty"):
        read(folder, [])
    with pytest.raises(PoolError, match="no usable row"):
        read(folder, [GOOD | {"image": "x/none.png"}], on_bad_row="skip")


def test_rows_keep_order_source_and_bytes(folder):
    text_only = {"id": 5, "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}
    table, skipped = read(folder, [GOOD, text_only, GOOD | {"id": "a3", "source": "mine"}])
    assert not skipped
    assert table["id"].to_pylist() == ["a1", "5", "a3"]
    assert table["source"].to_pylist() == ["x", "text", "mine"]
    first = table.slice(0, 1).to_pylist()[0]
    assert first["images"][0]["bytes"] == (folder / "images/x/ok.png").read_bytes()
    assert first["turns"][1] == {"role": "assistant", "text": "a cat"}
    paths, _ = read(folder, [GOOD], embed_images=False)
    assert paths.to_pylist()[0]["images"][0] == {"bytes": None, "path": str(folder / "images/x/ok.png")}
