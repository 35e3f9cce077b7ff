"""Files out of conf/: composed by Hydra, studies spelled out into pipelines."""

from __future__ import annotations

from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue
from pydantic import ValidationError

from cadc.compose.pipelines import written
from cadc.compose.studies import Study, Variants, expand
from cadc.config.errors import InputError

CONF = Path("conf")


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
        raise InputError(" ".join(str(error).split())) from None
    return params


def read_study(path: Path) -> Study:
    """A file of conf/studies. Raises InputError naming each key that is unknown or wrong."""
    try:
        return Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{path}: {error}") from None


def files(overrides: list[str], conf: Path = CONF) -> dict[Path, str]:
    """Every file that conf/ composes, with its text."""
    out = {Path("params.yaml"): OmegaConf.to_yaml(composed(overrides, conf))}
    variants = Variants(OmegaConf.to_container(composed(overrides, conf, "library")))
    studies = {path.stem: read_study(path) for path in sorted((conf / "studies").glob("*.yaml"))}
    tables = {name: expand(study, name, variants) for name, study in studies.items()}
    templates = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name in studies:
        out |= written(name, variants.made.get(name, {}), tables[name], templates)
    return out
