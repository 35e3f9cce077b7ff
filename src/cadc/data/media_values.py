"""Detect media in a field's value, whatever the field is called (ours).

A path is recognised by its extension; if it contains blanks, the field's name must also suggest a path: "a.mp4" names a
video, "we see a.mp4" does not.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from cadc.data.reasons import shown

_ENDINGS = {
    "picture": "png jpg jpeg jfif webp gif bmp tif tiff heic heif avif ppm svg",
    "video": "mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp ogv",
    "sound": "wav mp3 flac ogg oga m4a aac opus wma aiff amr",
}
_BY_ENDING = {ending: medium for medium, endings in _ENDINGS.items() for ending in endings.split()}
_PATH = re.compile(r"[^\n]{0,1000}[^\s./\\]\.([A-Za-z0-9]{3,4})(?:[?#]\S{0,500})?")
_OF_PATHS = re.compile(r"(?i)file|path|ur[il]|link|src|location")
_IN_TEXT = re.compile(r"data:(image|video|audio)/|(/9j/4|iVBORw0KGgo|R0lGOD[dl]h)[\w+/=]{40}")
_SIGNATURES = (  # (offset, bytes, medium)
    *((0, head, "picture") for head in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")),
    (8, b"WEBP", "picture"),
    *((4, b"ftyp" + brand, "picture") for brand in (b"hei", b"hev", b"avi", b"mif1", b"msf1")),
    *((at, head, "video") for at, head in ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "))),
    *((at, head, "sound") for at, head in ((8, b"WAVE"), (0, b"ID3"), (0, b"OggS"), (0, b"fLaC"))),
)


def _of_text(text: str, name: str) -> str:
    text = text.strip()
    if found := _IN_TEXT.match(text):
        return {"video": "video", "audio": "sound"}.get(found[1], "picture")
    found = _PATH.fullmatch(text)
    if not found or (re.search(r"\s", text) and not _OF_PATHS.search(name)):
        return ""
    return _BY_ENDING.get(found[1].lower(), "")


def medium_of(value, name: str = "") -> str:
    """`picture`, `video` or `sound` if the value, or a value nested in it, is the path or URL of such a file or holds
    its bytes (raw or base64); else ''. name: the field's name.
    """
    if isinstance(value, str):
        return _of_text(value, name) if len(value) < 2000 or _IN_TEXT.match(value) else ""
    if isinstance(value, bytes):
        return next((medium for at, head, medium in _SIGNATURES if value.startswith(head, at)), "")
    if isinstance(value, dict):
        return next(filter(None, (medium_of(each, str(key)) for key, each in value.items())), "")
    if isinstance(value, list):
        return next(filter(None, (medium_of(each, name) for each in value)), "")
    return ""


def files_of(value) -> set:
    """The file names (without folders) that a value refers to, and the raw bytes that it holds."""
    if isinstance(value, str):
        return {PurePath(value.strip()).name} - {""}
    if isinstance(value, bytes):
        return {value}
    if isinstance(value, dict):  # a cell {bytes, path} is one file
        return files_of(value.get("bytes") or list(value.values()))
    return set().union(*map(files_of, value)) if isinstance(value, list) else set()


def seen(value) -> str:
    """A value as quoted in a message, without the bytes of files."""
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return seen(value["bytes"])
    return f"[{seen(value[0])}, ...]" if isinstance(value, list) and value and medium_of(value[0]) else shown(value)
