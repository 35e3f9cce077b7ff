"""params.yaml out of conf/, as `dvc exp run` composes it: `python -m cadc.config.compose [profile=NAME] [data=NAME] [section.key=value]`.

With `--check` nothing is written: one line says where params.yaml is something else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue

CONF = Path("conf")


def composed(overrides: list[str], conf: Path = CONF) -> DictConfig:
    """All parameters with `overrides` in Hydra's grammar, what `-S` takes, and nothing left to interpolate.

    Raises ValueError naming an override that is no such, or a profile, data set or key that there is not.
    """
    try:
        OverridesParser.create().parse_overrides(overrides)
        with initialize_config_dir(str(conf.resolve())):
            params = compose("config", overrides)
        OmegaConf.resolve(params)
    except (MissingMandatoryValue, InterpolationToMissingValueError) as error:
        missing = str(error).splitlines()[0].rsplit(" ", 1)[-1]
        raise ValueError(f"{missing} has no default: give it, {missing}=VALUE") from None
    except HydraException as error:
        raise ValueError(" ".join(str(error).split())) from None
    return params


def main(arguments: list[str]) -> None:
    file = Path("params.yaml")
    text = OmegaConf.to_yaml(composed([argument for argument in arguments if argument != "--check"]))
    if "--check" not in arguments:
        file.write_text(text, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != text:
        print("params.yaml, which is run, is not what conf/ composes by default (`make params` composes it anew)")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        raise SystemExit(f"compose: {error}") from None
