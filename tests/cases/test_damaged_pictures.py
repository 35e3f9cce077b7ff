"""Damaged pictures, files that are none, and limits of shape: `prepare` names them; what is whole is let in."""

import base64
import json
import re
import struct
import zlib

import numpy as np
import pytest
from made_pictures import FINE, cell, chunk, file_of, flag, png, read, seen
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.checks import Checker, check_benchmark, check_image
from cadc.data.damage import damage
from cadc.data.hub_layout import POPE_COLUMNS, pictures_in, split_files, write_card, write_split
from cadc.data.own_questions import write_own
from cadc.data.pictures import open_image, shown_size
from cadc.data.probe import POPE, probe_rows
from cadc.data.reader import PoolError

# --- damage


def noise(kind, **how):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((480, 320), Image.Resampling.BICUBIC)
    return bytearray(file_of(image, kind, **how))


def middle(data, new):
    at = len(data) // 2
    data[at : at + len(new)] = new
    return bytes(data)


def garbage(n):
    return np.random.default_rng(1).bytes(n)


def crc(data):
    data[data.rindex(b"IEND") - 5] ^= 1
    return bytes(data)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"4d7a2146" * 8)
BROKEN = {  # name of the file: bytes, and words of the message
    "empty.jpg": (b"", ["empty (0 bytes)", "restore"]),
    "zeros.jpg": (bytes(5000), ["only zero bytes", "fetch the file again"]),
    "page.jpg": (b"\n<!DOCTYPE html>\n<html><title>404</title></html>", ["an HTML page", "fetch the file again"]),
    "denied.jpg": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", ["an XML file"]),
    "lfs.jpg": (LFS, ["a Git LFS pointer", "git lfs pull"]),
    "drawing.jpg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", ["an SVG drawing", "as PNG"]),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ["HEIC", "convert it"]),
    "new.avif": (file_of(flag(), "AVIF"), ["AVIF", "convert it"]),
    "new.heif": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", ["HEIC or AVIF", "convert it"]),
    "deep.jpg": (bytes(noise("JPEG")).replace(b"\xc0\0\x11\x08", b"\xc1\0\x11\x0c"), ["or 12 bits", "convert or"]),
    "clip.gif": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", ["a video", "replace it by one of its frames"]),
    "scan.dcm": (bytes(127) + b"\1DICM" + bytes(50), ["DICOM", "window it"]),
    "cut.jpg": (bytes(noise("JPEG")[:3000]), ["can't be decoded", "truncated"]),
    "cut.png": (bytes(noise("PNG")[:3000]), ["can't be decoded"]),
    "cut.webp": (bytes(noise("WEBP")[:3000]), ["can't be decoded"]),
    "cut.gif": (bytes(noise("GIF")[:3000]), ["can't be decoded", "truncated"]),
    "cut.bmp": (bytes(noise("BMP")[:3000]), ["can't be decoded", "truncated"]),
    "cut.tif": (bytes(noise("TIFF")[:3000]), ["can't be decoded"]),
    "noend.png": (bytes(noise("PNG")[:-12]), ["damaged inside", "ends before its last chunk"]),
    "crc.png": (crc(noise("PNG")), ["damaged inside", "checksum"]),
    "garbage.jpg": (middle(noise("JPEG"), garbage(1500)), ["image 'garbage.jpg'"]),
    "progressive.jpg": (middle(noise("JPEG", progressive=True), garbage(1500)), ["damaged inside", "at byte"]),
    "ones.jpg": (middle(noise("JPEG"), b"\xff" * 200 + b"\x10"), ["image 'ones.jpg'"]),
    "hole.jpg": (middle(noise("JPEG"), bytes(512)), ["damaged inside", "zero bytes"]),
    "cutout.jpg": (bytes(noise("JPEG")[:9000] + noise("JPEG")[9200:]), ["damaged inside", "ends too early, at byte"]),
    "ended.jpg": (bytes(noise("JPEG")[:9000]) + b"\xff\xd9", ["damaged inside", "ends too early, at byte 9000"]),
    "restart.jpg": (
        bytes(noise("JPEG", restart_marker_rows=1).replace(b"\xff\xd3", b"\xff\xd6")),
        ["damaged inside", "restart marker out of order"],
    ),
    "strip.png": (file_of(Image.new("RGB", (8, 6000))), ["8x6000 pixels, 750 times", "pool.max_image_ratio=200"]),
    "banner.jpg": (file_of(Image.new("RGB", (2500, 10)), "JPEG"), ["2500x10 pixels, 250 times", "crop it"]),
    "dot.gif": (file_of(Image.new("RGB", (1, 1)), "GIF"), ["1x1 pixels", "pool.min_image_side=8"]),
    "line.png": (file_of(Image.new("RGB", (300, 3))), ["300x3 pixels", "pool.min_image_side=8"]),
    "bands.tif": (b"II*\0" + bytes(100), ["a TIFF with a damaged header, or with bands"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_named_and_can_be_skipped(tmp_path, name):
    data, words = BROKEN[name]
    files = {"good.png": file_of(flag()), name: data}
    with pytest.raises(PoolError) as error:
        read(tmp_path, files)
    for word in ("train.json", f"row id row of {name}", name, "pool.on_bad_row: skip", *words):
        assert word in str(error.value)
    table, skipped = read(tmp_path, files, on_bad_row="skip")
    assert table["id"].to_pylist() == ["row of good.png"] and [row.id for row in skipped] == [f"row of {name}"]


CUT = {
    "JPEG": {"quality": 95},
    "JPEG, progressive": {"progressive": True},
    "PNG": {},
    "WEBP": {},
    "WEBP, lossless": {"lossless": True},
    "GIF": {},
    "GIF, animated": {"save_all": True, "append_images": [flag().rotate(90)]},
    "BMP": {},
    "TIFF": {},
    "TIFF, LZW": {"compression": "tiff_lzw"},
    "TIFF, JPEG": {"compression": "jpeg"},
    "MPO": FINE["MPO"] | {"save_all": True, "append_images": [flag()]},
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of a TIFF's tags
@pytest.mark.parametrize("name", CUT)
def test_a_file_that_breaks_off_anywhere_is_refused_or_shows_the_same(name):
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (8, 12, 3), dtype=np.uint8)).resize((48, 32))
    data = file_of(image, name.split(",")[0], **CUT[name])
    whole, refused = seen(data), 0
    for length in [*range(1, len(data), 23), *range(len(data) - 20, len(data))]:
        try:
            made = seen(data[:length])
        except InputError:
            refused += 1
        else:
            assert (made == whole).all(), length
    assert refused > 20


def test_a_cell_without_a_picture_is_named():
    with pytest.raises(InputError, match="row 3: image: the table holds neither bytes nor a path"):
        check_benchmark([("row 3", {"bytes": None, "path": None})], min_side=1, max_pixels=9, max_ratio=9)


def test_limits_of_shape_are_parameters(tmp_path):
    files = {"strip.png": file_of(Image.new("RGB", (8, 2000)))}
    assert read(tmp_path, files, max_ratio=250)[0].num_rows == 1
    with pytest.raises(PoolError, match="above pool.max_image_ratio=100"):
        read(tmp_path, {"strip.png": file_of(Image.new("RGB", (8, 1000)))}, max_ratio=100)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_whole_jpegs_pass(progressive, optimize, subsampling):
    """Flat ones, whose compressed data are all alike, those of noise, grey ones, with restarts and without."""
    how = {"progressive": progressive, "optimize": optimize, "subsampling": subsampling}
    ramp = Image.linear_gradient("L").resize((600, 400))
    pixels = np.random.default_rng(2).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    images = [Image.new("RGB", (1000, 700), colour) for colour in ("white", "black", "#808080", "red")]
    for image in [
        *images,
        ramp,
        ramp.convert("RGB"),
        flag(),
        Image.fromarray(pixels),
        Image.new("L", (1000, 700), 255),
    ]:
        for restarts in ({}, {"restart_marker_rows": 1}):
            data = file_of(image, "JPEG", **how, **restarts)
            assert damage(data, "JPEG") is None
            assert damage(data + b"what phones put behind the picture \xff\xd3\xff\x10", "JPEG") is None


def test_own_questions_are_held_to_the_same(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/ok.png").write_bytes(file_of(flag()))
    (tmp_path / "images/hole.jpg").write_bytes(BROKEN["hole.jpg"][0])
    asked = {"text": "is it?", "label": "yes"}
    lines = [{"question_id": i, "image": name, **asked} for i, name in enumerate(["ok.png", "hole.jpg"])]
    (tmp_path / "pope.jsonl").write_text("\n".join(map(json.dumps, lines)))
    roots = {part: tmp_path / part for part in ("probe", "score")}
    with pytest.raises(PoolError, match=r"pope.jsonl, line 2, question_id 1: image 'hole.jpg' is damaged inside"):
        write_own(None, tmp_path / "pope.jsonl", Checker(tmp_path / "images"), roots)
    head = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image"]
    coded = base64.b64encode(BROKEN["strip.png"][0]).decode()
    line = ["1", "q", "a", "b", "A", "c", "m", "VAL", coded]
    (tmp_path / "mmt.tsv").write_text("\n".join("\t".join(fields) for fields in [head, line]))
    with pytest.raises(PoolError, match=r"mmt.tsv, line 2, index 1: image 'in base64' is 8x6000 pixels"):
        write_own(tmp_path / "mmt.tsv", None, Checker(tmp_path / "images"), roots)


def test_pictures_of_a_mirror_are_held_to_the_same(tmp_path):
    rules = {"min_side": 1, "max_pixels": 1 << 20, "max_ratio": 200}
    row = {"question": "q", "answer": "yes", "image_source": "a", "category": "x"}
    files = [file_of(flag()), file_of(flag()), BROKEN["banner.jpg"][0]]
    rows = [
        {**row, "id": f"q{i}", "question_id": f"q{i}", "image": {"bytes": data, "path": None}}
        for i, data in enumerate(files)
    ]
    for n_rows in (2, 3):
        write_split(tmp_path / POPE, "default", "test", rows[:n_rows], POPE_COLUMNS)
        write_card(tmp_path / POPE, {"default": ["test"]})
        aimed = ((f"POPE, row {row['id']}", row["images"][0]) for row, _, _ in probe_rows(tmp_path, "pope"))
        for images in (pictures_in(split_files(tmp_path / POPE, None, "test")), aimed):
            if n_rows == 2:
                check_benchmark(images, **rules)
            else:
                with pytest.raises(InputError, match=r"POPE.*row .*2.*2500x10 pixels.*fetch the data set again"):
                    check_benchmark(images, **rules)


# --- what is whole: what stands beside the pixels of a PNG

LONG = bytes(3 << 20)  # longer than Pillow reads
BESIDE = {
    "zTXt": (b"zTXt", b"parameters\0\0" + zlib.compress(LONG)),
    "iTXt": (b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(LONG)),
    "iCCP": (b"iCCP", b"profile\0\0" + zlib.compress(LONG)),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
    "raw profile": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(LONG)),
    "iCCP of no known compression": (b"iCCP", b"profile\0\7abc"),
    "iCCP, empty": (b"iCCP", b""),
    "zTXt of no known compression": (b"zTXt", b"k\0\7abc"),
    "a text called transparency": (b"tEXt", b"transparency\0none"),
    "a text called bbox": (b"tEXt", b"bbox\0of the cat"),
    "a text called interlace": (b"tEXt", b"interlace\0no"),
    "a text called exif": (b"tEXt", b"exif\0none"),
    "gamma, cut short": (b"gAMA", b"\0"),
    "size, cut short": (b"pHYs", b"\0"),
    "animation, cut short": (b"acTL", b""),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_what_stands_beside_the_pixels_of_a_png_changes_nothing(beside, behind):
    row = bytes([200, 100, 50] * 16)
    made = seen(png(16, 8, 2, row, after=[beside]) if behind else png(16, 8, 2, row, beside))
    assert made.shape == (8, 16, 3) and (made == [200, 100, 50]).all()


@pytest.mark.parametrize("kind", [b"tEXt", b"iTXt", b"eXIf", b"gAMA", b"pHYs", b"prVt"])
def test_a_wrong_checksum_beside_the_pixels_changes_nothing(kind, tmp_path):
    row = bytes([200, 100, 50] * 16)
    data = png(16, 8, 2, row, (kind, b"abcdefg"))
    broken = data.replace(chunk(kind, b"abcdefg"), chunk(kind, b"abcdefg")[:-4] + b"\0\1\2\3")
    assert broken != data and (seen(broken) == [200, 100, 50]).all()
    check_image(broken, "a.png", 1, 1000, 200)
    at = broken.index(b"IDAT") + 10
    with pytest.raises(InputError, match="IDAT|damaged|decoded"):
        check_image(broken[:at] + b"\0\0" + broken[at + 2 :], "a.png", 1, 1000, 200)


def test_a_ratio_is_said_so_that_it_can_be_told_from_the_limit(tmp_path):
    Image.new("RGB", (8, 1601)).save(tmp_path / "a.png")
    with pytest.raises(
        InputError, match="8x1601 pixels, 200.125 times as long as wide, above pool.max_image_ratio=200"
    ):
        check_image(tmp_path / "a.png", "a.png", 1, 10**6, 200)


def test_many_texts_of_a_png_are_not_kept():
    texts = [(b"tEXt", b"k%d\0" % i + b"x" * (1 << 20)) for i in range(70)]  # together more than Pillow keeps
    assert (seen(png(16, 8, 2, bytes([200, 100, 50] * 16), *texts)) == [200, 100, 50]).all()


def test_bombs_are_refused():
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    huge = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    for opens in (open_image, shown_size):
        with pytest.raises(InputError, match=re.escape("image in the table: Image size (3600000000 pixels) exceeds")):
            opens(cell(huge))
