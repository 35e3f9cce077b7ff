"""Bad input is named: file, row id, value and what to do."""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from cadc.data import json_rows, records
from cadc.data.checks import Checker
from cadc.data.reader import PoolError, copy_pool, read_pool

GOOD = {
    "id": "a1",
    "image": "x/ok.png",
    "conversations": [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}],
}
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
    "gpt first": ({"conversations": TALK[::-1]}, "must be from human"),
    "parent folder": ({"image": "../secret.png"}, "outside the image folder"),
    "absolute": ({"image": "/etc/passwd"}, "outside the image folder"),
    "link out of the folder": ({"image": "x/leak.png"}, "link that leaves"),
    "image is a number": ({"image": 7}, "give a path"),
    "1x1": ({"image": "x/dot.png"}, "1x1 pixels, below pool.min_image_side=8"),
    "truncated": ({"image": "x/broken.png"}, "can't be decoded"),
    "not an image": ({"image": "x/text.png"}, "can't be decoded: it is none of JPEG, PNG"),
    "role is a list": ({"conversations": [TALK[0], {"from": ["gpt"], "value": "x"}]}, "unknown role ['gpt']"),
    "half a character": (
        {"conversations": [TALK[0], {"from": "gpt", "value": "\ud83d"}]},
        "half a surrogate pair, '\\ud83d'",
    ),
    "NUL byte": ({"image": "x/ok.png\0.txt"}, "'x/ok.png\\x00.txt' holds a NUL byte"),
    "Windows path": ({"image": "..\\..\\secret.png"}, "holds a backslash"),
    "very long path": ({"image": "x/" + "y" * 100_000}, "(100004 characters) is missing"),
    "image twice": ({"images": ["x/ok.png"]}, "both image and images"),
    "token without image": ({"image": None}, "1 <image> token(s) in the human turns but 0 image(s)"),
    "image without token": ({"conversations": [{"from": "human", "value": "what?"}, TALK[1]]}, "0 <image> token(s)"),
    "two tokens": ({"conversations": [{"from": "human", "value": "<image> <image> x"}, TALK[1]]}, "2 <image> token(s)"),
    "token in an answer": (
        {"conversations": [TALK[0], {"from": "gpt", "value": "<image>"}]},
        "a gpt turn contains <image>",
    ),
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
    with pytest.raises(PoolError, match="row id a1: row 0 already has this id"):
        read(folder, [GOOD, GOOD])
    with pytest.raises(PoolError, match="row id row 1: the id is missing"):
        read(folder, [GOOD, GOOD | {"id": ""}])


def test_json_that_breaks_off_names_line_and_row(folder):
    text = json.dumps([GOOD, GOOD | {"id": "a2"}], indent=1)
    with pytest.raises(PoolError, match=r"pool.json, line \d+ near row a2: JSON is truncated"):
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


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@example([1.5e300, -0.25, 10**20], 1, False, None, "")
@given(
    st.lists(VALUES, max_size=5),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from(["", "\ufeff"]),
)
def test_a_list_read_in_windows_is_what_json_reads_whole(tmp_path_factory, values, block, ascii_only, indent, mark):
    path = tmp_path_factory.mktemp("windows") / "pool.json"
    path.write_text(mark + json.dumps(values, ensure_ascii=ascii_only, indent=indent) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_BLOCK", block)
        assert list(records.read_records(path)) == values


@pytest.mark.parametrize("block", [5, 64, 1 << 20])
def test_where_a_file_breaks_does_not_depend_on_the_windows(folder, monkeypatch, block):
    monkeypatch.setattr(json_rows, "_BLOCK", block)
    text = json.dumps([GOOD | {"id": f"é{i}"} for i in range(9)], indent=1, ensure_ascii=False)
    broken = text[: text.rindex('"value"')]
    with pytest.raises(PoolError, match=f"line {broken.count(chr(10)) + 1} near row é8: JSON is truncated"):
        read(folder, broken)
    raw = text.encode().replace("é7".encode(), b"\xe97")
    (folder / "pool.json").write_bytes(raw)
    with pytest.raises(PoolError, match=f"not UTF-8 at byte {raw.index(bytes([0xE9, ord('7')]))};"):
        read_pool(folder / "pool.json", folder / "images")


def test_a_row_without_end_is_not_read_into_memory(folder, monkeypatch):
    monkeypatch.setattr(json_rows, "LONGEST_ROW", 1000)
    monkeypatch.setattr(json_rows, "_BLOCK", 100)
    long = GOOD | {"id": "long", "conversations": [TALK[0], {"from": "gpt", "value": "so " * 400}]}
    with pytest.raises(PoolError, match="line 1 near row long: not JSON, or a row above 1000 characters"):
        read(folder, [GOOD, long, *(GOOD | {"id": i} for i in range(50))])
    (folder / "pool.jsonl").write_text(f"{json.dumps(GOOD)}\n{json.dumps(long)}\n")
    with pytest.raises(PoolError, match="pool.jsonl, line 2: longer than 1000 bytes"):
        read_pool(folder / "pool.jsonl", folder / "images")


def test_the_number_of_processes_changes_no_byte(folder, monkeypatch):
    many = [GOOD | {"id": f"n{i}", "image": "x/none.png" if i % 97 == 5 else "x/ok.png"} for i in range(1100)]
    many[5]["image"] = json.loads("[" * 700 + "]" * 700)  # can be read, but not be handed to another process
    (folder / "pool.json").write_text(json.dumps(many))
    made = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("CADC_WORKERS", workers)
        n_rows, skipped = copy_pool(folder / "rows.parquet", folder / "pool.json", folder / "images", on_bad_row="skip")
        made.append(((folder / "rows.parquet").read_bytes(), [row.id for row in skipped]))
        with pytest.raises(PoolError, match=r"row id n5: .* \(11 more bad rows\)"):
            copy_pool(folder / "none.parquet", folder / "pool.json", folder / "images")
    assert made[0] == made[1] == made[2] and made[0][1] == [f"n{i}" for i in range(5, 1100, 97)]
    kept = [row["id"] for row in many if row["image"] == "x/ok.png"]
    assert n_rows == len(kept) and pq.read_table(folder / "rows.parquet")["id"].to_pylist() == kept


def test_a_file_that_rows_share_is_decoded_once(folder):
    checker = Checker(folder / "images")
    rows = [checker.row(GOOD | {"id": i}) for i in range(5)]
    assert checker.file.cache_info().misses == 1
    assert all(row["images"] == rows[0]["images"] for row in rows)


def test_pixels_are_counted_before_they_are_decoded(folder):
    data = (folder / "images/x/ok.png").read_bytes()
    (folder / "images/x/ok.png").write_bytes(data[:60])  # the head is whole, the pixels are not there
    with pytest.raises(PoolError, match="'x/ok.png' is 32x32 pixels, above pool.max_image_pixels=1023"):
        read(folder, [GOOD], max_pixels=1023)
    with pytest.raises(PoolError, match="can't be decoded"):
        read(folder, [GOOD], max_pixels=1024)
    (folder / "images/x/ok.png").write_bytes(data + bytes(8 * 1024))
    with pytest.raises(PoolError, match="over 8 per allowed pixel"):
        read(folder, [GOOD], max_pixels=1024)


def test_one_reader_for_json_lines_parquet_and_saved_datasets(folder):
    text_only = {"id": "t", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}
    two = GOOD | {
        "id": "two",
        "image": ["x/ok.png", "x/ok.png"],
        "conversations": [{"from": "human", "value": "<image> <image> same?"}, TALK[1]],
    }
    rows = [GOOD, text_only, two]
    expected = read(folder, rows)[0]
    (folder / "pool.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    images = (["x/ok.png"], [], ["x/ok.png", "x/ok.png"])
    table = pa.Table.from_pylist(
        [
            {"id": row["id"], "images": names, "conversations": row["conversations"]}
            for row, names in zip(rows, images, strict=True)
        ]
    )
    pq.write_table(table, folder / "pool.parquet")
    (folder / "parts").mkdir()
    for i in range(3):
        pq.write_table(table.slice(i, 1), folder / f"parts/train-{i}.parquet")
    datasets.Dataset(table).save_to_disk(folder / "saved")
    for name in ("pool.jsonl", "pool.parquet", "parts", "saved"):
        assert read_pool(folder / name, folder / "images")[0] == expected, name


def test_embedded_images_of_a_saved_dataset_need_no_folder(folder):
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "conversations": [{key: datasets.Value("string") for key in ("from", "value")}],
        }
    )
    path = folder / "images/x/ok.png"
    made = datasets.Dataset.from_list(
        [GOOD | {"id": f"e{i}", "image": {"bytes": path.read_bytes(), "path": None}} for i in range(3)],
        features=features,
    )
    made.select([2, 0]).save_to_disk(folder / "saved")
    table, skipped = read_pool(folder / "saved", None)
    assert not skipped and table["id"].to_pylist() == ["e2", "e0"]
    assert table["images"].to_pylist()[0] == [{"bytes": path.read_bytes(), "path": None}]
    with pytest.raises(PoolError, match="row id e2: image is embedded and has no file; set pool.embed_images: true"):
        read_pool(folder / "saved", None, embed_images=False)
    with pytest.raises(PoolError, match=r"'x/ok.png' is a file, but data.images is not set"):
        (folder / "pool.json").write_text(json.dumps([GOOD]))
        read_pool(folder / "pool.json", None)
    state = folder / "saved/state.json"
    said = json.loads(state.read_text())
    for name in ("../other.arrow", str(folder / "other.arrow"), ".."):
        state.write_text(json.dumps(said | {"_data_files": [{"filename": name}]}))
        with pytest.raises(PoolError, match="state.json: names .*, which is not a file in this folder"):
            read_pool(folder / "saved", None)
    datasets.DatasetDict({"train": made, "val": made}).save_to_disk(folder / "splits")
    with pytest.raises(
        PoolError, match="splits: holds the splits train, val; set data.annotations to one of their folders"
    ):
        read_pool(folder / "splits", None)
    pq.write_table(pa.table({"text": ["hi"]}), folder / "text.parquet")
    with pytest.raises(PoolError, match="text.parquet: has the columns text; it needs id, conversations"):
        read_pool(folder / "text.parquet", None)
    (folder / "text.parquet").write_bytes(b"PAR1 and no table")
    with pytest.raises(PoolError, match="text.parquet: can't be read as a dataset"):
        read_pool(folder / "text.parquet", None)


def test_repeated_ids_are_numbered_where_that_is_asked_for(folder):
    records = [{**GOOD, "id": name} for name in ("a", "a", "a#2", "a")]
    with pytest.raises(PoolError, match=r"row 0 already has this id.*pool.repeated_ids"):
        read(folder, records)
    table, _ = read(folder, records, repeated_ids="number")
    assert table["id"].to_pylist() == ["a", "a#2", "a#2#2", "a#3"]
