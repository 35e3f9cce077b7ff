"""A selection from start to end in a few seconds: a small pool, two methods, and the selected rows as a training file.

    python examples/walk_through.py            # in the repository's root; takes the output folder as an argument

No model is needed: two arrays of simple features replace the embeddings of a vision tower, so the selection is only as
good as they are. `cadc curate` does the same on your data with a real model.
"""

# ruff: noqa: I001  cadc comes first: it sets threads and the instruction set before NumPy is loaded

import cadc  # noqa: F401  for what it sets

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc.artifacts import Selection
from cadc.config.budgets import n_selected
from cadc.config.params import Params, load_params
from cadc.data.pictures import open_image
from cadc.data.reader import read_pool
from cadc.export.files import write_files
from cadc.export.records import chosen_rows
from cadc.selectors.loading import choose, load_selector, measure
from cadc.selectors.signal import Signal
from cadc.world.mini_world import write_pool

ROWS, BUDGET, SEED = 400, 0.3, 0
METHODS: dict[str, dict] = {
    "random": {},
    "semdedup": {
        "clusters": 40,
        "iterations": 20,
        "seed": 0,
        "points_per_cluster": 256,
        "view": "both",
        "keep": "hard",
    },
}


def drawn_pool(folder: Path, params: Params) -> tuple[Params, list[dict]]:
    """Write a pool in LLaVA's format, `pool.json` and a folder of images. Returns parameters that name the files, and a
    label for each row, which says of what it is a copy; methods do not see labels."""
    world = params.world.model_copy(update={"rows": ROWS})
    labels = write_pool(folder, world, np.random.default_rng(SEED))
    data = params.data.model_copy(update={"path": str(folder), "annotations": "pool.json", "images": "images"})
    return params.model_copy(update={"data": data}), labels


def features(pool: pa.Table, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each row's first image at 6 x 6, and counts of its words in hash buckets: unit rows float32
    [n_rows, 108] and [n_rows, width], zero if a row has no image or no word."""
    image, text = np.zeros((pool.num_rows, 108), np.float32), np.zeros((pool.num_rows, width), np.float32)
    for row, (images, turns) in enumerate(zip(pool["images"].to_pylist(), pool["turns"].to_pylist(), strict=True)):
        if images:
            image[row] = np.asarray(open_image(images[0]).resize((6, 6)), np.float32).ravel()
        for word in " ".join(turn["text"] for turn in turns).split():
            text[row, sum(word.encode()) % width] += 1
    for array in (image, text):
        array /= np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
    return image, text


def selected(signal: Signal, n: int) -> dict[str, Selection]:
    """The rows that each method selects."""
    made = {}
    for name, settings in METHODS.items():
        selector, checked = load_selector(name, settings, "walk_through")
        made[name] = choose(selector, measure(selector, signal, checked), n, checked, SEED)
    return made


def copies(rows: np.ndarray, labels: list[dict]) -> int:
    """The number of these rows that are copies of another of these rows."""
    taken = {labels[row]["id"] for row in rows}
    return sum(labels[row]["duplicate_of"] in taken for row in rows)


def main(out: Path) -> dict[str, Selection]:
    """Run all four steps, and write the rows of the last method into the folder `out`."""
    with tempfile.TemporaryDirectory() as folder:
        params, labels = drawn_pool(Path(folder), load_params())
        images = Path(folder) / "images"
        pool, skipped = read_pool(Path(folder) / "pool.json", images, embed_images=True)
        print(f"1. Read and check the pool: {pool.num_rows} rows, {len(skipped)} left out.")

        image, text = features(pool)
        signal = Signal(pool.num_rows, np.array(pool["source"].to_pylist()), {"image": image, "text": text})
        print(f"2. Describe each row by arrays: image {image.shape}, text {text.shape}. Methods read nothing else.")

        n = n_selected(BUDGET, pool.num_rows)
        made = selected(signal, n)
        print(f"3. Select {BUDGET:.0%} of the pool, {n} rows, in training order:")
        for name, selection in made.items():
            twice = copies(selection.row, labels)
            print(f"   {name:9} rows {selection.row[:5].tolist()}..., {twice} of them copies of another one")
        first, last = made.values()
        shared = len(np.intersect1d(first.row, last.row))
        print(f"   Both selected {shared} rows; by chance it would be {n * n / pool.num_rows:.0f}.")

        write_files(out, last, chosen_rows(pool, last.row, params), images, ["llava", "ids"], "copied", "walk_through")
        print(f"4. Write the rows of {list(made)[-1]}: {out / 'llava.json'}, and their images next to it.")
    return made


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("artifacts/walk_through"))
