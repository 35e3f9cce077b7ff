"""Check what a run needs before it starts, and estimate its cost: `make doctor PROFILE=llava-1.5-7b DATA=llava-665k`.

python -m cadc.doctor [profile=NAME] [data=NAME] [section.key=value]      exit status 1 if something is missing
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1"}  # check only what is on this machine

from omegaconf import OmegaConf

from cadc.compose.files import CONF, composed
from cadc.compute import console
from cadc.config.arms import Variant
from cadc.config.errors import InputError
from cadc.config.params import checked, of_variant
from cadc.doctor.examine import examined
from cadc.doctor.show import show
from cadc.evaluation.aims import check_targets


def main(overrides: list[str], conf: Path = CONF) -> int:
    """Examine the configuration that conf/ composes; returns the exit status."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    if not (conf / "config.yaml").is_file():
        raise InputError(f"{conf}/config.yaml: no such file here; run this in a clone, or use `cadc doctor`")
    raw = OmegaConf.to_container(composed(overrides, conf))
    params = checked(raw, "conf")
    check_targets(params, raw)
    arms = {name: of_variant(raw, Variant("arms", name)).arm for name in raw["arms"]}
    mini = checked(OmegaConf.to_container(composed(["profile=mini"], conf)), "conf")
    found = examined(params, arms, mini)
    show(found, params)
    missing = len(found.missing())
    console.line("\nNothing is missing." if not missing else f"\n{missing} item(s) missing: see above.")
    return int(bool(missing))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        raise SystemExit(f"doctor: {error}") from None
