"""A row of a table spelled out: the variants that it asks for, whole and checked, from the top of the DAG down.

`capture.update: sgd` makes another capture, another discovery from it and another arm on that.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

from cadc.compose.studies import OF_SIGNAL, SECTIONS, Row, slug
from cadc.config.arms import Arm, budget_key
from cadc.config.errors import InputError
from cadc.config.params import checked
from cadc.evaluation.aims import SIGNALS, aims_at
from cadc.selectors.loading import load_selector

#: Keys under which a variant names what it is made from -> the level of that.
POINTERS = {"run": "proxies", "trajectories": "captures"}
_OWN = ("budget", "seeds", "signal", "select", "curate")  # of the arm itself
_OPEN = ("finetune.epochs", "model.processor", "views.descriptions")  # dictionaries that take further keys
_BEHIND = ("seeds", "evaluate.split", "budget", "signal")  # what a name says behind all else, in words of its own


@dataclass(frozen=True)
class Base:
    """An arm or method of the library, as it is before a row changes it.

    chain: level -> name of all that its signal is made from, from the top of the DAG down. beside: the same of the
    capabilities that `curate.by` names, where its signal is another. settings: all that a row may change: its own keys,
    and the sections of it and of what it is made from.
    """

    name: str
    arm: dict[str, Any]
    chain: dict[str, str]
    beside: dict[str, str]
    settings: dict[str, Any]

    def reads(self, key: str) -> bool:
        """Whether there is a dotted key in its settings."""
        return _holder(self.settings, key) is not None


@dataclass(frozen=True)
class Asked:
    """A variant as a row asks for it.

    wanted: its name, should it be a new one. content: all that it states; what it is made from goes by its name in
    the library, in place of which its own name comes once that is settled.
    """

    wanted: str
    content: dict[str, Any]


def base_of(library: dict, name: str, changes: dict[str, Any], source: str) -> Base:
    """The arm or method that a row names, with what it is made from under these changes. Raises InputError where
    there is no such arm or signal."""
    arms = library["arms"] | {key: arm for key, arm in library["methods"].items() if key not in library["arms"]}
    if name not in arms:
        raise InputError(f"{source}: no arm or method {name}; there are {', '.join(arms)}")
    common = {"method": name, "budget": library["budget"], "seeds": library["seeds"]}
    arm = common | {"curate": {"by": "pool", "keep": 1.0, "sequence": "none", "replay": 0.2}} | arms[name]
    signal, by = changes.get("signal", arm.get("signal")), changes.get("curate.by", arm["curate"]["by"])
    chain, beside = _chain(library, signal, source), {} if by == signal else _chain(library, by, source)
    return Base(name, arm, chain, beside, _settings(library, arm, beside | chain))


def needs_target(library: dict, row: Row) -> bool:
    """Whether a row's arm is made of rows that are aimed at, or is not there, as where it was left out for that."""
    arm = library["arms"].get(row.arm) or library["methods"].get(row.arm) or {}
    read = [row.set.get("signal", arm.get("signal", "")), row.set.get("curate.by", arm.get("curate", {}).get("by", ""))]
    return any(aims_at(str(folder)) for folder in (read if arm else SIGNALS))


def _chain(library: dict, signal: Any, source: str) -> dict[str, str]:
    made = [f"{folder}/{name}" for folder, level in OF_SIGNAL.items() for name in library[level]]
    known = ["pool", "embeddings", *made]
    if signal not in known:
        raise InputError(f"{source}: signal = {signal!r}: there is none of that name; there are {', '.join(known)}")
    folder, _, name = signal.partition("/")
    return _made_from(library, OF_SIGNAL[folder], name) if name else {}


def _made_from(library: dict, level: str, name: str) -> dict[str, str]:
    """Level -> name: a variant of the library, behind all that it is made from."""
    base, chain = library[level][name], {}
    for key, of in POINTERS.items():
        if key in base:
            chain |= _made_from(library, of, base[key])
    return chain | {level: name}


def _settings(library: dict, arm: dict[str, Any], chain: dict[str, str]) -> dict[str, Any]:
    """`full` has all rows: no budget changes it."""
    own = {key: arm[key] for key in _OWN if key in arm and not (key == "budget" and arm["method"] == "full")}
    sections = {name: library[name] for level in [*chain, "arms"] for name in SECTIONS[level] if name in library}
    for level, name in chain.items():
        sections |= {key: value for key, value in library[level][name].items() if key in SECTIONS[level]}
    return own | sections


def _holder(found: Any, key: str) -> dict | None:
    """The dictionary that a dotted key's last part is in, or may be put into; None where there is no such key.
    `tuned.path` is `model.path`, of the arm alone."""
    if key.startswith("tuned."):
        key = f"model.{key.removeprefix('tuned.')}"
    *path, last = key.split(".")
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and (last in found or ".".join(path) in _OPEN) else None


def _changed(found: dict[str, Any], changes: dict[str, Any], source: str) -> dict[str, Any]:
    """`settings` with the values at dotted keys replaced. Raises InputError where there is no such key."""
    found = copy.deepcopy(found)
    for key, value in changes.items():
        holder = _holder(found, key)
        if holder is None:
            raise InputError(f"{source}: no parameter {key} of this arm, nor of what it is made from")
        holder[key.rpartition(".")[2]] = value
    return found


def asked(library: dict, base: Base, changes: dict[str, Any], source: str) -> dict[str, Asked]:
    """The arm that `base` is with these changes, by level behind all that it is made from. Raises InputError naming
    each key that there is not, or whose value is wrong."""
    tuned = {key: value for key, value in changes.items() if key.startswith("tuned.")}
    after = _changed(base.settings, {key: value for key, value in changes.items() if key not in tuned}, source)
    if "tuned.path" in tuned:
        tuned = {"tuned.watched": tuned["tuned.path"]} | tuned
    own = _changed(after, tuned, source)
    arm = {key: value for key, value in base.arm.items() if key != "rows"}  # which `export` of the root alone reads
    arm |= {key: own[key] for key in (*_OWN, *SECTIONS["arms"]) if key in own}
    contents = {level: _content(library[level][name], level, after) for level, name in base.chain.items()}
    contents["arms"] = arm
    _check(library, contents, source)
    differing = {key: value for key, value in changes.items() if _differs(base.settings, after, key)}
    wanted = {level: _name(library, level, name, differing) for level, name in base.chain.items()}
    wanted["arms"] = _arm_name(library, base, arm, changes)
    return {level: Asked(wanted[level], content) for level, content in contents.items()}


def beside(library: dict, base: Base, changes: dict[str, Any], source: str) -> dict[str, Asked]:
    """What the capabilities of `curate.by` are made of, and they, by level; {} where the arm's signal tells them, or
    nothing does.

    A change counts for them, too; but one of `discover` is the signal's, where that is a discovery itself.
    """
    found = _settings(library, base.arm, base.beside)
    own = {key: value for key, value in changes.items() if _holder(found, key) is not None}
    if "discoveries" in base.chain:
        own = {key: value for key, value in own.items() if not key.startswith("discover.")}
    after = _changed(found, own, source)
    contents = {level: _content(library[level][name], level, after) for level, name in base.beside.items()}
    _check(library, contents, source)
    differing = {key: value for key, value in own.items() if _differs(found, after, key)}
    return {
        level: Asked(_name(library, level, name, differing), contents[level]) for level, name in base.beside.items()
    }


def _content(base: dict[str, Any], level: str, found: dict[str, Any]) -> dict[str, Any]:
    return {key: base[key] for key in POINTERS if key in base} | {name: found[name] for name in SECTIONS[level]}


def _check(library: dict, contents: dict[str, dict], source: str) -> None:
    """As the stages that make these variants check them. Raises InputError naming keys and values.

    But for one rule: which models may be tuned on the profile. conf/studies are of all profiles; the stages alone see
    to it, or one table would keep all from being composed.
    """
    root = {key: value for key, value in library.items() if key != "methods"} | {"recipe_of": None}
    for content in contents.values():
        arm = {key: content[key] for key in Arm.model_fields if key in content}
        sections = {key: value for key, value in content.items() if key not in arm}
        checked(root | sections | ({"arm": arm} if arm else {}), source)
    if "arms" in contents:
        load_selector(contents["arms"]["method"], contents["arms"]["select"], f"{source}: arm")


def _differs(before: dict[str, Any], after: dict[str, Any], key: str) -> bool:
    holders, last = (_holder(before, key), _holder(after, key)), key.rpartition(".")[2]
    return None not in holders and len({json.dumps(holder.get(last)) for holder in holders}) == 2


def _words(changes: dict[str, Any]) -> list[str]:
    """Changed parameters in words, for a name: the last part of each key, and its value."""
    return [slug(f"{key.rsplit('.', 1)[-1]} {json.dumps(value)}") for key, value in changes.items()]


def _name(library: dict, level: str, name: str, differing: dict[str, Any]) -> str:
    """A name for what becomes of a variant of the library, by what differs in it and in what it is made from."""
    sections = {section for of in _made_from(library, level, name) for section in SECTIONS[of]}
    said = {key: value for key, value in differing.items() if key.partition(".")[0] in sections}
    return "_".join([*([] if name == "default" and said else [name]), *_words(said)])


def _arm_name(library: dict, base: Base, arm: dict[str, Any], changes: dict[str, Any]) -> str:
    """A name for an arm: all that its row says."""
    parts = [base.name, *_words({key: value for key, value in changes.items() if key not in _BEHIND})]
    if arm["budget"] != base.arm["budget"]:
        parts.append(budget_key(arm["budget"]))
    if arm["signal"] != base.arm["signal"]:
        parts.append(slug(arm["signal"]))
    if arm["evaluate"]["split"] != library["evaluate"]["split"]:
        parts.append(arm["evaluate"]["split"])
    elif arm["seeds"] != base.arm["seeds"]:
        parts.append(f"{len(arm['seeds'])}_seeds")
    return "_".join(parts)
