"""Pre-training of a mini base: first align what the model sees with words, then teach it to look things up (ours).

Stage 0 trains vision tower, connector and word embeddings so that each image token lies near the words that describe
its cell. Stage 1 (look) adds the language model on the dialect (`world/dialect.py`), several probes packed per image
behind a block-diagonal mask; the alignment loss stays on, for without it the language model's gradients destroy the
alignment. Stage 2 (heed) goes on, shortly, with the dialect's second phase, in which no word that asks is a filler.
Everything is counted in steps and drawn from one seed: the same weights on every run.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from cadc.compute import console
from cadc.config.errors import InputError
from cadc.config.params import Base, Pretrain
from cadc.world.bases import END, IMAGE, USER, build_model, build_processor
from cadc.world.dialect import OPTION_LETTERS, WORD_GROUPS, Lexicon, Probe, cell_words, draw_probes
from cadc.world.scene import draw_scene, sample_scene
from cadc.world.vocabulary import heedful, loose

_SCENES, _SCENE_SHARES = ("objects", "repeats", "text", "chart"), (0.5, 0.2, 0.22, 0.08)
_ALIGNMENT_WEIGHT = 0.3


class _Batches:
    """Endless batches of scenes, pixels and packed probes for one seed and phase of the dialect."""

    def __init__(self, processor: LlavaProcessor, lexicon: Lexicon, seed: int | list[int]):
        self.rng, self.lexicon = np.random.default_rng(seed), lexicon
        self.ids = processor.tokenizer.get_vocab()

    def scenes(self, n: int):
        scenes = [sample_scene(self.rng, _SCENES[self.rng.choice(4, p=_SCENE_SHARES)]) for _ in range(n)]
        pixels = np.stack([np.asarray(draw_scene(scene, self.rng)) for scene in scenes])
        pixel_values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0  # SigLIP's mean and std 0.5
        return scenes, pixel_values, torch.from_numpy(np.stack([cell_words(scene) for scene in scenes]))

    def packed(self, scenes, n_probes: int, alone: float, pick: float):
        """Ids, labels, positions [B, L] and the block-diagonal mask [B, 1, L, L] of `n_probes` probes per scene."""
        rows = [self._pack(draw_probes(scene, n_probes, self.lexicon, self.rng, alone, pick)) for scene in scenes]
        length = max(len(row[0]) for row in rows)
        ids, labels, positions, blocks = (
            torch.tensor([row[k] + [fill] * (length - len(row[0])) for row in rows])
            for k, fill in enumerate((0, -100, 0, -1))
        )
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        same = (blocks[:, :, None] == blocks[:, None, :]) | (blocks[:, None, :] == 0)
        return ids, labels, positions, (causal & same)[:, None]

    def _pack(self, probes: list[Probe]):
        prefix = [self.ids[USER]] + [self.ids[IMAGE]] * 9
        ids, labels = list(prefix), [-100] * len(prefix)
        positions, blocks = list(range(len(prefix))), [0] * len(prefix)
        for block, (question, answer) in enumerate(probes, 1):
            asked = [self.ids[word] for word in question]
            given = [self.ids[word] for word in answer] + [self.ids[END]]
            ids += asked + given
            labels += [-100] * len(asked) + given
            positions += range(len(prefix), len(prefix) + len(asked) + len(given))
            blocks += [block] * (len(asked) + len(given))
        return ids, labels, positions, blocks


def _group_ids(processor: LlavaProcessor) -> list[torch.Tensor]:
    ids = processor.tokenizer.get_vocab()
    return [torch.tensor([ids[word] for word in words]) for words in WORD_GROUPS.values()]


def alignment_loss(
    features: torch.Tensor, embeddings: torch.Tensor, targets: torch.Tensor, groups: list[torch.Tensor]
) -> torch.Tensor:
    """Mean cross-entropy of each group's words given an image token.

    features [B, 9, d], targets int [B, 9, n_groups].
    """
    flat = features.flatten(0, 1)
    return torch.stack(
        [
            F.cross_entropy(flat @ embeddings[words].T, targets[..., g].flatten(), ignore_index=-100)
            for g, words in enumerate(groups)
        ]
    ).mean()


def _image_features(model: LlavaForConditionalGeneration, pixel_values: torch.Tensor) -> torch.Tensor:
    return torch.stack(list(model.get_image_features(pixel_values=pixel_values, return_dict=True).pooler_output))


def pretrain(params: Pretrain, base: Base, device: str = "cpu") -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Make a mini base from nothing but a seed.

    Returns the model and its processor. Raises InputError, naming the step, if a loss is not finite.
    """
    torch.manual_seed(params.seed)
    processor = build_processor()
    model = build_model(processor, base.vision_width, base.width, base.layers).to(device)
    batches, groups = _Batches(processor, loose(), params.seed), [g.to(device) for g in _group_ids(processor)]
    embed = model.get_input_embeddings()

    def step(optimizer, schedule, loss: torch.Tensor, name: str, i: int) -> None:
        if not torch.isfinite(loss):
            raise InputError(f"pretrain: {name} loss is {loss.item()} at step {i}; lower pretrain.{name}_lr")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()

    def optimiser(parameters, lr: float, steps: int):
        optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
        warmup = min(200, steps // 10 + 1)
        cosine = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda i: min((i + 1) / warmup, 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * i / steps)))
        )
        return optimizer, cosine

    seeing = [
        *model.model.vision_tower.parameters(),
        *model.model.multi_modal_projector.parameters(),
        *embed.parameters(),
    ]
    optimizer, schedule = optimiser(seeing, params.align_lr, params.align_steps)
    for i in console.track(range(params.align_steps), "align vision with words"):
        _, pixels, targets = batches.scenes(params.align_batch)
        targets = targets.masked_fill(targets < 0, -100).to(device)
        loss = alignment_loss(_image_features(model, pixels.to(device)), embed.weight, targets, groups)
        step(optimizer, schedule, loss, "align", i)
        if i % 200 == 0 or i + 1 == params.align_steps:
            console.line(f"align step {i}: loss {loss.item():.3f}")

    options = torch.tensor([batches.ids[letter] for letter in OPTION_LETTERS]).to(device)

    def look(batches: _Batches, steps: int, lr: float, name: str, early: float) -> None:
        """Train all weights on the dialect; for the share `early` of the steps no look-up comes with options."""
        optimizer, schedule = optimiser(model.parameters(), lr, steps)
        for i in console.track(range(steps), f"learn to {name}"):
            scenes, pixels, targets = batches.scenes(params.look_batch)
            alone, pick = (params.alone_early, 0.0) if i < early * steps else (params.alone_late, params.pick_share)
            ids, labels, positions, mask = (
                x.to(device) for x in batches.packed(scenes, params.probes_per_image, alone, pick)
            )
            features = _image_features(model, pixels.to(device))
            inputs = embed(ids)
            inputs = inputs.masked_scatter((ids == model.config.image_token_id).unsqueeze(-1), features)
            hidden = model.model.language_model(
                inputs_embeds=inputs, attention_mask=mask, position_ids=positions
            ).last_hidden_state
            logits = model.lm_head(hidden[:, :-1])
            targets = targets.masked_fill(targets < 0, -100).to(device)
            answer_loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
            loss = answer_loss + _ALIGNMENT_WEIGHT * alignment_loss(features, embed.weight, targets, groups)
            step(optimizer, schedule, loss, name, i)
            if i % 500 == 0 or i + 1 == steps:
                with torch.no_grad():
                    asked = labels[:, 1:] != -100
                    right, letters = (
                        (logits.argmax(-1) == labels[:, 1:])[asked].float(),
                        torch.isin(labels[:, 1:][asked], options),
                    )
                console.line(
                    f"{name} step {i}: loss {answer_loss.item():.3f}, right: answer words "
                    f"{right[~letters].mean():.3f}, "
                    f"option letters {right[letters].mean():.3f}"
                )

    look(batches, params.look_steps, params.look_lr, "look", params.pick_from)
    look(_Batches(processor, heedful(), [params.seed, 1]), params.heed_steps, params.heed_lr, "heed", 0.0)
    return model.eval().cpu(), processor
