"""Place the images of exported rows: in the user's folder, or as files next to the export."""

from __future__ import annotations

import os
from pathlib import Path

from cadc.artifacts import write_bytes
from cadc.config.errors import InputError
from cadc.config.evaluation import Images
from cadc.data.pictures import file_digest, image_file, opened
from cadc.export.records import Chosen, Picture

FOLDER = "images"


class Pictures:
    """Images of one export, each written at most once.

    out: the export's folder. folder: the user's image folder, None for the generated world. `relative`: paths inside
    that folder, as in the data. `absolute`: absolute paths. `copied`: files under images/, with their paths in the
    folder. An image that is not a file of the folder is written as images/DIGEST in every mode.
    """

    def __init__(self, out: Path, folder: Path | None, mode: Images):
        self.out, self.folder, self.mode = out, folder, mode
        self._written: dict[str, str] = {}

    def paths(self, chosen: Chosen) -> list[str]:
        """The path of each image of a row, as used in the written files."""
        return [self._path(picture) for picture in chosen.pictures]

    def file(self, picture: Picture) -> bytes:
        """The bytes of an image file. Raises InputError naming it."""
        if picture.cell["bytes"] is not None or picture.name is None:
            return image_file(picture.cell)
        return image_file({"bytes": None, "path": str(self.folder / picture.name)})

    def relative_to(self, rows: list[Chosen]) -> str | None:
        """What the paths of these rows are relative to: `data.images`, `.` for the export's folder, or None for
        absolute paths. Raises InputError if it would be both."""
        if self.mode != "relative":
            return None if self.mode == "absolute" else "."
        named = next((row for row in rows for picture in row.pictures if picture.name), None)
        held = next((row for row in rows for picture in row.pictures if not picture.name), None)
        if named and held:
            raise InputError(
                f"export.images is relative, but row {held.id!r} shows an image that is not a file in data.images, and "
                f"row {named.id!r} one that is; set export.images: copied, or absolute"
            )
        return "." if held else "data.images" if self.folder is not None else "."

    def _path(self, picture: Picture) -> str:
        if picture.name is not None and self.mode != "copied":
            return picture.name if self.mode == "relative" else os.path.join(self.folder.resolve(), picture.name)
        data = None if picture.name is not None and picture.name in self._written else self.file(picture)
        key = picture.name if picture.name is not None else file_digest(data).hex()
        if key not in self._written:
            name = f"{FOLDER}/{key}" if picture.name is not None else f"{FOLDER}/{key}.{_ending(data)}"
            path = self.out / name
            write_bytes(path, data)
            self._written[key] = name
        name = self._written[key]
        return os.path.join(self.out.resolve(), name) if self.mode == "absolute" else name


def _ending(data: bytes) -> str:
    with opened(data) as image:
        return image.format.lower().replace("jpeg", "jpg")
