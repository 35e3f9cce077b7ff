"""Load a vision-language model (any `AutoModelForImageTextToText`) and its processor, and choose what is trained."""

from __future__ import annotations

import gc
import os
import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedModel, ProcessorMixin
from transformers.utils import logging

from cadc.config.errors import InputError, first_line
from cadc.config.params import Lora, Model, Params
from cadc.data.reasons import some
from cadc.model import conv_tower as conv_tower  # registers it with transformers' Auto classes
from cadc.model.processors import check_features, check_options, check_picture, check_template
from cadc.model.shaped import Shaped, aspect_options, check_aspect, shaped
from cadc.model.targets import check_targets

logging.disable_progress_bar()  # only cadc.compute.console draws progress bars

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device() -> torch.device:
    """This process's GPU if there is one, else the CPU. The machine decides this, never params."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device(
        "cuda", int(os.environ.get("CADC_GPU") or os.environ.get("LOCAL_RANK") or 0) % torch.cuda.device_count()
    )


def _from_pretrained(kind: Any, params: Model, **options):
    """`kind` loaded from `model.path`; its own Python code is rejected unless `model.trust_remote_code` is set.

    Raises InputError if there is no such model, or if it can't be loaded.
    """
    folder = Path(params.path)
    if not folder.is_dir() and (folder.is_absolute() or params.path.count("/") != 1 or folder.parts[0] == "models"):
        raise InputError(
            f"model.path: no model in {params.path!r}; build it with `make pretrain`, or give a folder or hub id"
        )
    try:
        return kind.from_pretrained(params.path, trust_remote_code=params.trust_remote_code, **options)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # what is written in a model's files is believed: libraries raise what they like
        if isinstance(error, ValueError) and "trust_remote_code" in str(error):
            raise InputError(
                f"model.path: {params.path} needs its own Python code; read that code, then set "
                "model.trust_remote_code: true"
            ) from error
        raise InputError(
            f"model.path: {params.path} can't be loaded ({first_line(error)}); give the folder or hub id of an "
            "image-text-to-text model, and download it first if this machine is offline"
        ) from error


def load_processor(params: Model) -> ProcessorMixin | Shaped:
    """The processor of `model.path` with the options of `model.processor`, wrapped with `model`'s rules for image
    shapes and texts (see `shaped`).

    Raises InputError if it can't be loaded, naming options that it does not know or use, or if it has no chat template
    or counts other image tokens than the model's vision tower produces (see `processors`).
    """
    processor = _from_pretrained(AutoProcessor, params, **aspect_options(params))
    if params.processor:
        check_options(processor, _from_pretrained(AutoProcessor, params), params.processor)
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    if params.chat_template:
        try:
            processor.chat_template = Path(params.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"model.chat_template: {params.chat_template} can't be read as UTF-8 ({error})") from None
    check_aspect(processor, params.aspect)
    processor, config = shaped(processor, params), _from_pretrained(AutoConfig, params)
    check_template(processor, params.path)
    check_features(processor, config, params.path)
    check_picture(processor, config, params.path)
    return processor


def load_base(params: Model) -> PreTrainedModel:
    """The frozen base model in evaluation mode on this machine's device. Loads only safetensors, because pickled
    weights can execute code.

    Raises InputError if `model.path` holds no model, only pickled weights or not all weights, or if the model needs its
    own code.
    """
    folder = Path(params.path)
    pickled = sorted(path.name for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind))
    if pickled and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"model.path: {folder} holds {pickled[0]} but no safetensors; pickled weights are not loaded: save the "
            "model again with save_pretrained"
        )
    torch.backends.cuda.matmul.allow_tf32 = params.tf32  # affects float32 products only, not bfloat16
    options = {"dtype": DTYPES[params.dtype], "attn_implementation": params.attention, "use_safetensors": True}
    model, loaded = _from_pretrained(AutoModelForImageTextToText, params, **options, output_loading_info=True)
    if missing := sorted(loaded["missing_keys"]):  # transformers only warns, and leaves them random
        raise InputError(
            f"model.path: {params.path} lacks {len(missing)} weights that its config.json asks for: {some(missing)}; "
            "copy or download it again"
        )
    return model.requires_grad_(False).eval().to(device())


def add_lora(model: PreTrainedModel, lora: Lora, seed: int) -> PeftModel:
    """Wrap `model` with a fresh LoRA adapter: A from `seed`, B zero, float32, in evaluation mode, without dropout.

    The layers of `lora.whole` are trained as full copies that PEFT saves with the adapter. Raises InputError if
    `lora.targets` or `lora.whole` match no module, or one that is not allowed.
    """
    check_targets(model, lora.targets)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        modules_to_save=_whole_layers(model, lora) or None,
        bias="none",
    )
    return get_peft_model(model, config).eval()


def _whole_layers(model: PreTrainedModel, lora: Lora) -> list[str]:
    """The linear layers matched by `lora.whole`. Raises InputError if there are none, or if it also matches other
    layers or layers with LoRA."""
    if lora.whole is None:
        return []
    named = [(name, module) for name, module in model.named_modules() if re.fullmatch(lora.whole, name)]
    found = [name for name, module in named if isinstance(module, torch.nn.Linear)]
    if not found:
        raise InputError(f"model.lora.whole: {lora.whole} matches no linear layer; correct it, or set null")
    for name, module in named:
        if name not in found and any(True for _ in module.parameters(recurse=False)):
            raise InputError(
                f"model.lora.whole: {name} is a {type(module).__name__}; match only linear layers, because others have "
                "no per-sample gradients here"
            )
    if twice := [name for name in found if re.fullmatch(lora.targets, name)]:
        raise InputError(f"model.lora.whole: {twice[0]} also matches model.lora.targets; remove it from one")
    return found


def is_whole(name: str) -> bool:
    """Whether a name of `trainable` belongs to a layer of `model.lora.whole` instead of LoRA."""
    return ".modules_to_save." in name


def unfrozen(model: PreTrainedModel, pattern: str) -> PreTrainedModel:
    """`model` with gradients enabled for the weights whose full name matches `pattern`.

    Raises InputError if there are none.
    """
    found = [parameter for name, parameter in model.named_parameters() if re.fullmatch(pattern, name)]
    if not found:
        raise InputError(f"finetune.full: {pattern} matches no weight of the model; correct it, or set null for LoRA")
    for parameter in found:
        parameter.requires_grad_(True)
    return model


def fresh_model(params: Params, seed: int) -> PeftModel | PreTrainedModel:
    """The base model ready for `finetune`: with a fresh LoRA, or with the weights of `finetune.full` trainable."""
    base, full = load_base(params.model), params.finetune.full
    return unfrozen(base, full) if full else add_lora(base, params.model.lora, seed)


def trainable(model: PeftModel | PreTrainedModel) -> dict[str, torch.nn.Parameter]:
    """The trained parameters by stable name, sorted; snapshots, optimizer state and sketches use these names as keys.

    LoRA and the layers of `model.lora.whole`; for a model without an adapter, the weights that require a gradient.
    """
    if isinstance(model, PeftModel):
        named = {name.replace(".default.", "."): p for name, p in model.named_parameters()}
        named = {name: p for name, p in named.items() if "lora_" in name or is_whole(name)}
    else:
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return dict(sorted(named.items()))


def release() -> None:
    """Free the device memory of unreferenced models, which contain reference cycles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def merged(model: PeftModel | PreTrainedModel) -> PreTrainedModel:
    """The base of `model` with the adapter merged into its weights, in place: one product per layer instead of three. A
    model without an adapter is returned unchanged."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model
