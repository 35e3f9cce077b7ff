"""params.yaml as types: every value is checked before a stage starts, and an unknown key is an error.

The fields mirror it section by section; units and sources stand in conf/, from which it is composed, beside the values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from cadc.config.arms import LEVELS, Arm, Budget, Name, Variant
from cadc.config.cleaning import Clean, Crossfit
from cadc.config.data import Data, Pool
from cadc.config.errors import InputError
from cadc.config.evaluate import Evaluate
from cadc.config.evaluate import Judge as Judge
from cadc.config.metabolism import Metabolize
from cadc.config.model import Lora as Lora  # for those who take all sections from here
from cadc.config.model import Model
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
from cadc.config.training import Align, Finetune, Proxy
from cadc.config.training import Optimizer as Optimizer
from cadc.config.world import Base, Benchmarks, Gate, Plateau, Pretrain, Tower, World


class Compute(Section):
    """isa: the instruction set of all arithmetic. avx2 gives the same bytes on every x86-64 machine of a maker; native
    takes all that this machine has, and gives them on machines of the same kind alone."""

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
    def _named(self):
        if self.url is not None and not self.model:
            raise ValueError("url names an endpoint; set model, too")
        return self


class Facts(Section):
    clusters: Positive
    iterations: Positive
    seed: Seed


_NARROWEST = 16  # width of a sketch (ours): the noise of a cosine is 1 / sqrt(width), a quarter here


def _wide(projection: int) -> int:
    if 0 < projection < _NARROWEST:
        raise ValueError(
            f"a sketch of width {projection} tells no gradients apart; give {_NARROWEST} or more (LESS: 8192), or 0 "
            "for gradients as they are"
        )
    return projection


#: A benchmark, by the name of its task (`evaluation/aims.py` has all), or a file of rows in LLaVA's format.
Target = Annotated[str, Field(min_length=1)]


class Capture(Section):
    """targets: what is aimed at; none: methods that aim at nothing alone. target_rows: of each at most so many rows.
    target_images: what image paths of target files are relative to; None: data.images, or the file's own folder where
    data.path is unset.
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
    """reference: share of the pool that PreSel's model was tuned on, the first rows of the proxy's first seed;
    reference_snapshot: of the proxy, at which they were; attention: see `cross_attention`."""

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


#: What image paths of exported rows are: `export.images`.
Images = Literal["relative", "absolute", "copied"]


class Export(Section):
    formats: Annotated[list[Literal["llava", "ids", "llama_factory", "ms_swift", "trl", "axolotl"]], Once] = Field(
        min_length=1
    )
    images: Images
    flags: Literal["raw", "cleaning"]
    below: Share
    least_below: Positive
    exact_rows: Positive


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
    one. recipe_of: the models that the profile's numbers are for; None: any.
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
    def _own_recipe(self):
        """Rates, LoRA targets and lengths of a model of half a million parameters ruin another one without a word."""
        known = {Path(path).resolve() for path in self.recipe_of or ()}
        if self.recipe_of is not None and Path(self.model.path).resolve() not in known:
            raise ValueError(
                f"model.path = {self.model.path!r}: the profile's learning rates, LoRA targets, lengths and passes are "
                f"those of {' and '.join(self.recipe_of)} alone; give your model a profile of its own, ten lines over "
                "profile=own (docs/new_model.md), or set recipe_of: null to train it by these numbers all the same"
            )
        return self

    @model_validator(mode="after")
    def _planted(self):
        planted = self.pool.planted
        if self.data.path is None and (planted.answers or planted.pictures):
            raise ValueError("pool.planted is for data of your own; the embedded world has faults: set world.faults")
        return self

    @model_validator(mode="after")
    def _aimed_at(self):
        if self.discover and (beyond := set(self.discover.targets) - set(self.capture.targets)):
            raise ValueError(
                f"discover.targets: {', '.join(sorted(beyond))} is not among capture.targets; no gradient "
                "is known of it: name in the one what the other has"
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
