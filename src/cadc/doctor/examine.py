"""Run all checks for a run, and estimate its work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cadc.config.arms import Arm
from cadc.config.params import Params
from cadc.config.targets import is_file
from cadc.doctor import checks, machine, own_model
from cadc.doctor.checks import Finding
from cadc.doctor.estimate import Load, Work, host_of, speed, works
from cadc.doctor.published import Size
from cadc.evaluation.aims import aims
from cadc.evaluation.catalogue import needs

MACHINE = "This machine"
_CHARACTERS_PER_TOKEN = 4
_CHARACTERS, _MINI_CHARACTERS = 1250, 150  # in the turns of a row: LLaVA-665K's, and the mini world's
_PROBE = {"mmt_val": (3127, 162), "mini_vqa": (528, 22), "pope": (480, 2), "llava_in_the_wild": (60, 3)}
_TARGET = (1000, 10)  # assumed rows and subtasks of a target of unknown size
_OWN_QUESTIONS = 450  # questions per task in the mini world, and in a small folder of your own


@dataclass(frozen=True)
class Examined:
    """Findings by title; the stages that take time (none if the model's `size` is unknown); assumptions about rows."""

    findings: dict[str, list[Finding]]
    works: list[Work]
    size: Size | None
    assumed: list[str]

    def missing(self, but: str | None = None) -> list[Finding]:
        """All findings of missing items, except those under title `but`."""
        return [one for title, found in self.findings.items() if title != but for one in found if not one.there]


def probed(target: str, at_most: int | None) -> tuple[int, int]:
    """Published numbers of target rows and subtasks of a target, with at most `at_most` rows if set."""
    known = None if is_file(target) or target in _PROBE else aims(target)[0].rows
    rows, subtasks = (known, _TARGET[1]) if known else _PROBE.get(target, _TARGET)
    return min(rows, at_most or rows), subtasks


def load_of(params: Params, size: Size, annotations: checks.Annotations | None) -> tuple[Load, list[str]]:
    """The amount of work, and the assumptions made."""
    rows, said = params.data.expected.rows or 0, []
    characters: float = _CHARACTERS
    if annotations is None:
        characters = _MINI_CHARACTERS
    elif annotations.fault is None:
        rows, characters = annotations.rows, annotations.characters
    else:
        said.append(f"rows of {characters} characters, as in LLaVA-665K, because there are none to measure")
    images = size.picture.tokens
    probe = [probed(target, params.capture.target_rows) for target in params.capture.targets]
    parts = [part for task in params.evaluate.tasks for part in needs(task)[:1]]
    drawn = params.data.path is None  # the mini world's benchmarks and your own are smaller than the published ones
    questions = sum(
        _OWN_QUESTIONS
        if drawn or part.repository in checks.own_repositories(params.data)
        else part.rows or _OWN_QUESTIONS
        for part in parts
    )
    tokens = images + characters / _CHARACTERS_PER_TOKEN
    return Load(rows, tokens, sum(rows for rows, _ in probe), sum(subtasks for _, subtasks in probe), questions), [
        f"{tokens:.0f} tokens per row, {images} of them for an image",
        *said,
    ]


def examined(params: Params, arms: dict[str, Arm], mini: Params, stages: Collection[str] | None = None) -> Examined:
    """What a run of `arms` needs, by title, and what it costs.

    mini: the parameters of profile `mini`; no other model should share its recipe. stages: names of the stages to run,
    such as `proxy@default`; all of dvc.yaml if None.
    """
    annotations = checks.annotations_of(params.data)
    size, layers = own_model.layer_findings(params.model, params.finetune.full)
    texts = annotations.texts if annotations else ()
    made, assumed = [], []
    if size:
        load, assumed = load_of(params, size, annotations)
        made = works(params, arms, size, load)
    models = checks.model_findings(params, size)
    if stages is not None:
        kinds = {name.partition("@")[0] for name in stages}
        made = [work for work in made if work.stage.partition("@")[0] in kinds]
        models = [one for one in models if one.what == "model" or kinds & {"embed", "views"}]
    findings = {
        "Data": checks.data_findings(params.data, annotations),
        "Benchmarks": checks.benchmark_findings(params),
        "Models": [
            *models,
            *checks.processor_findings(params),
            *layers,
            *own_model.recipe_findings(params, mini),
            *(own_model.word_findings(params, texts) if texts else ()),
        ],
        "Packages and keys": [*machine.package_findings(params), *checks.key_findings(params, arms)],
        MACHINE: [
            machine.disk_finding(sum(work.disk for work in made)),
            machine.gpu_finding(params, max(made, key=lambda work: work.memory)),
            machine.host_finding(host_of(made, speed(params)[1])),
        ]
        if made
        else [],
    }
    return Examined(findings, made, size, assumed)
