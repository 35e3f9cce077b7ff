"""params.yaml as types: every value is checked before a stage starts, and an unknown key is an error.

The fields mirror it section by section; units and sources stand in conf/, from which it is composed, beside the values.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cadc.config.arms import LEVELS, Arm, Budget, Name, Variant
from cadc.config.cleaning import Clean, Crossfit
from cadc.config.data import Data, Pool
from cadc.config.errors import InputError
from cadc.config.metabolism import Metabolize
from cadc.config.model import Lora as Lora  # for those who take all sections from here
from cadc.config.model import Model
from cadc.config.section import Fraction, OneOrMany, Passes, Positive, Rate, Section, Seed, Share
from cadc.config.world import Base, Benchmarks, Gate, Plateau, Pretrain, Tower, World


class Embed(Section):
    tower: str | None
    watched: str
    sentences: str


class Views(Section):
    url: str | None
    model: str
    image: bool
    top: Annotated[int, Field(ge=1, le=10)]
    descriptions: dict[str, str]

    @model_validator(mode="after")
    def _named(self):
        if self.url is not None and not self.model:
            raise ValueError("url names an endpoint; set model, too")
        return self


class Facts(Section):
    clusters: Positive
    iterations: Positive
    seed: Seed


class Optimizer(Section):
    learning_rate: Rate
    batch_size: Positive
    micro_batch: Positive | None
    checkpoint_steps: Positive | None
    warmup_share: Share
    weight_decay: Annotated[float, Field(ge=0)]
    beta1: Share
    beta2: Share
    epsilon: Rate
    max_grad_norm: Rate


class Proxy(Optimizer):
    seeds: list[Seed] = Field(min_length=1)
    pool_fraction: Fraction
    epochs: Rate
    snapshots: Positive | Annotated[list[Share], Field(min_length=1)]

    @property
    def snapshots_at(self) -> list[float]:
        """After which shares of the run snapshots are taken; of a mere number, the midpoints of as many equal
        stretches (ours): never the start, where LoRA's B is zero and carries no signal to A, and never the end, where
        the learning rate, and so the weight in every sum over snapshots, is zero."""
        if isinstance(self.snapshots, list):
            return self.snapshots
        return [(k + 0.5) / self.snapshots for k in range(self.snapshots)]

    @field_validator("seeds")
    @classmethod
    def _runs_apart(cls, seeds: list[int]):
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            raise ValueError(f"names {twice[0]} twice; a run that is counted twice confirms itself")
        return seeds

    @field_validator("snapshots")
    @classmethod
    def _rising(cls, snapshots: int | list[float]):
        if isinstance(snapshots, list) and not all(a < b for a, b in pairwise([0, *snapshots, 1])):
            raise ValueError(f"snapshots {snapshots}: shares of the run rise, above 0 and below 1")
        return snapshots


Target = Literal["mmt_val", "mini_vqa", "pope", "llava_in_the_wild"]


class Capture(Section):
    targets: list[Target] = Field(min_length=1)
    update: Literal["adamw", "adamw_own", "adam_less", "sgd"]
    sketch: Literal["count", "rademacher"]
    projection: Annotated[int, Field(ge=0)]
    projection_seed: Seed
    batch_tokens: Positive
    keep_sketches: bool
    shard_rows: Positive


class Features(Section):
    layers: Positive


class ScoreNet(Section):
    seed: Seed
    epochs: Rate
    learning_rate: Rate


class Match(Section):
    update: Literal["adamw", "adamw_own", "adam_less"]
    keep_width: Positive
    keep_snapshot: Annotated[int, Field(ge=0)]


class Discover(Section):
    targets: list[Target] = Field(min_length=1)
    runs: Positive | None
    snapshot_weights: Literal["lr", "equal"]
    center: bool
    tau: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], OneOrMany] = Field(min_length=1)
    resolutions: Annotated[list[Rate], OneOrMany] = Field(min_length=1)
    level: Literal[1, 2]
    attribution: Literal["mean", "best"]
    bootstrap: Annotated[int, Field(ge=0)]
    seed: Seed


class Finetune(Optimizer):
    epochs: dict[Annotated[str, Field(pattern=r"^b\d{2,3}$")], Passes] = Field(min_length=1)


class Judge(Section):
    url: str | None
    model: str


class Evaluate(Section):
    split: Literal["score", "probe"]
    tasks: list[str] = Field(min_length=1)
    batch_size: Positive
    max_new_tokens: Positive
    bootstrap: Positive
    judge: Judge


class Sizes(Section):
    report_clusters: Positive
    semdedup_clusters: Positive
    concept_clusters: Positive
    points_per_cluster: Positive
    progress_clusters: Positive
    progress_gap: Fraction
    progress_warm_up: Share


class Params(Section):
    """All parameters as one stage sees them: the sections of params.yaml, each outranked by that of the stage's own
    variant.

    run, trajectories: which proxy run and which capture the variant is made from. arm: the arm, where the variant is
    one.
    """

    seeds: list[Seed] = Field(min_length=1)
    budget: Budget
    run: Name = "default"
    trajectories: Name = "default"
    arm: Arm | None = None
    sizes: Sizes
    facts: Facts
    data: Data
    pool: Pool
    world: World
    worlds: dict[str, World]
    benchmarks: Benchmarks
    bases: dict[Name, Base]
    pretrain: Pretrain
    tower: Tower
    model: Model
    crossfit: Crossfit
    clean: Clean
    embed: Embed
    views: Views
    proxy: Proxy
    capture: Capture
    features: Features
    match: Match
    score_net: ScoreNet
    discover: Discover | None = None
    finetune: Finetune
    evaluate: Evaluate
    gate: Gate
    plateau: Plateau
    metabolize: Metabolize

    @model_validator(mode="after")
    def _apart(self):
        """Rows that are aimed at can't be scored: of one mirror, a task is one or the other."""
        own = {"mmt_val": self.data.choice, "pope": self.data.yesno}
        if self.data.path is not None and self.data.score is not None and self.data.score == self.data.probe:
            for target in self.capture.targets:
                if not own.get(target) and (both := [task for task in self.evaluate.tasks if task.startswith(target)]):
                    raise ValueError(
                        f"{', '.join(both)}: aimed at (capture.targets) and scored (evaluate.tasks) on the "
                        f"same rows of {self.data.score}; drop one, or give data.probe a folder of its own"
                    )
        return self

    @model_validator(mode="after")
    def _aimed_at(self):
        if self.discover and (beyond := set(self.discover.targets) - set(self.capture.targets)):
            raise ValueError(
                f"discover.targets: {', '.join(sorted(beyond))} is not among capture.targets; no gradient "
                "is known of it"
            )
        return self


def load_params(variant: Variant | None = None, path: str | Path = "params.yaml") -> Params:
    """Read and check the parameters, those of `variant` where one is named. Raises InputError, naming each key that
    is unknown or out of range."""
    raw = read(path)
    return checked(raw, str(path)) if variant is None else of_variant(raw, variant)


def read(path: str | Path) -> dict:
    """params.yaml, or a pipeline's params.json, as it stands. Raises InputError where it can't be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the repository's root") from None
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}") from None


def of_variant(raw: dict, variant: Variant) -> Params:
    """The parameters of one variant over those of params.yaml, `raw`. Raises InputError where there is no such
    variant, or a value is wrong."""
    source = variant.file
    levels = raw if source == "params.yaml" else read(source)
    try:
        item = dict(levels[variant.level][variant.name])
    except KeyError:
        raise InputError(
            f"{source}: no {variant.level}.{variant.name}; there are {', '.join(levels.get(variant.level, {}))}"
        ) from None
    arm = {key: item.pop(key) for key in Arm.model_fields if key in item}
    return checked(raw | item | ({"arm": arm} if arm else {}), f"{source}: {variant.level}.{variant.name}")


def checked(raw: dict, source: str) -> Params:
    """Parameters that were read from `source`, checked. Raises InputError, naming each key that is unknown or out of
    range."""
    try:
        return Params.model_validate({key: value for key, value in raw.items() if key not in LEVELS})
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
            value = "" if fault["type"] in ("missing", "value_error") else f" = {fault['input']!r}"
            faults.append(f"{source}: {key}{value}: {fault['msg'].removeprefix('Value error, ')}")
        raise InputError("\n".join(faults)) from None
