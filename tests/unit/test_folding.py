"""Folded LoRA layers: the same outputs and gradients, and nothing left behind."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cadc.model import folding
from cadc.model.adapters import load_adapter, save_adapter
from cadc.model.folding import folded
from cadc.model.load import trainable


def losses_and_gradients(model, ids):
    model.zero_grad()
    logits = model(input_ids=ids).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
    return logits.detach(), {name: p.grad.clone() for name, p in trainable(model).items() if p.grad is not None}


IDS = torch.from_numpy(np.random.default_rng(0).integers(5, 60, (3, 17)))


def test_the_same_outputs_and_gradients_with_fewer_products(lora_model, monkeypatch):
    plain, wanted = losses_and_gradients(lora_model, IDS)
    calls = []
    monkeypatch.setattr(folding.torch, "addmm", lambda *a, real=torch.addmm, **k: calls.append(1) or real(*a, **k))
    with folded(lora_model):
        logits, gradients = losses_and_gradients(lora_model, IDS)
    assert len(calls) == sum("lora_A" in name and "language_model" in name for name in wanted)
    torch.testing.assert_close(logits, plain, rtol=1e-4, atol=1e-5)
    assert gradients.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert (gradients[name] - gradient).norm() <= 1e-4 * gradient.norm(), name


def test_afterwards_and_after_an_error_the_layers_are_their_own_again(lora_model):
    plain, _ = losses_and_gradients(lora_model, IDS)
    with pytest.raises(RuntimeError), folded(lora_model):
        raise RuntimeError
    assert not [name for name, module in lora_model.named_modules() if "forward" in vars(module)]
    assert torch.equal(losses_and_gradients(lora_model, IDS)[0], plain)


@pytest.mark.parametrize("kind", ["bfloat16", "wide", "disabled", "merged"])
def test_other_layers_are_left_alone(lora_model, kind, monkeypatch):
    if kind == "bfloat16":
        lora_model.bfloat16()
    elif kind == "wide":
        monkeypatch.setattr(folding, "_NARROW", 1)
    elif kind == "disabled":
        lora_model.base_model.disable_adapter_layers()
    else:
        lora_model.merge_adapter()
    with folded(lora_model):
        assert not [name for name, module in lora_model.named_modules() if "forward" in vars(module)]


def test_a_model_without_an_adapter_is_as_it_was(tiny_model):
    with folded(tiny_model):
        assert not [name for name, module in tiny_model.named_modules() if "forward" in vars(module)]


def test_a_loaded_adapter_folds_too(lora_model, tmp_path):
    plain = lora_model(input_ids=IDS).logits
    save_adapter(lora_model, tmp_path)
    model = load_adapter(lora_model.unload().requires_grad_(False), tmp_path)
    with folded(model):
        folds = [name for name, module in model.named_modules() if "forward" in vars(module)]
        got = model(input_ids=IDS).logits
    assert len(folds) == sum("lora_A" in name for name in trainable(model))
    torch.testing.assert_close(got, plain, rtol=1e-4, atol=1e-5)
