"""A PNG's chunks: those that make its pixels, and whether their checksums are right; those that say which way up it is.

Pillow reads all the others too: of a long text, a broken profile or a text called `transparency` it makes an error, or
other pixels. No chunk but those here says anything of pixels that models are shown.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from PIL import PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks of text that may hold an orientation, by their keyword: XMP, and EXIF as ImageMagick writes it.
_ABOUT = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
_HEAD = struct.Struct(">I4s")  # of a chunk: the length of its content, and its kind
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of each whole chunk up to IEND; its content lies from begin + 8 to end - 4."""
    begin, kind = len(SIGNATURE), b""
    while begin + 12 <= len(data) and kind != b"IEND":
        length, kind = _HEAD.unpack_from(data, begin)
        end = begin + length + 12
        if end > len(data):
            return
        yield kind, begin, end
        begin = end


def _is_of_pixels(kind: bytes) -> bool:
    return not kind[0] & 32 or kind == b"tRNS"  # a small letter: pixels can be made without it


def pixels_and_about(data: bytes) -> tuple[bytes, dict]:
    """The PNG with the chunks alone that make its first picture, and what Pillow calls its `exif` and `xmp`.

    These may stand behind the pixels. What can't be read of them, or is too long for Pillow, says nothing.
    """
    kept, about, start = [], None, 0
    for kind, begin, end in _chunks(data):
        if not _is_of_pixels(kind):
            kept.append(data[start:begin])
            start = end
            if kind == b"eXIf" or (kind in _TEXTS and data.startswith(_ABOUT, begin + 8)):
                about = about or PngImagePlugin.PngStream(io.BytesIO(data))
                about.fp.seek(begin + 8)
                with suppress(Exception):
                    about.call(kind, begin + 8, end - begin - 12)
    return b"".join([*kept, data[start:]]) if kept else data, about.im_info if about else {}


def damage(data: bytes) -> str | None:
    """What is wrong with the chunks that make pixels, up to IEND; None where nothing is found."""
    kind = b""
    for kind, begin, end in _chunks(data):
        written = int.from_bytes(data[end - 4 : end])
        if _is_of_pixels(kind) and zlib.crc32(memoryview(data)[begin + 4 : end - 4]) != written:
            return f"the checksum of {kind.decode('latin-1')!r} at byte {begin} is wrong"
    return None if kind == b"IEND" else "it ends before its last chunk"
