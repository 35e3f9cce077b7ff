"""Pictures of rows as the page holds them: small, and each once."""

from __future__ import annotations

import base64
import io

from PIL import Image

from cadc.data import png
from cadc.data.pictures import file_digest, image_file, open_image

SIDE = 224  # pixels of a picture's longer side, at most


def thumbnail(image: dict) -> bytes:
    """A file of what models see of a cell {bytes, path} and of nothing else: no EXIF, no comment, no profile.

    Its longer side is at most SIDE pixels. A small PNG stays one, all others are JPEG. Raises InputError naming the
    picture where it can't be read.
    """
    picture, out = open_image(image), io.BytesIO()
    lossless = max(picture.size) <= SIDE and image_file(image).startswith(png.SIGNATURE)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    picture.info = {}
    picture.save(out, **({"format": "PNG", "optimize": True} if lossless else {"format": "JPEG", "quality": 80}))
    return out.getvalue()


def data_address(file: bytes) -> str:
    """A PNG or JPEG as an address that holds it whole."""
    kind = "png" if file.startswith(png.SIGNATURE) else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


class Pictures:
    """Files as addresses, each once: `addresses` in the order of their first use."""

    def __init__(self):
        self.addresses: list[str] = []
        self._place: dict[bytes, int] = {}

    def place(self, image: dict) -> int:
        """Where a cell {bytes, path} stands among `addresses`."""
        file = thumbnail(image)
        digest = file_digest(file)
        if digest not in self._place:
            self._place[digest] = len(self.addresses)
            self.addresses.append(data_address(file))
        return self._place[digest]
