"""Near-duplicate images: a perceptual hash finds candidates, a thumbnail without its colour cast confirms them."""

from __future__ import annotations

import imagehash
import numpy as np
from PIL import Image

from cadc.cleaning.near import banded, components

#: Side of the hash in bits, and of the thumbnail in pixels. imagehash's default, 8, finds 15 times as many false pairs
#: among the mini world's images.
SIDE = 16
BANDS = 16  # of 16 bits: two hashes that differ in fewer than 16 bits agree in at least one band


def fingerprint(image: Image.Image) -> dict[str, np.ndarray]:
    """hash uint8 [SIDE * SIDE / 8], the bits of imagehash.phash (Zauner 2010); thumbnail int16 [SIDE, SIDE, 3], every
    channel's mean at 0.
    """
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.int16)
    bits = imagehash.phash(image, hash_size=SIDE).hash
    return {"hash": np.packbits(bits), "thumbnail": (small - np.round(small.mean((0, 1)))).astype(np.int16)}


def image_groups(hashes: np.ndarray, thumbnails: np.ndarray, bits: int, difference: float) -> np.ndarray:
    """Group near-duplicate images: hashes uint8 [n, 32], thumbnails int16 [n, SIDE, SIDE, 3] -> int64 [n], the first
    image of each one's group.

    Two images are joined if their hashes differ in at most `bits` bits and their thumbnails by at most `difference` of
    255 on average. The hash sees only brightness; the thumbnail sees colours, but not a cast of the whole image.
    """

    def alike(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        near = np.bitwise_count(hashes[i] ^ hashes[j]).sum(1) <= bits
        out = np.zeros(len(i), bool)
        out[near] = np.abs(thumbnails[i[near]] - thumbnails[j[near]]).mean((1, 2, 3)) <= difference
        return out

    return components(banded(hashes, BANDS, np.zeros(len(hashes), np.uint64)), alike)
