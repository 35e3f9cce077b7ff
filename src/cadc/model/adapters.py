"""Save and load what was trained: a LoRA adapter in PEFT's format, or the weights of full fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from cadc.artifacts import damaged, read_json, whole, write_json
from cadc.config.errors import InputError, first_line, missing
from cadc.model.load import trainable

#: Weights saved by full fine-tuning, instead of an adapter's files.
WEIGHTS = "weights.safetensors"


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name. Raises InputError, naming the file, where it can't be read."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise missing(path) from None
    except Exception as error:  # of a broken head it raises what it likes
        raise damaged(path, error) from None


def save_adapter(model: PeftModel | PreTrainedModel, folder: Path) -> None:
    """Write the trained parameters: an adapter in PEFT's format, with sorted keys and lists in its config, so that the
    bytes don't depend on the process; without an adapter, the trained weights (`save_weights`)."""
    if not isinstance(model, PeftModel):
        save_weights(trainable(model), folder)
        return
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = read_json(path)
    config = {
        k: sorted(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else v for k, v in config.items()
    }
    write_json(path, config)


def save_weights(weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write weights by name, in their own dtype, as weights.safetensors."""
    with whole(folder / WEIGHTS) as part:
        save_file({name: w.detach().cpu().contiguous() for name, w in weights.items()}, part)


def load_adapter(
    model: PreTrainedModel | PeftModel, folder: Path, name: str = "default"
) -> PeftModel | PreTrainedModel:
    """`model` with the parameters that `save_adapter` wrote to `folder`, in evaluation mode.

    An adapter is added as `name` next to existing ones; the first one stays active until `set_adapter`. Raises
    InputError if it is not in safetensors, or has weights that the model lacks.
    """
    if (folder / WEIGHTS).exists():
        weights, own = load_tensors(folder / WEIGHTS), dict(model.named_parameters())
        if odd := [name for name, w in weights.items() if name not in own or own[name].shape != w.shape]:
            raise InputError(f"{folder / WEIGHTS}: {odd[0]} is not a weight of the model; run the fine-tuning again")
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)
        return model.eval()
    weights = _lora_weights(folder)
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(folder, adapter_name=name)
        else:
            model = PeftModel.from_pretrained(model, folder, adapter_name=name)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # PEFT believes adapter_config.json
        raise _no_adapter(folder, first_line(error)) from error
    _check_taken(model, weights, folder, name)
    return model.eval()


def start_from(model: PeftModel, folder: Path) -> None:
    """Copy the adapter weights in `folder` into `model`'s adapter, which comes from `add_lora`.

    Raises InputError if they can't be read or belong to another model.
    """
    weights = _lora_weights(folder)
    _check_taken(model, weights, folder)
    set_peft_model_state_dict(model, weights)


def _no_adapter(folder: Path, why: str) -> InputError:
    return InputError(f"{folder}: no LoRA adapter of this model ({why}); run the fine-tuning again")


def _lora_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a folder's adapter. Raises InputError where there is none in safetensors, or it is not LoRA's."""
    path = folder / "adapter_model.safetensors"
    if not path.exists():  # PEFT would take up a pickle
        raise InputError(f"{folder}: no {path.name}; run the fine-tuning again")
    config = read_json(folder / "adapter_config.json")
    if not isinstance(config, dict) or config.get("peft_type") != "LORA" or config.get("megatron_config"):
        # others fetch tokenizers and import modules that it names
        raise _no_adapter(folder, "adapter_config.json is of another kind")
    return load_tensors(path)


def _check_taken(model: PeftModel, weights: dict[str, torch.Tensor], folder: Path, name: str = "default") -> None:
    """Raise InputError unless an adapter of `model` has just these weights: PEFT passes over what it does not know."""
    own = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    odd = [key for key in own.keys() | weights.keys() if key not in own or key not in weights]
    odd += [key for key in own.keys() & weights.keys() if own[key].shape != weights[key].shape]
    if odd:
        raise _no_adapter(folder, f"{min(odd)} is lacking, unknown or of another shape")
