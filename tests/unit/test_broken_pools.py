"""A folder of instruction data broken in one way each: one message says where, what is there and what to do
about it."""

import json
import runpy
import struct
import zlib

import pytest
from PIL import Image

from cadc.data.reader import PoolError, copy_pool

N_ROWS, BROKEN = 6, 3  # the row that a variant breaks has the id r3


@pytest.fixture
def folder(tmp_path):
    """Six rows in LLaVA's format, a row a line, each with a picture of its own."""
    (tmp_path / "images/coco").mkdir(parents=True)
    rows = []
    for i in range(N_ROWS):
        Image.effect_noise((32, 24), 40 + i).convert("RGB").save(tmp_path / f"images/coco/{i}.png")
        turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": f"a picture, the {i}th"}]
        rows.append({"id": f"r{i}", "image": f"coco/{i}.png", "conversations": turns})
    write(tmp_path, rows)
    return tmp_path


def write(folder, rows):
    (folder / "pool.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]")


def row(**change):
    """Row r3 with other fields; None takes a field away."""

    def broken(folder):
        rows = json.loads((folder / "pool.json").read_text())
        rows[BROKEN] = {key: value for key, value in (rows[BROKEN] | change).items() if value is not None}
        write(folder, rows)

    return broken


def talk(*turns):
    return row(conversations=[{"from": speaker, "value": value} for speaker, value in turns])


def image(make):
    return lambda folder: make(folder / f"images/coco/{BROKEN}.png")


def text(make):
    """The annotations' text replaced by `make(text)`."""

    def broken(folder):
        (folder / "pool.json").write_bytes(make((folder / "pool.json").read_bytes()))

    return broken


def jsonl(folder):
    rows = json.loads((folder / "pool.json").read_text())
    lines = [json.dumps(row) for row in rows]
    lines[BROKEN] = lines[BROKEN][:-20]
    (folder / "pool.jsonl").write_text("\n".join(lines))
    return folder / "pool.jsonl"


def no_dataset(folder):
    (folder / "pool").mkdir()
    return folder / "pool"


def bomb(path):
    """A PNG of 68 bytes whose head claims 20,000 x 20,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"x")
        + chunk(b"IEND", b"")
    )


def link_outside(path):
    path.rename(path.parents[2] / "secret.png")
    path.symlink_to(path.parents[2] / "secret.png")


def as_folder(path):
    path.unlink()
    path.mkdir()


def images_gone(folder):
    (folder / "images").rename(folder / "pictures")


HUMAN, GPT = ("human", "<image>\nWhat is it?"), ("gpt", "a cat")
FILES = {  # what breaks the whole file: variant -> (how, what its message says)
    "wrong JSON": (
        text(lambda b: b.replace(b'"image": "coco/3.png"', b'"image" "coco/3.png"')),
        ["pool.json, line 5 near row r3", "JSON", "':' delimiter"],
    ),
    "breaks off": (
        text(lambda b: b[:-60]),
        ["pool.json, line 7 near row r5", "JSON is truncated", "fetch or write it again"],
    ),
    "comma missing": (text(lambda b: b.replace(b"},\n", b"}\n")), ["pool.json, line 3 near row r0", "expecting ','"]),
    "more behind the list": (text(lambda b: b + b"[]"), ["pool.json, line 8 near row r5", "more text after the list"]),
    "too deep": (text(lambda b: b"[" * 100_000), ["pool.json, line 1", "nested too deeply"]),
    "not UTF-8": (text(lambda b: b.replace(b"4th", b"\xe9th")), ["pool.json", "not UTF-8 at byte 773", "re-save"]),
    "no file": (lambda folder: (folder / "pool.json").unlink(), ["pool.json: no such file", "set data.annotations"]),
    "nothing in the file": (text(lambda b: b""), ["pool.json", "it is empty", "wrap the rows"]),
    "empty list": (text(lambda b: b"[]"), ["pool.json", "the list is empty"]),
    "dict at top": (
        text(lambda b: b'{"data": ' + b + b"}"),
        ["pool.json: not a list of rows", "starts with '{'", "wrap the rows in [ ]"],
    ),
    "broken line": (jsonl, ["pool.jsonl, line 4", "not JSON", "repair or remove the line"]),
    "folder of nothing": (no_dataset, ["pool: a folder, but not a Hugging Face dataset", "save_to_disk"]),
    "no image folder": (images_gone, ["images: no such folder", "set data.images"]),
}
ROWS = {  # what breaks one row
    "no id": (row(id=None), ["row id row 3", "the id is missing", "give every row its own"]),
    "id twice": (row(id="r1"), ["row id r1", "row 1 already has this id", "give every row its own"]),
    "id is a list": (row(id=["r3"]), ["row id row 3", "the id is ['r3']", "a text or a number"]),
    "image missing": (image(lambda path: path.unlink()), ["row id r3", "'coco/3.png' is missing", "restore the file"]),
    "image is a folder": (image(as_folder), ["row id r3", "'coco/3.png' is a folder", "give the path"]),
    "image of 0 bytes": (
        image(lambda path: path.write_bytes(b"")),
        ["row id r3", "'coco/3.png' is empty (0 bytes)", "restore the file"],
    ),
    "image corrupt": (
        image(lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 and no picture")),
        ["row id r3", "'coco/3.png' can't be decoded", "remove the row"],
    ),
    "image truncated": (
        image(lambda path: path.write_bytes(path.read_bytes()[:-200])),
        ["row id r3", "'coco/3.png' can't be decoded", "truncated", "replace"],
    ),
    "format unsafe": (
        image(lambda path: Image.new("RGB", (32, 32)).save(path, "PPM")),
        ["row id r3", "none of JPEG, PNG, WEBP, GIF, BMP, TIFF", "convert"],
    ),
    "image too small": (
        image(lambda path: Image.new("RGB", (32, 7)).save(path)),
        ["row id r3", "32x7 pixels", "pool.min_image_side=8", "replace it"],
    ),
    "bomb": (image(bomb), ["row id r3", "400000000 pixels", "pool.max_image_pixels=178956970", "scale it down"]),
    "link out": (
        image(link_outside),
        ["row id r3", "'coco/3.png' is a link that leaves the image folder", "copy the file"],
    ),
    "parent": (row(image="../secret.png"), ["row id r3", "'../secret.png' points outside", "use a path relative to"]),
    "absolute": (row(image="/etc/passwd"), ["row id r3", "'/etc/passwd' points outside", "use a path relative to"]),
    "image not named": (row(image=None), ["row id r3", "1 <image> token(s)", "0 image(s)", "make them equal"]),
    "unknown role": (talk(HUMAN, ("tool", "x")), ["row id r3", "unknown role 'tool'", "use human or gpt"]),
    "wrong order": (talk(GPT, HUMAN), ["row id r3", "turn 0 is from 'gpt'", "must be from human"]),
    "blank turn": (talk(HUMAN, ("gpt", " \n")), ["row id r3", "turn 1 (gpt) is blank", "write its text"]),
    "no answer": (talk(HUMAN, GPT, ("human", "And?")), ["row id r3", "last human turn has no gpt answer", "add one"]),
    "number for text": (
        talk(HUMAN, ("gpt", 42)),
        ["row id r3", "turn 1 has no text in `value`: 42", "write it as {from, value}"],
    ),
    "row is a text": (
        text(lambda b: b"[" + b",".join([b'"hi"', b[1:]])),
        ["row id row 0", "is 'hi', not a JSON object", "write it as"],
    ),
}


def copied(folder, annotations, **settings):
    return copy_pool(folder / "rows.parquet", annotations or folder / "pool.json", folder / "images", **settings)


@pytest.mark.parametrize("on_bad_row", ["fail", "skip"])
@pytest.mark.parametrize("breaks, said", FILES.values(), ids=FILES)
def test_a_broken_file_stops_with_one_message(folder, breaks, said, on_bad_row):
    with pytest.raises(PoolError) as error:
        copied(folder, breaks(folder), on_bad_row=on_bad_row)
    assert all(part in str(error.value) for part in said), error.value
    assert str(error.value).count("\n") == 0 and not list(folder.glob("rows.parquet*"))


@pytest.mark.parametrize("breaks, said", ROWS.values(), ids=ROWS)
def test_a_broken_row_stops_or_is_skipped_with_one_message(folder, breaks, said):
    breaks(folder)
    with pytest.raises(PoolError) as error:
        copied(folder, None)
    assert all(part in str(error.value) for part in ["pool.json, row id", *said, "or set pool.on_bad_row: skip"]), (
        error.value
    )
    assert str(error.value).count("\n") == 0 and not list(folder.glob("rows.parquet*"))
    kept, skipped = copied(folder, None, on_bad_row="skip")
    assert len(skipped) == 1 and all(part in skipped[0].reason for part in said[1:])
    assert kept == len(json.loads((folder / "pool.json").read_text())) - 1


def test_the_stage_counts_what_it_skips(folder, params, monkeypatch):
    for name in ("coco/1.png", "coco/4.png"):
        (folder / "images" / name).unlink()
    main = runpy.run_path("stages/prepare.py")["main"]
    monkeypatch.chdir(folder)
    data = params.data.model_copy(update={"path": str(folder), "annotations": "pool.json", "images": "images"})
    main(params.model_copy(update={"data": data, "pool": params.pool.model_copy(update={"on_bad_row": "skip"})}))
    skipped = json.loads((folder / "artifacts/raw/skipped.json").read_text())
    assert [row["id"] for row in skipped] == ["r1", "r4"]
    assert all("is missing from" in row["reason"] for row in skipped)
