"""What a file is that should be a picture and is none: a name and a remedy, told from its first bytes."""

from __future__ import annotations

_AGAIN = "fetch the file again, or remove the row"
_CONVERT = "convert it to PNG or JPEG, or remove the row"
_EITHER = "convert or restore the file, or remove the row"
_DAMAGED = "whose head is damaged", "restore the file or remove the row"

#: Where a file of the kind has which bytes, what it is, and what to do.
_SIGNATURES = (
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the file with `git lfs pull`, or remove the row"),
    (0, b"\xff\xd8", f"a JPEG {_DAMAGED[0]}, or of 12 bits", _EITHER),
    (0, b"\x89PNG", f"a PNG {_DAMAGED[0]}", _DAMAGED[1]),
    (0, b"GIF8", f"a GIF {_DAMAGED[0]}", _DAMAGED[1]),
    (8, b"WEBP", f"a WebP {_DAMAGED[0]}", _DAMAGED[1]),
    *(
        (0, head, "a TIFF whose head is damaged, or whose bands, bits or compression can't be read", _CONVERT)
        for head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    ),
    (4, b"ftypavi", "AVIF", _CONVERT),
    *((4, b"ftyp" + brand, "HEIC", _CONVERT) for brand in (b"hei", b"hev")),
    *((4, b"ftyp" + brand, "HEIC or AVIF", _CONVERT) for brand in (b"mif1", b"msf1")),
    (4, b"ftyp", "a video", "take a frame of it, or remove the row"),
    (0, b"\x1aE\xdf\xa3", "a video", "take a frame of it, or remove the row"),
    (8, b"AVI ", "a video", "take a frame of it, or remove the row"),
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
#: Words near the beginning of a text, in lower case.
_TEXTS = (
    (b"<svg", "an SVG drawing", "render it as PNG, or remove the row"),
    (b"<html", "an HTML page", _AGAIN),
    (b"<!doctype html", "an HTML page", _AGAIN),
    (b"<?xml", "an XML text", _AGAIN),
    (b"<error", "an XML text", _AGAIN),
    (b'{"', "a JSON text", _AGAIN),
)


def what_it_is(data: bytes) -> tuple[str, str]:
    """`, but WHAT` (empty where nothing is known) and what to do about it."""
    if not data:
        return ", but empty (0 bytes)", _AGAIN
    if not data.strip(b"\0"):
        return ", but nothing except zero bytes", _AGAIN
    for at, signature, what, remedy in _SIGNATURES:
        if data.startswith(signature, at):
            return f", but {what}", remedy
    head = data[:1024].lower()
    for word, what, remedy in _TEXTS:
        if word in head:
            return f", but {what}", remedy
    return "", _EITHER
