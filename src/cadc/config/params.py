"""params.yaml as types: every value is checked before a stage starts, and an unknown key is an error.

The fields mirror it section by section. It is composed from conf/, which states units and sources next to the values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from cadc.config.arms import LEVELS, Arm, Budget, Name, Variant
from cadc.config.cleaning import Clean, Crossfit
from cadc.config.data import Data, Pool
from cadc.config.errors import InputError
from cadc.config.evaluation import Evaluate, Export
from cadc.config.metabolism import Metabolize
from cadc.config.model import Lora, Model
from cadc.config.section import (
    Epochs,
    Fraction,
    Once,
    OneOrMany,
    Positive,
    Rate,
    Section,
    Seed,
    Seeds,
    Share,
    Url,
)
from cadc.config.training import Align, Finetune, Optimizer, Proxy
from cadc.config.world import Base, Benchmarks, Gate, Plateau, Pretrain, Tower, World


class Compute(Section):
    """isa: avx2 gives the same bytes on every x86-64 machine of one CPU maker; native, only on machines of one kind."""

    isa: Literal["avx2", "native"]


class Embed(Section):
    tower: str | None
    watched: str
    sentences: str


class Views(Section):
    url: Url | None
    model: str
    image: bool
    top: Annotated[int, Field(ge=1, le=10)]
    descriptions: dict[str, str]

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.url is not None and not self.model:
            raise ValueError("url is set but model is not; set model, too")
        return self


class Facts(Section):
    clusters: Positive
    iterations: Positive
    seed: Seed


_NARROWEST = 16  # width of a sketch (ours): the noise of a cosine is 1 / sqrt(width), a quarter here


def _wide(projection: int) -> int:
    if 0 < projection < _NARROWEST:
        raise ValueError(
            f"a sketch of width {projection} can't distinguish gradients; give {_NARROWEST} or more (LESS: 8192), or 0 "
            "for full gradients"
        )
    return projection


#: A benchmark, by its task's name (listed in `evaluation/aims.py`), or a file of rows in LLaVA's format.
Target = Annotated[str, Field(min_length=1)]


class Capture(Section):
    """targets: the target tasks; if empty, only methods without a target run. target_rows: maximum rows per target.
    target_images: folder that image paths in target files are relative to; None: data.images, or the file's own folder
    if data.path is not set.
    """

    targets: Annotated[list[Target], Once]
    target_rows: Positive | None = None
    target_images: str | None = None
    update: Literal["adamw", "adamw_own", "adam_less", "sgd"]
    sketch: Literal["count", "rademacher"]
    projection: Annotated[int, Field(ge=0), AfterValidator(_wide)]
    projection_seed: Seed
    batch_tokens: Positive
    keep_sketches: bool
    shard_rows: Positive


class Features(Section):
    layers: Positive


class Contrast(Section):
    """reference: share of the pool used as reference rows (PreSel), the first rows of the proxy's first run.
    reference_snapshot: the proxy snapshot that gives their losses. attention: see `cross_attention`."""

    reference: Fraction
    reference_snapshot: int
    attention: Literal["paper", "released"]


class ScoreNet(Section):
    seed: Seed
    epochs: Epochs
    learning_rate: Rate


class Match(Section):
    update: Literal["adamw", "adamw_own", "adam_less"]
    keep_width: Positive
    keep_snapshot: Annotated[int, Field(ge=0)]


class Discover(Section):
    targets: Annotated[list[Target], Once] = Field(min_length=1)
    runs: Positive | None
    snapshot_weights: Literal["lr", "equal"]
    center: bool
    tau: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], OneOrMany, Once] = Field(min_length=1)
    resolutions: Annotated[list[Rate], OneOrMany, Once] = Field(min_length=1)
    level: Literal[1, 2]
    attribution: Literal["mean", "best"]
    bootstrap: Annotated[int, Field(ge=0, le=10_000)]
    seed: Seed


class Sizes(Section):
    report_clusters: Positive
    semdedup_clusters: Positive
    concept_clusters: Positive
    points_per_cluster: Positive
    progress_clusters: Positive
    progress_gap: Fraction
    progress_warm_up: Share


class Params(Section):
    """All parameters of one stage: the sections of params.yaml, overridden by those of the stage's variant.

    run, trajectories: the proxy run and the capture that the variant depends on. arm: the arm, if the variant is one.
    recipe_of: the models that the profile's numbers are meant for; None: any.
    """

    seeds: Seeds
    budget: Budget
    run: Name = "default"
    trajectories: Name = "default"
    arm: Arm | None = None
    recipe_of: Annotated[list[str], Field(min_length=1), Once] | None
    compute: Compute
    sizes: Sizes
    facts: Facts
    data: Data
    pool: Pool
    world: World
    worlds: dict[str, World] = Field(min_length=1)
    benchmarks: Benchmarks
    bases: dict[Name, Base] = Field(min_length=1)
    pretrain: Pretrain
    tower: Tower
    align: Align
    model: Model
    crossfit: Crossfit
    clean: Clean
    embed: Embed
    views: Views
    proxy: Proxy
    capture: Capture
    features: Features
    contrast: Contrast
    match: Match
    score_net: ScoreNet
    discover: Discover | None = None
    finetune: Finetune
    evaluate: Evaluate
    gate: Gate
    plateau: Plateau
    export: Export
    metabolize: Metabolize

    @model_validator(mode="after")
    def _own_recipe(self) -> Self:
        """A recipe for a model of half a million parameters silently ruins other models."""
        known = {Path(path).resolve() for path in self.recipe_of or ()}
        if self.recipe_of is not None and Path(self.model.path).resolve() not in known:
            raise ValueError(
                f"model.path = {self.model.path!r}: the profile's learning rates, LoRA targets, lengths and epochs are "
                f"for {' and '.join(self.recipe_of)} only; write a profile for your model, ten lines on top of "
                "profile=own (docs/new_model.md), or set recipe_of: null to use these values anyway"
            )
        return self

    @model_validator(mode="after")
    def _planted(self) -> Self:
        if self.data.path is None and (self.pool.planted.answers or self.pool.planted.pictures):
            raise ValueError("pool.planted is for your own data; for the generated world, set world.faults instead")
        return self

    @model_validator(mode="after")
    def _aimed_at(self) -> Self:
        if self.discover and (beyond := set(self.discover.targets) - set(self.capture.targets)):
            raise ValueError(
                f"discover.targets: {', '.join(sorted(beyond))} is not in capture.targets, so there are no "
                "gradients for it; add it there, or remove it here"
            )
        return self


def load_params(variant: Variant | None = None, path: str | Path = "params.yaml") -> Params:
    """Read and check the parameters, of `variant` if given. Raises InputError naming each key that is unknown or out of
    range."""
    raw = read(path)
    return checked(raw, str(path)) if variant is None else of_variant(raw, variant)


def read(path: str | Path) -> dict:
    """params.yaml, or a pipeline's params.json, unchecked. Raises InputError if it can't be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the repository's root") from None
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}") from None


def of_variant(raw: dict, variant: Variant) -> Params:
    """The parameters of one variant on top of params.yaml, `raw`. Raises InputError if there is no such variant, or if
    a value is invalid."""
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


def n_proxy_runs(variant: Variant, run: str) -> int:
    """How many proxy runs `run` stands for, on which `variant` depends: as its pipeline or else params.yaml states.

    What lies on disk may be a part of them.
    """
    for pipeline in (variant.pipeline, ""):
        of = Variant("proxies", run, pipeline)
        if run in read(of.file).get(of.level, {}):
            break
    return len(load_params(of).proxy.seeds)


def checked(raw: dict, source: str) -> Params:
    """Check parameters read from `source`. Raises InputError naming each key that is unknown or out of range."""
    try:
        return Params.model_validate({key: value for key, value in raw.items() if key not in LEVELS})
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "(whole file)"
            value = "" if fault["type"] in ("missing", "value_error") else f" = {fault['input']!r}"
            faults.append(f"{source}: {key}{value}: {fault['msg'].removeprefix('Value error, ')}")
        raise InputError("\n".join(faults)) from None
