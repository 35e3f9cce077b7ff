"""PNG chunks: keep those that define the pixels, verify their checksums, and read the orientation.

Pillow also reads all other chunks, and a long text, a broken profile or a text called `transparency` makes it fail or
return other pixels. Chunks that are not handled here don't affect the pixels that models see.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from PIL import PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Keywords of text chunks that may hold an orientation: XMP, and EXIF as ImageMagick writes it.
_ABOUT = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
_HEAD = struct.Struct(">I4s")  # chunk header: length of the content, kind
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each complete chunk up to IEND; its content is data[start + 8 : end - 4]."""
    begin, kind = len(SIGNATURE), b""
    while begin + 12 <= len(data) and kind != b"IEND":
        length, kind = _HEAD.unpack_from(data, begin)
        end = begin + length + 12
        if end > len(data):
            return
        yield kind, begin, end
        begin = end


def _is_of_pixels(kind: bytes) -> bool:
    return not kind[0] & 32 or kind == b"tRNS"  # a lower-case first letter marks an ancillary chunk


def pixels_and_about(data: bytes) -> tuple[bytes, dict]:
    """(PNG with only the chunks that define its first frame, Pillow's `exif` and `xmp` info).

    The metadata chunks may follow the pixel data. Metadata that Pillow can't read, or finds too long, is ignored.
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
    """What is wrong with the pixel chunks up to IEND; None if they are intact."""
    kind = b""
    for kind, begin, end in _chunks(data):
        written = int.from_bytes(data[end - 4 : end])
        if _is_of_pixels(kind) and zlib.crc32(memoryview(data)[begin + 4 : end - 4]) != written:
            return f"the checksum of {kind.decode('latin-1')!r} at byte {begin} is wrong"
    return None if kind == b"IEND" else "the file ends before its last chunk"
