"""Shard numbers in parquet file names: which part of how many a file is, and which parts are missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cadc.config.errors import InputError
from cadc.data.reasons import some

#: `train-00000-of-00002`, `train_0_of_2.snappy`, `a (1 of 2)`: groups are prefix, number, `of` part, count, rest.
_SHARD = re.compile(r"(.*?)(\d+)([-_. ]*of[-_. ]*(\d+))((?:[-_. )\]].*)?)\.parquet", re.IGNORECASE)
_COPY = re.compile(r" ?\(\d+\)")  # added by a browser to a repeated download
#: Parts of the rest without meaning: hashes, compressions, Spark's attempts.
_NO_WORD = re.compile(
    r"[0-9a-f]{4,}|c\d+|snappy|gz|gzip|zstd?|lz4|br|brotli|lzo|uncompressed|none|copy|", re.IGNORECASE
)
_HASH = re.compile(
    r"(?<![0-9a-z])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{4,})(?![0-9a-z])"
)
_NUMBER = re.compile(r"\d+")
_DAY = re.compile(r"(?:19|20)\d\d[-_.]\d\d[-_.]\d\d")
_MOST_LACKING = 1000  # if more are missing, the numbers are names, such as COCO's image numbers (ours)


class Shard(NamedTuple):
    """Parsed file name, such as `PREFIX-00001-of-00003.parquet`.

    head: the text before the number; of: `-of-00003`; words: the rest of the name without hashes.
    """

    head: str
    number: int
    digits: int
    of: str
    n: int
    words: str

    @property
    def prefix(self) -> str:
        """The name of the set, usually its split."""
        return "-".join(filter(None, (self.head.rstrip("-_. (["), self.words)))


def shard_of(file: Path) -> Shard | None:
    """The parsed file name; None if it is not a shard's."""
    match = _SHARD.fullmatch(file.name)
    if match is None:
        return None
    head, number, of, n, rest = match.groups()
    words = "-".join(part for part in re.split(r"[-_. )\]]", _COPY.sub("", rest)) if not _NO_WORD.fullmatch(part))
    return Shard(head, int(number), len(number), of, int(n), words)


def _sets(files: Iterable[Path]) -> dict[tuple, list[tuple[Shard, Path]]]:
    sets = defaultdict(list)
    for file in files:
        if shard := shard_of(file):
            sets[file.parent, shard.head, shard.words, shard.of].append((shard, file))
    return sets


def unnamed(files: list[Path], others: list[Path]) -> list[Path]:
    """Files among `others` that belong to the shard sets of `files` but are not in `files`."""
    sets = _sets(files)
    return sorted({file for key, there in _sets(others).items() if key in sets for _, file in there} - {*files})


def check_shards(files: list[Path], others: Iterable[Path] = ()) -> None:
    """Raise InputError if a shard of the sets of `files` is missing from both `files` and `others`, or occurs twice.
    Sets are numbered from 0 or from 1.
    """
    named = _sets(files)
    sets = {key: there for key, there in _sets({*files, *others}).items() if key in named}
    for (parent, head, _, of), there in sets.items():
        at: dict[int, Path] = {}
        for shard, file in sorted(there):
            if (one := at.setdefault(shard.number, file)) != file:
                raise InputError(f"{one} and {file.name} are the same part of a set; remove one of them")
        n, digits = there[0][0].n, min(shard.digits for shard, _ in there)
        start = 1 if 0 not in at and n in at else 0
        lacking = [f"{head}{i:0{digits}d}{of}" for i in range(start, start + n) if i not in at]
        if lacking:
            unclear = "" if 0 in at or n in at else " (if numbered from 0)"
            raise InputError(
                f"{parent}: {some(lacking)} {'is' if len(lacking) == 1 else 'are'} missing, {len(lacking)} of {n} "
                f"files{unclear}; fetch it again"
            )
        if len(at) > n:
            raise InputError(f"{parent}: {len(at)} files match {head}*{of}, more than the names state; remove the rest")
    totals = defaultdict(set)
    for (parent, head, words, _), there in sets.items():
        totals[parent, head, words].add(there[0][0].n)
    for (parent, head, _), numbers in totals.items():
        if len(numbers) > 1:
            raise InputError(
                f"{parent}: {head.rstrip('-_. ')} is split into {' and into '.join(map(str, sorted(numbers)))} files, "
                "so two downloads are mixed; remove the old one"
            )


def gaps(files: list[Path]) -> list[str]:
    """Warnings about parts that seem to be missing among the files of one split, judged by file or folder numbers.

    Such names don't state a total, so this is a guess: Spark also leaves out parts without rows.
    """
    names, folders = defaultdict(set), defaultdict(set)
    for file in files:
        folders[file.parent.parent].add(file.parent.name)
        if shard_of(file) is None:
            names[file.parent].add(file.stem)
    said = [
        f"{folder}: {some(lacking)} {'seems' if len(lacking) == 1 else 'seem'} to be missing, {len(lacking)} in all, "
        "judging by the other numbers; fetch the data set again if it has more files"
        for places, ending in ((names, ".parquet"), (folders, "/"))
        for folder, there in sorted(places.items())
        for lacking in _lacking(sorted(there), ending)
    ]
    partial = sorted({file.parent for file in files if file.parent.name.startswith("partial-")})
    return said + [
        f"{folder}: the hub converted only the first part of this split; fetch the data set's own files for the rest"
        for folder in partial
    ]


def _lacking(names: list[str], ending: str) -> Iterator[list[str]]:
    """For each series of numbered names, the names missing in it."""
    rows = defaultdict(list)
    for name in names:
        plain = _HASH.sub("*", name)
        if not _DAY.search(plain):
            rows[tuple(_NUMBER.split(plain))].append(_NUMBER.findall(plain))
    for words, numbers in rows.items():
        several = [k for k, column in enumerate(zip(*numbers, strict=True)) if len({*column}) > 1]
        alone = len(numbers) == 1 and ending != "/" and (words == ("", "") or words[0] == "part-")  # 0001.parquet
        if len(several) == 1 or alone:
            yield from _between(words, numbers, several[0] if several else 0, ending)


def _between(words: tuple[str, ...], numbers: list[list[str]], k: int, ending: str) -> Iterator[list[str]]:
    texts = [row[k] for row in numbers]
    there, digits = {int(text) for text in texts}, min(map(len, texts))
    padded = any(text != "0" and text.startswith("0") for text in texts)
    counted_from_0 = padded and ((words == ("", "") and digits == 4) or (words[0] == "part-" and digits == 5))
    start = 0 if counted_from_0 else min(1, *there)
    n_lacking = max(there) + 1 - start - len(there)
    if (padded or min(there) <= 1) and 0 < n_lacking <= (_MOST_LACKING if padded else 2 * len(there)):
        one = numbers[0]
        yield [
            "".join(a + b for a, b in zip(words, [*one[:k], f"{i:0{digits}d}", *one[k + 1 :], ending], strict=True))
            for i in range(start, max(there))
            if i not in there
        ]
