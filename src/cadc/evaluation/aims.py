"""Targets: which split of a benchmark provides target rows, and whether the benchmark can still be scored.

If the hub has a split with answers that the benchmark's task does not score, target rows come from there. Otherwise
they are the scored rows themselves, and the benchmark can't be scored.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.config.targets import is_file, target_name
from cadc.data.own_questions import own_repositories
from cadc.data.probe import TARGETS
from cadc.evaluation.catalogue import TASKS, DataSet, needs

#: For tasks scored on another split: (config, split, rows) of the target rows on the hub, with separate images second.
#: ScienceQA: the validation set of LLaVA's authors. GQA: its balanced validation questions.
SPLITS: dict[str, tuple[tuple[str | None, str, int], ...]] = {
    "gqa": (("val_balanced_instructions", "val", 132062), ("val_balanced_images", "val", 10234)),
    "scienceqa_img": (("ScienceQA-IMG", "validation", 2097),),
    "textvqa_val": ((None, "train", 34602),),
    "cmmmu_val": ((None, "dev", 112),),
}
#: Tasks that share their rows with another one: POPE is used as a whole, and a judge does not change the questions.
_SAME = {"pope_adv", "pope_pop", "pope_random", "mmbench_en_dev", "mmbench_cn_dev"}
AIMS = tuple(name for name in TASKS if name not in _SAME)

#: Variant levels and signal folders that need target rows.
_LEVELS = ("captures", "discoveries", "matchings", "view_sets")
SIGNALS = ("capabilities", "matching", "views")


def aims(name: str) -> list[DataSet]:
    """The data sets with the target rows of benchmark `name`: its questions and, if separate, its images."""
    scored = needs(name)
    return [DataSet(scored[0].repository, *split) for split in SPLITS[name]] if name in SPLITS else scored


def same_rows(target: str, task: str) -> bool:
    """Whether `task` scores the rows that serve as target rows of benchmark `target` in the same mirror."""
    if is_file(target) or target in SPLITS or task not in TASKS:
        return False
    aimed, scored = aims(target)[0], needs(task)[0]
    return aimed.repository == scored.repository and (target == "pope" or aimed == scored)


def _scored_too(params: Params, target: str) -> list[str]:
    """The tasks that score the target rows: only in the same mirror, and only for published benchmarks."""
    data, repository = params.data, aims(target)[0].repository
    apart = data.path is None or data.score is None or data.score != data.probe
    if apart or repository in own_repositories(data):
        return []
    return [task for task in params.evaluate.tasks if same_rows(target, task)]


def aims_at(signal: str) -> bool:
    """Whether an arm's signal needs target rows."""
    return signal.split("/")[0] in SIGNALS


def check_targets(params: Params, variants: dict[str, dict]) -> None:
    """Check that all of capture.targets is available, before anything runs.

    `variants`: params.yaml with its named variants and arms. Raises InputError with one line per fault: a target that
    is unknown, named twice, a missing file, or scored on the same rows; a discovery of something that is not a target;
    and everything that needs a target if there is none.
    """
    targets, data = params.capture.targets, params.data
    names, faults = list(map(target_name, targets)), []
    for target, name in zip(targets, names, strict=True):
        said = f"capture.targets: {target}"
        if names.count(name) > 1 or (is_file(target) and name in TASKS):
            faults.append(f"{said}: two targets are named {name}; list each once, or rename the file")
        elif is_file(target):
            if not Path(target).exists():
                faults.append(f"{said}: no such file; create it with rows in LLaVA's format, or remove the target")
        elif target not in AIMS:
            near = get_close_matches(target, AIMS, 3, 0.4)
            faults.append(
                f"{said} is neither a benchmark ({', '.join(near or AIMS)}) nor a file of rows (.json, .jsonl, "
                ".parquet)"
            )
        elif data.path is None and target not in TARGETS:
            faults.append(
                f"{said}: the mini world only has {', '.join(TARGETS)}; set data.path to use other benchmarks"
            )
        elif data.path is not None and target not in TARGETS and data.probe is None:
            faults.append(f"{said}: set data.probe to a folder that holds it in the hub's layout")
        elif both := _scored_too(params, target):
            faults.append(
                f"{', '.join(both)}: capture.targets and evaluate.tasks use the same rows of {data.score}; drop one of "
                "the two, or set data.probe to a separate folder"
            )
    for name, made in (variants.get("discoveries") or {}).items() if targets else ():
        if beyond := [each for each in made["discover"]["targets"] if each not in targets]:
            faults.append(
                f"discoveries.{name}.discover.targets: {', '.join(beyond)} is not among capture.targets; set it to "
                f"${{capture.targets}}, or remove the discovery and its arms: ~discoveries.{name}"
            )
    if not targets and (aiming := _aiming(variants)):
        faults.append(
            f"capture.targets is empty, but {', '.join(aiming)} need target rows: name a target, or remove them: "
            f"{' '.join(f'~{name}' for name in aiming)}"
        )
    if faults:
        raise InputError("\n".join(dict.fromkeys(faults)))


def _aiming(variants: dict[str, dict]) -> list[str]:
    """The arms and other variants that need a target, for example `arms.cadc`."""
    arms = [
        name for name, arm in variants.get("arms", {}).items() if aims_at(arm["signal"]) or aims_at(arm["curate"]["by"])
    ]
    made = [f"{level}.{name}" for level in _LEVELS for name in variants.get(level) or {}]
    return [*(f"arms.{name}" for name in arms), *made]
