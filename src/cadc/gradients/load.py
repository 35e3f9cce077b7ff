"""Load the gradient engine for the stages."""

from __future__ import annotations

from cadc.config.params import Params
from cadc.gradients.influence import SketchedDirections
from cadc.model.load import add_lora, load_base, load_processor


def load_engine(params: Params) -> SketchedDirections:
    """The engine on `params.model` with fresh LoRA weights, which are replaced by a snapshot's."""
    model = add_lora(load_base(params.model), params.model.lora, seed=0)
    return SketchedDirections(model, params.capture, load_processor(params.model).tokenizer.pad_token_id)
