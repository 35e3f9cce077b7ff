"""Write the rows of one run in every requested format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cadc.artifacts import Selection, fresh
from cadc.config.evaluation import Images
from cadc.export.formats import WRITERS, Row
from cadc.export.pictures import Pictures
from cadc.export.records import Chosen, with_paths


def write_files(
    out: Path,
    selection: Selection,
    chosen: dict[int, Chosen],
    folder: Path | None,
    formats: list[str],
    images: Images,
    name: str,
) -> str | None:
    """Write a selection's rows into the empty folder `out` in training order; a replayed row is repeated.

    chosen: from `chosen_rows`. folder: the image folder, None for the generated world. name: the data set's name in
    formats that need one. Returns what image paths are relative to: `data.images`, `.` for `out`, or None for absolute
    paths. Raises InputError if `relative` paths would have to start from both.
    """
    pictures = Pictures(fresh(out), folder, images)
    root = pictures.relative_to([chosen[row] for row in dict.fromkeys(selection.row.tolist())])

    def rows() -> Iterator[Row]:
        for row in selection.row.tolist():
            own = chosen[row]
            shown = own.pictures[: own.n_images]
            paths = pictures.paths(own)
            yield Row(
                own.id,
                with_paths(own, paths, kept=images == "relative"),
                own.turns,
                paths[: own.n_images],
                lambda shown=shown: [pictures.file(picture) for picture in shown],  # type: ignore[misc]  # its default
            )

    for each in formats:
        WRITERS[each](out, rows(), name)
    return root
