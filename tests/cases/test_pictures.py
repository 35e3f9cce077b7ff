"""People's pictures: upright, in three channels of 8 bits, whatever their orientation, depth and colours are."""

import struct
import zlib

import numpy as np
import pytest
from made_pictures import FINE, STORED, cell, file_of, flag, grey8, photo, png, read, seen, tiff
from PIL import Image, ImageCms

from cadc.config.errors import InputError
from cadc.data.pictures import open_image, shown_size
from cadc.data.reader import PoolError

# --- orientation


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_upright_and_nobody_turns_it_again(orientation, kind):
    data = photo(orientation, kind)
    made = seen(data)
    assert made.shape == (32, 64, 3)
    assert np.abs(made.astype(int) - np.asarray(flag())).max() <= (12 if kind in ("JPEG", "MPO") else 0)
    assert "exif" not in open_image(cell(data)).info


@pytest.mark.parametrize("value", [0, 9, 42])
def test_an_orientation_of_no_meaning_and_broken_metadata_turn_nothing(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert (seen(file_of(flag(), exif=exif.tobytes())) == np.asarray(flag())).all()
    assert (seen(file_of(flag(), exif=b"Exif\0\0 no TIFF at all")) == np.asarray(flag())).all()


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("tag", [{}, {0x0112: 6}, {0x0112: 1}])
def test_a_tiff_is_turned_once(tag):
    """Photo editors write its orientation twice; where the two differ, the tag is right."""
    stored = flag() if tag.get(0x0112) == 1 else STORED[6](flag())
    assert (seen(file_of(stored, "TIFF", tiffinfo={700: XMP, **tag})) == np.asarray(flag())).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_orientation_may_stand_in_xmp(kind):
    made = seen(file_of(STORED[6](flag()), kind, xmp=XMP, **FINE[kind]))
    assert made.shape == (32, 64, 3) and np.abs(made.astype(int) - np.asarray(flag())).max() <= 12


def raw_profile(exif):
    """EXIF as ImageMagick writes it into a PNG."""
    return b"\nexif\n%8d\n%s\n" % (len(exif), exif.hex().encode())


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
IN_PNG = {
    "eXIf": (b"eXIf", EXIF[6:]),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    "XMP, compressed": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
    "raw profile": (b"tEXt", b"Raw profile type exif\0" + raw_profile(EXIF)),
    "raw profile, compressed": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(EXIF))),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("about", IN_PNG.values(), ids=IN_PNG)
def test_a_png_s_orientation_may_stand_behind_its_pixels(about, behind):
    row = bytes([255, 0, 0] * 4 + [0, 0, 255] * 4)
    made = seen(png(8, 8, 2, row, after=[about]) if behind else png(8, 8, 2, row, about))
    assert (made[:4] == [255, 0, 0]).all() and (made[4:] == [0, 0, 255]).all()  # red on top


def test_a_size_is_read_without_decoding(tmp_path, monkeypatch):
    kinds = ("JPEG", "PNG", "WEBP", "TIFF", "MPO")
    files = [*(photo(6, kind) for kind in kinds), *(file_of(flag(), kind) for kind in ("GIF", "BMP"))]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("a pixel was decoded"))
    for i, data in enumerate(files):
        (tmp_path / f"{i}").write_bytes(data)
        for image in (cell(data), {"bytes": None, "path": str(tmp_path / f"{i}")}):
            assert shown_size(image) == (64, 32)


def test_a_file_that_has_no_size_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone: can't be read \(No such file"):
        shown_size({"bytes": None, "path": str(tmp_path / "gone")})
    with pytest.raises(InputError, match="image in the table: can't be decoded: .* an HTML page"):
        shown_size(cell(b"<html>"))


# --- depth


def scaled(most, type_):
    return Image.fromarray((grey8() * np.float32(most / 255)).round().astype(type_))


DEEP = {  # file, and the grey values that it shows
    "16 bits, PNG": (lambda: file_of(scaled(65535, np.uint16)), grey8()),
    "16 bits, TIFF": (lambda: file_of(scaled(65535, np.uint16), "TIFF"), grey8()),
    "16 bits, big-endian TIFF": (lambda: file_of(scaled(65535, ">u2"), "TIFF"), grey8()),
    "32 bits": (lambda: file_of(scaled(65535, np.int32), "TIFF"), grey8()),
    "32 bits, unsigned": (lambda: tiff(grey8().astype(np.uint32)[..., None], 32, 1), grey8()),
    "float": (lambda: file_of(Image.fromarray(grey8().astype(np.float32) / 255), "TIFF"), grey8()),
    "12 bits in 16, an X-ray": (lambda: file_of(scaled(4095, np.uint16)), grey8()),
    "10 bits in 16": (lambda: file_of(scaled(1023, np.uint16)), grey8()),
    "depth in mm, to 10 m": (lambda: file_of(Image.new("I;16", (16, 16), 10000)), np.full((16, 16), 156)),
    "8 bits in 16, a mask": (lambda: file_of(scaled(255, np.uint16)), grey8()),
    "nothing but black": (lambda: file_of(Image.new("I;16", (16, 16))), np.zeros((16, 16))),
    "1 bit": (lambda: file_of(scaled(255, np.uint8).convert("1", dither=0)), np.where(grey8() > 127, 255, 0)),
    "white is zero, 16 bits": (lambda: file_of(scaled(65535, np.uint16), "TIFF", tiffinfo={262: 0}), 255 - grey8()),
    "white is zero, 8 bits": (lambda: tiff(grey8()[..., None], 8, 0), 255 - grey8()),
    "white is zero, float": (lambda: tiff(grey8().astype(np.float32)[..., None] / 255, 32, 0, kind=3), 255 - grey8()),
}


@pytest.mark.parametrize("make, grey", DEEP.values(), ids=DEEP)
def test_deep_greys_are_scaled_not_clipped(make, grey):
    made = seen(make())
    assert (made == made[..., :1]).all()
    assert (made[..., 0] == grey).all()


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "group3", "group4"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_scans_of_1_bit_are_black_on_white_whichever_is_zero(compression, photometric):
    image = Image.fromarray(grey8() > 200)
    data = file_of(image, "TIFF", compression=compression, tiffinfo={262: photometric})
    assert (seen(data)[..., 0] == np.where(grey8() > 200, 255, 0)).all()


RANGES = {
    "Hounsfield units": (np.array([[-1024, 3071]], np.int32), "-1024 to 3071"),
    "24 bits": (np.array([[0, 1 << 20]], np.int32), "0 to 1.04858e+06"),
    "metres as floats": (np.array([[0.3, 9.5]], np.float32), "0.3 to 9.5"),
    "bytes as floats": (np.array([[0, 255]], np.float32), "0 to 255"),
    "negative floats": (np.array([[-1, 1]], np.float32), "-1 to 1"),
    "a hundredth too much": (np.array([[0, 1.01]], np.float32), "0 to 1.01"),
    "NaN": (np.array([[0.5, np.nan]], np.float32), "nan"),
    "infinite": (np.array([[0.5, np.inf]], np.float32), "inf"),
}


@pytest.mark.parametrize("values, said", RANGES.values(), ids=RANGES)
def test_a_range_that_nothing_explains_is_refused_by_prepare(tmp_path, values, said):
    good, bad = file_of(flag()), file_of(Image.fromarray(np.tile(values, (16, 8))), "TIFF")
    with pytest.raises(PoolError, match="row id row of bad.tif") as error:
        read(tmp_path, {"good.png": good, "bad.tif": bad})
    assert said in str(error.value) and "convert it to 8 bits" in str(error.value)
    table, skipped = read(tmp_path, {"good.png": good, "bad.tif": bad}, on_bad_row="skip")
    assert table.num_rows == 1 and [row.id for row in skipped] == ["row of bad.tif"]


@pytest.mark.parametrize("low, high", [(0, 1.0000001), (-1e-7, 1), (-0.0019, 1.0019)])
def test_floats_that_round_to_0_to_255_are_in_range(low, high):
    made = seen(file_of(Image.fromarray(np.tile(np.array([[low, 0.5, high]], np.float32), (16, 8))), "TIFF"))
    assert made[0, :3, 0].tolist() == [0, 128, 255]


def deep(values, colour):
    """A PNG of 16 bits whose rows are `values`."""
    n = {2: 3, 4: 2, 6: 4}[colour]
    return png(len(values) // n, 16, colour, struct.pack(f">{len(values)}H", *values))


@pytest.mark.parametrize("bits, words", [(16, None), (14, "16383 of 65535"), (12, "4095"), (8, "255"), (1, "1 of")])
def test_colours_of_16_bits_are_their_upper_8_unless_those_are_empty(tmp_path, bits, words):
    most = (1 << bits) - 1
    for data in (deep([most, 0, 0] * 16, 2), deep([most, 0, 0, 65535] * 16, 6)):
        if words is None:
            assert (seen(data) == [255, 0, 0]).all()
        else:
            with pytest.raises(PoolError, match=f"row of deep.png: .* with a maximum of {words}.*scale it to 8 bits"):
                read(tmp_path, {"deep.png": data})


BLACK = {
    "PNG": lambda: deep([0, 0, 0] * 16, 2),
    "RGBA": lambda: deep([0, 0, 0, 65535] * 16, 6),
    "LA": lambda: deep([0, 65535] * 16, 4),
    "TIFF": lambda: tiff(np.zeros((16, 16, 3), np.uint16), 16, 2),
}


@pytest.mark.parametrize("kind", BLACK)
def test_black_of_16_bits_is_black(kind):
    assert (seen(BLACK[kind]()) == 0).all()


@pytest.mark.parametrize("order", [np.uint16, ">u2"])
@pytest.mark.parametrize("value, taken", [(200, False), (255 << 8, True)])
def test_both_orders_of_bytes_are_told_apart(order, value, taken):
    """A dark TIFF of 16 bits is no black one; of the other order its bytes are those of a bright one."""
    data = tiff(np.full((16, 16, 3), value, order), 16, 2)
    if order == ">u2":
        value, taken = int(np.array(value, ">u2").view("<u2")), not taken
    if taken:
        assert (seen(data) == value >> 8).all()
    else:
        with pytest.raises(InputError, match=f"with a maximum of {value} of 65535"):
            seen(data)


def test_a_dark_bmp_of_16_bits_a_pixel_is_no_deep_picture():
    head = struct.pack("<IiiHHIIiiII3I", 40, 16, 16, 1, 16, 3, 0, 0, 0, 0, 0, 0xF800, 0x07E0, 0x001F)
    pixels = struct.pack("<H", (3 << 11) | (6 << 5) | 3) * 256
    data = b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels
    assert (seen(data) == [24, 24, 24]).all()


MISTAKEN = {
    "16 bits apart": (lambda: tiff(np.asarray(flag()).astype(np.uint16) * 257, 16, 2, planes=2), "in separate planes"),
    "signed": (lambda: tiff(np.full((16, 16, 1), -3, np.int8), 8, 1, kind=2), "has signed values of 8 bits"),
}


@pytest.mark.parametrize("make, words", MISTAKEN.values(), ids=MISTAKEN)
def test_a_tiff_that_pillow_takes_for_another_is_refused(tmp_path, make, words):
    with pytest.raises(PoolError, match=f"row of x.tif: .*{words}.*convert it to unsigned 8 bits or remove the row"):
        read(tmp_path, {"x.tif": make()})


# --- colours


def ycck():
    """A JPEG as Photoshop writes it: ink turned round, and three of its four channels as YCbCr."""
    inks = np.asarray(flag().convert("CMYK"))
    changed = np.asarray(Image.fromarray(inks[..., :3]).convert("YCbCr"))
    stored = np.dstack([255 - changed, inks[..., 3]])  # Pillow turns all four round
    data = bytearray(file_of(Image.frombytes("CMYK", (64, 32), stored.tobytes()), "JPEG", **FINE["JPEG"]))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def lab():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(flag(), srgb, lab, outputMode="LAB")


COLOURS = {
    "CMYK": lambda: file_of(flag().convert("CMYK"), "TIFF"),
    "CMYK, JPEG": lambda: file_of(flag().convert("CMYK"), "JPEG", **FINE["JPEG"]),
    "YCCK, JPEG": ycck,
    "YCbCr": lambda: file_of(flag().convert("YCbCr"), "TIFF"),
    "Lab": lambda: file_of(lab(), "TIFF"),
    "bands apart": lambda: tiff(np.asarray(flag()), 8, 2, planes=2),
    "palette": lambda: file_of(flag().quantize(8)),
    "BMP": lambda: file_of(flag(), "BMP"),
    "MPO, of phones": lambda: file_of(flag(), "MPO", save_all=True, append_images=[flag()], **FINE["MPO"]),
    "GIF": lambda: file_of(flag(), "GIF"),
    "a broken profile": lambda: file_of(flag(), icc_profile=b"no profile"),
    "a broken profile, JPEG": lambda: file_of(flag(), "JPEG", icc_profile=b"no profile", **FINE["JPEG"]),
    "a broken profile, TIFF": lambda: file_of(flag(), "TIFF", icc_profile=b"no profile"),
    "a broken profile, WebP": lambda: file_of(flag(), "WEBP", icc_profile=b"no profile", lossless=True),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_stay_what_they_are(name, tmp_path):
    assert read(tmp_path, {"x": COLOURS[name]()})[0].num_rows == 1
    made, most = seen(COLOURS[name]()).astype(int), 24 if name == "Lab" else 6  # 8 bits of Lab are coarse
    assert np.abs(made[4, 40] - [255, 0, 0]).max() <= most and np.abs(made[28, 40] - [0, 0, 255]).max() <= most
    assert np.abs(made[2, 4] - [0, 128, 0]).max() <= most


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_pictures_the_first_is_shown(kind):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    made = seen(file_of(frames[0], kind, save_all=True, append_images=frames[1:], **FINE.get(kind, {})))
    assert np.abs(made - np.array([255, 0, 0])).max() <= (1 if kind == "MPO" else 0)
