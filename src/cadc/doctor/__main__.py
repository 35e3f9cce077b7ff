"""What is missing before anything runs, and what the run will take: `make doctor PROFILE=llava-1.5-7b DATA=llava-665k`.

python -m cadc.doctor [profile=NAME] [data=NAME] [section.key=value]      exit status 1 where something is missing
"""

from __future__ import annotations

import os
import sys
import warnings

os.environ |= {"HF_HUB_OFFLINE": "1"}  # it looks at this machine alone

import torch
from omegaconf import OmegaConf

from cadc.compose.files import composed
from cadc.compute import console
from cadc.compute.launch import n_workers
from cadc.config.arms import Arm
from cadc.config.errors import InputError
from cadc.config.params import Params, checked
from cadc.config.targets import is_file
from cadc.doctor import checks, machine, own_model
from cadc.doctor.estimate import CORE, PEAK, REFERENCE, SUSTAINED, Load, Work, works
from cadc.doctor.published import Size
from cadc.evaluation.aims import aims, check_targets
from cadc.evaluation.catalogue import needs

_CHARACTERS_PER_TOKEN = 4
_CHARACTERS, _MINI_CHARACTERS = 1250, 150  # a row of LLaVA-665K, turns alone, and of the mini world
_PROBE = {"mmt_val": (3127, 162), "mini_vqa": (528, 22), "pope": (480, 2), "llava_in_the_wild": (60, 3)}
_TARGET = (1000, 10)  # rows and subtasks to aim at where nothing says how many there are
_OWN_QUESTIONS = 450  # a task of the mini world's, and of a small folder


def _count(number: float) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e8 else f"{number / 1e6:.2f} million"


def probed(target: str, at_most: int | None) -> tuple[int, int]:
    """Rows and subtasks to aim at of a target, as published: of `at_most` rows, where that is set."""
    known = None if is_file(target) or target in _PROBE else aims(target)[0].rows
    rows, subtasks = (known, _TARGET[1]) if known else _PROBE.get(target, _TARGET)
    return min(rows, at_most or rows), subtasks


def load_of(params: Params, size: Size, annotations: checks.Annotations | None) -> tuple[Load, list[str]]:
    """The amount of work, and the assumptions behind it."""
    rows, characters, said = params.data.expected.rows or 0, _CHARACTERS, []
    if annotations is None:
        characters = _MINI_CHARACTERS
    elif annotations.fault is None:
        rows, characters = annotations.rows, annotations.characters
    else:
        said.append(f"rows of {characters} characters, as LLaVA-665K's, since there are none to look at")
    images = size.picture.tokens
    probe = [probed(target, params.capture.target_rows) for target in params.capture.targets]
    parts = [part for task in params.evaluate.tasks for part in needs(task)[:1]]
    drawn = params.data.path is None  # smaller than what is published, and so are one's own
    questions = sum(
        _OWN_QUESTIONS
        if drawn or part.repository in checks.own_repositories(params.data)
        else part.rows or _OWN_QUESTIONS
        for part in parts
    )
    tokens = images + characters / _CHARACTERS_PER_TOKEN
    return Load(rows, tokens, sum(rows for rows, _ in probe), sum(subtasks for _, subtasks in probe), questions), [
        f"{tokens:.0f} tokens a row, {images} of a picture",
        *said,
    ]


def speed(params: Params) -> tuple[float, int, str]:
    """Operations a second of one GPU or core, how many of them stages may take, and their name: of this machine, or of
    the reference GPU where the profile needs one."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        if peak := next((peak for part, peak in PEAK.items() if part in name), None):
            return SUSTAINED * peak, n_workers(), f"{torch.cuda.device_count()} x {name} at {SUSTAINED:.0%} of its peak"
    if params.model.dtype == "float32":
        return CORE, n_workers(), f"{n_workers()} CPU cores at {CORE / 1e9:.0f} GFLOP a second each"
    return SUSTAINED * PEAK[REFERENCE], 1, f"one {REFERENCE} at {SUSTAINED:.0%} of its peak"


def show(title: str, findings: list[checks.Finding]) -> None:
    if findings:
        console.line(f"\n{title}")
        for finding in findings:
            console.line(f"  {'ok     ' if finding.there else 'MISSING'}  {finding.what}: {finding.text}")


def _time(seconds: float) -> str:
    return (
        f"{seconds / 3600:,.0f} h"
        if seconds >= 36000
        else f"{seconds / 60:,.0f} min"
        if seconds >= 600
        else f"{seconds:,.0f} s"
    )


def _size(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e8 else f"{number / 1e6:,.0f} MB"


def show_works(made: list[Work], params: Params) -> None:
    rate, workers, name = speed(params)
    header = ["stage", "rows", "TFLOP", "processes", "time", "device", "host", "disk"]
    rows = [
        [
            work.stage,
            f"{work.rows:,.0f}",
            f"{work.flops / 1e12:,.1f}",
            str(work.processes(workers)),
            _time(work.seconds(rate, workers)),
            _size(work.memory),
            _size(work.processes(workers) * work.host),
            _size(work.disk),
        ]
        for work in made
    ]
    rows.append(
        [
            "all",
            f"{sum(work.rows for work in made):,.0f}",
            f"{sum(work.flops for work in made) / 1e12:,.1f}",
            "",
            _time(sum(work.seconds(rate, workers) for work in made)),
            _size(max(work.memory for work in made)),
            _size(host_of(made, workers)),
            _size(sum(work.disk for work in made)),
        ]
    )
    console.line("")
    console.table(f"Estimate of `dvc repro`: time on {name}; memory of a device, and of the host", header, rows)
    console.line(
        "Time is good to a factor of two where a model is large; where it is small, programs take seconds to start."
    )


def host_of(made: list[Work], workers: int) -> float:
    """Bytes of host memory that the largest stage takes with all its processes."""
    return max(work.processes(workers) * work.host for work in made)


def main(overrides: list[str]) -> int:
    warnings.filterwarnings("ignore", category=FutureWarning)
    raw = OmegaConf.to_container(composed(overrides))
    params = checked(raw, "conf")
    check_targets(params, raw)
    arms = {name: Arm.model_validate(arm) for name, arm in raw["arms"].items()}
    annotations = checks.annotations_of(params.data)
    size, layers = own_model.layer_findings(params.model, params.finetune.full)
    texts = annotations.texts if annotations else ()
    made, said = [], []
    if size:
        load, said = load_of(params, size, annotations)
        made = works(params, arms, size, load)
    sections = {
        "Data": checks.data_findings(params.data, annotations),
        "Benchmarks": checks.benchmark_findings(params),
        "Models": [
            *checks.model_findings(params, size),
            *checks.processor_findings(params),
            *layers,
            *own_model.recipe_findings(params, checked(OmegaConf.to_container(composed(["profile=mini"])), "conf")),
            *(own_model.word_findings(params, texts) if texts else ()),
        ],
        "This machine": [
            *machine.package_findings(params),
            *checks.key_findings(params, arms),
            *(
                [
                    machine.disk_finding(sum(work.disk for work in made)),
                    machine.gpu_finding(params, max(made, key=lambda work: work.memory)),
                    machine.host_finding(host_of(made, speed(params)[1])),
                ]
                if made
                else []
            ),
        ],
    }
    for title, findings in sections.items():
        show(title, findings)
    if not made:
        console.line(
            f"\nNo estimate: {params.model.path} is neither on this machine nor a model whose shapes are known here."
        )
    else:
        console.line(
            f"\n{params.model.path}: {_count(size.parameters)} parameters, LoRA {_count(size.lora)}; {'; '.join(said)}."
        )
        show_works(made, params)
    missing = sum(not finding.there for findings in sections.values() for finding in findings)
    console.line("\nNothing is missing." if not missing else f"\n{missing} thing(s) missing: see above.")
    return int(bool(missing))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        raise SystemExit(f"doctor: {error}") from None
