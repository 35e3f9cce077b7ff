"""params.yaml as types: every value is checked before a stage starts, and an unknown key is an error.

The fields mirror it section by section; units and sources stand in conf/, from which it is composed, beside the values.
"""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cadc.config.cleaning import Clean, Crossfit
from cadc.config.data import Data, Pool
from cadc.config.metabolism import Metabolize
from cadc.config.model import Lora as Lora  # for those who take all sections from here
from cadc.config.model import Model
from cadc.config.section import Fraction, MethodName, OneOrMany, Positive, Rate, Section, Seed, Sequence, Share, Signal
from cadc.config.world import Base, Benchmarks, Gate, Plateau, Pretrain, Tower, World


class Embed(Section):
    tower: str | None
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


class Cluster(Section):
    seed: Seed
    clusters: Positive
    iterations: Positive


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
    seed: Seed
    pool_fraction: Fraction
    epochs: Rate
    snapshots: Positive | Annotated[list[Share], Field(min_length=1)]

    @property
    def snapshots_at(self) -> list[float]:
        """After which shares of the run snapshots are taken; of a mere number, the midpoints of as many equal stretches (ours): never the start, where LoRA's B is
        zero and carries no signal to A, and never the end, where the learning rate, and so the weight in every sum over snapshots, is zero."""
        if isinstance(self.snapshots, list):
            return self.snapshots
        return [(k + 0.5) / self.snapshots for k in range(self.snapshots)]

    @field_validator("snapshots")
    @classmethod
    def _rising(cls, snapshots: int | list[float]):
        if isinstance(snapshots, list) and not all(a < b for a, b in pairwise([0, *snapshots, 1])):
            raise ValueError(f"snapshots {snapshots}: shares of the run rise, above 0 and below 1")
        return snapshots


class Capture(Section):
    targets: list[Literal["mmt_val", "mini_vqa", "pope", "llava_in_the_wild"]] = Field(min_length=1)
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


class Replicate(Section):
    seeds: list[Seed]


class Discover(Section):
    snapshot_weights: Literal["lr", "equal"]
    center: bool
    tau: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], OneOrMany] = Field(min_length=1)
    resolutions: Annotated[list[Rate], OneOrMany] = Field(min_length=1)
    level: Literal[1, 2]
    attribution: Literal["mean", "best"]
    bootstrap: Annotated[int, Field(ge=1)]
    seed: Seed


class Curate(Section):
    budget: Annotated[list[Fraction], OneOrMany]
    sequence: Sequence
    replay: Share

    @field_validator("budget")
    @classmethod
    def _whole_percents(cls, budgets):
        for budget in budgets:
            if abs(budget * 1000 - round(budget * 1000)) > 1e-6:
                raise ValueError(f"{budget} is not a multiple of 0.001, the finest budget that has a name of its own")
        if len(set(budgets)) != len(budgets):
            raise ValueError("names a budget twice")
        return budgets


class Finetune(Optimizer):
    epochs: dict[Annotated[str, Field(pattern=r"^b\d{2,3}$")], Rate] = Field(min_length=1)


class Judge(Section):
    url: str | None
    model: str


class Transfer(Section):
    path: str | None


class Evaluate(Section):
    split: Literal["score", "probe"]
    tasks: list[str] = Field(min_length=1)
    batch_size: Positive
    max_new_tokens: Positive
    bootstrap: Positive
    judge: Judge


class Method(Section):
    signal: Signal


class Params(Section):
    """The whole of params.yaml."""

    seeds: list[Seed] = Field(min_length=1)
    data: Data
    pool: Pool
    world: World
    benchmarks: Benchmarks
    bases: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], Base]
    pretrain: Pretrain
    tower: Tower
    model: Model
    crossfit: Crossfit
    clean: Clean
    embed: Embed
    views: Views
    cluster: Cluster
    proxy: Proxy
    capture: Capture
    features: Features
    match: Match
    score_net: ScoreNet
    replicate: Replicate
    discover: Discover
    curate: Curate
    finetune: Finetune
    transfer: Transfer
    evaluate: Evaluate
    gate: Gate
    plateau: Plateau
    metabolize: Metabolize
    methods: dict[MethodName, Method]
    baselines: dict[MethodName, Method]
    select: dict[str, dict]

    @model_validator(mode="after")
    def _apart(self):
        """Rows that are aimed at can't be scored: of one mirror, a task is one or the other."""
        own = {"mmt_val": self.data.choice, "pope": self.data.yesno}
        if self.data.path is not None and self.data.score is not None and self.data.score == self.data.probe:
            for target in self.capture.targets:
                if not own.get(target) and (both := [task for task in self.evaluate.tasks if task.startswith(target)]):
                    raise ValueError(
                        f"{', '.join(both)}: aimed at (capture.targets) and scored (evaluate.tasks) on the same rows of {self.data.score}; drop one, or give data.probe a folder of its own"
                    )
        return self

    @model_validator(mode="after")
    def _runs_apart(self):
        seeds = [self.proxy.seed, *self.replicate.seeds]
        if twice := [seed for seed in set(seeds) if seeds.count(seed) > 1]:
            raise ValueError(
                f"replicate.seeds: {', '.join(map(str, twice))} stands twice among these and proxy.seed; a run that is counted twice confirms itself"
            )
        return self

    @model_validator(mode="after")
    def _selectors(self):
        for name in (*self.methods, *self.baselines):
            self.selector(name)
        return self

    @property
    def tuned(self) -> Model:
        """The model that is tuned and scored: `model`, or another one of the same LoRA (CADC-T)."""
        return self.model.model_copy(update={"path": self.transfer.path or self.model.path})

    def selector(self, name: str):
        """The checked parameters of method `name`, as that selector's own `Params`."""
        try:
            module = importlib.import_module(f"cadc.selectors.{name}")
        except ModuleNotFoundError:
            raise ValueError(f"methods.{name}: no file src/cadc/selectors/{name}.py") from None
        return module.Params(**(self.select.get(name) or {}))


class ParamsError(SystemExit):
    """params.yaml can't be used; the message names file, key, value and the fault."""


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml. Raises ParamsError, naming each key that is unknown or out of range."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the repository's root") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not YAML: {error}") from None
    return checked(raw, str(path))


def checked(raw: dict, source: str) -> Params:
    """Parameters that were read from `source`, checked. Raises ParamsError, naming each key that is unknown or out of range."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
            value = "" if fault["type"] in ("missing", "value_error") else f" = {fault['input']!r}"
            faults.append(f"{source}: {key}{value}: {fault['msg'].removeprefix('Value error, ')}")
        raise ParamsError("\n".join(faults)) from None


def budget_key(budget: float) -> str:
    """`b05` for 5%, `b00_5` for 0.5%: a name without a dot, for multiples of 0.1%."""
    percent = round(budget * 1000)
    return f"b{percent // 10:02d}" + (f"_{percent % 10}" if percent % 10 else "")
