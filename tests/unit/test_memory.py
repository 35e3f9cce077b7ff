"""What passes hold in memory and take in operations, measured on narrow models of true proportions; the doctor's
figures are held to it."""

import pytest
import torch
from memory import MODELS, built, held, narrow, picture_rows, text_rows
from test_doctor import params_of
from test_gradients import CPU, snapshot
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cadc.doctor.estimate import row_flops
from cadc.doctor.memory import gradient_bytes, training_bytes, whole_bytes
from cadc.doctor.published import Picture, laid_out
from cadc.gradients.adamw import Direction
from cadc.gradients.per_sample import PerSampleGradients
from cadc.model.batches import collate, model_inputs
from cadc.training.finetune import learnt

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


def a_step(model, batch):
    """Forward and backward of training, as `finetune` has it."""
    inputs = model_inputs(batch, CPU)
    keep, targets = learnt(inputs.pop("labels"))
    logits = model(**inputs, use_cache=False, logits_to_keep=keep).logits
    F.cross_entropy(logits.float(), targets, reduction="sum").backward()
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("dropout", [0.0, 0.05])
@pytest.mark.parametrize("profile", ["llava-1.5-7b", "smolvlm-256m", "qwen2-vl-7b"])
def test_the_doctor_s_bytes_are_those_that_are_measured(profile, dropout):
    """In 32 bits: products in 16 take minutes on a CPU. LLaVA-1.5's connector is trained whole."""
    config, lora = narrow(profile, 2), lora_of(profile).model_copy(update={"dropout": dropout})
    size, tokens = laid_out(config, lora, Picture(1, 1, 1)), N_ROWS * LENGTH
    made = held_by_gradients(config, lora, torch.float32)
    assert tokens * gradient_bytes(size, 4, LENGTH) == pytest.approx(made, rel=0.2)
    model, batch = built(config, lora, torch.float32).train(), collate(text_rows(N_ROWS, LENGTH), 0)
    expected = tokens * training_bytes(size, 4, LENGTH, checkpointing=False, a_mask=4)
    assert expected == pytest.approx(held(model, lambda: a_step(model, batch)), rel=0.2)


def test_the_doctor_s_bytes_of_a_connector_that_is_trained_whole_are_those_that_are_measured():
    """Beside one decoder layer, of whose states they are a quarter."""
    config, lora = narrow("llava-1.5-7b", 1), lora_of("llava-1.5-7b")
    config.image_token_id = 9
    size, rows = laid_out(config, lora, Picture(576, 576, 3 * 336**2)), picture_rows(config, N_ROWS, 40)
    tokens, length, of_pictures = N_ROWS * (576 + 40), 576 + 40, whole_bytes(size, 4, N_ROWS)
    model = built(config, lora, torch.float32)
    with PerSampleGradients(model) as gradients:
        made = held(model, lambda: gradients(collate(rows, 0), lambda name, rows: None))
    assert tokens * gradient_bytes(size, 4, length) + of_pictures == pytest.approx(made, rel=0.1)
    assert tokens * gradient_bytes(size, 4, length) < 0.8 * made
    made = held(model.train(), lambda: a_step(model, collate(rows, 0)))
    expected = tokens * training_bytes(size, 4, length, checkpointing=False, a_mask=4) + of_pictures
    assert expected == pytest.approx(made, rel=0.1)


def test_the_doctor_s_bytes_in_16_bits_are_those_that_are_measured():
    config, lora = narrow("smolvlm-256m", 2), lora_of("smolvlm-256m")
    size = laid_out(config, lora, Picture(1, 1, 1))
    made = held_by_gradients(config, lora, torch.bfloat16)
    assert N_ROWS * LENGTH * gradient_bytes(size, 2, LENGTH) == pytest.approx(made, rel=0.2)


def test_the_doctor_counts_a_tower_s_operations_by_its_patches():
    """One tile of SmolVLM: 1,024 patches become 64 tokens."""
    config, lora = narrow("smolvlm-256m", 2), lora_of("smolvlm-256m")
    config.image_token_id = 9
    size, model = laid_out(config, lora, Picture(64, 1024, 3 * 512**2)), built(config, lora, torch.float32)
    (row,) = text_rows(1, 40)
    row["input_ids"] = torch.cat([torch.full((64,), 9), row["input_ids"].clamp(min=10)])
    row["labels"] = torch.cat([torch.full((64,), -100), row["labels"]])
    row |= {"pixel_values": torch.randn(1, 1, 3, 512, 512)}
    batch = collate([row], 0)
    with FlopCounterMode(display=False) as counter:
        a_step(model, batch)
    assert row_flops(size, 104, 2) == pytest.approx(counter.get_total_flops(), rel=0.2)
