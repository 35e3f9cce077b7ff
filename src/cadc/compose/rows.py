"""Expand a table row into complete, checked variants, from the top of the DAG down.

For example, `capture.update: sgd` creates a new capture, a discovery from it and an arm that uses the discovery.
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

#: Keys by which a variant names its parent -> the parent's level.
POINTERS = {"run": "proxies", "trajectories": "captures"}
_OWN = ("budget", "seeds", "signal", "select", "curate")  # keys of the arm itself
_OPEN = ("finetune.epochs", "model.processor", "views.descriptions")  # dictionaries that accept new keys
_BEHIND = ("seeds", "evaluate.split", "budget", "signal")  # handled separately at the end of an arm's name


@dataclass(frozen=True)
class Base:
    """An arm or method of the library, before a row changes it.

    chain: level -> name of every ancestor of its signal, from the top of the DAG down. beside: the same for the
    capabilities of `curate.by`, if that differs from the signal. settings: everything a row may change: the arm's own
    keys, and its sections and those of its ancestors.
    """

    name: str
    arm: dict[str, Any]
    chain: dict[str, str]
    beside: dict[str, str]
    settings: dict[str, Any]

    def reads(self, key: str) -> bool:
        """Whether a dotted key exists in the settings."""
        return _holder(self.settings, key) is not None


@dataclass(frozen=True)
class Asked:
    """A variant that a row needs.

    wanted: the name to use if it is new. content: everything it states. Parents carry their library names here; `names`
    replaces them by the settled ones.
    """

    wanted: str
    content: dict[str, Any]


def base_of(library: dict, name: str, changes: dict[str, Any], source: str) -> Base:
    """The arm or method of a row, with its ancestors under these changes. Raises InputError if the arm or signal does
    not exist."""
    arms = library["arms"] | {key: arm for key, arm in library["methods"].items() if key not in library["arms"]}
    if name not in arms:
        raise InputError(f"{source}: no arm or method {name}; known: {', '.join(arms)}")
    common = {"method": name, "budget": library["budget"], "seeds": library["seeds"]}
    arm = common | {"curate": {"by": "pool", "keep": 1.0, "sequence": "none", "replay": 0.2}} | arms[name]
    signal, by = changes.get("signal", arm.get("signal")), changes.get("curate.by", arm["curate"]["by"])
    chain, beside = _chain(library, signal, source), {} if by == signal else _chain(library, by, source)
    return Base(name, arm, chain, beside, _settings(library, arm, beside | chain))


def needs_target(library: dict, row: Row) -> bool:
    """Whether a row's arm uses target rows, or is unknown (arms that need a target are removed when there is none)."""
    arm = library["arms"].get(row.arm) or library["methods"].get(row.arm) or {}
    read = [row.set.get("signal", arm.get("signal", "")), row.set.get("curate.by", arm.get("curate", {}).get("by", ""))]
    return any(aims_at(str(folder)) for folder in (read if arm else SIGNALS))


def _chain(library: dict, signal: Any, source: str) -> dict[str, str]:
    made = [f"{folder}/{name}" for folder, level in OF_SIGNAL.items() for name in library[level]]
    known = ["pool", "embeddings", *made]
    if signal not in known:
        raise InputError(f"{source}: signal = {signal!r}: no such signal; known: {', '.join(known)}")
    folder, _, name = signal.partition("/")
    return _made_from(library, OF_SIGNAL[folder], name) if name else {}


def _made_from(library: dict, level: str, name: str) -> dict[str, str]:
    """Level -> name for a variant of the library and its ancestors, ancestors first."""
    base, chain = library[level][name], {}
    for key, of in POINTERS.items():
        if key in base:
            chain |= _made_from(library, of, base[key])
    return chain | {level: name}


def _settings(library: dict, arm: dict[str, Any], chain: dict[str, str]) -> dict[str, Any]:
    """Everything a row may change. `full` always uses all rows, so it has no budget."""
    own = {key: arm[key] for key in _OWN if key in arm and not (key == "budget" and arm["method"] == "full")}
    sections = {name: library[name] for level in [*chain, "arms"] for name in SECTIONS[level] if name in library}
    for level, name in chain.items():
        sections |= {key: value for key, value in library[level][name].items() if key in SECTIONS[level]}
    return own | sections


def _holder(found: Any, key: str) -> dict | None:
    """The dictionary that holds the last part of a dotted key, or may take it; None if there is no such key.
    `tuned.path` means `model.path` of the arm only."""
    if key.startswith("tuned."):
        key = f"model.{key.removeprefix('tuned.')}"
    *path, last = key.split(".")
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and (last in found or ".".join(path) in _OPEN) else None


def _changed(found: dict[str, Any], changes: dict[str, Any], source: str) -> dict[str, Any]:
    """`found` with the values at dotted keys replaced. Raises InputError if a key does not exist."""
    found = copy.deepcopy(found)
    for key, value in changes.items():
        holder = _holder(found, key)
        if holder is None:
            raise InputError(f"{source}: no parameter {key} of this arm or its inputs")
        holder[key.rpartition(".")[2]] = value
    return found


def asked(library: dict, base: Base, changes: dict[str, Any], source: str) -> dict[str, Asked]:
    """The variants of `base` with these changes: level -> variant, ancestors first, the arm last. Raises InputError
    naming each unknown key and wrong value."""
    tuned = {key: value for key, value in changes.items() if key.startswith("tuned.")}
    after = _changed(base.settings, {key: value for key, value in changes.items() if key not in tuned}, source)
    if "tuned.path" in tuned:
        tuned = {"tuned.watched": tuned["tuned.path"]} | tuned
    own = _changed(after, tuned, source)
    arm = {key: value for key, value in base.arm.items() if key != "rows"}  # only read by the root's `export`
    arm |= {key: own[key] for key in (*_OWN, *SECTIONS["arms"]) if key in own}
    contents = {level: _content(library[level][name], level, after) for level, name in base.chain.items()}
    contents["arms"] = arm
    _check(library, contents, source)
    differing = {key: value for key, value in changes.items() if _differs(base.settings, after, key)}
    wanted = {level: _name(library, level, name, differing) for level, name in base.chain.items()}
    wanted["arms"] = _arm_name(library, base, arm, changes)
    return {level: Asked(wanted[level], content) for level, content in contents.items()}


def beside(library: dict, base: Base, changes: dict[str, Any], source: str) -> dict[str, Asked]:
    """The variants behind the capabilities of `curate.by`, by level; {} if these are the arm's signal or there are
    none.

    Changes apply here too, except that a change of `discover` belongs to the signal if the signal is itself a
    discovery.
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
    """Check variants as the stages that make them do. Raises InputError naming keys and values.

    One rule is left to the stages: which models may be fine-tuned on the profile. conf/studies covers all profiles, and
    one table must not block the composition of the others.
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
    """Changed parameters as words for a name: last part of the key, and value."""
    return [slug(f"{key.rsplit('.', 1)[-1]} {json.dumps(value)}") for key, value in changes.items()]


def _name(library: dict, level: str, name: str, differing: dict[str, Any]) -> str:
    """A name for a changed library variant, built from the changes to it and its ancestors."""
    sections = {section for of in _made_from(library, level, name) for section in SECTIONS[of]}
    said = {key: value for key, value in differing.items() if key.partition(".")[0] in sections}
    return "_".join([*([] if name == "default" and said else [name]), *_words(said)])


def _arm_name(library: dict, base: Base, arm: dict[str, Any], changes: dict[str, Any]) -> str:
    """A name for an arm, built from everything its row states."""
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
