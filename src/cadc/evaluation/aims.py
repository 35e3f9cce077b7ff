"""What can be aimed at: of which split of which benchmark, and whether that leaves the benchmark to be scored.

A benchmark is aimed at on a split with answers that its task does not score, where the hub has one. Elsewhere it is
aimed at on the scored rows themselves, and then it can't be scored on them.
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

#: Of tasks that are scored on another split, (config, split, rows) to aim at as the hub has them, pictures behind
#: questions where they lie apart. ScienceQA: what LLaVA's authors validate on; GQA's balanced validation questions.
SPLITS: dict[str, tuple[tuple[str | None, str, int], ...]] = {
    "gqa": (("val_balanced_instructions", "val", 132062), ("val_balanced_images", "val", 10234)),
    "scienceqa_img": (("ScienceQA-IMG", "validation", 2097),),
    "textvqa_val": ((None, "train", 34602),),
    "cmmmu_val": ((None, "dev", 112),),
}
#: Tasks whose rows another name has: POPE is aimed at whole, and a judge changes no question.
_SAME = {"pope_adv", "pope_pop", "pope_random", "mmbench_en_dev", "mmbench_cn_dev"}
AIMS = tuple(name for name in TASKS if name not in _SAME)

#: Levels of variants, and folders of signals, that are made of probe rows.
_LEVELS = ("captures", "discoveries", "matchings", "view_sets")
SIGNALS = ("capabilities", "matching", "views")


def aims(name: str) -> list[DataSet]:
    """What is read to aim at benchmark `name`: its questions and, where they lie apart, its pictures."""
    scored = needs(name)
    return [DataSet(scored[0].repository, *split) for split in SPLITS[name]] if name in SPLITS else scored


def same_rows(target: str, task: str) -> bool:
    """Whether what is aimed at of benchmark `target` is scored by `task`, in one mirror."""
    if is_file(target) or target in SPLITS or task not in TASKS:
        return False
    aimed, scored = aims(target)[0], needs(task)[0]
    return aimed.repository == scored.repository and (target == "pope" or aimed == scored)


def _scored_too(params: Params, target: str) -> list[str]:
    """The tasks that score what is aimed at: in one mirror, and of published benchmarks."""
    data, repository = params.data, aims(target)[0].repository
    apart = data.path is None or data.score is None or data.score != data.probe
    if apart or repository in own_repositories(data):
        return []
    return [task for task in params.evaluate.tasks if same_rows(target, task)]


def aims_at(signal: str) -> bool:
    """Whether an arm's signal is made of rows that are aimed at."""
    return signal.split("/")[0] in SIGNALS


def check_targets(params: Params, variants: dict[str, dict]) -> None:
    """Check that what capture.targets names is there to be aimed at, before anything runs.

    `variants`: params.yaml as it stands, its named variants and arms. Raises InputError with a line for each target
    that is unknown, named twice, a file that is not there, or scored on the same rows, for each discovery of what is
    not aimed at, and one that names all that needs a target where there is none.
    """
    targets, data = params.capture.targets, params.data
    names, faults = list(map(target_name, targets)), []
    for target, name in zip(targets, names, strict=True):
        said = f"capture.targets: {target}"
        if names.count(name) > 1 or (is_file(target) and name in TASKS):
            faults.append(f"{said}: two targets are called {name}; name each once, or give the file another name")
        elif is_file(target):
            if not Path(target).exists():
                faults.append(f"{said}: no such file; write rows in LLaVA's format there, or leave it out")
        elif target not in AIMS:
            near = get_close_matches(target, AIMS, 3, 0.4)
            faults.append(
                f"{said} is none of the benchmarks {', '.join(near or AIMS)}, nor a file of rows (.json, .jsonl, "
                ".parquet)"
            )
        elif data.path is None and target not in TARGETS:
            faults.append(f"{said}: the mini world has {', '.join(TARGETS)} alone; set data.path for real benchmarks")
        elif data.path is not None and target not in TARGETS and data.probe is None:
            faults.append(f"{said}: set data.probe to the folder that has it in the hub's layout")
        elif both := _scored_too(params, target):
            faults.append(
                f"{', '.join(both)}: aimed at (capture.targets) and scored (evaluate.tasks) on the same rows of "
                f"{data.score}; drop one, or give data.probe a folder of its own"
            )
    for name, made in (variants.get("discoveries") or {}).items() if targets else ():
        if beyond := [each for each in made["discover"]["targets"] if each not in targets]:
            faults.append(
                f"discoveries.{name}.discover.targets: {', '.join(beyond)} is not among capture.targets; set it, as to "
                f"${{capture.targets}}, or leave out what is made of it: ~discoveries.{name} and its arms"
            )
    if not targets and (aiming := _aiming(variants)):
        faults.append(
            f"capture.targets is empty, and {', '.join(aiming)} are made of rows that are aimed at: name a target, or "
            f"leave them out: {' '.join(f'~{name}' for name in aiming)}"
        )
    if faults:
        raise InputError("\n".join(dict.fromkeys(faults)))


def _aiming(variants: dict[str, dict]) -> list[str]:
    """The arms and other variants that need a target, as `arms.cadc`."""
    arms = [
        name for name, arm in variants.get("arms", {}).items() if aims_at(arm["signal"]) or aims_at(arm["curate"]["by"])
    ]
    made = [f"{level}.{name}" for level in _LEVELS for name in variants.get(level) or {}]
    return [*(f"arms.{name}" for name in arms), *made]
