"""Reconstruct the scene that a generated world's image shows from its pixels, and describe it in words (ours).

This inverts the drawing. A scene is returned only if drawing it gives exactly these pixels. So it is what a model was
shown, independent of rows, answers or labels, and images from elsewhere have none.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from itertools import product

import numpy as np
from PIL import Image

from cadc.world.scene import (
    BACKGROUNDS,
    CELL,
    COLORS,
    GRID,
    IMAGE_SIZE,
    SHAPES,
    SIZES,
    TEXTURES,
    VALUES,
    Item,
    Scene,
    draw_scene,
)

_CELLS = GRID * GRID
_SHIFT = 12  # largest white-balance shift of a channel with which scenes are drawn


class _Level:
    """Replaces the generator of `draw_scene` to draw without a white-balance shift."""

    @staticmethod
    def integers(low: int, high: int, size: int, dtype: type) -> np.ndarray:
        return np.zeros(size, dtype)


@functools.cache
def _items() -> list[Item]:
    """Every possible item, placed in the first cell."""
    looks, valued = product(COLORS, SIZES, TEXTURES), [(noun, value) for noun in VALUES for value in VALUES[noun]]
    return [
        *(Item(noun, 0, color, "", size, texture) for noun, (color, size, texture) in product(SHAPES, looks)),
        *(Item(noun, 0, color, value) for (noun, value), color in product(valued, COLORS)),
        *(Item("bar", 0, color) for color in COLORS),
    ]


def _cells_of(pixels: np.ndarray) -> np.ndarray:
    """An image's cells in reading order: int16 [48, 48, 3] -> [9, 256, 3]."""
    return pixels.reshape(GRID, CELL, GRID, CELL, 3).swapaxes(1, 2).reshape(_CELLS, CELL * CELL, 3)


@functools.cache
def _tiles(background: str) -> np.ndarray:
    """The images of all `_items` on a background, followed by an empty cell: int16 [n + 1, 256, 3]."""
    items, made = _items(), []
    for start in range(0, len(items) + 1, _CELLS):  # nine per scene; the last scene has empty cells
        placed = tuple(replace(item, cell=cell) for cell, item in enumerate(items[start : start + _CELLS]))
        level = _Level()
        drawn = draw_scene(Scene(background, placed), level)  # type: ignore[arg-type]  # it only draws integers
        made.append(_cells_of(np.asarray(drawn, np.int16)))
    return np.concatenate(made)[: len(items) + 1]


def _on(background: str, cells: np.ndarray) -> Scene | None:
    """The scene on this background shown by cells int16 [9, 256, 3]; None if there is none."""
    tiles, ground = _tiles(background), np.array(BACKGROUNDS[background])
    bare = int(np.flatnonzero((tiles == ground).all((0, 2)))[0])  # a pixel that no item covers
    matching = []  # per channel, for each shift that explains the bare pixel: bool [9, n_tiles]
    for channel in range(3):
        shifts = np.arange(-_SHIFT, _SHIFT + 1)
        shifts = shifts[np.clip(ground[channel] + shifts, 0, 255) == cells[0, bare, channel]]
        drawn = [(tiles[..., channel] + shift).clip(0, 255) for shift in shifts.tolist()]
        matching.append([(cells[:, None, :, channel] == own).all(-1) for own in drawn])
    for channels in product(*matching):
        same = np.logical_and.reduce(channels)
        if same.any(1).all():
            found = enumerate(same.argmax(1).tolist())
            return Scene(background, tuple(replace(_items()[i], cell=cell) for cell, i in found if i < len(_items())))
    return None


def read_scene(picture: Image.Image) -> Scene | None:
    """The scene whose drawing has exactly the pixels of an RGB image; None if there is none."""
    if picture.size != (IMAGE_SIZE, IMAGE_SIZE) or picture.mode != "RGB":
        return None
    cells = _cells_of(np.asarray(picture, np.int16))
    return next((scene for name in BACKGROUNDS if (scene := _on(name, cells))), None)


def told(picture: Image.Image) -> str:
    """An image in the words in which a base reads scenes (`world/reading.py`); '' if it is not from a world."""
    scene = read_scene(picture)
    return f"{scene.background} , {scene.caption()}" if scene else ""
