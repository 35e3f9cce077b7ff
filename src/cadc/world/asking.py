"""Unambiguous questions about a scene: each function picks something and returns its words and the answer (ours).

All take a scene and a generator, and return None if the scene offers nothing suitable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from cadc.world.scene import COLORS, OBJECT_NOUNS, ROWS, SHAPES, Item, Scene

Answer = tuple[dict[str, str], str]


def _pick(rng: np.random.Generator, options: list):
    return options[int(rng.integers(len(options)))] if options else None


def _unique(scene: Scene, key: Callable[[Item], str], among=lambda item: True) -> list[Item]:
    """Items whose `key` is unique in the scene."""
    counts = Counter(key(item) for item in scene.items)
    return [item for item in scene.items if counts[key(item)] == 1 and among(item)]


def noun(item: Item) -> str:
    return item.noun


def color(item: Item) -> str:
    return item.color


def is_shape(item: Item) -> bool:
    return item.noun in SHAPES


def about_noun(attribute: str, among=lambda item: True):
    def ask(scene: Scene, rng: np.random.Generator) -> Answer | None:
        item = _pick(rng, _unique(scene, noun, among))
        return item and ({"noun": item.noun}, getattr(item, attribute))

    return ask


def about_color(attribute: str, among=lambda item: True):
    def ask(scene: Scene, rng: np.random.Generator) -> Answer | None:
        item = _pick(rng, _unique(scene, color, among))
        return item and ({"color": item.color}, getattr(item, attribute))

    return ask


def about_position(attribute: str, among=lambda item: True):
    def ask(scene: Scene, rng: np.random.Generator) -> Answer | None:
        item = _pick(rng, [item for item in scene.items if among(item)])
        return item and ({"position": item.position}, getattr(item, attribute))

    return ask


def value_of(noun: str):
    def ask(scene: Scene, rng: np.random.Generator) -> Answer | None:
        found = [item for item in scene.items if item.noun == noun]
        return ({}, found[0].value) if len(found) == 1 else None

    return ask


def odd_size(size: str, attribute: str):
    def ask(scene: Scene, rng: np.random.Generator) -> Answer | None:
        shapes = [item for item in scene.items if is_shape(item)]
        found = [item for item in shapes if item.size == size]
        return ({}, getattr(found[0], attribute)) if len(found) == 1 and len(shapes) > 1 else None

    return ask


def count(key: Callable[[Item], str], word: str):
    def ask(scene: Scene, rng: np.random.Generator) -> Answer | None:
        value = _pick(rng, sorted({key(item) for item in scene.items}))
        return value and ({word: value}, str(sum(key(item) == value for item in scene.items)))

    return ask


def count_row(scene: Scene, rng: np.random.Generator) -> Answer:
    row = _pick(rng, list(ROWS))
    return {"row": row}, str(sum(item.row == row for item in scene.items))


def exists(scene: Scene, rng: np.random.Generator) -> Answer:
    present = sorted({item.noun for item in scene.items})
    if rng.random() < 0.5:
        return {"noun": _pick(rng, present)}, "yes"
    return {"noun": _pick(rng, [noun for noun in OBJECT_NOUNS if noun not in present])}, "no"


def attribute_holds(scene: Scene, rng: np.random.Generator) -> Answer | None:
    item = _pick(rng, _unique(scene, noun))
    if item is None:
        return None
    if rng.random() < 0.5:
        return {"noun": item.noun, "color": item.color}, "yes"
    return {"noun": item.noun, "color": _pick(rng, [color for color in COLORS if color != item.color])}, "no"


def letter_position(scene: Scene, rng: np.random.Generator) -> Answer | None:
    item = _pick(rng, _unique(scene, lambda item: item.value, lambda item: item.noun == "letter"))
    return item and ({"letter": item.value}, item.position)


def letter_color(scene: Scene, rng: np.random.Generator) -> Answer | None:
    item = _pick(rng, _unique(scene, lambda item: item.value, lambda item: item.noun == "letter"))
    return item and ({"letter": item.value}, item.color)


def _two_digits(scene: Scene) -> list[int] | None:
    digits = [int(item.value) for item in scene.items if item.noun == "digit"]
    return digits if len(digits) == 2 else None


def larger(scene: Scene, rng: np.random.Generator) -> Answer | None:
    digits = _two_digits(scene)
    return ({}, str(max(digits))) if digits and digits[0] != digits[1] else None


def total(scene: Scene, rng: np.random.Generator) -> Answer | None:
    digits = _two_digits(scene)
    return ({}, str(sum(digits))) if digits and sum(digits) <= 9 else None


def _bars(scene: Scene) -> Counter:
    return Counter(item.color for item in scene.items)


def bar_height(scene: Scene, rng: np.random.Generator) -> Answer:
    bars = _bars(scene)
    color = _pick(rng, sorted(bars))
    return {"color": color}, str(bars[color])


def highest_bar(scene: Scene, rng: np.random.Generator) -> Answer | None:
    (first, height), (_, next_height) = _bars(scene).most_common(2)
    return ({}, first) if height > next_height else None
