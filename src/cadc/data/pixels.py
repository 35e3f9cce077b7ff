"""Convert any image that Pillow opens to upright RGB with 8 bits per channel. Rules (ours unless a standard is named):

- The EXIF orientation is applied.
- A transparent image is composited on white, or on black if most visible edges would vanish on white (white ink, for
  example). A fully transparent image is rejected, except a BMP, which is then taken as opaque, because many programs
  write zero alpha.
- Grey values of more than 8 bits are scaled, never clipped. Integers are assumed to have the smallest depth of 8, 10,
  12, 14 or 16 bits that holds the image's maximum, because 16-bit files often hold 12 bits (X-rays) or 14 (depth in mm,
  reflectance). Floats must lie in 0 to 1. Other ranges are rejected, because black and white are undefined.
- 16-bit colours keep their upper 8 bits. If these are all below 64 and the image is not black, it is rejected.
- Only the first frame of an animation, or the first page of a file, is used.
- Colour profiles are not applied, as in LLaVA's training. Lab is the exception: it is converted to sRGB.
"""

from __future__ import annotations

import sys
from functools import reduce

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageFile

from cadc.config.errors import InputError

_DEPTHS = (8, 10, 12, 14, 16)  # bits of a grey value
_HALF = 0.5 / 255  # half of an 8-bit step: floats this far outside 0 to 1 are rounded into the range
_FAINT = 8  # an alpha below this, of 255, is not visible
_MOST = {"L;2": 3, "L;4": 15}  # maximum of grey values below 8 bits, which Pillow scales to 8
_DEEP_COLOURS = ("RGB;16", "RGBX;16", "RGBA;16", "RGBa;16", "LA;16")  # a byte order follows: B, L or N
ORIENTATION, _BITS, _PHOTOMETRIC, _PLANES, _SAMPLES = 0x0112, 0x0102, 0x0106, 0x011C, 0x0153  # EXIF and TIFF tags
_WHITE_IS_ZERO, _SEPARATE, _SIGNED = 0, 2, 2  # values of the last three; Pillow inverts white-is-zero only for 8 bits
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(InputError):
    """An image that can't be shown. The message continues the image's name: `can't be decoded ...`."""


def undecodable(error: Exception) -> Unreadable:
    return Unreadable(f"can't be decoded ({type(error).__name__}: {error}); replace the file or remove the row")


def upright_rgb(image: Image.Image) -> Image.Image:
    """Convert a Pillow image by the rules above: mode RGB, upright, without metadata. Pure.

    Raises Unreadable if its pixels can't be decoded, or if it is undefined how to show them.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # a process-wide flag that other packages set
    try:
        file, stored = getattr(image, "fp", None), _stored(image)
        if image.format == "TIFF":
            _check_tiff(image)
        image.load()  # before the orientation is read: loading already turns a TIFF
        turn = TURNS.get(orientation(image))
        made = _rgb(image, stored, file)
    except Unreadable:
        raise
    except Exception as error:  # decoders raise arbitrary errors
        raise undecodable(error) from error
    made = made.transpose(turn) if turn is not None else made
    made.info = {}  # so that the image is not turned twice
    return made


def stored_rgb(image: Image.Image) -> Image.Image:
    """An image as LLaVA's code opens it: only Pillow's conversion to RGB, not turned upright and not composited. Mode
    RGB, without metadata. Pure.

    Raises Unreadable if its pixels can't be decoded.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        made = image.convert("RGB")
    except Exception as error:  # decoders raise arbitrary errors
        raise undecodable(error) from error
    made.info = {}  # otherwise a transparent colour would be applied later
    return made


def orientation(image: Image.Image) -> int | None:
    """The orientation from EXIF or XMP, without decoding pixels."""
    if not image.info:
        return None
    try:
        return Image.Image.getexif(image).get(ORIENTATION)  # PngImageFile.getexif would decode the pixels
    except Exception:  # unreadable metadata is ignored; the pixels may be intact
        return None


def _stored(image: Image.Image) -> str:
    """The pixel layout of a file that is not decoded yet, in Pillow's notation: `RGB;16B`, `L;2`."""
    args = image.tile[0].args if getattr(image, "tile", None) else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _check_tiff(image: Image.Image) -> None:
    """Raise Unreadable for TIFF layouts that Pillow decodes incorrectly."""
    tags, plain = image.tag_v2, any(tile.codec_name == "raw" for tile in image.tile)
    fault = None
    if plain and tags.get(_PLANES) == _SEPARATE and max(tags.get(_BITS, (1,))) > 8:
        fault = "colours of more than 8 bits in separate planes"
    elif image.mode == "L" and _SIGNED in tags.get(_SAMPLES, ()):
        fault = "signed values of 8 bits"
    if fault:
        raise Unreadable(f"has {fault}, which can't be read; convert it to unsigned 8 bits or remove the row")


def _rgb(image: Image.Image, stored: str, file) -> Image.Image:
    kind, clear = image.format, image.info.get("transparency")
    if image.mode.startswith("I") or image.mode == "F":
        image = _scaled(image)
    elif stored[:-1] in _DEEP_COLOURS:
        image = _upper_8_bits(image, stored, file)
    elif image.mode in ("L", "RGB") and isinstance(clear, int | tuple):
        image = image.copy()
        image.info["transparency"] = _as_decoded(clear, stored)
    if image.has_transparency_data:
        return _pasted(image, kind)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return image.convert("RGB")


def _as_decoded(clear: int | tuple, stored: str) -> int | tuple:
    """A PNG's transparent sample as Pillow decodes it: of its 16 bits, only as many low bits count as samples have."""
    if isinstance(clear, tuple):
        return tuple(value & 255 for value in clear)
    most = _MOST.get(stored, 255)
    return (clear & most) * (255 // most)


def _pasted(image: Image.Image, kind: str | None) -> Image.Image:
    """Composite a transparent image from a file of format `kind` on white or black."""
    if image.mode != "RGBA":
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    alpha = image.getchannel("A")
    least, most = alpha.getextrema()
    if least == 255 or (most == 0 and kind == "BMP"):
        return image.convert("RGB")
    if most < _FAINT:
        raise Unreadable(
            f"is fully transparent (its largest alpha is {most} of 255), so nothing of it is visible; save it "
            "without alpha or remove the row"
        )
    made = _on(image, "white")
    return _on(image, "black") if _is_lost(np.asarray(alpha), made) else made


def _on(image: Image.Image, ground: str) -> Image.Image:
    made = Image.new("RGB", image.size, ground)
    made.paste(image, mask=image)
    return made


def _is_lost(alpha: np.ndarray, on_white: Image.Image) -> bool:
    """Whether most edges (alpha steps between neighbours) keep less than a tenth of their contrast on white.

    alpha: uint8 [height, width].
    """
    darkest = np.asarray(reduce(ImageChops.darker, on_white.split()))
    edges = lost = 0
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        step, seen = (np.maximum(x[one], x[other]) - np.minimum(x[one], x[other]) for x in (alpha, darkest))
        edges += int(step.sum(dtype=np.int64))
        lost += int((step * (seen * np.uint16(10) < step)).sum(dtype=np.int64))
    return 2 * lost > edges


def _upper_8_bits(image: Image.Image, stored: str, file) -> Image.Image:
    """An image with 16-bit colours, of which Pillow keeps the upper 8 bits, with its transparent colour as alpha.

    Raises Unreadable if the upper 8 bits stay below 64, a quarter of their range.
    """
    top = max(band.getextrema()[1] for name, band in zip(image.getbands(), image.split(), strict=True) if name != "A")
    clear = image.info.get("transparency")
    if top >= 64 and clear is None:
        return image
    values = _16_bits(image, stored, file)
    if top < 64 and values.any():
        raise Unreadable(
            f"has 16-bit colours with a maximum of {values.max()} of 65535, so it would look dark or "
            "black; scale it to 8 bits or remove the row"
        )
    if clear is None:
        return image
    alpha = np.where((values == clear).all(2), 0, 255).astype(np.uint8)
    return Image.merge("RGBA", [*image.split(), Image.fromarray(alpha)])


def _16_bits(image: Image.Image, stored: str, file) -> np.ndarray:
    """The 16-bit colours in a file, uint16 [height, width, 3]; `image` holds their upper 8 bits.

    The lower 8 bits come from decoding the file again with the opposite byte order.
    """
    other = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}[stored[-1]]
    turned = "RGBA" if stored == "LA;16B" else stored[:-1].replace("a", "A") + other
    file.seek(0)
    with Image.open(file) as again:
        again.tile = [
            tile._replace(args=(turned, *tile.args[1:]) if isinstance(tile.args, tuple) else turned)
            for tile in again.tile
        ]
        low = np.asarray(again)
    low = low[..., 1:2] if turned == "RGBA" else low[..., :3]
    return np.asarray(image)[..., :3].astype(np.uint16) << 8 | low


def _scaled(image: Image.Image) -> Image.Image:
    """Scale an image with grey values of more than 8 bits to mode L, or to LA with its transparent value as alpha."""
    values, clear = np.asarray(image), image.info.get("transparency")
    hidden = values == clear if isinstance(clear, int) else np.zeros((), bool)
    shown = values[~hidden] if hidden.any() else values
    low, high = (shown.min(), shown.max()) if shown.size else (0, 0)  # NaN if the image holds one
    scale: float | None
    if image.mode == "F":
        scale = 255 if low > -_HALF and high < 1 + _HALF else None
    else:
        bits = next((bits for bits in _DEPTHS if low >= 0 and high < 1 << bits), None)
        scale = bits and 255 / ((1 << bits) - 1)
    if scale is None:
        raise Unreadable(
            f"has values from {low:g} to {high:g} (mode {image.mode}), a range without a defined black and white: only "
            "integers from 0 to 65535 and floats from 0 to 1 are scaled; convert it to 8 bits or remove the row"
        )
    grey = np.rint(values * np.float32(scale)).clip(0, 255).astype(np.uint8)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    if not hidden.any():
        return Image.fromarray(grey)
    alpha = np.where(hidden, 0, 255).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
