"""Thumbnails for the page, each stored once."""

from __future__ import annotations

import base64
import io

from PIL import Image

from cadc.data import png
from cadc.data.pictures import file_digest, image_file, open_image

SIDE = 224  # maximum length of the longer side, in pixels


def thumbnail(image: dict) -> bytes:
    """The image of a cell {bytes, path} as models see it, as an image file without EXIF, comments or profile.

    The longer side is at most SIDE pixels. A small PNG stays PNG; all others become JPEG. Raises InputError naming the
    image if it cannot be read.
    """
    picture, out = open_image(image), io.BytesIO()
    lossless = max(picture.size) <= SIDE and image_file(image).startswith(png.SIGNATURE)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    picture.info = {}
    picture.save(out, **({"format": "PNG", "optimize": True} if lossless else {"format": "JPEG", "quality": 80}))
    return out.getvalue()


def data_address(file: bytes) -> str:
    """A PNG or JPEG file as a data URL."""
    kind = "png" if file.startswith(png.SIGNATURE) else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


class Pictures:
    """Data URLs of image files without duplicates: `addresses` in order of first use."""

    def __init__(self):
        self.addresses: list[str] = []
        self._place: dict[bytes, int] = {}

    def place(self, image: dict) -> int:
        """Index in `addresses` of the image in a cell {bytes, path}."""
        file = thumbnail(image)
        digest = file_digest(file)
        if digest not in self._place:
            self._place[digest] = len(self.addresses)
            self.addresses.append(data_address(file))
        return self._place[digest]
