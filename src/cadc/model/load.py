"""Loading a vision-language model, its processor and its LoRA adapter: any `AutoModelForImageTextToText`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedModel, ProcessorMixin
from transformers.utils import logging

from cadc.params import Lora, Model

logging.disable_progress_bar()  # bars are drawn by cadc.console alone

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device() -> torch.device:
    """This process's GPU if there is one, else the CPU: chosen by the machine, never by params."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("CADC_GPU") or os.environ.get("LOCAL_RANK") or 0) % torch.cuda.device_count())


def load_processor(path: str) -> ProcessorMixin:
    """The processor of a folder or hub id."""
    return AutoProcessor.from_pretrained(path)


def load_base(params: Model) -> PreTrainedModel:
    """The frozen base in evaluation mode on this machine's device. Raises SystemExit where `model.path` holds none."""
    folder = Path(params.path)
    if not folder.is_dir() and (folder.is_absolute() or params.path.count("/") != 1 or folder.parts[0] == "models"):
        raise SystemExit(f"model.path: no model in {params.path!r}; make it with `make pretrain`, or give a folder or hub id")
    model = AutoModelForImageTextToText.from_pretrained(params.path, dtype=_DTYPES[params.dtype])
    return model.requires_grad_(False).eval().to(device())


def add_lora(model: PreTrainedModel, lora: Lora, seed: int) -> PeftModel:
    """Wrap `model` with a fresh LoRA adapter: A from `seed`, B zero, no dropout, fp32."""
    torch.manual_seed(seed)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, target_modules=lora.targets, bias="none")
    return get_peft_model(model, config)


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
    config = {k: sorted(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else v for k, v in config.items()}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """`model` with the adapter of `folder`, in evaluation mode."""
    return PeftModel.from_pretrained(model, folder).eval()
