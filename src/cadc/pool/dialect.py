"""The language in which the mini base learns to look: short codes in place of the pool's wording (ours).

A probe reads `kcolor3 circle` and its answer `red`: what the code asks for, of whichever item the other words point at.
Each code has several synonyms, so that the base learns what kind of thing a code is and a new word can become one.
Filler words drawn from the pool's vocabulary are strewn in, as many as a real question has, so that tuning has to teach
what a question MEANS and not that words exist. Listed options ask for the right one's letter. No template of
`subtasks.py` is used; comparing and adding digits, the highest bar, the odd size, counting a row and counting
everything are never asked, so these six skills are new to the base.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from cadc.pool.scene import BACKGROUNDS, COLORS, COLUMNS, OBJECT_NOUNS, ROWS, SHAPES, SIZES, TEXTURES, VALUES, Item, Scene

#: What each image token is aligned with: one word of each group (or none) says all there is to say about a cell.
WORD_GROUPS: dict[str, tuple[str, ...]] = {
    "noun": (*OBJECT_NOUNS, "letter", "digit", "bar", "empty"),
    "value": tuple(value for values in VALUES.values() for value in values),
    "color": tuple(COLORS),
    "size": SIZES,
    "texture": TEXTURES,
    "background": tuple(BACKGROUNDS),
    "row": ROWS,
    "column": COLUMNS,
}
_CODES = ("noun", "value", "color", "size", "texture", "background", "row", "column", "position", "count", "has", "copy", "caption")
SYNONYMS = 8
KEYS = tuple(f"k{code}{i}" for code in _CODES for i in range(SYNONYMS))
OPTION_LETTERS = ("A", "B", "C", "D")

Probe = tuple[list[str], list[str]]  # (question words, answer words)


def cell_words(scene: Scene) -> np.ndarray:
    """The alignment targets: int [9, n_groups], the word's index in its group, or -1 where a group does not apply."""
    groups = list(WORD_GROUPS)
    targets = np.full((9, len(groups)), -1, np.int64)
    for cell in range(9):
        facts = {"noun": "empty", "background": scene.background, "row": ROWS[cell // 3], "column": COLUMNS[cell % 3]}
        for item in scene.items:
            if item.cell == cell:
                facts |= {"noun": item.noun, "color": item.color}
                if item.value:
                    facts["value"] = item.value
                if item.noun in SHAPES:
                    facts |= {"size": item.size, "texture": item.texture}
        for g, group in enumerate(groups):
            if group in facts:
                targets[cell, g] = WORD_GROUPS[group].index(facts[group])
    return targets


def _attributes(item: Item) -> dict[str, str]:
    facts = {"noun": item.noun, "color": item.color, "row": item.row, "column": item.column, "position": item.position}
    if item.value:
        facts["value"] = item.value
    if item.noun in SHAPES:
        facts |= {"size": item.size, "texture": item.texture}
    return facts


def _key(code: str, rng: np.random.Generator) -> str:
    return f"k{code}{int(rng.integers(SYNONYMS))}"


def _lookup(scene: Scene, rng: np.random.Generator) -> Probe | None:
    """Ask one attribute of the one item that another attribute (or a position) singles out, or the background."""
    if rng.random() < 0.05:
        return [_key("background", rng)], [scene.background]
    item = scene.items[int(rng.integers(len(scene.items)))]
    facts = _attributes(item)
    given = [k for k in ("noun", "color", "value", "position", "size") if k in facts and sum(_attributes(o).get(k) == facts[k] for o in scene.items) == 1]
    if not given:
        return None
    known = given[int(rng.integers(len(given)))]
    wanted = [k for k in facts if k != known and not (known == "position" and k in ("row", "column"))]
    asked = wanted[int(rng.integers(len(wanted)))]
    return [_key(asked, rng), *facts[known].split()], facts[asked].split()


def _count(scene: Scene, rng: np.random.Generator) -> Probe:
    """How many items share a noun or a color."""
    attribute = ("noun", "color")[int(rng.integers(2))]
    counts = Counter(getattr(item, attribute) for item in scene.items)
    word = sorted(counts)[int(rng.integers(len(counts)))]
    return [_key("count", rng), word], [str(counts[word])]


def _has(scene: Scene, rng: np.random.Generator) -> Probe:
    """Whether one item has one, two or three given attributes at once; a `no` has one of them changed."""
    item = scene.items[int(rng.integers(len(scene.items)))]
    facts = {k: v for k, v in _attributes(item).items() if k not in ("row", "column")}
    names = [list(facts)[i] for i in rng.permutation(len(facts))[: int(rng.integers(1, 4))]]
    words = {name: facts[name] for name in names}
    answer = "yes"
    if rng.random() < 0.5:
        name = names[int(rng.integers(len(names)))]
        domain = _domain(name, words[name])
        words[name] = domain[int(rng.integers(len(domain)))]
        holds = any(all(_attributes(other).get(k) == v for k, v in words.items()) for other in scene.items)
        answer = "yes" if holds else "no"
    return [_key("has", rng), *(word for value in words.values() for word in value.split())], [answer]


def _domain(group: str, answer: str) -> list[str]:
    """All values that could stand where `answer` stands."""
    if group == "position":
        return [f"{row} {column}" for row in ROWS for column in COLUMNS]
    if group == "value":
        return list(next(values for values in VALUES.values() if answer in values))
    if group == "count":
        return list("12345")
    if group == "has":
        return ["yes", "no"]
    return list(WORD_GROUPS[group])


def _with_options(probe: Probe, rng: np.random.Generator) -> Probe:
    """The same probe with two to four options listed: the answer is the right one's letter."""
    question, answer = probe
    right = " ".join(answer)
    wrong = [word for word in _domain(question[0][1:-1], right) if word != right]
    options = [right, *(wrong[i] for i in rng.permutation(len(wrong))[: int(rng.integers(1, 4))])]
    order = rng.permutation(len(options))
    listed = [word for letter, i in zip(OPTION_LETTERS, order, strict=False) for word in (letter, ":", *options[i].split())]
    return [*question, *listed], [OPTION_LETTERS[int(np.flatnonzero(order == 0)[0])]]


def _copy(words: list[str], rng: np.random.Generator) -> Probe:
    chosen = [words[i] for i in rng.integers(len(words), size=int(rng.integers(1, 4)))]
    return [_key("copy", rng), *chosen], chosen


def _loosen(question: list[str], fillers: list[str], rng: np.random.Generator) -> list[str]:
    """Move the code to the end of some probes and strew filler words into most, never among the options."""
    limit = question.index("A") if "A" in question else len(question)
    asked, listed = question[:limit], question[limit:]
    if rng.random() < 0.3:
        asked = [*asked[1:], asked[0]]
    for _ in range(int(rng.integers(0, 7)) if rng.random() < 0.85 else 0):
        asked.insert(int(rng.integers(len(asked) + 1)), fillers[int(rng.integers(len(fillers)))])
    after = [fillers[i] for i in rng.integers(len(fillers), size=int(rng.integers(2, 12)))] if rng.random() < 0.4 else []
    return [*asked, *listed, *after]


def draw_probes(scene: Scene, n: int, fillers: list[str], content: list[str], rng: np.random.Generator, pick_share: float) -> list[Probe]:
    """`n` probes about one scene. `pick_share` is the share with options: 0 until look-ups are learnt."""
    probes: list[Probe] = []
    while len(probes) < n:
        u = rng.random()
        if u < 0.02:
            probes.append(([_key("caption", rng)], scene.caption().split()))
            continue
        if u < 0.08:
            probe = _copy(content, rng)
        else:
            probe = _has(scene, rng) if u < 0.24 else _count(scene, rng) if u < 0.38 else _lookup(scene, rng)
            if probe is not None and rng.random() < pick_share:
                probe = _with_options(probe, rng)
        if probe is not None:
            question, answer = probe
            probes.append((_loosen(question, fillers, rng), answer))
    return probes
