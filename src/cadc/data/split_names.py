"""What the names of parquet files and their folders say of splits: train, validation, test and the like."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from cadc.data.shards import shard_of

Splits = dict[tuple[str, str], list[Path]]  # files by config and split

#: Words that name a split; those by which `datasets` knows one have its name.
_SPLIT = re.compile(
    r"(?<![a-z])(?:(?P<other>train[-_ ]?val|mini[-_ ]?(?:train|val|test)|(?:train|val|test)[-_ ]?mini|val[-_ ]?test|"
    r"dev[-_ ]?test|test[-_ ]?(?:dev|std|challenge|reserve)|test[-_]?[ab]|h[oe]ld[-_ ]?out|unseen|bench(?:mark)?)|"
    r"(?P<train>train|training|trn)|(?P<validation>validation|valid|val|dev)|"
    r"(?P<test>test|testing|tst|eval|evaluation))(?:(?:sub|data)?sets?|splits?|data|(?<!train)s)?(?=$|[^a-z])"
)
#: The same inside a word, where two names differ in it alone: `cocotrain2014` and `cocoval2014`.
_INSIDE = re.compile(r"train(?:ing)?|test(?:ing)?|val(?:id(?:ation)?)?|dev|eval(?:uation)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def split_word(text: str) -> str | None:
    """The split that a file's or folder's name says by its words, `test` or `test-train`; None where it says none."""
    found = _SPLIT.finditer(_CAMEL.sub("_", text).lower())
    words = [re.sub(r"[-_ ]", "", word["other"]) if word["other"] else word.lastgroup for word in found]
    return "-".join(dict.fromkeys(words)) or None


def _of_name(file: Path) -> tuple[str, str | None]:
    """Config and split of a parquet file, by its path in the data set's folder; split None where nothing says it.

    The file's own name counts, then the folder's that it lies in, and so on.
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
    """The files whose names differ from another's in a split's word alone, with that word."""
    alike: dict[tuple, dict[str, Path]] = defaultdict(dict)
    for file in files:
        name = file.stem.lower()
        for word in _INSIDE.finditer(name):
            alike[file.parent, name[: word.start()], name[word.end() :]][word[0]] = file
    return {file: word for of in alike.values() if len(of) > 1 for word, file in of.items()}


def by_name(folder: Path, files: list[Path]) -> Splits:
    """Files under `folder` by what their names say: all are `train` where none says anything, else those that say
    nothing are splits of their own.
    """
    said = {file: _of_name(file.relative_to(folder)) for file in files}
    twins = _twins([file for file, (_, split) in said.items() if split is None])
    silent = not twins and all(split is None for _, split in said.values())
    splits = defaultdict(list)
    for file, (config, split) in said.items():
        splits[config, split or twins.get(file) or ("train" if silent else file.stem)].append(file)
    return dict(splits)
