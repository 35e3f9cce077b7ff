"""Pictures: a file becomes the same pixels wherever it is used, in training, selection, cleaning, reports and scoring.

What they become, and which are refused, is said in `pixels`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal, NamedTuple

from PIL import Image, UnidentifiedImageError

from cadc.config.errors import InputError
from cadc.data import png
from cadc.data.file_kinds import what_it_is
from cadc.data.pixels import ORIENTATION, TURNS, Unreadable, orientation, stored_rgb, undecodable, upright_rgb

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # no other decoder is tried
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
#: What a model sees of a file, `model.pictures`: the picture as people see it, or as LLaVA's code opens it.
Rule = Literal["upright", "llava"]
_RGB = {"upright": upright_rgb, "llava": stored_rgb}


class Size(NamedTuple):
    """Of a picture as it is shown, in pixels."""

    width: int
    height: int


@contextmanager
def _file(image: dict) -> Iterator[BinaryIO]:
    """The file of a cell {bytes, path}. Raises InputError naming it where it is not there, or can't be read."""
    if image["bytes"] is not None:
        yield io.BytesIO(image["bytes"])
        return
    if image["path"] is None:
        raise InputError("image: the table holds neither its bytes nor a path; restore it or remove the row")
    try:
        with open(image["path"], "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"image {image['path']}: can't be read ({error.strerror}); restore the file") from None


def image_file(image: dict) -> bytes:
    """The bytes of an image's file, from a pool cell {bytes, path} or its path. Raises InputError naming the path."""
    if image["bytes"] is not None:
        return image["bytes"]
    with _file(image) as file:
        return file.read()


def file_digest(file: bytes) -> bytes:
    """By what a picture's file is known, whatever it is called: 16 bytes."""
    return hashlib.blake2b(file, digest_size=16).digest()


def open_image(image: dict, rule: Rule = "upright") -> Image.Image:
    """The RGB picture of a pool or benchmark cell {bytes, path}, as `pixels` has it. Raises InputError naming it."""
    try:
        return _RGB[rule](opened(image_file(image)))
    except (Unreadable, Image.DecompressionBombError) as error:
        raise InputError(f"image {image['path'] or 'in the table'}: {error}") from error


def shown_size(image: dict, rule: Rule = "upright") -> Size:
    """The size of the picture that `open_image` makes of a cell {bytes, path}; no pixel is decoded.

    Of a PNG the whole file is read, of others the head. Raises InputError naming it.
    """
    try:
        with _file(image) as file, _opened(file) as picture:
            sideways = rule == "upright" and orientation(picture) in _SIDEWAYS
            if getattr(picture, "tag_v2", {}).get(ORIENTATION) in _SIDEWAYS:  # a TIFF's own size is upright, by its tag
                sideways = False
            return Size(*(picture.size[::-1] if sideways else picture.size))
    except (Unreadable, Image.DecompressionBombError) as error:
        raise InputError(f"image {image['path'] or 'in the table'}: {error}") from error


def shown_file(image: dict) -> bytes:
    """A file that shows others what models see of a cell {bytes, path}: its own, or a PNG where viewers would differ.

    Raises InputError as `open_image` does.
    """
    picture = open_image(image)
    with opened(image_file(image)) as own:
        plain = own.format in ("JPEG", "PNG") and own.mode in ("RGB", "L") and not own.has_transparency_data
        if plain and orientation(own) not in TURNS:
            return own.fp.getvalue()  # a PNG without texts and profile
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """The picture of a file's bytes, its head read and no pixel decoded.

    Raises Unreadable where it is in no format of `FORMATS`, and Pillow's DecompressionBombError.
    """
    return _opened(io.BytesIO(data))


def _opened(file: BinaryIO) -> Image.Image:
    about, is_png = {}, file.read(len(png.SIGNATURE)) == png.SIGNATURE
    file.seek(0)
    if is_png:
        data, about = png.pixels_and_about(file.read())
        file = io.BytesIO(data)
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        what, remedy = what_it_is(file.read())
        raise Unreadable(f"can't be decoded: it is none of {', '.join(FORMATS)}{what}; {remedy}") from None
    except Image.DecompressionBombError:
        raise
    except Exception as error:  # a broken head makes decoders raise what they like
        raise undecodable(error) from error
    image.info |= about
    return image
