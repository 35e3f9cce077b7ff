"""Pictures: a file becomes the same pixels wherever it is used, in training, selection, cleaning, reports and scoring.

The pixels are upright, three channels of 8 bits. Rules (ours where no standard says):

- The EXIF orientation is carried out.
- A transparent picture is pasted on white.
- Grey values of more than 8 bits are scaled, never clipped. Whole numbers are taken for the smallest depth of 8, 10,
  12, 14 or 16 bits that holds the picture's largest: files of 16 bits often hold 12 (X-rays) or 14 (depth in mm,
  reflectance). Floats must lie in 0 to 1. Other ranges are refused: nothing says where black and white would be.
  Of colours of 16 bits Pillow keeps the upper 8; where these are all below 64 the picture is refused.
- Of an animation or a file of several pages the first picture is taken.
- Colour profiles are not applied, as in LLaVA's training; Lab alone needs one, and becomes sRGB.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from cadc.config.errors import InputError
from cadc.data.file_kinds import what_it_is

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # no other decoder is tried
_DEPTHS = (8, 10, 12, 14, 16)  # bits of a grey value
_ORIENTATION, _PHOTOMETRIC = 0x0112, 0x0106  # EXIF's and TIFF's tags
_WHITE_IS_ZERO = 0  # of the latter; Pillow itself turns pictures of 8 bits alone
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def image_file(image: dict) -> bytes:
    """The bytes of an image's file, from a pool cell {bytes, path} or its path. Raises InputError naming the path."""
    if image["bytes"] is not None:
        return image["bytes"]
    if image["path"] is None:
        raise InputError("image: the table holds neither its bytes nor a path; restore it or remove the row")
    try:
        return Path(image["path"]).read_bytes()
    except OSError as error:
        raise InputError(f"image {image['path']}: can't be read ({error.strerror}); restore the file") from None


def open_image(image: dict) -> Image.Image:
    """The upright RGB picture of a pool or benchmark cell {bytes, path}. Raises InputError naming it."""
    try:
        return upright_rgb(opened(image_file(image)))
    except (Unreadable, Image.DecompressionBombError) as error:
        raise InputError(f"image {image['path'] or 'in the table'}: {error}") from error


def shown_file(image: dict) -> bytes:
    """A file that shows others what models see of a cell {bytes, path}: its own, or a PNG where viewers would differ.

    Raises InputError as `open_image` does.
    """
    data, picture = image_file(image), open_image(image)
    with opened(data) as own:
        plain = own.format in ("JPEG", "PNG") and own.mode in ("RGB", "L") and not own.has_transparency_data
        if plain and _orientation(own) not in _TURNS:
            return data
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


class Unreadable(InputError):
    """A picture that can't be shown; the message goes on from its name: `can't be decoded ...`."""


def opened(data: bytes) -> Image.Image:
    """The picture of a file's bytes, its head read and no pixel decoded.

    Raises Unreadable where it is in no format of `FORMATS`, and Pillow's DecompressionBombError.
    """
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        what, remedy = what_it_is(data)
        raise Unreadable(f"can't be decoded: it is none of {', '.join(FORMATS)}{what}; {remedy}") from None
    except Image.DecompressionBombError:
        raise
    except Exception as error:  # a broken head makes decoders raise what they like
        raise _undecodable(error) from error


def _undecodable(error: Exception) -> Unreadable:
    return Unreadable(f"can't be decoded ({type(error).__name__}: {error}); replace the file or remove the row")


def upright_rgb(image: Image.Image) -> Image.Image:
    """Any picture of Pillow's as the rules above have it: mode RGB, upright, without metadata. Pure.

    Raises Unreadable where its pixels can't be decoded, or scaled to 8 bits.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # other packages set it, for the whole process
    try:
        deep = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
        image.load()  # first: a TIFF is turned by it, and a PNG's orientation may stand behind its pixels
        turn = _TURNS.get(_orientation(image))
        made = _rgb(image)
        if deep and image.mode in ("RGB", "RGBA", "LA"):
            _check_deep_colours(image)
    except Unreadable:
        raise
    except Exception as error:  # decoders raise what they like
        raise _undecodable(error) from error
    made = made.transpose(turn) if turn is not None else made
    made.info = {}  # nobody turns it once more
    return made


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # metadata that can't be read say nothing; the pixels may be whole
        return None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _grey(image).convert("RGB")
    if image.has_transparency_data:
        colour = image.info.get("transparency")
        if isinstance(colour, tuple) and max(colour) > 255:  # of a PNG of 16 bits, which Pillow has cut to 8
            image = image.copy()
            image.info["transparency"] = tuple(value >> 8 for value in colour)
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return image.convert("RGB")


def _check_deep_colours(image: Image.Image) -> None:
    """Raise Unreadable where colours of 16 bits, of which Pillow keeps the upper 8, hold a quarter of them or less."""
    bands = [band for name, band in zip(image.getbands(), image.split(), strict=True) if name != "A"]
    top = max(band.getextrema()[1] for band in bands)
    if top < 64:
        raise Unreadable(
            f"has colours of 16 bits of which the upper 8 are {top} at most, so it would be shown dark or black; scale "
            "it to 8 bits or remove the row"
        )


def _grey(image: Image.Image) -> Image.Image:
    """A picture of more than 8 bits as one of 8, mode L."""
    values = np.asarray(image)
    low, high = values.min(), values.max()  # NaN where there is one
    if image.mode == "F":
        scale = 255 if low >= 0 and high <= 1 else None
    else:
        bits = next((bits for bits in _DEPTHS if low >= 0 and high < 1 << bits), None)
        scale = bits and 255 / ((1 << bits) - 1)
    if scale is None:
        raise Unreadable(
            f"has values from {low:g} to {high:g} (mode {image.mode}), which nothing says how to show: whole numbers "
            "from 0 to 65535 and floats from 0 to 1 are scaled; convert it to 8 bits or remove the row"
        )
    grey = np.rint(values * np.float32(scale)).astype(np.uint8)
    if isinstance(image.info.get("transparency"), int):
        grey[values == image.info["transparency"]] = 255
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    return Image.fromarray(grey)
