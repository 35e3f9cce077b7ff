"""A method by its name: the file that is called so."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from cadc.config.errors import InputError
from cadc.config.section import Section

_NO_METHODS = ("__init__", "loading", "signal")
#: Every method there is.
METHODS = tuple(sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - {*_NO_METHODS}))


def load_selector(method: str, settings: dict, source: str) -> tuple[ModuleType, Section]:
    """The module of `method`, and its checked parameters from the keys and values of an arm's `select`.

    source: where the arm stands, for messages. Raises InputError where there is no such method, or naming every key
    that is unknown, missing or out of range.
    """
    if method not in METHODS:
        raise InputError(f"{source}.method: no file src/cadc/selectors/{method}.py; there are {', '.join(METHODS)}")
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
