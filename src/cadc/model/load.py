"""Loading a vision-language model, its processor and its LoRA adapter: any `AutoModelForImageTextToText`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedModel, ProcessorMixin
from transformers.utils import logging

from cadc.config.errors import InputError
from cadc.config.params import Lora, Model
from cadc.model.processors import check_features, check_options, check_picture, check_template
from cadc.model.shaped import Shaped, aspect_options, check_aspect, shaped

logging.disable_progress_bar()  # bars are drawn by cadc.compute.console alone

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device() -> torch.device:
    """This process's GPU if there is one, else the CPU: chosen by the machine, never by params."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device(
        "cuda", int(os.environ.get("CADC_GPU") or os.environ.get("LOCAL_RANK") or 0) % torch.cuda.device_count()
    )


def first_line(error: Exception) -> str:
    """An error's message without the paragraphs that Hugging Face's libraries add to it."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _from_pretrained(kind: type, params: Model, **options):
    """`kind` of `model.path`; its own Python code is refused unless `model.trust_remote_code` is set.

    Raises InputError where there is no such model or it can't be loaded.
    """
    folder = Path(params.path)
    if not folder.is_dir() and (folder.is_absolute() or params.path.count("/") != 1 or folder.parts[0] == "models"):
        raise InputError(
            f"model.path: no model in {params.path!r}; make it with `make pretrain`, or give a folder or hub id"
        )
    try:
        return kind.from_pretrained(params.path, trust_remote_code=params.trust_remote_code, **options)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and "trust_remote_code" in str(error):
            raise InputError(
                f"model.path: {params.path} comes with Python code of its own; read it, then set "
                "model.trust_remote_code: true"
            ) from error
        raise InputError(
            f"model.path: {params.path} can't be loaded ({first_line(error)}); give the folder or hub id of an "
            "image-text-to-text model, and fetch it where this machine is offline"
        ) from error


def load_processor(params: Model) -> ProcessorMixin | Shaped:
    """The processor of `model.path` with the options of `model.processor`, and around it what `model` says of the shape
    of pictures and of texts: see `shaped`.

    Raises InputError where it can't be loaded, naming options that it does not know or does not use, and where it has
    no chat template or counts other image tokens than the model's vision tower makes: see `processors`.
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
    """The frozen base in evaluation mode on this machine's device, from safetensors alone: pickled weights can run
    code.

    Raises InputError where `model.path` holds no model, where its weights are pickled, and where it needs code of its
    own.
    """
    folder = Path(params.path)
    pickled = sorted(path.name for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind))
    if pickled and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"model.path: {folder} holds {pickled[0]} and no safetensors; pickled weights are not read: save the model "
            "again with save_pretrained"
        )
    options = {"dtype": _DTYPES[params.dtype], "attn_implementation": params.attention, "use_safetensors": True}
    model = _from_pretrained(AutoModelForImageTextToText, params, **options)
    return model.requires_grad_(False).eval().to(device())


def add_lora(model: PreTrainedModel, lora: Lora, seed: int) -> PeftModel:
    """Wrap `model` with a fresh LoRA adapter: A from `seed`, B zero, no dropout, fp32.

    Raises InputError where `lora.targets` match none of its modules.
    """
    torch.manual_seed(seed)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, target_modules=lora.targets, bias="none")
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise InputError(f"model.lora.targets: {first_line(error)}") from error


def trainable(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    """The LoRA parameters by their stable name, sorted: the key of snapshots, optimizer state and sketches."""
    named = {name.replace(".default.", "."): p for name, p in model.named_parameters() if "lora_" in name}
    return dict(sorted(named.items()))


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter as PEFT does, with its config's keys and lists sorted: the same bytes in every process."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config = {
        k: sorted(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else v for k, v in config.items()
    }
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """`model` with the adapter of `folder`, in evaluation mode. Raises InputError where that is not in safetensors."""
    if not (folder / "adapter_model.safetensors").exists():  # PEFT would take up a pickle
        raise InputError(f"{folder}: no adapter_model.safetensors; run the fine-tuning again")
    return PeftModel.from_pretrained(model, folder).eval()
