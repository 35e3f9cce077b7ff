"""The dvc.yaml and params.json in pipelines/STUDY/ for a study of conf/studies. They reuse the stages of dvc.yaml for
the study's own variants."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import yaml

from cadc.compose.deps import code_of
from cadc.compose.studies import FEWEST_PUBLISHED, SECTIONS, read_by
from cadc.compute.closure import stage_code
from cadc.config.arms import LEVELS

#: Folders of pipelines/ that are maintained by hand.
BY_HAND = ("testbed", "cleaning", "metabolism", "export", "views", "smollm2")
#: Level -> the stages of dvc.yaml that make its variants.
STAGES = {
    "proxies": ("proxy",),
    "captures": ("capture", "attribute"),
    "discoveries": ("discover",),
    "feature_sets": ("features",),
    "contrasts": ("contrast",),
    "matchings": ("match",),
    "score_nets": ("score_net",),
    "view_sets": ("views",),
    "arms": ("curate", "finetune", "score"),
}
_HEADER = "# Written by `make params` from conf/studies/{name}.yaml and the stages of dvc.yaml; {about}.\n"


def own_parameters(names: list[str], level: str) -> list[str]:
    """A stage's parameters for a variant that states its own sections: paths inside the variant."""
    item, own = f"{level}.${{key}}", []
    for name in names:
        section = name.partition(".")[0]
        if section == level:
            own.append(name)
        elif section in SECTIONS[level]:
            own.append(f"{item}.{name}")
    return own


def own_path(path: str, level: str) -> str:
    """A dependency path in which sections of params.yaml are replaced by the variant's own."""
    for section in SECTIONS[level]:
        path = path.replace(f"${{{section}.", f"${{item.{section}.")
    return path


def stage_of(template: dict, level: str, name: str) -> dict:
    """A stage of dvc.yaml, for the variants of pipeline `name`."""
    do = copy.deepcopy(template["do"])
    file = f"pipelines/{name}/params.json"
    do["cmd"] += f" {name}"
    do["deps"] = [own_path(dep, level) for dep in do["deps"]]
    shared = [name for name in do["params"] if name == "compute"]  # read from params.yaml for all variants
    do["params"] = [*shared, {file: own_parameters(do["params"], level)}]
    return {"foreach": f"${{{level}}}", "do": {"wdir": "../..", **do}}


def table_stage(name: str, table: str, spec: dict) -> dict:
    """The stage that makes one table from the small results of its arms."""
    out = f"reports/tables/{name}/{table}"
    drawn = [f"{out}.png"] if spec["plot"] else []
    drawn += [f"{out}_published.png"] if len(spec["published"]) >= FEWEST_PUBLISHED else []
    drawn += [f"{out}_difficulty.png"] if spec.get("difficulty") else []
    drawn += [f"{out}_convergence.png"] if "followed" in spec else []
    return {
        "desc": f"Table: {spec['title']}",
        "wdir": "../..",
        "cmd": f"python stages/table.py {name} {table}",
        "deps": [*stage_code(Path("stages/table.py")), "reports/operations.json", *read_by(name, spec)],
        "params": ["compute", "evaluate.bootstrap", {f"pipelines/{name}/params.json": [f"tables.{table}"]}],
        "outs": [{f"{out}.md": {"cache": False}}],
        "metrics": [{f"{out}.json": {"cache": False}}],
        **({"plots": [{picture: {"cache": False}} for picture in drawn]} if drawn else {}),
    }


def convergence_stage(name: str, followed: dict[str, dict[str, str]]) -> dict:
    """The stage of pipeline `name` that evaluates arms at several steps of their runs, whichever pipeline made them.

    followed: arm -> `maker` (its pipeline, "" for the root), its `watched` model and its `split`.
    """
    items = {
        arm: {
            "watched": one["watched"],
            "split": one["split"],
            "file": f"pipelines/{one['maker']}/params.json" if one["maker"] else "params.yaml",
            "within": f"arms.{arm}." if one["maker"] else "",  # prefix of the arm's own sections in this file
        }
        for arm, one in followed.items()
    }
    sections = [f"${{item.within}}{section}" for section in SECTIONS["arms"]]
    return {
        "foreach": items,
        "do": {
            "desc": "Loss and scores of an arm by training step",
            "wdir": "../..",
            "cmd": f"python stages/convergence.py ${{key}} {name}",
            "deps": [
                *code_of(Path("stages/convergence.py"), foreach=True),
                "${item.watched}",
                "artifacts/pool",
                "artifacts/benchmarks/${item.split}",
                "artifacts/selections/${key}",
                "artifacts/adapters/${key}",
            ],
            "params": ["compute", {"${item.file}": ["arms.${key}.seeds", *sections]}],
            "outs": [{f"reports/convergence/{name}/${{key}}": {"cache": False}}],
        },
    }


def written(name: str, made: dict[str, dict], tables: dict[str, dict], templates: dict[str, dict]) -> dict[Path, str]:
    """The text of the files in pipelines/`name`: dvc.yaml with the stages, and params.json with variants and tables."""
    folder = Path("pipelines") / name
    stages = {
        stage: stage_of(templates[stage], level, name) for level in LEVELS if made.get(level) for stage in STAGES[level]
    }
    followed = {arm: one for spec in tables.values() for arm, one in spec.get("followed", {}).items()}
    stages |= {"convergence": convergence_stage(name, followed)} if followed else {}
    stages |= {f"table_{table}": table_stage(name, table, spec) for table, spec in tables.items()}
    document = {"vars": ["params.json"], "stages": stages}
    about = "edits here are overwritten"
    text = _HEADER.format(name=name, about=about) + yaml.safe_dump(document, sort_keys=False, width=160)
    params = {level: made[level] for level in LEVELS if made.get(level)} | {"tables": tables}
    return {folder / "dvc.yaml": text, folder / "params.json": json.dumps(params, indent=1) + "\n"}
