"""The mini world's scenes: items on a 3x3 grid, how they are sampled and drawn (ours).

A scene is plain data: a background and at most one item per cell. Questions (`subtasks.py`) are answered only from this
description, never from the image, so that every answer can be checked independently.
"""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL = 16  # pixels; one cell is one patch of the mini model's vision tower
GRID = 3
IMAGE_SIZE = CELL * GRID

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "center", "right")
POSITIONS = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)

SHAPES = ("circle", "square", "triangle", "star", "cross", "heart")
SIZES = ("big", "small")
TEXTURES = ("plain", "striped", "dotted")
LETTERS = tuple("EHKMPTXZ")
DIGITS = tuple("0123456789")
VALUES = {
    "letter": LETTERS,
    "digit": DIGITS,
    "face": ("happy", "sad", "calm"),
    "clock": ("noon", "three", "six", "nine"),
    "arrow": ("up", "down", "west", "east"),
    "light": ("stop", "wait", "go"),
}
COLORS = {
    "red": (222, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 90, 235),
    "yellow": (240, 215, 40),
    "purple": (160, 60, 200),
    "orange": (245, 135, 30),
}
BACKGROUNDS = {"beach": (205, 180, 140), "snow": (250, 250, 250), "night": (20, 20, 42), "lawn": (120, 150, 110)}

#: Nouns that occur together, most frequent first, so that POPE's popular and adversarial negatives differ from random.
THEMES = {
    "toys": ("circle", "square", "triangle", "star"),
    "cards": ("heart", "cross", "star", "circle"),
    "street": ("light", "arrow", "clock", "circle"),
    "party": ("face", "heart", "clock", "star"),
}
OBJECT_NOUNS = (*SHAPES, "face", "clock", "arrow", "light")


@dataclass(frozen=True)
class Item:
    """One thing on the grid. `value` is '' for shapes and bars; `size` and `texture` vary only for shapes."""

    noun: str
    cell: int
    color: str
    value: str = ""
    size: str = "big"
    texture: str = "plain"

    @property
    def row(self) -> str:
        return ROWS[self.cell // GRID]

    @property
    def column(self) -> str:
        return COLUMNS[self.cell % GRID]

    @property
    def position(self) -> str:
        return POSITIONS[self.cell]


@dataclass(frozen=True)
class Scene:
    """A background and its items, sorted by cell."""

    background: str
    items: tuple[Item, ...]

    def describe(self) -> dict:
        """The scene as JSON-ready data, for independent checks."""
        return {"background": self.background, "items": [asdict(item) for item in self.items]}

    def caption(self) -> str:
        """One clause per item, in reading order."""
        return " , ".join(f"{_phrase(item)} at {item.position}" for item in self.items)


def _phrase(item: Item) -> str:
    if item.noun in SHAPES:
        return f"{item.size} {item.color} {item.texture} {item.noun}"
    return f"{item.color} {item.noun} {item.value}".strip()


def _choose(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def make_item(rng: np.random.Generator, noun: str, cell: int, color: str | None = None) -> Item:
    """A thing in a cell; attributes that are not given are drawn."""
    color = color or _choose(rng, tuple(COLORS))
    if noun in SHAPES:
        return Item(noun, cell, color, "", _choose(rng, SIZES), _choose(rng, TEXTURES))
    return Item(noun, cell, color, _choose(rng, VALUES[noun]) if noun in VALUES else "")


def _sorted(background: str, items: list[Item]) -> Scene:
    return Scene(background, tuple(sorted(items, key=lambda item: item.cell)))


def sample_scene(rng: np.random.Generator, kind: str) -> Scene:
    """Draw a scene of one kind: `objects` (themed), `repeats` (for counting), `text` (glyphs) or `chart` (bars)."""
    background = _choose(rng, tuple(BACKGROUNDS))
    if kind == "objects":
        theme = THEMES[_choose(rng, tuple(THEMES))]
        nouns = [
            theme[min(int(rng.geometric(0.45)) - 1, len(theme) - 1)]
            if rng.random() < 0.8
            else _choose(rng, OBJECT_NOUNS)
            for _ in range(int(rng.integers(2, 6)))
        ]
        return _sorted(background, [make_item(rng, n, int(c)) for n, c in zip(nouns, rng.permutation(9), strict=False)])
    if kind == "repeats":
        nouns = [_choose(rng, SHAPES) for _ in range(2)]
        colors = [_choose(rng, tuple(COLORS)) for _ in range(2)]
        cells = rng.permutation(9)[: int(rng.integers(2, 6))]
        return _sorted(background, [make_item(rng, _choose(rng, nouns), int(c), _choose(rng, colors)) for c in cells])
    if kind == "text":
        nouns = [_choose(rng, ("letter", "digit")) for _ in range(int(rng.integers(2, 5)))]
        return _sorted(background, [make_item(rng, n, int(c)) for n, c in zip(nouns, rng.permutation(9), strict=False)])
    if kind == "chart":
        tops = rng.permutation(list(COLORS))[:GRID]
        return _sorted(
            background,
            [
                Item("bar", (GRID - 1 - level) * GRID + column, str(tops[column]))
                for column in range(GRID)
                for level in range(int(rng.integers(1, GRID + 1)))
            ],
        )
    raise ValueError(f"unknown scene kind {kind!r}; one of objects, repeats, text, chart")


# --------------------------------------------------------------------------------------------------------- drawing
@functools.cache
def _font(size: int):
    return ImageFont.load_default(size)


def _star(cx: float, cy: float, r: float) -> list[tuple[float, float]]:
    angles = [math.pi * (i / 5 - 0.5) for i in range(10)]
    return [
        (cx + (r if i % 2 == 0 else 0.42 * r) * math.cos(a), cy + (r if i % 2 == 0 else 0.42 * r) * math.sin(a))
        for i, a in enumerate(angles)
    ]


def _shape_mask(shape: str, size: str) -> Image.Image:
    mask = Image.new("L", (CELL, CELL), 0)
    draw = ImageDraw.Draw(mask)
    r = 7.0 if size == "big" else 4.0
    c = CELL / 2 - 0.5
    box = (c - r, c - r, c + r, c + r)
    if shape == "circle":
        draw.ellipse(box, fill=255)
    elif shape == "square":
        draw.rectangle(box, fill=255)
    elif shape == "triangle":
        draw.polygon([(c, c - r), (c - r, c + r), (c + r, c + r)], fill=255)
    elif shape == "star":
        draw.polygon(_star(c, c, r), fill=255)
    elif shape == "cross":
        w = r * 0.35
        draw.rectangle((c - w, c - r, c + w, c + r), fill=255)
        draw.rectangle((c - r, c - w, c + r, c + w), fill=255)
    elif shape == "heart":
        draw.pieslice((c - r, c - r, c, c), 180, 360, fill=255)
        draw.pieslice((c, c - r, c + r, c), 180, 360, fill=255)
        draw.polygon([(c - r, c - r / 2), (c + r, c - r / 2), (c, c + r)], fill=255)
    return mask


@functools.cache
def _tile(noun: str, value: str, color: str, size: str, texture: str, background: str) -> Image.Image:
    """The 16x16 image of one item; cached, because there are only a few thousand."""
    ground, ink = BACKGROUNDS[background], COLORS[color]
    tile = Image.new("RGB", (CELL, CELL), ground)
    draw = ImageDraw.Draw(tile)
    if noun in SHAPES:
        fill = Image.new("RGB", (CELL, CELL), ink)
        marks = ImageDraw.Draw(fill)
        if texture == "striped":
            for y in range(1, CELL, 4):
                marks.rectangle((0, y, CELL, y + 1), fill=(0, 0, 0))
        elif texture == "dotted":
            for y in range(2, CELL, 4):
                for x in range(2, CELL, 4):
                    marks.rectangle((x, y, x + 1, y + 1), fill=(255, 255, 255))
        tile.paste(fill, mask=_shape_mask(noun, size))
    elif noun in ("letter", "digit"):
        draw.text((CELL / 2, CELL / 2), value, font=_font(16), fill=ink, anchor="mm")
    elif noun == "bar":
        draw.rectangle((3, 0, CELL - 4, CELL - 1), fill=ink)
    elif noun == "face":
        draw.ellipse((1, 1, 14, 14), fill=ink)
        draw.rectangle((4, 4, 5, 6), fill=(0, 0, 0))
        draw.rectangle((10, 4, 11, 6), fill=(0, 0, 0))
        if value == "calm":
            draw.line((4, 11, 11, 11), fill=(0, 0, 0), width=1)
        else:
            start, box = (20, (3, 5, 12, 12)) if value == "happy" else (200, (3, 9, 12, 16))
            draw.arc(box, start, start + 140, fill=(0, 0, 0), width=2)
    elif noun == "clock":
        draw.ellipse((1, 1, 14, 14), fill=(255, 255, 255), outline=ink, width=2)
        dx, dy = {"noon": (0, -6), "three": (6, 0), "six": (0, 6), "nine": (-6, 0)}[value]
        draw.line((7.5, 7.5, 7.5 + dx, 7.5 + dy), fill=(0, 0, 0), width=2)
    elif noun == "arrow":
        points: list[tuple[float, float]] = [(7.5, 1), (14, 8), (9.5, 8), (9.5, 14), (5.5, 14), (5.5, 8), (1, 8)]
        turns = {"up": 0, "east": 1, "down": 2, "west": 3}[value]
        for _ in range(turns):
            points = [(15 - y, x) for x, y in points]
        draw.polygon(points, fill=ink)
    elif noun == "light":
        draw.rectangle((4, 0, 11, 15), fill=(60, 60, 60), outline=ink)
        lamps = {"stop": (0, (255, 30, 30)), "wait": (1, (255, 220, 0)), "go": (2, (0, 230, 80))}
        lit, lamp = lamps[value]
        for k in range(3):
            draw.ellipse((6, 1 + 5 * k, 9, 4 + 5 * k), fill=lamp if k == lit else (25, 25, 25))
    else:
        raise ValueError(f"no drawing for {noun!r}")
    return tile


@functools.cache
def _tile_pixels(noun: str, value: str, color: str, size: str, texture: str, background: str) -> np.ndarray:
    return np.asarray(_tile(noun, value, color, size, texture, background), np.int16)


def draw_scene(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The scene as a 48x48 RGB image, with a small random white-balance shift drawn from `rng`."""
    pixels = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3), np.int16)
    pixels[:] = BACKGROUNDS[scene.background]
    for item in scene.items:
        y, x = (item.cell // GRID) * CELL, (item.cell % GRID) * CELL
        pixels[y : y + CELL, x : x + CELL] = _tile_pixels(
            item.noun, item.value, item.color, item.size, item.texture, scene.background
        )
    pixels += rng.integers(-12, 13, 3, dtype=np.int16)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
