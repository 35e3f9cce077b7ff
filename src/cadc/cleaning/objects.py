"""Find objects that an answer names but its image lacks, according to a detector's list or a caption (CHAIR, Rohrbach
et al. 2018).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.data.records import PoolError, read_records

_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE = re.compile(r"[.!?\n]+")
_IRREGULAR = dict(
    buses="bus", children="child", feet="foot", glasses="glass", halves="half", knives="knife", leaves="leaf",
    loaves="loaf", men="man", mice="mouse", people="person", scarves="scarf", shelves="shelf", teeth="tooth",
    wolves="wolf", women="woman",
)  # fmt: skip
_DENIED = frozenset(
    [
        "no",
        "not",
        "none",
        "never",
        "without",
        "nor",
        "neither",
        "cannot",
        "t",
        "lack",
        "lacks",
        "lacking",
        "absent",
        "absence",
    ]
)  # t: isn't, can't


def singular(word: str) -> str:
    """A noun's singular, approximately: good enough for comparison, not for display."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) >= len(ending) + 2 and not word.endswith(("ss", "us")):
            return word[: -len(ending)] + instead
    return word


def name_of(text: str) -> tuple[str, ...]:
    """An object's name as words for comparison."""
    return tuple(singular(word) for word in _WORD.findall(text.lower()))


@dataclass(frozen=True)
class Lists:
    """Objects in images: names by image path; the vocabulary of all names; and the number of words in the longest
    name."""

    of: dict[str, set[tuple[str, ...]]]
    vocabulary: set[tuple[str, ...]]
    longest: int


def _phrases(text: str, longest: int) -> Iterator[tuple[str, ...]]:
    words = name_of(text)
    return (words[i : i + n] for n in range(1, longest + 1) for i in range(len(words) - n + 1))


def read_lists(path: Path) -> Lists:
    """Read records (JSON lines, or another format of `read_records`) with image (its path in the pool) and objects (a
    list of names), caption (a text), or both.

    A caption counts as the objects of the vocabulary that it names. Raises PoolError naming file, record and fault.
    """
    if not path.exists():
        raise PoolError(f"{path}: no such file; set clean.objects.lists to your object lists, or to null")
    records = list(read_records(path)) if path.stat().st_size else []
    for number, record in enumerate(records, 1):
        objects, caption = (
            (record.get("objects", []), record.get("caption", "")) if isinstance(record, dict) else (None, None)
        )
        if (
            not isinstance(record, dict)
            or not isinstance(record.get("image"), str)
            or not {"objects", "caption"} & record.keys()
        ):
            raise PoolError(f"{path}, record {number}: is {shown(str(record))}; write image, and objects or caption")
        if (
            not isinstance(caption, str)
            or not isinstance(objects, list)
            or not all(isinstance(name, str) for name in objects)
        ):
            raise PoolError(
                f"{path}, record {number}, image {record['image']!r}: objects must be a list of names, caption a text; "
                "repair the record"
            )
    vocabulary = {name for record in records for name in map(name_of, record.get("objects", [])) if name}
    longest = max(map(len, vocabulary), default=0)
    of: dict[str, set[tuple[str, ...]]] = {}
    for record in records:
        there = of.setdefault(record["image"], set())
        there.update(map(name_of, record.get("objects", [])))
        there.update(vocabulary.intersection(_phrases(record.get("caption", ""), longest)))
    return Lists(of, vocabulary, longest)


def named(answer: str, lists: Lists) -> list[tuple[str, ...]]:
    """Vocabulary objects that an answer claims to be present, each once, longest names first. Sentences with a negation
    are ignored.
    """
    found: dict[tuple[str, ...], None] = {}
    for sentence in _SENTENCE.split(answer):
        if _DENIED & set(_WORD.findall(sentence.lower())):
            continue
        for name in reversed(list(_phrases(sentence, lists.longest))):
            if name in lists.vocabulary and not any(
                f" {' '.join(name)} " in f" {' '.join(longer)} " for longer in found
            ):
                found[name] = None
    return list(found)


def check(
    turns: list[list[dict[str, str]]], images: list[list[str]], lists: Lists, least: int, share: float
) -> Findings:
    """Rows whose answers name objects that none of their images has. The score is the share of these among the named
    objects (CHAIR_i).

    images: each row's paths. The score is NaN for a row without images, with an image that has no list, or with fewer
    than `least` named objects. A row is flagged from `share` on, because lists are incomplete and wording varies.
    """
    scores, evidence = [], []
    for row, paths in zip(turns, images, strict=True):
        objects = (
            named(". ".join(answer for _, answer in questions_and_answers(row)), lists)
            if paths and all(path in lists.of for path in paths)
            else []
        )
        there = set().union(*(lists.of[path] for path in paths)) if objects else set()
        missing = [" ".join(name) for name in objects if name not in there]
        judged = len(objects) >= least
        scores.append(len(missing) / len(objects) if judged else float("nan"))
        flag = judged and scores[-1] >= share
        evidence.append(
            shown(f"not in the image's list: {', '.join(sorted(missing))}; {len(objects)} objects are named")
            if flag
            else ""
        )
    return Findings.of(scores, [bool(said) for said in evidence], evidence)
