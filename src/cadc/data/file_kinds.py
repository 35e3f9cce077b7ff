"""Identify a file that is not the expected image or data file from its first bytes, with a remedy."""

from __future__ import annotations

_AGAIN = "fetch the file again, or remove the row"
_CONVERT = "convert it to PNG or JPEG, or remove the row"
_EITHER = "convert or restore the file, or remove the row"
_DAMAGED = "with a damaged header", "restore the file or remove the row"

#: (offset, bytes, what the file is, what to do).
_SIGNATURES = (
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the file with `git lfs pull`, or remove the row"),
    (0, b"\xff\xd8", f"a JPEG {_DAMAGED[0]} or 12 bits per sample", _EITHER),
    (0, b"\x89PNG", f"a PNG {_DAMAGED[0]}", _DAMAGED[1]),
    (0, b"GIF8", f"a GIF {_DAMAGED[0]}", _DAMAGED[1]),
    (8, b"WEBP", f"a WebP {_DAMAGED[0]}", _DAMAGED[1]),
    *(
        (0, head, "a TIFF with a damaged header, or with bands, bits or a compression that can't be read", _CONVERT)
        for head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    ),
    (4, b"ftypavi", "AVIF", _CONVERT),
    *((4, b"ftyp" + brand, "HEIC", _CONVERT) for brand in (b"hei", b"hev")),
    *((4, b"ftyp" + brand, "HEIC or AVIF", _CONVERT) for brand in (b"mif1", b"msf1")),
    (4, b"ftyp", "a video", "replace it by one of its frames, or remove the row"),
    (0, b"\x1aE\xdf\xa3", "a video", "replace it by one of its frames, or remove the row"),
    (8, b"AVI ", "a video", "replace it by one of its frames, or remove the row"),
    (0, b"%PDF", "a PDF", _CONVERT),
    (0, b"\xff\x0a", "JPEG XL", _CONVERT),
    (4, b"JXL ", "JPEG XL", _CONVERT),
    (4, b"jP  ", "JPEG 2000", _CONVERT),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", _CONVERT),
    (0, b"8BPS", "a Photoshop file", _CONVERT),
    (128, b"DICM", "DICOM", "window it to 8 bits and save it as PNG, or remove the row"),
    (0, b"\x93NUMPY", "a NumPy array", _CONVERT),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it, or remove the row"),
    (0, b"\x1f\x8b", "compressed by gzip", "unpack it, or remove the row"),
)
#: Lower-case words near the beginning of a text file.
_TEXTS = (
    (b"<svg", "an SVG drawing", "render it as PNG, or remove the row"),
    (b"<html", "an HTML page", _AGAIN),
    (b"<!doctype html", "an HTML page", _AGAIN),
    (b"<?xml", "an XML file", _AGAIN),
    (b"<error", "an XML file", _AGAIN),
    (b'{"', "a JSON file", _AGAIN),
)


def what_it_is(data: bytes) -> tuple[str, str]:
    """(`, but WHAT`, empty if unknown; what to do about it)."""
    if not data:
        return ", but empty (0 bytes)", _AGAIN
    if not data.strip(b"\0"):
        return ", but only zero bytes", _AGAIN
    for at, signature, what, remedy in _SIGNATURES:
        if data.startswith(signature, at):
            return f", but {what}", remedy
    head = data[:1024].lower()
    for word, what, remedy in _TEXTS:
        if word in head:
            return f", but {what}", remedy
    return "", _EITHER


_UNPACK = "unpack it and name the file inside"
_PACKED = (
    (b"\x1f\x8b", "compressed by gzip", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK),
    (b"\xfd7zXZ\0", "compressed by xz", _UNPACK),
    (b"BZh", "compressed by bzip2", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed by lz4", _UNPACK),
    (b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", "fetch it again"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"PAR1", "parquet", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "give the folder that save_to_disk wrote, or write it as parquet"),
    (b"SQLite format 3", "an SQLite database", "write its rows as JSON"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file with `git lfs pull`"),
    (b"<!doctype html", "an HTML page", "fetch the file again"),
    (b"<html", "an HTML page", "fetch the file again"),
    (b"{\\rtf", "a word processor file (RTF)", "save it as plain text"),
)


def other_file(head: bytes, own: bytes = b"") -> str | None:
    """`it is WHAT; FIX` for a file of rows, from its first bytes; None for text, or if it begins with `own`."""
    if own and head.startswith(own):
        return None
    small = head.lstrip().lower()
    for signature, what, remedy in _PACKED:
        if head.startswith(signature) or (signature[:1] == b"<" and small.startswith(signature)):
            return f"it is {what}; {remedy}"
    if head[257:262] == b"ustar":
        return f"it is a tar archive; {_UNPACK}"
    return None
