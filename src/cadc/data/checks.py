"""Check rows of instruction data and their image files before anything else uses them.

Rows are untrusted: a path must stay inside the image folder, and an image's size is checked before a pixel is decoded.
Each reason states the value and the fix; the caller adds the file and the row.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from PIL import Image

from cadc.config.errors import InputError
from cadc.data.damage import damage
from cadc.data.fields import given, source_of
from cadc.data.llava_rows import pictured
from cadc.data.marks import picture_mark
from cadc.data.pictures import file_digest, image_file, opened
from cadc.data.pixels import Unreadable, upright_rgb
from cadc.data.reasons import check_text, fail, shown
from cadc.data.turns import OutOfTurn, check_turns
from cadc.data.wording import IMAGE_TOKEN

MAX_IMAGE_PIXELS = 178_956_970  # Pillow raises DecompressionBombError above it: twice its Image.MAX_IMAGE_PIXELS
MAX_IMAGE_RATIO = 200  # Qwen2-VL's limit; CLIP would scale a longer strip to gigabytes
_BYTES_PER_PIXEL = 8  # four channels of 16 bits; no valid image file needs more


def check_image(source: str | bytes, name: str | None, min_side: int, max_pixels: int, max_ratio: float) -> None:
    """Decode the whole image (a path or its bytes) as `pictures` does, to prove that it is usable.

    Raises InputError if it is damaged, in an unsupported format, has values that can't be shown, is smaller than
    `min_side` pixels, larger than `max_pixels`, or if its longer side exceeds `max_ratio` times the shorter one. The
    size is read from the file's header before anything is decoded.
    """
    what, n_bytes = f"image {shown(name)}", len(source) if isinstance(source, bytes) else os.path.getsize(source)
    if not n_bytes:
        fail(f"{what} is empty (0 bytes); restore the file or remove the row")
    too_large = f"above pool.max_image_pixels={max_pixels}; scale it down or remove the row"
    if n_bytes > _BYTES_PER_PIXEL * max_pixels:
        fail(f"{what} has {n_bytes} bytes, over {_BYTES_PER_PIXEL} per allowed pixel, so it is {too_large}")
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        with opened(data) as image:
            width, height = image.size
            size = f"{what} is {width}x{height} pixels"
            if width * height > max_pixels:
                fail(f"{size}, {too_large}")
            if min(width, height) < min_side:
                fail(f"{size}, below pool.min_image_side={min_side}; replace it or remove the row")
            if max(width, height) > max_ratio * min(width, height):
                ratio = f"{max(width, height) / min(width, height):.6g} times as long as wide"
                fail(f"{size}, {ratio}, above pool.max_image_ratio={max_ratio:g}; crop it or remove the row")
            upright_rgb(image)
            if fault := damage(data, image.format):
                fail(f"{what} is damaged inside ({fault}); restore the file or remove the row")
    except Image.DecompressionBombError as error:
        fail(f"{what}: {error} It is {too_large}")
    except Unreadable as error:
        fail(f"{what} {error}")


def check_benchmark(images: Iterable[tuple[str, dict]], **rules) -> None:
    """Check the images of a third-party benchmark, given as (where, cell {bytes, path}); each distinct file once.

    `rules` are those of `check_image`. Raises InputError naming `where`. No question is skipped, because scores on a
    part of a benchmark would not be comparable.
    """
    seen: set[bytes] = set()
    for where, image in images:
        try:
            if image["bytes"] is None and image["path"] is not None:  # it may be anybody's file
                fail(f"image {shown(image['path'])} is named, but not in the table; embed its bytes")
            data = image_file(image)
            key = file_digest(data)
            if key not in seen:
                seen.add(key)
                check_image(data, image["path"], **rules)
        except InputError as error:
            raise InputError(f"{where}: {error}; or fetch the data set again") from None


def _check_pictured(turns: list[dict[str, str]], n_images: int) -> None:
    """Raise InputError unless the human turns have one `<image>` per image and the gpt turns have none."""
    said = [turn["text"] for turn in turns if turn["role"] == "user"]
    tokens = sum(text.count(IMAGE_TOKEN) for text in said)
    if tokens != n_images:
        mark = next(filter(None, (picture_mark(text, said) for text in said)), None)
        other = f"; {mark} is not an image token here, use {IMAGE_TOKEN}" if mark else ""
        reason = f"{tokens} {IMAGE_TOKEN} token(s) in the human turns but {n_images} image(s); make them equal{other}"
        raise (OutOfTurn if n_images <= 1 and not mark else InputError)(reason)
    if any(IMAGE_TOKEN in turn["text"] for turn in turns if turn["role"] == "assistant"):
        fail(f"a gpt turn contains {IMAGE_TOKEN}; images belong to human turns")


def images_of(record: dict) -> list:
    """The images of a record, as stored. Raises InputError if both `image` and `images` are given."""
    found = [value for value in (record.get("image"), record.get("images")) if given(value)]
    if len(found) > 1:
        fail("has both image and images; keep one of them")
    return found[0] if found and isinstance(found[0], list) else found


def as_shown(turns: list[dict[str, str]], images: list, llava: bool) -> tuple[list[dict[str, str]], list, list[str]]:
    """(turns, images, changes made) as the pool stores them. With `llava`, rows with at most one image are treated as
    `llava_rows` describes. Raises InputError if turns and images don't match.
    """
    if llava and len(images) <= 1:
        turns, n_images, done = pictured(turns, len(images))
        return turns, images[:n_images], done
    _check_pictured(turns, len(images))
    return turns, images, []


class Checker:
    """Turn records into rows of the pool table.

    Images lie in `folder` (None: records embed their images as {bytes, path}) and must pass `check_image`. The table
    holds their bytes with `embed_images`, otherwise only their paths. With `llava`, rows with at most one image are
    treated as `llava_rows` describes, and `notes` lists the changes as (change, row id).
    """

    def __init__(
        self,
        folder: Path | None,
        min_side: int = 8,
        embed_images: bool = True,
        max_pixels: int = MAX_IMAGE_PIXELS,
        max_ratio: float = MAX_IMAGE_RATIO,
        llava: bool = False,
    ):
        self.folder, self.root = folder, os.path.realpath(folder or "")
        self.llava, self.notes = llava, list[tuple[str, str]]()
        self.embed_images = embed_images
        self.check = partial(check_image, min_side=min_side, max_pixels=max_pixels, max_ratio=max_ratio)
        # Many rows may share a file, so each process checks it once. Failures are not cached.
        self.file = lru_cache(1 << 20)(self._file)

    def row(self, record: dict) -> dict:
        """One record as a row {id, source, images, turns}. Raises InputError with the reason and the fix."""
        turns, name = check_turns(record, self.llava), check_text(str(record["id"]), "id")
        images = images_of(record)
        source = source_of(record)
        if source is None:
            source = self._folder_of(images[0]) if images else "text"
        if not isinstance(source, str | int | float):
            fail(f"source is {shown(source)}; write a text")
        turns, images, done = as_shown(turns, images, self.llava)
        self.notes += [(what, name) for what in done]
        return {
            "id": name,
            "source": check_text(str(source), "source"),
            "images": [self.image(image) for image in images],
            "turns": turns,
        }

    def image(self, image) -> dict:
        """An image (a path inside the folder, or {bytes, path}) as a table cell {bytes, path}. Raises InputError as
        `row` does.
        """
        if isinstance(image, dict) and isinstance(image.get("bytes"), bytes):
            if not self.embed_images:
                fail("image is embedded and has no file; set pool.embed_images: true")
            name = image["path"] if isinstance(image.get("path"), str) else None
            self.check(image["bytes"], name)
            return {"bytes": image["bytes"], "path": name}
        name = image.get("path") if isinstance(image, dict) else image
        if not isinstance(name, str) or not name:
            fail(f"image is {shown(image)}; give a path inside the image folder, a list of them, or leave it out")
        name = self.inside(name)
        path = self.file(name)
        return (
            {"bytes": Path(path).read_bytes(), "path": name}
            if self.embed_images
            else {"bytes": None, "path": str(self.folder / name)}
        )

    def inside(self, name: str) -> str:
        """The image's path relative to the image folder. Absolute paths and `..` are accepted if they lie inside it."""
        if "\0" in name or "\\" in name:
            fail(
                f"image {shown(name)} holds {'a NUL byte' if chr(0) in name else 'a backslash'}; "
                "write the path with / and plain characters"
            )
        if self.folder is None:
            fail(f"image {shown(name)} is a file, but data.images is not set; set it to the folder")
        check_text(name, "image")
        if not name.startswith("/") and ".." not in name.split("/"):
            return name
        folder = os.path.abspath(self.folder)
        whole = os.path.join(folder, name)
        plain, real = os.path.normpath(whole), os.path.realpath(whole)
        for path, root in itertools.product((plain, real), (folder, self.root)):
            if os.path.commonpath([path, root]) == root != path and os.path.realpath(path) == real:
                return os.path.relpath(path, root)
        fail(f"image {shown(name)} points outside the image folder; use a path relative to {self.folder}")

    def _folder_of(self, image) -> str:
        """The source of a row that states none: the first folder of its image's path (as in LLaVA-665K)."""
        embedded = isinstance(image, dict) and isinstance(image.get("bytes"), bytes)
        name = image.get("path") if isinstance(image, dict) else image
        if isinstance(name, str) and name and not embedded:
            name = self.inside(name)
        parts = PurePosixPath(name).parts if isinstance(name, str) else ()
        return parts[0] if len(parts) > 1 else "images"

    def _file(self, name: str) -> str:
        """The real path of image `name`, with links resolved, checked to be an intact file in the image folder."""
        path = os.path.realpath(self.folder / name)
        if not os.path.exists(path):
            fail(f"image {shown(name)} is missing from {self.folder}; restore the file or remove the row")
        if os.path.commonpath([path, self.root]) != self.root:
            fail(f"image {shown(name)} is a link that leaves the image folder; copy the file into {self.folder}")
        if not os.path.isfile(path):
            fail(f"image {shown(name)} is a folder or not a regular file; give the path of an image file")
        self.check(path, name)
        return path
