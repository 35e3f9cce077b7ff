"""Files out of conf/: composed by Hydra, studies spelled out into pipelines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cadc.compose.expand import spelled_out
from cadc.compose.pipelines import written
from cadc.compose.studies import Study
from cadc.config.errors import InputError
from cadc.config.params import checked, read

CONF, PIPELINES = Path("conf"), Path("pipelines")


def composed(overrides: list[str], conf: Path = CONF, name: str = "config") -> DictConfig:
    """All parameters with `overrides` in Hydra's grammar, what `-S` takes, and nothing left to interpolate.

    Raises InputError naming an override that is no such, or a profile, data set or key that there is not.
    """
    try:
        OverridesParser.create().parse_overrides(overrides)
        with initialize_config_dir(str(conf.resolve())):
            params = compose(name, overrides)
        OmegaConf.resolve(params)
    except (MissingMandatoryValue, InterpolationToMissingValueError) as error:
        missing = str(error).splitlines()[0].rsplit(" ", 1)[-1]
        raise InputError(f"{missing} has no default: give it, {missing}=VALUE") from None
    except HydraException as error:
        raise InputError(" ".join(str(error).split()) + _quoted(overrides)) from None
    return params


def _quoted(overrides: list[str]) -> str:
    """How the first override is written whose value Hydra's grammar takes for more than a text; empty where none is."""
    for override in overrides:
        key, _, value = override.partition("=")
        text = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), value)
        quoted = f'{key}="{text}"'
        if value and not _is_text(override) and _is_text(quoted):
            return f"; where {value} is a text, put it into quotes, and all into others: {shlex.quote(quoted)}"
    return ""


def _is_text(override: str) -> bool:
    try:
        return not OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException:
        return False


def read_study(path: Path) -> Study:
    """A file of conf/studies. Raises InputError with a line for each key that is unknown or wrong."""
    try:
        return Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {_fault(fault)}" for fault in error.errors())) from None


def _fault(fault: ErrorDetails) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}"


def files(overrides: list[str], conf: Path = CONF, pipelines: Path = PIPELINES) -> dict[Path, str]:
    """Every file that conf/ composes, with its text.

    pipelines: the folder that says which pipeline makes what now. Raises InputError naming each value that is wrong.
    """
    params = composed(overrides, conf)
    checked(OmegaConf.to_container(params), str(conf))
    studies = {path.stem: read_study(path) for path in sorted((conf / "studies").glob("*.yaml"))}
    there = {path.parent.name: read(path) for path in sorted(pipelines.glob("*/params.json"))}
    made, tables = spelled_out(OmegaConf.to_container(composed(overrides, conf, "library")), studies, there)
    templates = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    out = {Path("params.yaml"): OmegaConf.to_yaml(params)}
    for name in studies:
        out |= written(name, made[name], tables[name], templates)
    return out
