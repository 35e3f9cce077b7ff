"""What a model's profile may lack: layers that LoRA reaches, readable weights, a recipe and words of its own."""

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

#: What a model of millions of parameters has otherwise than one of billions.
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
    """The model of a folder or of the hub's cache, without memory; None where its config is not on this machine or
    asks for code of its own."""
    try:
        config = AutoConfig.from_pretrained(model.path, local_files_only=True)
        with torch.device("meta"), no_init_weights():
            return AutoModelForImageTextToText.from_config(config)
    except (OSError, ValueError):
        return None


def layer_findings(model: Model, full: str | None = None) -> tuple[Size | None, list[Finding]]:
    """The size of a model whose weights `full` are trained, None where it is not known or something is wrong with it;
    and which of its linear layers LoRA reaches."""
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
    """The values that a profile of another model has in common with the mini one's."""
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
                    f"{json.dumps(value)} is the mini profile's, for {mini.model.path}: state your model's own",
                )
            )
    return found


def word_findings(params: Params, texts: Iterable[str]) -> list[Finding]:
    """The share of `texts`' tokens that the model's tokenizer does not know; none without a processor or texts."""
    if model_there(params.model.path) is None:
        return []  # its own finding
    try:
        tokenizer = load_processor(params.model).tokenizer
    except InputError:
        return []  # its own finding
    found, allowed = unknown_of(tokenizer, texts), params.pool.unknown_tokens
    text = said(found, params.model.path)
    return [Finding("words", found.share <= allowed, text + ("" if found.share <= allowed else f"; {advice(allowed)}"))]
