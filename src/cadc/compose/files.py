"""Compose params.yaml with Hydra and expand the studies of conf/ into pipelines."""

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
from cadc.compose.rows import needs_target
from cadc.compose.studies import Study
from cadc.compute import console
from cadc.config.errors import InputError
from cadc.config.params import checked, read
from cadc.evaluation.aims import check_targets

CONF, PIPELINES = Path("conf"), Path("pipelines")


def composed(overrides: list[str], conf: Path = CONF, name: str = "config") -> DictConfig:
    """All parameters with `overrides` in Hydra's grammar (as for `-S`) and all interpolations resolved.

    Raises InputError naming an invalid override, an unknown profile, data set or key, or a file that is not valid YAML.
    """
    try:
        OverridesParser.create().parse_overrides(overrides)
        with initialize_config_dir(str(conf.resolve())):
            params = compose(name, overrides)
        OmegaConf.resolve(params)
    except (MissingMandatoryValue, InterpolationToMissingValueError) as error:
        missing = str(error).splitlines()[0].rsplit(" ", 1)[-1]
        raise InputError(f"{missing} has no default; set it: {missing}=VALUE") from None
    except HydraException as error:
        raise InputError(" ".join(str(error).split()) + _quoted(overrides)) from None
    except yaml.YAMLError as error:  # the error names file, line and column
        raise InputError(f"{conf}: cannot read a file: {' '.join(str(error).split())}") from None
    return params


def _quoted(overrides: list[str]) -> str:
    """A hint on quoting for the first override whose value Hydra does not parse as plain text; "" if there is none."""
    for override in overrides:
        key, _, value = override.partition("=")
        text = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), value)
        quoted = f'{key}="{text}"'
        if value and not _is_text(override) and _is_text(quoted):
            return f"; if {value} is text, quote it: {shlex.quote(quoted)}"
    return ""


def _is_text(override: str) -> bool:
    try:
        return not OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException:
        return False


def read_study(path: Path) -> Study:
    """Read a file of conf/studies. Raises InputError with one line for each unknown key or wrong value."""
    try:
        return Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: cannot read it: {error}") from None
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {_fault(fault)}" for fault in error.errors())) from None


def _fault(fault: ErrorDetails) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}"


def left_out(name: str, study: Study, library: dict) -> bool:
    """Whether to skip a study because one of its rows aims at targets that capture.targets lacks. Prints a line if
    so."""
    targets = library["capture"]["targets"]
    for row, common in ((row, table.set) for table in study.tables for row in table.rows):
        wanted = (common | row.set).get("discover.targets", [])
        if not set(wanted) <= set(targets) or (not targets and needs_target(library, row)):
            what = f"aims at {', '.join(wanted)}" if wanted else "needs a target"
            console.line(
                f"conf/studies/{name}.yaml is skipped: its row {row.title!r} {what}, and capture.targets is "
                f"[{', '.join(targets)}]"
            )
            return True
    return False


def files(overrides: list[str], conf: Path = CONF, pipelines: Path = PIPELINES) -> dict[Path, str]:
    """Every file that conf/ composes, with its text.

    pipelines: the current folder, which states what each pipeline makes. Raises InputError naming each wrong value.
    """
    params, library = composed(overrides, conf), OmegaConf.to_container(composed(overrides, conf, "library"))
    raw = OmegaConf.to_container(params)
    check_targets(checked(raw, str(conf)), raw)
    if not raw.get("arms"):
        raise InputError(f"{conf}: arms is empty; name at least one method, as in conf/config.yaml")
    studies = {path.stem: read_study(path) for path in sorted((conf / "studies").glob("*.yaml"))}
    of_model = {name: study for name, study in studies.items() if study.model in (None, library["model"]["path"])}
    studies = {name: study for name, study in of_model.items() if not left_out(name, study, library)}
    there = {path.parent.name: read(path) for path in sorted(pipelines.glob("*/params.json"))}
    made, tables = spelled_out(library, studies, there)
    templates = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    out = {Path("params.yaml"): OmegaConf.to_yaml(params)}
    for name in studies:
        out |= written(name, made[name], tables[name], templates)
    return out
