"""Checks a model's profile: layers that LoRA reaches, readable weights, its own recipe, tokenizer coverage."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import reduce

import torch
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.initialization import no_init_weights

from cadc.config.errors import InputError
from cadc.config.model import Model
from cadc.config.params import Params
from cadc.doctor.checks import Finding, model_there
from cadc.doctor.published import Size, size_of
from cadc.model.load import load_processor
from cadc.model.targets import linear_layers
from cadc.model.unknown import advice, said, unknown_of

#: Parameters that a model with billions of parameters should set differently from the mini model.
RECIPE = (
    "model.max_length",
    "embed.tower",
    "proxy.learning_rate",
    "proxy.batch_size",
    "capture.batch_tokens",
    "finetune.learning_rate",
    "finetune.batch_size",
    "finetune.epochs",
)


def laid_out(model: Model) -> torch.nn.Module | None:
    """The model from a folder or the hub's cache, on the meta device; None if its config is not on this machine, or if
    it needs remote code."""
    try:
        config = AutoConfig.from_pretrained(model.path, local_files_only=True)
        with torch.device("meta"), no_init_weights():
            return AutoModelForImageTextToText.from_config(config)
    except (OSError, ValueError):
        return None


def layer_findings(model: Model, full: str | None = None) -> tuple[Size | None, list[Finding]]:
    """(size of a model with trained weights `full`, or None if it is unknown or the model is unusable; findings on the
    linear layers that LoRA reaches)."""
    try:
        size, made = size_of(model, full), laid_out(model)
    except InputError as error:
        return None, [Finding("LoRA targets" if "lora.targets" in str(error) else "model", False, str(error))]
    if made is None:
        return size, []
    taken = re.compile(model.lora.targets).fullmatch
    hit, left = linear_layers(made, taken), linear_layers(made, lambda name: not taken(name))
    return size, [Finding("LoRA targets", True, f"{'; '.join(hit)}. Without LoRA: {'; '.join(left)}")]


def recipe_findings(params: Params, mini: Params) -> list[Finding]:
    """Findings for each recipe value that another model's profile shares with the mini profile."""
    if params.model.path in (mini.recipe_of or ()):
        return []
    found = []
    for key in RECIPE:
        value, minis = (reduce(getattr, key.split("."), each) for each in (params, mini))
        if value == minis:
            found.append(
                Finding(
                    f"recipe, {key}",
                    False,
                    f"{json.dumps(value)} is the mini profile's value, for {mini.model.path}: set one for your model",
                )
            )
    return found


def word_findings(params: Params, texts: Iterable[str]) -> list[Finding]:
    """The share of `texts`' tokens that are unknown to the model's tokenizer; [] without a processor or texts."""
    if model_there(params.model.path) is None:
        return []  # reported by `model_findings`
    try:
        tokenizer = load_processor(params.model).tokenizer
    except InputError:
        return []  # reported by `processor_findings`
    found, allowed = unknown_of(tokenizer, texts), params.pool.unknown_tokens
    text = said(found, params.model.path)
    return [Finding("words", found.share <= allowed, text + ("" if found.share <= allowed else f"; {advice(allowed)}"))]
