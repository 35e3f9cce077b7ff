"""People's pictures: a file is the same upright RGB pixels for training, cleaning and scoring, or `prepare` names it."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from cadc.cleaning.pool import picture_prints
from cadc.config.errors import InputError
from cadc.data.checks import Checker, check_benchmark
from cadc.data.damage import damage
from cadc.data.hub_layout import POPE_COLUMNS, pictures_in, split_files, write_card, write_split
from cadc.data.own_questions import write_own
from cadc.data.pictures import open_image, shown_file
from cadc.data.pixels import upright_rgb
from cadc.data.probe import POPE, load_probe, probe_rows
from cadc.data.reader import PoolError, read_pool
from cadc.features.embeddings import tower_embeddings
from cadc.model.encode import encode


def file_of(image, kind="PNG", **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def seen(data):
    """The pixels that models are shown of a file."""
    image = open_image({"bytes": data, "path": None})
    assert image.mode == "RGB"
    return np.asarray(image)


def flag():
    """Red on top, blue below, a green corner at the top left; 64 x 32."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (0, 16, 64, 32))
    image.paste((0, 128, 0), (0, 0, 16, 8))
    return image


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path


def read(folder, files, **rules):
    """Read a pool of one row a picture, {name: bytes}."""
    for name, data in files.items():
        (folder / "images" / name).write_bytes(data)
    talk = [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}]
    rows = [{"id": f"row of {name}", "image": name, "conversations": talk} for name in files]
    (folder / "train.json").write_text(json.dumps(rows))
    return read_pool(folder / "train.json", folder / "images", **rules)


# --- orientation

#: How a camera that writes each orientation stores an upright picture.
STORED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


def photo(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    about = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif.tobytes()}
    return file_of(STORED[orientation](flag()), kind, **how, **about)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_upright_and_nobody_turns_it_again(orientation, kind):
    data = photo(orientation, kind)
    made = seen(data)
    assert made.shape == (32, 64, 3)
    assert np.abs(made.astype(int) - np.asarray(flag())).max() <= (0 if kind != "JPEG" else 12)
    assert "exif" not in open_image({"bytes": data, "path": None}).info


@pytest.mark.parametrize("value", [0, 9, 42])
def test_an_orientation_of_no_meaning_and_broken_metadata_turn_nothing(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert (seen(file_of(flag(), exif=exif.tobytes())) == np.asarray(flag())).all()
    assert (seen(file_of(flag(), exif=b"Exif\0\0 no TIFF at all")) == np.asarray(flag())).all()


def test_what_is_aimed_at_scored_trained_on_and_cleaned_is_one_picture(folder, processor):
    """The same sideways photo in all places, and the upright picture beside it."""
    (folder / "images/side.png").write_bytes(photo(6, "PNG"))
    (folder / "images/up.png").write_bytes(file_of(flag()))
    head = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image_path"]
    (folder / "images/other.png").write_bytes(file_of(flag().rotate(180)))
    roots = {"VAL": {part: folder / f"aimed/{part}" for part in ("probe", "score")}}
    roots["TEST"] = {part: folder / f"scored/{part}" for part in ("probe", "score")}
    for split, other in (("VAL", "TEST"), ("TEST", "VAL")):  # one after the other: together they are refused
        lines = [[split, "side.png"], [other, "other.png"]]
        lines = [[str(i), "q", "a", "b", "A", "c", "m", *ends] for i, ends in enumerate(lines)]
        (folder / "mmt.tsv").write_text("\n".join("\t".join(fields) for fields in [head, *lines]))
        write_own(folder / "mmt.tsv", None, Checker(folder / "images"), roots[split])

    from cadc.evaluation.benchmarks import load_tasks  # late: it imports lmms-eval

    task = load_tasks(roots["TEST"]["score"], ["mmt_val"]).tasks[0]
    scored = task.doc_to_visual(next(iter(task.test_docs())))[0]
    aimed = open_image(load_probe(roots["VAL"]["probe"], ["mmt_val"])[0]["images"][0].as_py()[0])
    upright = np.asarray(flag())
    assert (np.asarray(scored) == upright).all() and (np.asarray(aimed) == upright).all()

    cells = [{"bytes": (folder / f"images/{name}.png").read_bytes(), "path": None} for name in ("side", "up")]
    turns = [{"role": "user", "text": "<image>\nq"}, {"role": "assistant", "text": "a"}]
    rows = [{"id": str(i), "turns": turns, "images": [cell]} for i, cell in enumerate(cells)]
    one, other = (encode(row, processor, 1000)["pixel_values"] for row in rows)
    assert (one == other).all()
    prints = picture_prints([[cell] for cell in cells])
    assert (prints["thumbnail"][0] == prints["thumbnail"][1]).all() and (prints["hash"][0] == prints["hash"][1]).all()

    class Tower:
        embed_texts = staticmethod(lambda texts: np.ones((len(texts), 3), np.float32))
        embed_images = staticmethod(lambda images: np.stack([np.asarray(x, np.float32)[0, 0] for x in images]))

    embedded = tower_embeddings(Tower(), rows)["image"]
    assert (embedded[0] == embedded[1]).all()


@pytest.mark.parametrize("kind, mode", [("PNG", "I;16"), ("PNG", "RGBA"), ("TIFF", "F"), ("JPEG", "CMYK")])
def test_documents_of_a_hub_mirror_are_scored_as_they_are_trained_on(tmp_path, kind, mode):
    ramp = np.linspace(0, 1, 64 * 32).reshape(32, 64)
    image = {
        "I;16": lambda: Image.fromarray((ramp * 65535).astype(np.uint16)),
        "F": lambda: Image.fromarray(ramp.astype(np.float32)),
        "RGBA": lambda: Image.merge("RGBA", [*flag().split(), Image.fromarray((ramp * 255).astype(np.uint8))]),
        "CMYK": lambda: flag().convert("CMYK"),
    }[mode]()
    data = file_of(image, kind)
    row = {"id": "1", "question_id": "1", "question": "q", "answer": "yes", "image_source": "a", "category": "x"}
    write_split(tmp_path / POPE, "default", "test", [{**row, "image": {"bytes": data, "path": None}}], POPE_COLUMNS)
    write_card(tmp_path / POPE, {"default": ["test"]})

    from cadc.evaluation.benchmarks import load_tasks  # late: it imports lmms-eval

    task = load_tasks(tmp_path, ["pope"]).tasks[0]
    scored = task.doc_to_visual(next(iter(task.test_docs())))[0]
    assert (np.asarray(scored) == seen(data)).all()


# --- depth


def grey8():
    return np.tile(np.arange(256, dtype=np.uint8), (16, 1))


DEEP = {  # file, and the grey values that it shows
    "16 bits, PNG": (lambda: file_of(Image.fromarray(grey8().astype(np.uint16) * 257)), grey8()),
    "16 bits, TIFF": (lambda: file_of(Image.fromarray(grey8().astype(np.uint16) * 257), "TIFF"), grey8()),
    "16 bits, big-endian TIFF": (lambda: file_of(Image.fromarray((grey8().astype(">u2") * 257).astype(">u2")), "TIFF"), grey8()),
    "32 bits": (lambda: file_of(Image.fromarray(grey8().astype(np.int32) * 257), "TIFF"), grey8()),
    "float": (lambda: file_of(Image.fromarray(grey8().astype(np.float32) / 255), "TIFF"), grey8()),
    "12 bits in 16, an X-ray": (lambda: file_of(Image.fromarray((grey8() * np.float32(4095 / 255)).round().astype(np.uint16))), grey8()),
    "10 bits in 16": (lambda: file_of(Image.fromarray((grey8() * np.float32(1023 / 255)).round().astype(np.uint16))), grey8()),
    "depth in mm, to 10 m": (lambda: file_of(Image.fromarray(np.full((16, 16), 10000, np.uint16))), np.full((16, 16), 156)),
    "8 bits in 16, a mask": (lambda: file_of(Image.fromarray(grey8().astype(np.uint16))), grey8()),
    "nothing but black": (lambda: file_of(Image.fromarray(np.zeros((16, 16), np.uint16))), np.zeros((16, 16))),
    "1 bit": (lambda: file_of(Image.fromarray(grey8() > 127).convert("1")), np.where(grey8() > 127, 255, 0)),
    "white is zero, 16 bits": (lambda: file_of(Image.fromarray(grey8().astype(np.uint16) * 257), "TIFF", tiffinfo={262: 0}), 255 - grey8()),
}  # fmt: skip


@pytest.mark.parametrize("make, grey", DEEP.values(), ids=DEEP)
def test_deep_greys_are_scaled_not_clipped(make, grey):
    made = seen(make())
    assert (made == made[..., :1]).all()
    assert (made[..., 0] == grey).all()


RANGES = {
    "Hounsfield units": (np.array([[-1024, 3071]], np.int32), "-1024 to 3071"),
    "24 bits": (np.array([[0, 1 << 20]], np.int32), "0 to 1.04858e+06"),
    "metres as floats": (np.array([[0.3, 9.5]], np.float32), "0.3 to 9.5"),
    "negative floats": (np.array([[-1, 1]], np.float32), "-1 to 1"),
    "NaN": (np.array([[0.5, np.nan]], np.float32), "nan"),
    "infinite": (np.array([[0.5, np.inf]], np.float32), "inf"),
}


@pytest.mark.parametrize("values, said", RANGES.values(), ids=RANGES)
def test_a_range_that_nothing_explains_is_refused_by_prepare(folder, values, said):
    good, bad = file_of(flag()), file_of(Image.fromarray(np.tile(values, (16, 8))), "TIFF")
    with pytest.raises(PoolError, match="row id row of bad.tif") as error:
        read(folder, {"good.png": good, "bad.tif": bad})
    assert said in str(error.value) and "convert it to 8 bits" in str(error.value)
    table, skipped = read(folder, {"good.png": good, "bad.tif": bad}, on_bad_row="skip")
    assert table.num_rows == 1 and [row.id for row in skipped] == ["row of bad.tif"]


@pytest.mark.parametrize(
    "bits, words", [(16, None), (14, "the largest is 16383 of 65535"), (12, "the largest is 4095")]
)
def test_colours_of_16_bits_are_their_upper_8_unless_those_are_empty(folder, bits, words):
    line = struct.pack(">6H", *[(1 << bits) - 1, 0, 0] * 2) * 8
    head = struct.pack(">IIBBBBB", 16, 8, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress((b"\0" + line) * 8)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    if words is None:
        assert (seen(data) == [255, 0, 0]).all()
    else:
        with pytest.raises(PoolError, match=f"row id row of deep.png: .*{words}.*scale it to 8 bits"):
            read(folder, {"deep.png": data})


# --- transparency and colour


def ink(mode):
    """Black ink on a transparent ground whose hidden colour is black, and half-transparent ink."""
    alpha = Image.new("L", (32, 32), 0)
    alpha.paste(255, (8, 8, 24, 16))
    alpha.paste(128, (8, 16, 24, 24))
    image = Image.new("RGBA", (32, 32), "black")
    image.putalpha(alpha)
    return image.convert(mode)


@pytest.mark.parametrize("mode, kind", [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")])
def test_transparent_pictures_are_pasted_on_white(mode, kind):
    made = seen(file_of(ink(mode), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert made[0, 0].tolist() == [255] * 3 and made[10, 10].tolist() == [0] * 3
    assert set(made[20, 20].tolist()) <= {127, 128}


def palette_alpha():
    image = Image.new("P", (32, 32))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.putalpha(ink("RGBA").getchannel("A"))
    return image


ALPHA = {
    "RGBa": lambda: ink("RGBA").convert("RGBa"),
    "La": lambda: ink("LA").convert("La"),
    "PA": palette_alpha,
}


@pytest.mark.parametrize("mode", ALPHA)
def test_premultiplied_and_palette_alpha_are_pasted_on_white(mode):
    image = ALPHA[mode]()
    assert image.mode == mode
    made = np.asarray(upright_rgb(image))
    assert made[0, 0].tolist() == [255] * 3 and made[10, 10].tolist() == [0] * 3


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(bits, colour, line, clear, palette=b""):
    """A PNG of 16 x 8 pixels whose tRNS chunk is `clear`."""
    head = struct.pack(">IIBBBBB", 16, 8, bits, colour, 0, 0, 0)
    body = zlib.compress((b"\0" + line) * 8)
    parts = [
        (b"IHDR", head),
        *([(b"PLTE", palette)] if palette else []),
        (b"tRNS", clear),
        (b"IDAT", body),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


TRNS = {
    "palette": png(8, 3, bytes([0, 1] * 8), bytes([0]), bytes([0, 0, 0, 0, 0, 0])),
    "palette of 1 bit": png(1, 3, b"\x55\x55", bytes([0]), bytes([0, 0, 0, 0, 0, 0])),
    "grey": png(8, 0, bytes([7, 0] * 8), struct.pack(">H", 7)),
    "grey of 16 bits": png(16, 0, struct.pack(">HH", 9, 0) * 8, struct.pack(">H", 9)),
    "RGB": png(8, 2, bytes([1, 2, 3, 0, 0, 0] * 8), struct.pack(">HHH", 1, 2, 3)),
    "RGB of 16 bits": png(16, 2, struct.pack(">6H", 41000, 52000, 63000, 0, 0, 0) * 8, struct.pack(">HHH", 41000, 52000, 63000)),
}  # fmt: skip


@pytest.mark.parametrize("data", TRNS.values(), ids=TRNS)
def test_a_colour_that_is_declared_transparent_is_white(data):
    assert seen(data)[0].tolist() == [[255] * 3, [0] * 3] * 8


COLOURS = {
    "CMYK": lambda: file_of(flag().convert("CMYK"), "TIFF"),
    "CMYK, JPEG": lambda: file_of(flag().convert("CMYK"), "JPEG", quality=95, subsampling=0),
    "YCbCr": lambda: file_of(flag().convert("YCbCr"), "TIFF"),
    "Lab": lambda: file_of(
        ImageCms.profileToProfile(
            flag(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        ),
        "TIFF",
    ),
    "palette": lambda: file_of(flag().quantize(8)),
    "BMP": lambda: file_of(flag(), "BMP"),
    "MPO, of phones": lambda: file_of(flag(), "MPO", save_all=True, append_images=[flag()], quality=95, subsampling=0),
    "GIF": lambda: file_of(flag(), "GIF"),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_stay_what_they_are(name, folder):
    assert read(folder, {"x": COLOURS[name]()})[0].num_rows == 1
    made, most = seen(COLOURS[name]()).astype(int), 24 if name == "Lab" else 6  # 8 bits of Lab are coarse
    assert np.abs(made[4, 40] - [255, 0, 0]).max() <= most and np.abs(made[28, 40] - [0, 0, 255]).max() <= most
    assert np.abs(made[2, 4] - [0, 128, 0]).max() <= most


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_shown(kind):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    how = {"lossless": True} if kind == "WEBP" else {}
    made = seen(file_of(frames[0], kind, save_all=True, append_images=frames[1:], **how))
    assert (made == [255, 0, 0]).all()


def test_others_are_shown_what_models_see():
    """A judge of another make gets the file itself where that is plain, and a PNG of the same pixels where it is not."""
    plain = file_of(flag(), "JPEG")
    assert shown_file({"bytes": plain, "path": None}) == plain
    for data in (photo(6, "JPEG"), file_of(ink("RGBA")), DEEP["16 bits, PNG"][0](), file_of(flag(), "TIFF")):
        sent = shown_file({"bytes": data, "path": None})
        assert sent != data and (np.asarray(Image.open(io.BytesIO(sent))) == seen(data)).all()


# --- what prepare finds


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


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
BROKEN = {  # name of the file: bytes, and words of the message
    "empty.jpg": (b"", ["empty (0 bytes)", "restore"]),
    "zeros.jpg": (bytes(5000), ["nothing except zero bytes", "fetch the file again"]),
    "page.jpg": (b"\n<!DOCTYPE html>\n<html><title>404</title></html>", ["an HTML page", "fetch the file again"]),
    "denied.jpg": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", ["an XML text"]),
    "lfs.jpg": (LFS, ["a Git LFS pointer", "git lfs pull"]),
    "drawing.jpg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", ["an SVG drawing", "as PNG"]),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ["HEIC", "convert it"]),
    "new.avif": (file_of(flag(), "AVIF"), ["AVIF", "convert it"]),
    "clip.gif": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", ["a video", "take a frame"]),
    "scan.dcm": (bytes(127) + b"\1DICM" + bytes(50), ["DICOM", "window it"]),
    "cut.jpg": (bytes(noise("JPEG")[:3000]), ["can't be decoded", "truncated"]),
    "cut.png": (bytes(noise("PNG")[:3000]), ["can't be decoded"]),
    "cut.webp": (bytes(noise("WEBP")[:3000]), ["can't be decoded"]),
    "cut.tif": (bytes(noise("TIFF")[:3000]), ["can't be decoded"]),
    "noend.png": (bytes(noise("PNG")[:-12]), ["damaged inside", "ends before its last chunk"]),
    "crc.png": (crc(noise("PNG")), ["damaged inside", "checksum"]),
    "garbage.jpg": (middle(noise("JPEG"), garbage(1500)), ["image 'garbage.jpg'"]),
    "progressive.jpg": (middle(noise("JPEG", progressive=True), garbage(1500)), ["damaged inside", "at byte"]),
    "ones.jpg": (middle(noise("JPEG"), b"\xff" * 200 + b"\x10"), ["image 'ones.jpg'"]),
    "hole.jpg": (middle(noise("JPEG"), bytes(512)), ["damaged inside", "zero bytes"]),
    "restart.jpg": (
        bytes(noise("JPEG", restart_marker_rows=1).replace(b"\xff\xd3", b"\xff\xd6")),
        ["damaged inside", "restart marker out of order"],
    ),
    "strip.png": (file_of(Image.new("RGB", (8, 6000))), ["8x6000 pixels, 750 times", "pool.max_image_ratio=200"]),
    "banner.jpg": (file_of(Image.new("RGB", (2500, 10)), "JPEG"), ["2500x10 pixels, 250 times", "cut it up"]),
    "dot.gif": (file_of(Image.new("RGB", (1, 1)), "GIF"), ["1x1 pixels", "pool.min_image_side=8"]),
    "line.png": (file_of(Image.new("RGB", (300, 3))), ["300x3 pixels", "pool.min_image_side=8"]),
    "bands.tif": (b"II*\0" + bytes(100), ["a TIFF whose head is damaged, or whose bands"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_named_and_can_be_skipped(folder, name):
    data, words = BROKEN[name]
    files = {"good.png": file_of(flag()), name: data}
    with pytest.raises(PoolError) as error:
        read(folder, files)
    for word in ("train.json", f"row id row of {name}", name, "pool.on_bad_row: skip", *words):
        assert word in str(error.value)
    table, skipped = read(folder, files, on_bad_row="skip")
    assert table["id"].to_pylist() == ["row of good.png"] and [row.id for row in skipped] == [f"row of {name}"]


def test_a_cell_without_a_picture_is_named():
    with pytest.raises(InputError, match="row 3: image: the table holds neither its bytes nor a path"):
        check_benchmark([("row 3", {"bytes": None, "path": None})], min_side=1, max_pixels=9, max_ratio=9)


def test_limits_of_shape_are_parameters(folder):
    files = {"strip.png": file_of(Image.new("RGB", (8, 2000)))}
    assert read(folder, files, max_ratio=250)[0].num_rows == 1
    with pytest.raises(PoolError, match="above pool.max_image_ratio=100"):
        read(folder, {"strip.png": file_of(Image.new("RGB", (8, 1000)))}, max_ratio=100)


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


def test_own_questions_are_held_to_the_same(folder):
    (folder / "images/ok.png").write_bytes(file_of(flag()))
    (folder / "images/hole.jpg").write_bytes(BROKEN["hole.jpg"][0])
    asked = {"text": "is it?", "label": "yes"}
    lines = [{"question_id": i, "image": name, **asked} for i, name in enumerate(["ok.png", "hole.jpg"])]
    (folder / "pope.jsonl").write_text("\n".join(map(json.dumps, lines)))
    roots = {part: folder / part for part in ("probe", "score")}
    with pytest.raises(PoolError, match=r"pope.jsonl, line 2, question_id 1: image 'hole.jpg' is damaged inside"):
        write_own(None, folder / "pope.jsonl", Checker(folder / "images"), roots)
    head = ["index", "question", "A", "B", "answer", "category", "l2-category", "split", "image"]
    coded = base64.b64encode(BROKEN["strip.png"][0]).decode()
    line = ["1", "q", "a", "b", "A", "c", "m", "VAL", coded]
    (folder / "mmt.tsv").write_text("\n".join("\t".join(fields) for fields in [head, line]))
    with pytest.raises(PoolError, match=r"mmt.tsv, line 2, index 1: image 'in base64' is 8x6000 pixels"):
        write_own(folder / "mmt.tsv", None, Checker(folder / "images"), roots)


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
