"""Damaged image files of six formats, and their readers."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from fuzzing import Make, Read
from made_pictures import file_of, grey8, ink, photo, png, tiff
from mutating import of_bytes
from PIL import Image

from cadc.compute.replies import Prompt
from cadc.data.checks import check_image
from cadc.data.pictures import open_image, shown_file, shown_size
from cadc.data.question_cells import pixels_digest

RULES = {"min_side": 8, "max_pixels": 1 << 24, "max_ratio": 200}


def _noise(mode: str = "RGB", size: int = 40) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def _frames(kind: str) -> bytes:
    out = io.BytesIO()
    _noise().save(out, kind, save_all=True, append_images=[_noise("L").convert("RGB"), Image.new("RGB", (40, 40))])
    return out.getvalue()


@cache
def seeds(kind: str) -> list[bytes]:
    """Intact files of one format, in those of its variants that are short to write."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 50
    deep = np.tile(np.arange(0, 65536, 1024, dtype=np.uint16), (16, 1))
    return {
        "PNG": lambda: [
            file_of(_noise()), file_of(ink("RGBA")), file_of(_noise("P"), transparency=3), file_of(_noise("1")),
            file_of(Image.fromarray(deep)), file_of(_noise("LA")), photo(6, "PNG"), _frames("PNG"),
            png(16, 16, 2, bytes(range(96)), (b"tRNS", bytes(6)), (b"tEXt", b"Comment\0hi")),
            png(16, 8, 3, bytes(16), (b"PLTE", bytes(range(48))), (b"tRNS", b"\0")),
        ],
        "JPEG": lambda: [
            file_of(_noise(), "JPEG"), file_of(_noise(), "JPEG", progressive=True), file_of(_noise("L"), "JPEG"),
            file_of(_noise("CMYK"), "JPEG"), file_of(_noise(), "JPEG", restart_marker_blocks=2), photo(6, "JPEG"),
            file_of(_noise(), "JPEG", exif=exif, comment=b"hi", dpi=(72, 72)), _frames("MPO"),
        ],
        "WEBP": lambda: [
            file_of(_noise(), "WEBP"), file_of(_noise(), "WEBP", lossless=True), file_of(ink("RGBA"), "WEBP"),
            _frames("WEBP"), photo(6, "WEBP"),
        ],
        "TIFF": lambda: [
            *(file_of(_noise(mode), "TIFF", compression=how) for mode in ("RGB", "L")
              for how in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
            *(file_of(_noise(mode), "TIFF") for mode in ("CMYK", "P")), file_of(Image.fromarray(deep), "TIFF"),
            file_of(_noise("1"), "TIFF", compression="group4"), file_of(_noise("F").point(lambda v: v / 255), "TIFF"),
            _frames("TIFF"),
            tiff(np.zeros((8, 16, 3), np.uint16), 16, 2, planes=2), tiff(np.zeros((8, 16, 1), np.int8), 8, 1, kind=2),
            photo(6, "TIFF"),
        ],
        "GIF": lambda: [file_of(_noise("P"), "GIF"), file_of(_noise("P"), "GIF", transparency=3), _frames("GIF")],
        "BMP": lambda: [
            *(file_of(_noise(mode), "BMP") for mode in ("RGB", "L", "1", "P")), file_of(ink("RGBA"), "BMP"),
            file_of(Image.fromarray(grey8()), "BMP"),
        ],
    }[kind]()  # fmt: skip


def sealed(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks corrected, so that decoders read the changed bytes."""
    at, made = 8, bytearray(data)
    while at + 12 <= len(made):
        end = at + 8 + struct.unpack_from(">I", made, at)[0]
        if end + 4 > len(made):
            break
        struct.pack_into(">I", made, end, zlib.crc32(made[at + 4 : end]))
        at = end + 4
    return bytes(made)


def picture(kind: str) -> Make:
    def make(rng: random.Random, folder: Path, outside: str) -> None:
        others = seeds(rng.choice(("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")) if rng.random() < 0.2 else kind)
        data = of_bytes(rng, rng.choice(seeds(kind)), others)
        (folder / "x").write_bytes(sealed(data) if kind == "PNG" and rng.random() < 0.7 else data)

    return make


def look(folder: Path) -> None:
    """Check as `prepare` does; an image that passes must then open in every way in which later stages open images."""
    data = (folder / "x").read_bytes()
    check_image(data, "x", **RULES)
    cell = {"bytes": data, "path": None}
    made = open_image(cell)
    assert made.mode == "RGB" and made.size == shown_size(cell), "not the picture that it was said to be"
    assert open_image(cell, "llava").size == shown_size(cell, "llava"), "not the stored picture that it was said to be"
    assert Prompt("what is it?", shown_file(cell)).message
    pixels_digest(data)


PICTURES: dict[str, tuple[Make, Read, int]] = {
    kind: (picture(kind), look, n)
    for kind, n in {"PNG": 500, "JPEG": 500, "WEBP": 300, "TIFF": 600, "GIF": 250, "BMP": 250}.items()
}
