"""Small files that would expand to gigabytes: refused with one message, before the memory is allocated."""

import io
import json
import os
import random
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzed_rows import read_rows
from fuzzing import fuzzed
from made_pictures import chunk, file_of
from PIL import Image

from cadc.compute.replies import Prompt
from cadc.config.errors import InputError
from cadc.config.params import load_params
from cadc.data.checks import check_benchmark, check_image
from cadc.data.pictures import open_image, shown_file, shown_size
from cadc.data.question_cells import pixels_digest
from cadc.data.reader import read_pool
from cadc.data.tables import rows_of

MOST = load_params().pool.max_image_pixels


def claims(width, height):
    """A PNG whose header states this size, without image data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x\x9c\x03\0") + chunk(b"IEND", b"")


def claiming_webp(width, height):
    """A WebP whose header states this canvas size."""
    canvas = struct.pack("<I", 0x10) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + b"VP8L" + struct.pack("<I", 8) + b"\x2f" + b"\xff" * 7
    return b"RIFF" + struct.pack("<I", len(body)) + body


def claiming(kind):
    """A tiny image file whose header is changed to state a width and height of 60,000."""
    data = bytearray(file_of(Image.new("L", (7, 7)), kind))
    at = {"GIF": [(6, "<HH")], "BMP": [(18, "<II")], "JPEG": [(data.find(b"\xff\xc0") + 5, ">HH")]}.get(kind)
    if kind == "TIFF":  # two entries of the first directory
        start = struct.unpack_from("<I", data, 4)[0] + 2
        for entry in range(start, start + 24, 12):
            struct.pack_into("<I", data, entry + 8, 60_000)
    for place, form in at or ():
        struct.pack_into(form, data, place, 60_000, 60_000)
    return bytes(data)


BOMBS = {
    "PNG": lambda: claims(100_000, 100_000),
    "PNG just above": lambda: claims(8000, MOST // 8000 + 1),
    "WebP": lambda: claiming_webp(16_383, 16_383),
    "WebP, whole": lambda: file_of(Image.new("RGB", (8000, MOST // 8000 + 1)), "WEBP", lossless=True),
    "TIFF, whole": lambda: file_of(Image.new("1", (8000, MOST // 8000 + 1)), "TIFF", compression="group4"),
    **{kind: (lambda kind=kind: claiming(kind)) for kind in ("TIFF", "GIF", "BMP", "JPEG")},
}


def _checks(data):
    return check_image(data, "x", **load_params().pool.image_rules)


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_says_it_is_huge_is_refused_before_it_is_decoded(name, tmp_path):
    """An image file that would expand to gigabytes is refused with one message, within 200 MB."""

    def read(folder):
        data = (folder / "x").read_bytes()
        with pytest.raises(InputError, match=r"max_image_pixels|can't be decoded"):
            _checks(data)
        with pytest.raises(InputError, match=r"max_image_pixels|can't be decoded"):
            check_benchmark([("row 1", {"bytes": data, "path": None})], **load_params().pool.image_rules)

    data = BOMBS[name]()
    assert len(data) < 100_000
    came = fuzzed(lambda rng, folder, outside: (folder / "x").write_bytes(data) and None, read, 1, tmp_path, name)
    assert not came.faults and came.largest < 200 << 20, str(came)


def _opens(cell):
    yield lambda: open_image(cell)
    yield lambda: open_image(cell, "llava")
    yield lambda: shown_file(cell)
    yield lambda: shown_size(cell)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "BMP", "JPEG", "GIF"])
def test_who_opens_a_picture_without_a_check_refuses_a_bomb_all_the_same(name):
    """Later code that opens images keeps Pillow's own size limit."""
    data = BOMBS[name]()
    for look in _opens({"bytes": data, "path": None}):
        with pytest.raises(InputError, match="image in the table"):
            look()
    for look in (lambda: pixels_digest(data), lambda: Prompt("p", data).message):
        with pytest.raises((InputError, Image.DecompressionBombError)):
            look()


@pytest.mark.drill
def test_the_largest_picture_that_is_let_in_takes_a_gigabyte_at_most(tmp_path):
    """The largest image allowed, in the format that needs the most memory, opens within 1 GB."""
    width = 8000
    image = Image.new("RGBA", (width, MOST // width), (1, 2, 3, 99))
    data = file_of(image, "WEBP", lossless=True)

    def read(folder):
        _checks(data)
        open_image({"bytes": data, "path": None})

    came = fuzzed(lambda *_: None, read, 1, tmp_path, "largest")
    faults = [fault for fault in came.faults.values() if not fault.startswith("took")]  # a slow machine may need longer
    assert not faults, str(came)


TALK = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
LONG = 300 << 20


def _long_answer():
    return {"id": ["a"], "conversations": [[TALK[0], {"from": "gpt", "value": "x" * LONG}]]}


PARQUET = {
    "gzip": (_long_answer, {"compression": "gzip"}),
    "zstd": (_long_answer, {"compression": "zstd"}),
    "snappy": (_long_answer, {"compression": "snappy"}),
    "a column that nobody reads": (lambda: {"id": ["a"], "conversations": [TALK], "x": ["x" * LONG]}, {}),
    "one long text in many rows": (
        lambda: {"id": [str(i) for i in range(50)], "conversations": [TALK] * 50, "source": ["y" * (17 << 20)] * 50},
        {"compression": "zstd", "dictionary_pagesize_limit": 1 << 30},
    ),
    "a list of millions": (
        lambda: {
            "id": ["a"],
            "conversations": pa.array([[None] * 20_000_000], pa.list_(pa.struct({"from": pa.string()}))),
        },
        {},
    ),
}


@pytest.mark.drill
@pytest.mark.parametrize("name", PARQUET)
def test_a_parquet_file_that_unpacks_to_more_is_refused(name, tmp_path):
    """A parquet file that would expand to hundreds of MB is refused with one message, within 1 GB."""
    made, how = PARQUET[name]
    if not os.fork():  # so that the reader's memory does not include the writer's
        pq.write_table(pa.table(made()), tmp_path / "rows.parquet", **how)
        os._exit(0)
    os.wait()

    def read(folder):
        with pytest.raises(InputError, match="no instruction data have so much"):
            read_pool(tmp_path / "rows.parquet", None)
        with pytest.raises(InputError, match="no instruction data have so much"):
            list(rows_of(tmp_path / "rows.parquet"))

    came = fuzzed(lambda *_: None, read, 1, tmp_path, name)
    assert not came.faults, str(came)


def test_a_small_parquet_bomb_is_refused():
    """A parquet column that claims 200 times the data in its file is refused with the file's own numbers."""
    file = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"], "x": ["x" * (65 << 20)]}), file, compression="zstd")
    assert len(file.getvalue()) < 100_000
    from cadc.data.tables import batches_of

    with pytest.raises(InputError, match=r"column x unpack to 6815\d+: no instruction data have so much"):
        next(batches_of("rows.parquet", pq.ParquetFile(file), 64))


DEEP = 1_000_000


@pytest.mark.parametrize("kind", ["json", "jsonl"])
@pytest.mark.parametrize("bracket", ["[", '{"a":', '[{"id":'])
def test_a_million_brackets_are_refused(kind, bracket, tmp_path):
    """JSON with a million nested brackets is refused with one message."""

    def make(rng: random.Random, folder, outside):
        (folder / "images").mkdir()
        (folder / f"rows.{kind}").write_text(("[" if kind == "json" else "") + bracket * DEEP)

    came = fuzzed(make, read_rows, 1, tmp_path, kind)
    assert came.refused == 1, str(came)


def test_a_row_of_more_than_16_mib_is_refused(tmp_path):
    """A JSON row above the length limit is refused without minutes of parsing."""
    row = {"id": "a", "conversations": [TALK[0], {"from": "gpt", "value": "x" * (1 << 25)}]}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    with pytest.raises(InputError, match="row above 16777216 characters|too long"):
        read_pool(tmp_path / "rows.json", None)
