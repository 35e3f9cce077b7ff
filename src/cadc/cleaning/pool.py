"""Find copies in a whole pool: fingerprint its texts and images in shards, then compare rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from cadc import artifacts
from cadc.cleaning.duplicates import Copies, row_copies, text_prints
from cadc.cleaning.pictures import SIDE, fingerprint, image_groups
from cadc.compute import shards
from cadc.config.cleaning import Duplicates
from cadc.config.params import load_params
from cadc.data.pictures import file_digest, image_file, open_image

SHARD_ROWS = 5000
_EMPTY: dict[str, np.ndarray] = {
    "hash": np.empty((0, SIDE * SIDE // 8), np.uint8),
    "thumbnail": np.empty((0, SIDE, SIDE, 3), np.int16),
}


def picture_prints(images: list[list[dict]]) -> dict[str, np.ndarray]:
    """Fingerprints for comparing the images of rows.

    Per image, in order: `fingerprint`'s arrays and file uint8 [n_images, 16]. Per row: n_images int64 [n].
    """
    files = [file_digest(image_file(image)) for own in images for image in own]
    prints: dict[bytes, dict[str, np.ndarray]] = {}
    for name, image in zip(files, (image for own in images for image in own), strict=True):
        if name not in prints:  # rows that share an image are often neighbours; decode it once
            prints[name] = fingerprint(open_image(image))
    pictures: dict[str, np.ndarray] = {
        part: np.stack([prints[name][part] for name in files]) if files else empty for part, empty in _EMPTY.items()
    }
    return pictures | {
        "file": np.frombuffer(b"".join(files), np.uint8).reshape(-1, 16),
        "n_images": np.array([len(own) for own in images], np.int64),
    }


def printing() -> shards.Task:
    """Shard task: fingerprints of one range of raw pool rows, as .npy files (`text_prints` and `picture_prints`)."""
    pool, settings = artifacts.load_pool(artifacts.RAW), load_params().clean.duplicates

    def shard(index: int, folder: Path) -> None:
        rows = pool.slice(index * SHARD_ROWS, SHARD_ROWS)
        texts = text_prints(
            rows["turns"].to_pylist(), settings.shingle, settings.permutations, settings.short, settings.seed
        )
        for name, array in {**texts, **picture_prints(rows["images"].to_pylist())}.items():
            artifacts.save_array(folder / f"{name}.npy", array)

    return shard


def shown_pictures(
    hashes: np.ndarray, thumbnails: np.ndarray, file: np.ndarray, n_images: np.ndarray, settings: Duplicates
) -> tuple[np.ndarray, np.ndarray]:
    """Per row, from all images in order: the near-duplicate group of its images, int64 [n], and their files, bytes [n].

    All rows without images share one group.
    """
    names, bounds = file.view("V16")[:, 0], np.concatenate([[0], np.cumsum(n_images)]).tolist()
    _, unique, inverse = np.unique(names, return_index=True, return_inverse=True)
    group = (
        image_groups(hashes[unique], thumbnails[unique], settings.bits, settings.difference)[inverse]
        if len(names)
        else inverse
    )
    number: dict[tuple, int] = {}
    picture = np.array([number.setdefault(tuple(group[a:b].tolist()), len(number)) for a, b in pairwise(bounds)])
    return picture, np.array([names[a:b].tobytes() for a, b in pairwise(bounds)], object)


def pool_copies(settings: Duplicates, stage: str) -> Copies:
    """Find rows of the raw pool that are copies of others. Fingerprints stay cached as shards of `stage` until
    forgotten.
    """
    pool = artifacts.load_pool(artifacts.RAW)
    inputs = [settings.model_dump(exclude={"action"}), artifacts.RAW]
    folders = shards.run(printing, list(range(-(-pool.num_rows // SHARD_ROWS))), stage, inputs, "take fingerprints")
    names = (*_EMPTY, "file", "n_images", "signature", "brief", "n_exchanges", "letters")
    parts = {
        name: np.concatenate([artifacts.load_array(folder / f"{name}.npy") for folder in folders.values()])
        for name in names
    }
    picture, files = shown_pictures(parts["hash"], parts["thumbnail"], parts["file"], parts["n_images"], settings)
    return row_copies(parts, picture, files, settings.bands, settings.jaccard)
