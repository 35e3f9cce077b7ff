"""What the repository has and makes, for texts that are held to it: parameters, targets, outputs, files and names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from omegaconf import OmegaConf

from cadc.compose.files import composed
from cadc.compose.studies import Study, slug
from cadc.config.params import checked, read
from cadc.evaluation.catalogue import check_names

DOCUMENTS = (
    Path("README.md"),
    Path("CONTRIBUTING.md"),
    Path("SECURITY.md"),
    *sorted({*Path("docs").glob("*.md")} - {Path("docs/api.md")}),  # its sentences are docstrings
    *sorted(Path("docs/method_notes").glob("*.md")),
    Path("models/README.md"),
    Path("data/README.md"),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
#: Compositions in which a change that is named alone may stand.
SETTINGS = ((), ("data=folder", "data.path=FOLDER"), ("profile=llava-1.5-7b", "data=llava-665k"))


@cache
def params_of(*overrides: str) -> dict:
    """What `-S` with these composes, checked as stages check it. Raises InputError."""
    raw = OmegaConf.to_container(composed(list(overrides)))
    params = checked(raw, "conf")
    check_names(params.evaluate.tasks, params.evaluate.judge.url is not None)
    return raw


@cache
def library() -> dict:
    """Everything that conf/library.yaml composes."""
    return OmegaConf.to_container(composed([], name="library"))


def pipelines() -> Iterator[tuple[str, dict, dict]]:
    """Each dvc.yaml there is: its path, its stages and its variables."""
    root = read("params.yaml")
    for path in (Path("dvc.yaml"), *sorted(Path("pipelines").glob("*/dvc.yaml"))):
        own = path.with_name("params.json")
        yield str(path), yaml.safe_load(path.read_text())["stages"], root | (read(own) if own.exists() else {})


def examples() -> Iterator[Study]:
    """The studies that documents show."""
    for _, block in (found for path in DOCUMENTS for found in FENCE.findall(path.read_text())):
        if block.startswith("title:"):
            yield Study.model_validate(yaml.safe_load(block))


@cache
def made() -> tuple[set[str], set[str]]:
    """All that `dvc repro` takes as a target, and all outputs; with those of the examples, conf/studies/mine.yaml and
    conf/profile/mine.yaml."""
    targets = {"pipelines/mine/dvc.yaml"}
    outs = {f"reports/tables/mine/{slug(table.title)}.md" for study in examples() for table in study.tables} | {
        "conf/studies/mine.yaml",
        "conf/profile/mine.yaml",
        "pipelines/mine",
        "src/cadc/selectors/plain_words.py",
    }
    for path, stages, variables in pipelines():
        above = "" if path == "dvc.yaml" else f"{path}:"
        targets.add(path)
        for name, stage in stages.items():
            do, keys = stage.get("do", stage), stage.get("foreach", [""])
            if isinstance(keys, str):
                keys = variables.get(keys.strip("${}"), [])
            targets |= {f"{above}{name}", *(f"{above}{name}@{key}" for key in keys if "foreach" in stage)}
            for out in (*do.get("outs", []), *do.get("metrics", []), *do.get("plots", [])):
                out = out if isinstance(out, str) else next(iter(out))
                outs |= {re.sub(r"\$\{(key|item)\}", str(key), out) for key in keys}
    return targets, outs


@cache
def keys() -> set[str]:
    """Dotted keys of all parameters, those of arms without the arm's name, too."""

    def leaves(section: dict, above: str = "") -> Iterator[str]:
        for key, value in section.items():
            yield above + str(key)
            if isinstance(value, dict):
                yield from leaves(value, f"{above}{key}.")

    found = {key for setting in SETTINGS for key in leaves(params_of(*setting))}
    arms = (*library()["arms"].values(), *library()["methods"].values(), *library()["discoveries"].values())
    return found | {key for arm in arms for key in leaves(arm)} | {"tuned.path", "tuned.watched"}


@cache
def stated() -> set[str]:
    """Every text that conf/data states, alone and below data.path: what a reader's own files are called."""
    found = set()
    for path in Path("conf/data").glob("*.yaml"):
        data = yaml.safe_load(path.read_text()).get("data", {})
        names = (
            [value for value in data.values() if isinstance(value, str)] + [*data.get("expected", {})["images"]]
            if data
            else []
        )
        found |= {*names, *(f"{data.get('path')}/{name}" for name in names)}
    return found


@cache
def sources() -> str:
    return "\n".join(
        path.read_text() for folder in ("src", "stages", "benchmarks") for path in Path(folder).rglob("*.py")
    )


@cache
def tracked(path: str) -> bool:
    asked = ["git", "ls-files", "--", path]
    return not path.startswith("/") and bool(subprocess.run(asked, capture_output=True, check=True).stdout)
