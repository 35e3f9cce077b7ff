"""Pictures and files of them, made in memory, for the tests of people's pictures."""

import io
import json
import struct
import zlib

import numpy as np
from PIL import Image

from cadc.data.checks import check_image
from cadc.data.pictures import open_image, shown_size
from cadc.data.reader import read_pool


def file_of(image, kind="PNG", **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def cell(data):
    return {"bytes": data, "path": None}


def seen(data):
    """The pixels that models are shown of a file that `prepare` lets in, uint8 [height, width, 3]."""
    check_image(data, None, min_side=1, max_pixels=1 << 24, max_ratio=1000)
    image = open_image(cell(data))
    assert image.mode == "RGB" and shown_size(cell(data)) == image.size
    return np.asarray(image)


def read(folder, files, **rules):
    """Read a pool of one row a picture, {name: bytes}."""
    (folder / "images").mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / "images" / name).write_bytes(data)
    talk = [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}]
    rows = [{"id": f"row of {name}", "image": name, "conversations": talk} for name in files]
    (folder / "train.json").write_text(json.dumps(rows))
    return read_pool(folder / "train.json", folder / "images", **rules)


def flag():
    """Red on top, blue below, a green corner at the top left; 64 x 32."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (0, 16, 64, 32))
    image.paste((0, 128, 0), (0, 0, 16, 8))
    return image


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
#: How a file is written so that its colours change little or not at all.
FINE = {"JPEG": {"quality": 95, "subsampling": 0}, "MPO": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}


def photo(orientation, kind):
    """A file of the flag as a camera that is held so stores it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    about = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif.tobytes()}
    return file_of(STORED[orientation](flag()), kind, **FINE.get(kind, {}), **about)


def ink(mode, colour="black"):
    """Ink on a transparent ground whose hidden colour is black, above; half-transparent ink, below; 32 x 32."""
    alpha = Image.new("L", (32, 32), 0)
    alpha.paste(255, (8, 8, 24, 16))
    alpha.paste(128, (8, 16, 24, 24))
    image = Image.new("RGBA", (32, 32), "black")
    image.paste(colour, (8, 8, 24, 24))
    image.putalpha(alpha)
    return image.convert(mode)


def grey8():
    """Every grey of 8 bits, uint8 [16, 256]."""
    return np.tile(np.arange(256, dtype=np.uint8), (16, 1))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, bits, colour, row, *before, after=()):
    """A PNG of 8 rows that are all alike, of a colour type, with chunks (kind, content) before and after its pixels."""
    head = struct.pack(">IIBBBBB", width, 8, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *before, (b"IDAT", zlib.compress((b"\0" + row) * 8)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(bands, bits, photometric, planes=1, kind=1):
    """An uncompressed TIFF of bands [height, width, n].

    planes: 1 together, 2 apart; kind: 1 unsigned, 2 signed, 3 float.
    """
    height, width, n = bands.shape
    strips = [bands[..., i].tobytes() for i in range(n)] if planes == 2 else [bands.tobytes()]
    entries = [(256, [width]), (257, [height]), (258, [bits] * n), (259, [1]), (262, [photometric]), (273, strips)]
    entries += [(277, [n]), (278, [height]), (279, list(map(len, strips))), (284, [planes]), (339, [kind] * n)]
    at, far = 8 + 2 + 12 * len(entries) + 4, b""
    start = at + sum(4 * len(values) for _, values in entries if len(values) > 1)
    offsets = [start + sum(map(len, strips[:i])) for i in range(len(strips))]
    fields = b""
    for tag, values in entries:
        packed = struct.pack(f"<{len(values)}I", *(offsets if tag == 273 else values))
        fields += struct.pack("<HHI", tag, 4, len(values))
        fields += packed if len(values) == 1 else struct.pack("<I", at + len(far))
        far += packed if len(values) > 1 else b""
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4) + far + b"".join(strips)
