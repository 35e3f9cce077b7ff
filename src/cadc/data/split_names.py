"""Infer splits (train, validation, test and the like) from the names of parquet files and their folders."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from cadc.data.shards import shard_of

Splits = dict[tuple[str, str], list[Path]]  # files by config and split

#: Words that name a split; group names are the splits that `datasets` knows.
_SPLIT = re.compile(
    r"(?<![a-z])(?:(?P<other>train[-_ ]?val|mini[-_ ]?(?:train|val|test)|(?:train|val|test)[-_ ]?mini|val[-_ ]?test|"
    r"dev[-_ ]?test|test[-_ ]?(?:dev|std|challenge|reserve)|test[-_]?[ab]|h[oe]ld[-_ ]?out|unseen|bench(?:mark)?)|"
    r"(?P<train>train|training|trn)|(?P<validation>validation|valid|val|dev)|"
    r"(?P<test>test|testing|tst|eval|evaluation))(?:(?:sub|data)?sets?|splits?|data|(?<!train)s)?(?=$|[^a-z])"
)
#: The same words inside a longer one, used if two names differ only in them: `cocotrain2014` and `cocoval2014`.
_INSIDE = re.compile(r"train(?:ing)?|test(?:ing)?|val(?:id(?:ation)?)?|dev|eval(?:uation)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def split_word(text: str) -> str | None:
    """The split named by a file or folder name, such as `test` or `test-train`; None if it names none."""
    found = _SPLIT.finditer(_CAMEL.sub("_", text).lower())
    words = [re.sub(r"[-_ ]", "", word["other"]) if word["other"] else word.lastgroup for word in found]
    return "-".join(dict.fromkeys(words)) or None


def _of_name(file: Path) -> tuple[str, str | None]:
    """Config and split of a parquet file, from its path within the data set's folder; split None if no part names one.

    The file's own name comes first, then its folder's, and so on upwards.
    """
    shard = shard_of(file)
    words = map(split_word, (file.stem, *reversed(file.parts[:-1])))
    split = (shard and shard.prefix) or next(filter(None, words), None)
    if split is None:
        return "default", None
    said = {split, split_word(split)} - {None}  # `val` and `validation`
    config = "/".join(part for part in file.parts[:-1] if part != "data" and split_word(part) not in said)
    return config or "default", split


def _twins(files: list[Path]) -> dict[Path, str]:
    """The files whose names differ only in a split's word, with that word."""
    alike: dict[tuple, dict[str, Path]] = defaultdict(dict)
    for file in files:
        name = file.stem.lower()
        for word in _INSIDE.finditer(name):
            alike[file.parent, name[: word.start()], name[word.end() :]][word[0]] = file
    return {file: word for of in alike.values() if len(of) > 1 for word, file in of.items()}


def by_name(folder: Path, files: list[Path]) -> Splits:
    """Group files under `folder` by the splits in their names. If no name has a split, all files are `train`;
    otherwise each file without one is its own split.
    """
    said = {file: _of_name(file.relative_to(folder)) for file in files}
    twins = _twins([file for file, (_, split) in said.items() if split is None])
    silent = not twins and all(split is None for _, split in said.values())
    splits = defaultdict(list)
    for file, (config, split) in said.items():
        splits[config, split or twins.get(file) or ("train" if silent else file.stem)].append(file)
    return dict(splits)
