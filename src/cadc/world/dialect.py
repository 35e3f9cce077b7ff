"""The dialect in which the mini base learns to look: keywords and codes instead of the pool's questions (ours).

A probe reads `kcolor3 circle =` or `circle color =`. The key asks for an attribute of the item that the other words
identify, and the answer is, for example, `red`. A key is a plain word (`color`, `where`) or one of several codes, so
the base learns what a key is, and a new word can become one.

Filler words from the pool's vocabulary are mixed in, as many as a real question has, so that tuning must teach what a
question means, not that its words exist. In the first phase, any word may be a filler at any place. Later, only frame
words are fillers, after the key, and all words are copied, so that the base does not ignore question words (what, how
many).

If options are listed, the answer is the letter of the right one. After `<assistant>`, where the pool has its answers,
the base has only described images, as after LLaVA's first stage; the texts it reads there (`world/reading.py`) have no
image. No template of `subtasks.py` is used. Comparing and adding digits, the highest bar, the odd size, counting a row
and counting everything are never asked about an image, so these six skills are new to the base.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from cadc.world.scene import (
    BACKGROUNDS,
    COLORS,
    COLUMNS,
    OBJECT_NOUNS,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    VALUES,
    Item,
    Scene,
)

#: Alignment targets of image tokens: one word per group (or none) describes a cell completely.
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
_CODES = (
    "noun",
    "value",
    "color",
    "size",
    "texture",
    "background",
    "row",
    "column",
    "position",
    "count",
    "has",
    "copy",
    "caption",
)
SYNONYMS = 8
KEYS = tuple(f"k{code}{i}" for code in _CODES for i in range(SYNONYMS))
#: English words with the meaning of a code; other question types must be learnt from the pool.
KEYWORDS = dict(
    noun="shape", color="color", size="large", texture="texture", background="scene",
    row="row", column="column", position="where", count="many",
)  # fmt: skip
OPTION_LETTERS = ("A", "B", "C", "D")
#: The marks before a probe's answer and before a caption (the latter is the chat template's).
EQUALS, ASSISTANT = "=", "<assistant>"


@dataclass(frozen=True)
class Lexicon:
    """The words of one phase of the dialect.

    `content`: names of visible things. `fillers`: have no meaning and occur anywhere, or only after the key with
    `key_leads`. `copied`: copied half of the time instead of content. `requests`: ask for a description; if empty, any
    text gets one.
    """

    content: list[str]
    fillers: list[str]
    copied: list[str]
    key_leads: bool
    requests: tuple[str, ...] = ()


Asked = tuple[str, list[str], list[str]]  # (code, words next to the key, answer words)
Probe = tuple[list[str], list[str]]  # (words up to the mark, answer words)


def cell_words(scene: Scene) -> np.ndarray:
    """The alignment targets: int [9, n_groups], the word's index in its group, or -1 if a group does not apply."""
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
    if code in KEYWORDS and rng.random() < 0.5:
        return KEYWORDS[code]
    return f"k{code}{int(rng.integers(SYNONYMS))}"


def _lookup(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """Ask for one attribute of the item that another attribute (or its position) identifies, or for the background."""
    if rng.random() < 0.05:
        return "background", [], [scene.background]
    item = scene.items[int(rng.integers(len(scene.items)))]
    facts = _attributes(item)
    given = [
        k
        for k in ("noun", "color", "value", "position", "size")
        if k in facts and sum(_attributes(o).get(k) == facts[k] for o in scene.items) == 1
    ]
    if not given:
        return None
    known = given[int(rng.integers(len(given)))]
    wanted = [k for k in facts if k != known and not (known == "position" and k in ("row", "column"))]
    asked = wanted[int(rng.integers(len(wanted)))]
    return asked, facts[known].split(), facts[asked].split()


def _count(scene: Scene, rng: np.random.Generator) -> Asked:
    """Ask how many items share a noun or a color."""
    attribute = ("noun", "color")[int(rng.integers(2))]
    counts = Counter(getattr(item, attribute) for item in scene.items)
    word = sorted(counts)[int(rng.integers(len(counts)))]
    return "count", [word], [str(counts[word])]


def _has(scene: Scene, rng: np.random.Generator) -> Asked:
    """Ask whether one item has one, two or three given attributes; for half of the probes, one is replaced."""
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
    return "has", [word for value in words.values() for word in value.split()], [answer]


def _domain(group: str, answer: str) -> list[str]:
    """All values of the same kind as `answer`."""
    if group == "position":
        return [f"{row} {column}" for row in ROWS for column in COLUMNS]
    if group == "value":
        return list(next(values for values in VALUES.values() if answer in values))
    if group == "count":
        return list("12345")
    if group == "has":
        return ["yes", "no"]
    return list(WORD_GROUPS[group])


def _options(code: str, answer: list[str], rng: np.random.Generator) -> Probe:
    """List two to four options of the answer's kind; the answer is the right one's letter."""
    right = " ".join(answer)
    wrong = [word for word in _domain(code, right) if word != right]
    options = [right, *(wrong[i] for i in rng.permutation(len(wrong))[: int(rng.integers(1, 4))])]
    order = rng.permutation(len(options))
    listed = [
        word for letter, i in zip(OPTION_LETTERS, order, strict=False) for word in (letter, ":", *options[i].split())
    ]
    return listed, [OPTION_LETTERS[int(np.flatnonzero(order == 0)[0])]]


def _copy(words: list[str], rng: np.random.Generator) -> Probe:
    chosen = [words[i] for i in rng.integers(len(words), size=int(rng.integers(1, 4)))]
    return [_key("copy", rng), *chosen], chosen


def _options_alone(words: list[str], rng: np.random.Generator) -> Probe:
    """Options without anything to look up: the letter of a given word, or the word of a given letter.

    The second kind is needed for the first to emerge: without it, letters stayed at chance level.
    """
    options = [words[i] for i in rng.permutation(len(words))[: int(rng.integers(2, 5))]]
    right = int(rng.integers(len(options)))
    listed = [word for letter, option in zip(OPTION_LETTERS, options, strict=False) for word in (letter, ":", option)]
    given, wanted = (
        (options[right], OPTION_LETTERS[right]) if rng.random() < 0.5 else (OPTION_LETTERS[right], options[right])
    )
    return [_key("copy", rng), given, *listed], [wanted]


def _strewn(words: list[str], lexicon: Lexicon, rng: np.random.Generator) -> list[str]:
    """Words with the key sometimes moved back and, in most cases, fillers inserted."""
    at = min(1, len(words) - 1) if lexicon.key_leads else len(words) - 1
    at = at if rng.random() < 0.3 else 0
    out = [*words[1 : at + 1], words[0], *words[at + 1 :]]
    first = at + 1 if lexicon.key_leads else 0
    for _ in range(int(rng.integers(0, 7)) if rng.random() < 0.85 else 0):
        out.insert(int(rng.integers(first, len(out) + 1)), lexicon.fillers[int(rng.integers(len(lexicon.fillers)))])
    return out


def _some(words: list[str], least: int, most: int, rng: np.random.Generator) -> list[str]:
    return [words[i] for i in rng.integers(len(words), size=int(rng.integers(least, most + 1)))]


def _caption(scene: Scene, lexicon: Lexicon, rng: np.random.Generator) -> Probe:
    """A description of the image, after one of the lexicon's requests, or after any text if there are none."""
    if lexicon.requests:
        said = lexicon.requests[int(rng.integers(len(lexicon.requests)))].split()
    else:
        words = _some(lexicon.fillers, 0, 12, rng) + _some(lexicon.content, 0, 2, rng)
        said = [words[i] for i in rng.permutation(len(words))]
    return [*said, ASSISTANT], scene.caption().split()


def draw_probes(
    scene: Scene, n: int, lexicon: Lexicon, rng: np.random.Generator, alone: float, pick: float
) -> list[Probe]:
    """`n` probes about one scene. A share `alone` lists options with nothing to look up; of the rest, a share `pick`
    lists options.
    """
    fillers = lexicon.fillers
    probes: list[Probe] = []
    while len(probes) < n:
        after = _some(fillers, 2, 11, rng) if rng.random() < 0.4 else []
        if rng.random() < alone:
            question, answer = _options_alone(lexicon.content, rng)
            probes.append(([*question, *after, EQUALS], answer))
            continue
        u = rng.random()
        if u < 0.04:
            probes.append(_caption(scene, lexicon, rng))
        elif u < 0.08:
            question, answer = _copy(lexicon.copied if lexicon.copied and rng.random() < 0.5 else lexicon.content, rng)
            probes.append(([*_strewn(question, lexicon, rng), *after, EQUALS], answer))
        else:
            asked = _has(scene, rng) if u < 0.24 else _count(scene, rng) if u < 0.38 else _lookup(scene, rng)
            if asked is not None:
                code, words, answer = asked
                listed, answer = _options(code, answer, rng) if rng.random() < pick else ([], answer)
                probes.append(([*_strewn([_key(code, rng), *words], lexicon, rng), *listed, *after, EQUALS], answer))
    return probes
