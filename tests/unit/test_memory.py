"""What passes hold in memory, measured on narrow models of true proportions: gradients of single rows."""

import pytest
import torch
from memory import MODELS, built, held, narrow, text_rows
from test_doctor import params_of
from test_gradients import snapshot

from cadc.gradients.adamw import Direction
from cadc.gradients.per_sample import PerSampleGradients
from cadc.model.batches import collate

N_ROWS, LENGTH = 2, 64


def lora_of(profile):
    """The profile's LoRA, narrower as the model is."""
    lora = params_of(f"profile={profile}").model.lora
    return lora.model_copy(update={"rank": max(1, lora.rank // MODELS[profile][1])})


def held_by_gradients(config, lora, dtype):
    """Bytes that are held when the backward pass of single rows' gradients begins."""
    model, batch = built(config, lora, dtype), collate(text_rows(N_ROWS, LENGTH), 0)
    with PerSampleGradients(model) as gradients:
        return held(model, lambda: gradients(batch, lambda name, rows: None))


def test_hooks_hold_what_lora_layers_read_once_and_in_the_model_s_precision():
    """Bytes a token, layer and unit of width: 68 where every hook holds a 32-bit copy of its own, as PEFT makes it."""
    configs = [narrow("llava-1.5-7b", n) for n in (1, 3)]
    one, three = (held_by_gradients(config, lora_of("llava-1.5-7b"), torch.bfloat16) for config in configs)
    a_layer = (three - one) / 2 / (N_ROWS * LENGTH * configs[0].text_config.hidden_size)
    assert 35 < a_layer <= 46


@pytest.mark.parametrize(("update", "kept"), [("sgd", 0), ("adamw_own", 1), ("adamw", 2), ("adam_less", 2)])
def test_only_the_moments_that_an_update_takes_are_put_on_the_device(update, kept):
    state = snapshot({"w": torch.zeros(4000)})
    direction = Direction(state, update, torch.device("cpu"))
    tensors = [*direction.momentum.values(), *direction.variance.values()]
    assert sum(x.untyped_storage().nbytes() for x in tensors) // (4 * 4000) == kept
