"""The files of one run's rows, in every format that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cadc.artifacts import Selection, fresh
from cadc.config.params import Images
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
    """Write the rows of a selection into the empty folder `out`, in training order: a row that is replayed stands
    there again.

    chosen: what `chosen_rows` made of its rows. folder: the image folder, None for the embedded world. name: what
    the data set is called where a format wants a name. Returns what image paths are relative to: `data.images`, `.`
    for `out`, None for absolute ones. Raises InputError where pictures of both kinds are asked for as `relative`.
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
