"""Load a method by name (its file name) and the signal that it reads."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from cadc import artifacts
from cadc.config.arms import Arm
from cadc.config.errors import InputError
from cadc.config.section import Section
from cadc.selectors.signal import Signal

_AT_ONCE = 4096  # rows
_NO_METHODS = ("__init__", "loading", "signal")
#: The names of all methods.
METHODS = tuple(sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - {*_NO_METHODS}))


def load_selector(method: str, settings: dict, source: str) -> tuple[ModuleType, Section]:
    """The module of `method` and its parameters, validated from an arm's `select`.

    source: where the arm is defined, for messages. Raises InputError if there is no such method, or naming every key
    that is unknown, missing or out of range.
    """
    if method not in METHODS:
        raise InputError(
            f"{source}.method: no file src/cadc/selectors/{method}.py; known methods: {', '.join(METHODS)}"
        )
    module = importlib.import_module(f"cadc.selectors.{method}")
    try:
        return module, module.Params(**settings)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in ("select", *fault["loc"]))
            value = "" if fault["type"] in ("missing", "value_error") else f" = {fault['input']!r}"
            faults.append(f"{source}.{key}{value}: {fault['msg'].removeprefix('Value error, ')}")
        raise InputError("\n".join(faults)) from None


def _answer_words(pool: pa.Table) -> np.ndarray:
    """Number of words in each row's answers, over all turns: int64 [n_rows]."""
    batches = pool.select(["turns"]).to_batches(_AT_ONCE)  # all turns as Python's objects would take GBs
    turns = (own for batch in batches for own in batch["turns"].to_pylist())
    return np.array([sum(len(turn["text"].split()) for turn in own if turn["role"] == "assistant") for own in turns])


def load_signal(arm: Arm, pool: pa.Table) -> Signal:
    """What the method of `arm` may see of the pool: the arrays of its signal, and word counts."""
    arrays: dict[str, np.ndarray | Callable[[], np.ndarray]] = {**artifacts.load_arrays(artifacts.ROOT / arm.signal)}
    arrays["words"] = lambda: _answer_words(pool)  # lazy: methods that unlock answers must not read them
    return Signal(pool.num_rows, np.array(pool["source"].to_pylist()), arrays, pool["id"])


def measure(selector: ModuleType, signal: Signal, settings: Section) -> Any:
    """The input of `select` for every budget and seed: the method's `measure` result, or the signal itself."""
    return selector.measure(signal, settings) if hasattr(selector, "measure") else signal


def choose(
    selector: ModuleType, measured: Any, n: int, settings: Section, seed: int, drawn_at: int | None = None
) -> artifacts.Selection:
    """The method's selection of `n` rows. drawn_at: the budget whose random draws are used, if not `n`."""
    return selector.select(measured, n, settings, np.random.default_rng([seed, n if drawn_at is None else drawn_at]))


def scores(selector: ModuleType, measured: Any, settings: Section) -> np.ndarray | None:
    """The score by which a method ranks rows, higher is selected first: [n_rows]; None if it has no such score."""
    return selector.scores(measured, settings) if hasattr(selector, "scores") and measured is not None else None
