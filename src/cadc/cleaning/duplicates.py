"""Exact and near duplicates of rows: near-duplicate images with near-duplicate exchanges."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from cadc.cleaning.asked import INSTRUCTION
from cadc.cleaning.findings import Findings, questions_and_answers
from cadc.cleaning.minhash import signatures, similarity
from cadc.cleaning.near import banded, components, mixed


@dataclass(frozen=True)
class Copies:
    """keeper int64 [n]: the row that makes a row redundant, or the row itself. exact bool [n]: whether text and image
    are the same. alike float32 [n]: estimated similarity of the matched exchanges, 0 for keepers.
    """

    keeper: np.ndarray
    exact: np.ndarray
    alike: np.ndarray


def _number(value: str) -> int:
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest(), "little")


def text_prints(
    turns: list[list[dict[str, str]]], shingle: int, permutations: int, short: int, seed: int
) -> dict[str, np.ndarray]:
    """Fingerprints for comparing the texts of rows.

    Per exchange, concatenated over rows: signature uint32 [n_exchanges, permutations], of the answer and its question
    without format instructions; brief uint64 [n_exchanges], a number for each distinct answer of at most `short` words
    (where one word makes a difference), 0 for longer answers. Per row: n_exchanges int64 [n]; letters uint8 [n, 16], a
    digest of the whole text.
    """
    pairs = [questions_and_answers(row) for row in turns]
    briefs = (" ".join(answer.lower().split()) for row in pairs for _, answer in row)
    letters = [blake2b("\0".join(turn["text"] for turn in row).encode(), digest_size=16).digest() for row in turns]
    return {
        "signature": signatures(
            [f"{INSTRUCTION.sub(' ', question)} {answer}" for row in pairs for question, answer in row],
            shingle,
            permutations,
            seed,
        ),
        "brief": np.array([_number(brief) if brief.count(" ") < short else 0 for brief in briefs], np.uint64),
        "n_exchanges": np.array([len(row) for row in pairs]),
        "letters": np.frombuffer(b"".join(letters), np.uint8).reshape(-1, 16),
    }


def row_copies(
    prints: dict[str, np.ndarray], picture: np.ndarray, files: np.ndarray, bands: int, jaccard: float
) -> Copies:
    """Find rows that repeat another row about an image that looks the same.

    prints: `text_prints` of all rows. picture int64 [n]: the group of a row's images, one number for all rows without
    images. files [n]: a comparable digest of the image files. A row is a copy if each of its exchanges is matched in
    the keeper. The keeper is the row with the most exchanges; among equals, the first.
    """
    n, signature = len(picture), prints["signature"]
    owner = np.repeat(np.arange(n), prints["n_exchanges"])
    within = mixed(mixed(picture.astype(np.uint64))[owner] + prints["brief"])
    said = components(
        banded(signature, bands, within),
        lambda i, j: (within[i] == within[j]) & (similarity(signature, i, j) >= jaccard),
    )
    rows_saying = np.bincount(said, minlength=len(said))
    bounds = np.concatenate([[0], np.cumsum(prints["n_exchanges"])])
    content = [dict(zip(said[a:b].tolist(), range(a, b), strict=True)) for a, b in pairwise(bounds.tolist())]
    keeper, alike = np.arange(n), np.zeros(n, np.float32)
    kept: dict[int, list[int]] = defaultdict(list)  # kept rows by exchange group
    for row in sorted(range(n), key=lambda row: -len(content[row])):
        own = content[row]
        rarest = min(own, key=lambda k: (rows_saying[k], k))
        for other in kept[rarest] if rows_saying[rarest] > 1 else ():
            if own.keys() <= content[other].keys():
                keeper[row] = other
                alike[row] = similarity(
                    signature, np.array(list(own.values())), np.array([content[other][k] for k in own])
                ).mean()
                break
        else:
            for k in own:
                kept[k].append(row)
    same = (prints["letters"] == prints["letters"][keeper]).all(1) & (files == files[keeper])
    return Copies(keeper, same & (keeper != np.arange(n)), alike)


def check(copies: Copies, ids: list[str]) -> Findings:
    """Rows that another row makes redundant. The score is 2 for identical text and image, else the similarity in
    [0, 1].
    """
    flag = copies.keeper != np.arange(len(copies.keeper))
    evidence = [
        f"{'same as' if exact else 'adds nothing to'} row {ids[k]}" if is_copy else ""
        for k, exact, is_copy in zip(copies.keeper.tolist(), copies.exact, flag, strict=True)
    ]
    return Findings.of(np.where(copies.exact, 2.0, copies.alike), flag, evidence)
