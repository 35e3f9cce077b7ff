"""Open images: training, selection, cleaning, reports and scoring all see the same pixels of a file.

`pixels` defines how files become pixels, and which are rejected.
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
#: How models see a file (`model.pictures`): upright, as people see it, or as LLaVA's code opens it.
Rule = Literal["upright", "llava"]
_RGB = {"upright": upright_rgb, "llava": stored_rgb}


class Size(NamedTuple):
    """Size of an image as shown, in pixels."""

    width: int
    height: int


@contextmanager
def _file(image: dict) -> Iterator[BinaryIO]:
    """The file of a cell {bytes, path}. Raises InputError naming it if it is missing or unreadable."""
    if image["bytes"] is not None:
        yield io.BytesIO(image["bytes"])
        return
    if image["path"] is None:
        raise InputError("image: the table holds neither bytes nor a path; restore it or remove the row")
    try:
        with open(image["path"], "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"image {image['path']}: can't be read ({error.strerror}); restore the file") from None


def image_file(image: dict) -> bytes:
    """The bytes of an image file from a pool cell {bytes, path}. Raises InputError naming the path."""
    if image["bytes"] is not None:
        return image["bytes"]
    with _file(image) as file:
        return file.read()


def file_digest(file: bytes) -> bytes:
    """A 16-byte digest that identifies an image file whatever its name."""
    return hashlib.blake2b(file, digest_size=16).digest()


def open_image(image: dict, rule: Rule = "upright") -> Image.Image:
    """The RGB image of a pool or benchmark cell {bytes, path}, per `pixels`. Raises InputError naming the image."""
    try:
        return _RGB[rule](opened(image_file(image)))
    except (Unreadable, Image.DecompressionBombError) as error:
        raise InputError(f"image {image['path'] or 'in the table'}: {error}") from error


def shown_size(image: dict, rule: Rule = "upright") -> Size:
    """The size of the image that `open_image` returns for a cell {bytes, path}, without decoding pixels.

    Reads a whole PNG, but only the header of other formats. Raises InputError naming the image.
    """
    try:
        with _file(image) as file, _opened(file) as picture:
            sideways = rule == "upright" and orientation(picture) in _SIDEWAYS
            if getattr(picture, "tag_v2", {}).get(ORIENTATION) in _SIDEWAYS:  # Pillow already turned a TIFF's size
                sideways = False
            return Size(*(picture.size[::-1] if sideways else picture.size))
    except (Unreadable, Image.DecompressionBombError) as error:
        raise InputError(f"image {image['path'] or 'in the table'}: {error}") from error


def shown_file(image: dict) -> bytes:
    """A file that shows others what models see of a cell {bytes, path}: the original, or a PNG if viewers would differ.

    Raises InputError as `open_image` does.
    """
    picture = open_image(image)
    with opened(image_file(image)) as own:
        plain = own.format in ("JPEG", "PNG") and own.mode in ("RGB", "L") and not own.has_transparency_data
        if plain and orientation(own) not in TURNS:
            return own.fp.getvalue()  # for a PNG, without texts and profile
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """Open an image from its file's bytes: reads the header, decodes no pixel.

    Raises Unreadable if no format of `FORMATS` fits, and Pillow's DecompressionBombError.
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
    except Exception as error:  # decoders raise arbitrary errors at a broken header
        raise undecodable(error) from error
    image.info |= about
    return image
