"""Per-sample gradients of other models: tiles (Idefics3, SmolVLM), patches in one row (Qwen2-VL), bf16."""

import numpy as np
import pytest
import torch
from architectures import QWEN_ROPE, QWEN_VISION, TEXT, VISION
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from cadc.config.params import Lora
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.load import add_lora, trainable

CPU = torch.device("cpu")
IMAGE = 9
WORDS = {**TEXT, "vocab_size": 60, "pad_token_id": 0}


def idefics3(kind=(Idefics3Config, Idefics3ForConditionalGeneration)):
    config = kind[0](
        image_token_id=IMAGE,
        vision_config={**VISION, "image_size": 16, "patch_size": 4},
        text_config={**WORDS, "model_type": "llama"},
        scale_factor=2,
        pad_token_id=0,
    )
    return kind[1](config), r".*text_model.*_proj|.*connector.*proj|.*vision_model.*(q_proj|fc1)"


def smolvlm():
    return idefics3((SmolVLMConfig, SmolVLMForConditionalGeneration))


def qwen2_vl():
    config = Qwen2VLConfig(
        text_config={**WORDS, "rope_parameters": QWEN_ROPE},
        vision_config={**QWEN_VISION, "patch_size": 4},
        image_token_id=IMAGE,
        vision_start_token_id=10,
        vision_end_token_id=11,
    )
    return Qwen2VLForConditionalGeneration(config), r".*language_model.*_proj|.*visual\.merger\.mlp\.[02]|.*visual.*qkv"


def row(rng, images, tokens_of, image_tensors, answer=3):
    """An encoded row: its images' tokens, some words, an answer."""
    ids = [token for image in images for token in (10, *[IMAGE] * tokens_of(image), 11)] + rng.integers(
        12, 60, int(rng.integers(3, 9))
    ).tolist()
    words = rng.integers(12, 60, answer).tolist()
    labels = [-100] * len(ids) + words
    encoded = {
        "input_ids": torch.tensor(ids + words),
        "labels": torch.tensor(labels),
        "row": 0,
        **(image_tensors(images) if images else {}),
    }
    if "image_grid_thw" in encoded:
        encoded["mm_token_type_ids"] = (encoded["input_ids"] == IMAGE).long()
    return encoded


def tiled(n_tiles):
    generator = torch.Generator().manual_seed(len(n_tiles))
    return {
        "pixel_values": torch.randn(1, sum(n_tiles), 3, 16, 16, generator=generator),
        "pixel_attention_mask": torch.ones(1, sum(n_tiles), 16, 16, dtype=torch.long),
    }


def patched(grids):
    generator = torch.Generator().manual_seed(len(grids))
    return {
        "pixel_values": torch.randn(sum(int(np.prod(g)) for g in grids), 3 * 2 * 4 * 4, generator=generator),
        "image_grid_thw": torch.tensor(grids),
    }


#: Rows with no image, one, several, and of different sizes.
TILES = [[], [1], [3], [1, 2], []]
GRIDS = [[], [(1, 4, 4)], [(1, 4, 8)], [(1, 4, 4), (1, 8, 4)], []]
MODELS = {
    "idefics3": (idefics3, TILES),
    "smolvlm": (smolvlm, TILES),
    "qwen2_vl": (qwen2_vl, GRIDS),
    "qwen2_vl, one size": (qwen2_vl, [[(1, 4, 4)], [(1, 4, 4)], []]),
}


def tuned(build, dtype=torch.float32):
    torch.manual_seed(0)
    model, targets = build()
    model = add_lora(model.requires_grad_(False).eval().to(dtype), Lora(rank=2, alpha=4, targets=targets), seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def rows_of(images):
    rng = np.random.default_rng(0)
    tokens, tensors = (lambda n: 4 * n, tiled) if images is TILES else (lambda g: int(np.prod(g)) // 4, patched)
    return [row(rng, i, tokens, tensors) for i in images]


def by_loop(model, rows):
    out = []
    for encoded in rows:
        inputs = model_inputs(collate([encoded], 0), CPU)
        labels = inputs.pop("labels")
        loss = answer_loss(model(**inputs).logits, labels).sum()
        gradients = torch.autograd.grad(loss, list(trainable(model).values()), allow_unused=True)
        out.append(
            torch.cat(
                [
                    torch.zeros(p.numel()) if g is None else g.flatten()
                    for g, p in zip(gradients, trainable(model).values(), strict=True)
                ]
            )
        )
    return torch.stack(out)


@pytest.mark.parametrize("name", MODELS)
def test_every_row_has_its_own_gradient_in_every_part_of_the_model(name):
    build, images = MODELS[name]
    model, rows = tuned(build), rows_of(images)
    expected = by_loop(model, rows)
    with PerSampleGradients(model) as gradients:
        made, losses = gradients.dense(collate(rows, 0))
    assert ((made - expected).norm(dim=1) / expected.norm(dim=1)).max() < 1e-5 and torch.isfinite(losses).all()
    at = np.cumsum([0, *gradients.sizes])
    for i, part in enumerate(gradients.names):
        reached = made[:, at[i] : at[i + 1]].abs().sum(1) > 0
        is_text = "language_model" in part or "text_model" in part
        assert reached.tolist() == [is_text or bool(row) for row in images], part


@pytest.mark.parametrize("name", ["idefics3", "qwen2_vl"])
def test_in_bf16_the_gradient_points_the_same_way(name):
    build, images = MODELS[name]
    rows = rows_of(images)
    exact = by_loop(tuned(build), rows)
    model = tuned(build, torch.bfloat16)
    for encoded in rows:
        if "pixel_values" in encoded:
            encoded["pixel_values"] = encoded["pixel_values"].bfloat16()
    with PerSampleGradients(model) as gradients:
        made, _ = gradients.dense(collate(rows, 0))
    assert made.dtype == torch.float32 and torch.nn.functional.cosine_similarity(made, exact).min() > 0.99
