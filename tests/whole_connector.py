"""A narrow LLaVA with a connector that is trained whole, and what tests of its training compare."""

import torch

from cadc.config.params import Lora
from cadc.model.load import add_lora, trainable
from cadc.world.bases import build_model

TEXT = r".*(language_model|text_model).*_proj"
CONNECTOR = r".*multi_modal_projector\.linear_[12]"


def base(processor, dtype=torch.float32):
    torch.manual_seed(0)
    return build_model(processor, 32, 32, 2).to(dtype).requires_grad_(False).eval()


def llava(processor, dtype=torch.float32, seed=1, **lora):
    options = {"rank": 4, "alpha": 8, "targets": TEXT, "whole": CONNECTOR} | lora
    return add_lora(base(processor, dtype), Lora(**options), seed)


def tensors(model):
    return {name: parameter.detach().clone() for name, parameter in trainable(model).items()}


def bytes_of(folder):
    return [path.read_bytes() for path in sorted(folder.iterdir())]
