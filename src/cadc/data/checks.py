"""What a row of instruction data must hold, and what an image file must be, before anything else looks at them.

Rows may come from anywhere: a path must stay inside the image folder, and the size of an image is looked at before a
pixel is decoded. Every reason says the value and what to do about it; who calls adds the file and the row.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from PIL import Image, ImageFile, UnidentifiedImageError

from cadc.data.reasons import check_text, fail, shown
from cadc.data.turns import SOURCES, check_turns, given
from cadc.data.wording import IMAGE_TOKEN

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # no other decoder is tried
MAX_IMAGE_PIXELS = 178_956_970  # where Pillow itself raises DecompressionBombError: twice its Image.MAX_IMAGE_PIXELS
_BYTES_PER_PIXEL = 8  # four channels of 16 bits: no picture needs more, compressed or not


def check_image(source: str | bytes, name: str | None, min_side: int, max_pixels: int) -> None:
    """Decode the image, a path or its bytes, whole.

    Raises InputError if it is corrupt, in no format of `FORMATS`, smaller than `min_side` pixels, or larger than
    `max_pixels`; the size is read from the file's head before anything is decoded.
    """
    what, n_bytes = f"image {shown(name)}", len(source) if isinstance(source, bytes) else os.path.getsize(source)
    if not n_bytes:
        fail(f"{what} is empty (0 bytes); restore the file or remove the row")
    too_large = f"above pool.max_image_pixels={max_pixels}; scale it down or remove the row"
    if n_bytes > _BYTES_PER_PIXEL * max_pixels:
        fail(f"{what} is {n_bytes} bytes, more than {_BYTES_PER_PIXEL} for each of the pixels it may have, {too_large}")
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # other packages set it, for the whole process
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            width, height = image.size
            if min_side <= min(width, height) and width * height <= max_pixels:
                image.load()
    except Image.DecompressionBombError as error:
        fail(f"{what}: {error} It is {too_large}")
    except UnidentifiedImageError:
        fail(
            f"{what} can't be decoded: it is none of {', '.join(FORMATS)}; "
            "convert or restore the file, or remove the row"
        )
    except Exception as error:
        fail(f"{what} can't be decoded ({type(error).__name__}: {error}); replace the file or remove the row")
    if width * height > max_pixels:
        fail(f"{what} is {width}x{height} pixels, {too_large}")
    if min(width, height) < min_side:
        fail(f"{what} is {width}x{height} pixels, below pool.min_image_side={min_side}; replace it or remove the row")


class Checker:
    """Turns records into rows of the pool table.

    Images lie in `folder` (None: every image is in its record, as {bytes, path}). They have at least `min_side` pixels
    a side and at most `max_pixels`. The table holds their bytes with `embed_images`, else their paths alone.
    """

    def __init__(
        self, folder: Path | None, min_side: int = 8, embed_images: bool = True, max_pixels: int = MAX_IMAGE_PIXELS
    ):
        self.folder, self.root = folder, os.path.realpath(folder or "")
        self.embed_images = embed_images
        self.check = partial(check_image, min_side=min_side, max_pixels=max_pixels)
        # Many rows may show one file: a process looks at it once. What failed is not kept, and fails again.
        self.file = lru_cache(1 << 20)(self._file)

    def row(self, record: dict) -> dict:
        """One record as a row {id, source, images, turns}. Raises InputError with the reason and the fix."""
        turns = check_turns(record)
        found = [record[key] for key in ("image", "images") if record.get(key) is not None]
        if len(found) > 1 and len(found := [value for value in found if given(value)]) > 1:
            fail("has both image and images; keep one of them")
        images = found[0] if found and isinstance(found[0], list) else found
        tokens = sum(turn["text"].count(IMAGE_TOKEN) for turn in turns if turn["role"] == "user")
        if tokens != len(images):
            fail(f"{tokens} {IMAGE_TOKEN} token(s) in the human turns but {len(images)} image(s); make them equal")
        if any(IMAGE_TOKEN in turn["text"] for turn in turns if turn["role"] == "assistant"):
            fail(f"a gpt turn contains {IMAGE_TOKEN}; images belong to human turns")
        names = [image.get("path") if isinstance(image, dict) else image for image in images]
        source = next((record[name] for name in SOURCES if given(record.get(name))), _folder_of(names))
        if not isinstance(source, str | int | float):
            fail(f"source is {shown(source)}; write a text")
        return {
            "id": check_text(str(record["id"]), "id"),
            "source": check_text(str(source), "source"),
            "images": [self.image(image) for image in images],
            "turns": turns,
        }

    def image(self, image) -> dict:
        """An image, a path inside the folder or {bytes, path}, as a cell {bytes, path} of a table. Raises InputError as
        `row` does.
        """
        if isinstance(image, dict) and isinstance(image.get("bytes"), bytes):
            if not self.embed_images:
                fail("image is embedded, it has no file; set pool.embed_images: true")
            name = image["path"] if isinstance(image.get("path"), str) else None
            self.check(image["bytes"], name)
            return {"bytes": image["bytes"], "path": name}
        name = image.get("path") if isinstance(image, dict) else image
        if not isinstance(name, str) or not name:
            fail(f"image is {shown(name)}; give a path inside the image folder, or leave the field out")
        path = self.file(name)
        return (
            {"bytes": Path(path).read_bytes(), "path": name}
            if self.embed_images
            else {"bytes": None, "path": str(self.folder / name)}
        )

    def _file(self, name: str) -> str:
        """Where the image `name` really lies, links followed: inside the image folder, and whole."""
        if "\0" in name or "\\" in name:
            fail(
                f"image {shown(name)} holds {'a NUL byte' if chr(0) in name else 'a backslash'}; "
                "write the path with / and plain characters"
            )
        if self.folder is None:
            fail(f"image {shown(name)} is a file, but data.images is not set; set it to the folder")
        if name.startswith("/") or ".." in name.split("/"):
            fail(f"image {shown(name)} points outside the image folder; use a path relative to {self.folder}")
        path = os.path.realpath(self.folder / check_text(name, "image"))
        if not os.path.exists(path):
            fail(f"image {shown(name)} is missing from {self.folder}; restore the file or remove the row")
        if os.path.commonpath([path, self.root]) != self.root:
            fail(f"image {shown(name)} is a link that leaves the image folder; copy the file into {self.folder}")
        if not os.path.isfile(path):
            fail(f"image {shown(name)} is a folder or no regular file; give the path of a picture")
        self.check(path, name)
        return path


def _folder_of(names: list[str | None]) -> str:
    """Where a row comes from, if it does not say: the first folder of its image (as in LLaVA-665K), else `text`."""
    parts = PurePosixPath(names[0]).parts if names and isinstance(names[0], str) else ()
    return parts[0] if len(parts) > 1 else "images" if names else "text"
