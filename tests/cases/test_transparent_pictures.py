"""Transparent pictures of people: what can be seen of them is kept, on white or on black, or `prepare` names them."""

import struct

import numpy as np
import pytest
from made_pictures import file_of, flag, ink, png, read, seen
from PIL import Image, ImageDraw, ImageFilter

from cadc.data.pixels import upright_rgb
from cadc.data.reader import PoolError

WHITE, BLACK = [255] * 3, [0] * 3

# --- the ground


@pytest.mark.parametrize("mode, kind", [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")])
@pytest.mark.parametrize("colour, ground", [("black", 255), ("white", 0)])
def test_ink_is_seen_on_its_ground(mode, kind, colour, ground):
    """Black ink, whose ground hides black, is black on white; white ink is white on black."""
    made = seen(file_of(ink(mode, colour), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert made[0, 0].tolist() == [ground] * 3 and made[10, 10].tolist() == [255 - ground] * 3
    assert set(made[20, 20].tolist()) <= {127, 128}


def palette_alpha(colour):
    image = Image.new("P", (32, 32))
    image.putpalette([*(BLACK if colour == "black" else WHITE), 9, 9, 9])
    image.putalpha(ink("RGBA").getchannel("A"))
    return image


ALPHA = {
    "RGBa": lambda colour: ink("RGBA", colour).convert("RGBa"),
    "La": lambda colour: ink("LA", colour).convert("La"),
    "PA": palette_alpha,
}


@pytest.mark.parametrize("mode", ALPHA)
@pytest.mark.parametrize("colour, ground", [("black", 255), ("white", 0)])
def test_premultiplied_and_palette_alpha_are_pasted_alike(mode, colour, ground):
    image = ALPHA[mode](colour)
    assert image.mode == mode
    made = np.asarray(upright_rgb(image))
    assert made[0, 0].tolist() == [ground] * 3 and made[10, 10].tolist() == [255 - ground] * 3


def drawing(*shapes, blur=0):
    """RGBA, 96 x 96, of (colour, box) on a ground that is transparent."""
    image = Image.new("RGBA", (96, 96), (255, 255, 255, 0))
    for colour, box in shapes:
        ImageDraw.Draw(image).rectangle(box, fill=colour)
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


def shadow():
    """A white window with a soft black shadow, as screenshots have it."""
    below = drawing(("black", (18, 18, 78, 78)), blur=6)
    below.alpha_composite(drawing(("white", (16, 16, 72, 72))))
    return below


WORD = [(x, 10, x + 2, 60) for x in range(4, 60, 6)]
MARK = (70, 10, 90, 30)
GROUNDS = {
    "black ink": (drawing(("black", (10, 10, 80, 14))), "white"),
    "white ink": (drawing(("white", (10, 10, 80, 14))), "black"),
    "nearly white ink": (drawing(((235, 240, 238), (10, 10, 80, 14))), "black"),
    "light grey ink": (drawing(((200, 200, 200), (10, 10, 80, 14))), "white"),
    "yellow ink": (drawing(("yellow", (10, 10, 80, 14))), "white"),
    "soft white ink": (drawing(("white", (20, 20, 70, 70)), blur=9), "black"),
    "soft black ink": (drawing(("black", (20, 20, 70, 70)), blur=9), "white"),
    "a white word and a red mark": (drawing(*(("white", box) for box in WORD), ("red", MARK)), "black"),
    "a black word and a white mark": (drawing(*(("black", box) for box in WORD), ("white", MARK)), "white"),
    "white with a black outline": (drawing(("black", (10, 10, 80, 80)), ("white", (13, 13, 77, 77))), "white"),
    "white with a shadow": (shadow(), "white"),
    "a window in white": (drawing(("white", (0, 0, 95, 95)), ((0, 0, 0, 0), (30, 30, 50, 50))), "black"),
    "half transparent all over": (Image.new("RGBA", (32, 32), (255, 255, 255, 128)), "white"),
}


@pytest.mark.parametrize("image, ground", GROUNDS.values(), ids=GROUNDS)
def test_the_ground_is_white_unless_most_edges_would_be_lost_on_it(image, ground):
    expected = Image.alpha_composite(Image.new("RGBA", image.size, ground), image).convert("RGB")
    assert (seen(file_of(image)) == np.asarray(expected)).all()


def test_an_opaque_picture_has_no_ground():
    for image in (flag(), Image.new("RGB", (32, 32), "white")):
        alpha = image.copy()
        alpha.putalpha(255)
        assert (seen(file_of(alpha)) == np.asarray(image)).all()


# --- transparent everywhere


def clear(alpha, mode="RGBA"):
    image = flag()
    image.putalpha(alpha)
    return image.convert(mode)


NOTHING = {
    "PNG": lambda: file_of(clear(0)),
    "LA": lambda: file_of(clear(0, "LA")),
    "WebP": lambda: file_of(clear(0), "WEBP", lossless=True, exact=True),
    "TIFF": lambda: file_of(clear(0), "TIFF"),
    "alpha from 0 to 1": lambda: file_of(clear(1)),
    "palette": lambda: png(16, 8, 3, bytes(16), (b"PLTE", bytes(3)), (b"tRNS", b"\0")),
    "grey": lambda: png(16, 8, 0, bytes(16), (b"tRNS", b"\0\0")),
    "grey of 16 bits": lambda: png(16, 16, 0, bytes(32), (b"tRNS", b"\0\0")),
    "RGB of 16 bits": lambda: png(16, 16, 2, bytes(96), (b"tRNS", bytes(6))),
    "a first frame of nothing": lambda: file_of(
        Image.new("L", (16, 16)), "GIF", save_all=True, append_images=[Image.new("L", (16, 16), 9)], transparency=0
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_transparent_everywhere_is_refused(name, tmp_path):
    """Its hidden colours are seen by nobody who asks about it."""
    most = 1 if name == "alpha from 0 to 1" else 0
    words = rf"row of x: .*is fully transparent \(its largest alpha is {most} of 255\).*save it without alpha or"
    with pytest.raises(PoolError, match=words):
        read(tmp_path, {"x": NOTHING[name]()})


def bmp(alpha, header):
    """The flag as a BMP of 32 bits with an alpha, its header of 108 (V4) or 124 bytes (V5)."""
    pixels = np.dstack([np.asarray(flag())[::-1, :, ::-1], np.broadcast_to(np.uint8(alpha), (32, 64))]).tobytes()
    head = struct.pack("<IiiHHIIiiII4I", header, 64, 32, 1, 32, 3, 0, 0, 0, 0, 0, 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = head.ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + header + len(pixels), 0, 0, 14 + header) + head + pixels


@pytest.mark.parametrize("header", [108, 124])
def test_a_bmp_of_no_alpha_at_all_is_opaque(header):
    """Many programs leave its fourth bytes at 0."""
    assert (seen(bmp(0, header)) == np.asarray(flag())).all()
    assert (seen(bmp(255, header)) == np.asarray(flag())).all()
    half = np.where(np.arange(64) < 32, 0, 255)  # a real one
    made = seen(bmp(half, header))
    assert (made[:, :32] == WHITE).all() and (made[:, 32:] == np.asarray(flag())[:, 32:]).all()


# --- one colour, or some of a palette


def sixteen(*values):
    return struct.pack(f">{len(values)}H", *values)


def grey(bits, clear, *values):
    """A PNG of eight greys a row, the values in turn, one of which is declared transparent."""
    row = sum(values[i % 2] << bits * (7 - i) for i in range(8)).to_bytes(bits)
    return png(8, bits, 0, row, (b"tRNS", sixteen(clear)))


def rgb(bits, clear, *values):
    row = bytes([*values] * 4) if bits == 8 else sixteen(*values) * 4
    return png(8, bits, 2, row, (b"tRNS", sixteen(*clear)))


def palette(bits, row, alphas, *colours):
    return png(8, bits, 3, row, (b"PLTE", bytes(colours)), (b"tRNS", bytes(alphas)))


BLUE = (41000, 52000, 63000)
TRNS = {  # a PNG of two kinds of pixels in turn, and what they look like
    "palette": (palette(8, bytes([0, 1] * 4), [0], *BLACK, *BLACK), WHITE, BLACK),
    "palette of 1 bit": (palette(1, b"\x55", [0], *BLACK, *BLACK), WHITE, BLACK),
    "palette of 2 bits, a fifth seen": (palette(2, b"\x11\x11", [0, 51], *BLACK, *BLACK), WHITE, [204] * 3),
    "palette of 4 bits": (palette(4, b"\x01" * 4, [0], *BLACK, 9, 8, 7), WHITE, [9, 8, 7]),
    "grey of 1 bit, white": (grey(1, 1, 1, 0), WHITE, BLACK),
    "grey of 1 bit, black": (grey(1, 0, 0, 1), BLACK, WHITE),
    "grey of 2 bits": (grey(2, 2, 2, 1), WHITE, [85] * 3),
    "grey of 2 bits, white": (grey(2, 3, 3, 0), WHITE, BLACK),
    "grey of 4 bits": (grey(4, 11, 11, 3), WHITE, [51] * 3),
    "grey": (grey(8, 7, 7, 0), WHITE, BLACK),
    "grey, its upper byte filled": (grey(8, 0xFF07, 7, 0), WHITE, BLACK),
    "grey of 16 bits": (grey(16, 9, 9, 0), WHITE, BLACK),
    "grey of 12 bits in 16, a value for none": (grey(16, 65535, 65535, 2048), WHITE, [128] * 3),
    "RGB": (rgb(8, (1, 2, 3), 1, 2, 3, 0, 0, 0), WHITE, BLACK),
    "RGB, its upper bytes filled": (rgb(8, (257, 258, 259), 1, 2, 3, 0, 0, 0), WHITE, BLACK),
    "RGB of 16 bits": (rgb(16, BLUE, *BLUE, 0, 0, 0), WHITE, BLACK),
    "RGB of 16 bits, its neighbour": (rgb(16, BLUE, *BLUE, 41001, 52000, 63000), WHITE, [160, 203, 246]),
    "RGB of 16 bits, dark": (rgb(16, (9, 0, 0), 9, 0, 0, 25600, 0, 0), WHITE, [100, 0, 0]),
}


@pytest.mark.parametrize("data, one, other", TRNS.values(), ids=TRNS)
def test_a_colour_that_is_declared_transparent_is_not_seen(data, one, other):
    made = seen(data)[0]
    assert made[0].tolist() == one and made[-1].tolist() == other
