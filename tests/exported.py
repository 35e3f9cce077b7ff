"""A folder of data as people have it, its pool, and what an export makes of some of its rows."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from made_rows import talk, write
from PIL import Image

from cadc.artifacts import Selection
from cadc.data.reader import read_pool
from cadc.export.files import write_files
from cadc.export.formats import WRITERS
from cadc.export.records import chosen_rows, image_folder

#: Rows of every kind: two pictures, one, none; fields that nobody reads; texts that an encoder may spoil.
ROWS = [
    {
        "id": 7,
        "image": "coco/a.png",
        "conversations": talk("<image>\n what ?", " a\tcat \n"),
        "score": 0.1,
        "tags": [1, None],
    },
    {"meta": {"z": 1, "a": "é"}, "conversations": talk("no picture", "räksmörgås 猫 \u2028 \U0001f600"), "id": "text"},
    {
        "id": "two",
        "images": ["coco/a.png", "./b c.jpg"],
        "conversations": talk("<image> or <image>?", "b", "why", "so"),
    },
    {
        "id": "half",
        "image": "b c.jpg",
        "note": "\ud83d",
        "conversations": talk("what ?\n<image>", "dog"),
        "image_w": 20,
    },
]


def pictures(folder: Path) -> Path:
    for name, colour in (("coco/a.png", "red"), ("b c.jpg", "blue")):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 20), colour).save(path)
    return folder


class Exported:
    """`rows` written as `form`, read as a pool, and the rows `order` of it exported to `out`."""

    def __init__(self, params, folder: Path, rows, order, form="json", images="relative", pool=None, **rules):
        self.folder, self.out, self.order = folder, folder / "out", order
        on_bad_row = rules.pop("on_bad_row", "fail")
        path = write(folder, rows, form)
        self.pool, _ = read_pool(path, folder / "images", on_bad_row, **rules)
        self.pool = self.pool if pool is None else pool(self.pool)
        data = {"path": str(folder), "annotations": path.name, "images": "images"}
        params = params.model_copy(
            update={
                "data": params.data.model_copy(update=data),
                "pool": params.pool.model_copy(update={"on_bad_row": on_bad_row, **rules}),
            }
        )
        self.rules, self.on_bad_row = rules, on_bad_row
        self.chosen = chosen_rows(self.pool, np.array(order), params)
        self.root = write_files(
            self.out, Selection.of_rows(order), self.chosen, image_folder(params.data), list(WRITERS), images, "mine"
        )

    @property
    def llava(self) -> list[dict]:
        return json.loads((self.out / "llava.json").read_text())

    def read_back(self, images: Path) -> pa.Table:
        """What the reader makes of the exported LLaVA JSON."""
        return read_pool(self.out / "llava.json", images, self.on_bad_row, **self.rules)[0]


def said(table: pa.Table) -> list:
    """The rows of a pool table, without where their pictures lie."""
    return [(row["id"], row["turns"], [image["bytes"] for image in row["images"]]) for row in table.to_pylist()]
