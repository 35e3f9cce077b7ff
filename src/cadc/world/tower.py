"""A small contrastive image-text tower on a base's own vision tower (ours), in the role of CLIP in real profiles.

The vision tower is the base's and stays frozen (LiT, Zhai et al. 2022). Its attention pooling and a text tower are
trained on scenes and statements in the dialect with SigLIP's sigmoid loss. No question of the pool is used.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from transformers import (
    LlavaForConditionalGeneration,
    LlavaProcessor,
    SiglipConfig,
    SiglipModel,
    get_cosine_schedule_with_warmup,
)

from cadc.compute import console
from cadc.config.errors import InputError
from cadc.config.params import Tower
from cadc.world.dialect import ASSISTANT, EQUALS, KEYS, Lexicon, draw_probes
from cadc.world.scene import Scene, draw_scene, sample_scene
from cadc.world.vocabulary import loose

TEXT_LENGTH = 64  # tokens, as in SigLIP; longer texts are cut
_KINDS = ("objects", "repeats", "text", "chart")


def spoken(scene: Scene, lexicon: Lexicon, rng: np.random.Generator) -> str:
    """One to four true statements about a scene: questions of the dialect with their answers, without codes."""
    probes = draw_probes(scene, int(rng.integers(1, 5)), lexicon, rng, alone=0.0, pick=0.0)
    words = [word for question, answer in probes for word in (*question, *answer)]
    return " ".join(word for word in words if word not in KEYS and word not in (EQUALS, ASSISTANT))


def batches(processor: LlavaProcessor, params: Tower) -> Iterator[dict[str, torch.Tensor]]:
    """Endless batches of scenes with statements about them.

    pixel_values [B, 3, side, side], input_ids [B, TEXT_LENGTH].
    """
    rng, lexicon = np.random.default_rng(params.seed), loose()
    while True:
        scenes = [sample_scene(rng, _KINDS[rng.choice(4, p=(0.5, 0.2, 0.22, 0.08))]) for _ in range(params.batch)]
        images = [draw_scene(scene, rng) for scene in scenes]
        pixels = processor.image_processor(images, return_tensors="pt")["pixel_values"]
        yield {
            "pixel_values": pixels,
            "input_ids": token_ids(processor.tokenizer, [spoken(scene, lexicon, rng) for scene in scenes]),
        }


def token_ids(tokenizer, texts: list[str]) -> torch.Tensor:
    """Texts as int64 [n, TEXT_LENGTH], cut or padded."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=TEXT_LENGTH, return_tensors="pt")[
        "input_ids"
    ]


def train_tower(base: LlavaForConditionalGeneration, processor: LlavaProcessor, params: Tower) -> SiglipModel:
    """Train from a seed and the base. Raises InputError naming the step if a loss is not finite."""
    torch.manual_seed(params.seed)
    vision = base.config.vision_config.to_dict() | {"vision_use_head": True}
    text = {
        "vocab_size": len(processor.tokenizer),
        "hidden_size": vision["hidden_size"],
        "intermediate_size": 2 * vision["hidden_size"],
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": TEXT_LENGTH,
        "projection_size": vision["hidden_size"],
        **{f"{name}_token_id": getattr(processor.tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")},
    }
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    torch.nn.init.constant_(model.logit_scale, float(np.log(10)))  # SigLIP's own start: nearly all pairs don't match
    torch.nn.init.constant_(model.logit_bias, -10.0)
    own = base.model.vision_tower.state_dict()
    missing, unexpected = model.vision_model.load_state_dict(
        {name.removeprefix("vision_model."): value for name, value in own.items()}, strict=False
    )
    if unexpected or any(not name.startswith("head.") for name in missing):
        raise ValueError(f"tower: the base's vision tower does not fit SigLIP's: {[*unexpected, *missing][:3]}")
    for name, parameter in model.vision_model.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, params.learning_rate, (0.9, 0.98), weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimizer, params.steps // 20, params.steps)
    source = batches(processor, params)
    for i in console.track(range(params.steps), "contrast images with texts"):
        made = model(**next(source), return_loss=True)
        if not torch.isfinite(made.loss):
            raise InputError(f"tower: the loss is {made.loss.item()} at step {i}; lower tower.learning_rate")
        optimizer.zero_grad(set_to_none=True)
        made.loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if i % 100 == 0 or i + 1 == params.steps:
            right = (made.logits_per_image.argmax(1) == torch.arange(params.batch)).float().mean()
            console.line(f"tower step {i}: loss {made.loss.item():.3f}, right text first for {right:.2f} of images")
    return model.eval()
