"""Pre-train a mini base: it learns to see, to look things up, and to read (ours).

align: vision tower, connector and word embeddings, so that each image token lies near the words for its cell.
look: all weights on the dialect (`world/dialect.py`), several probes packed per image. The alignment loss stays on,
because the language model's gradients would destroy the alignment. heed: a short run of the dialect's second phase, in
which no question word is a filler; without it, reading took far longer. read: texts (`world/reading.py`) next to the
second phase, with the alignment loss. settle: the same, but most texts follow an unrelated image, and some ask without
describing a scene. Before this phase the base describes any image, whatever the question, and how quickly tuning
changes that depends on the seed. After it, the base describes on request and answers questions, wrongly and in
sentences. Everything is counted in steps and drawn from one seed, so every run gives the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from cadc.artifacts import whole
from cadc.compute import console
from cadc.config.errors import InputError
from cadc.config.params import Base, Pretrain
from cadc.world.bases import build_model, build_processor
from cadc.world.batches import Batches, Packed
from cadc.world.dialect import OPTION_LETTERS, WORD_GROUPS
from cadc.world.vocabulary import heedful, loose, settled

_ALIGNMENT_WEIGHT = 0.3
_SAID_EVERY = 500  # steps
_KEPT = ("look", "heed", "read")  # phases with a checkpoint; align is short, and look continues its draws
Said = tuple[torch.Tensor, Callable[[], str]]  # (loss, function that returns progress as text)


def alignment_loss(
    features: torch.Tensor, embeddings: torch.Tensor, targets: torch.Tensor, groups: list[torch.Tensor]
) -> torch.Tensor:
    """Mean cross-entropy of each group's words given an image token.

    features [B, 9, d]; targets int [B, 9, n_groups], -1 if a group does not apply.
    """
    flat, total = features.flatten(0, 1), 0.0
    for g, words in enumerate(groups):
        wanted = targets[..., g].flatten()
        apply = (wanted >= 0).sum().clamp(min=1)  # a batch may have no letter, bar or shape
        total += F.cross_entropy(flat @ embeddings[words].T, wanted, ignore_index=-1, reduction="sum") / apply
    return total / len(groups)


class _Pupil:
    """A base in training: its losses, and a training loop per phase."""

    def __init__(self, model: LlavaForConditionalGeneration, processor: LlavaProcessor):
        ids = processor.tokenizer.get_vocab()
        self.model, self.embed = model, model.get_input_embeddings()
        self.groups = [torch.tensor([ids[word] for word in words]) for words in WORD_GROUPS.values()]
        self.letters = torch.tensor([ids[letter] for letter in OPTION_LETTERS])

    def seeing(self) -> list[torch.nn.Parameter]:
        """The parameters that `align` trains."""
        parts = (self.model.model.vision_tower, self.model.model.multi_modal_projector, self.embed)
        return [parameter for part in parts for parameter in part.parameters()]

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(self.model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output))

    def alignment(self, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return alignment_loss(features, self.embed.weight, targets, self.groups)

    def answers(self, packed: Packed, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean loss of the answer words; bool [2, n]: which of them are right, and which are option letters).

        features: float32 [n_pictures, 9, d], of the sequences that start with an image.
        """
        ids, labels, positions, mask = packed
        pictured = (ids == self.model.config.image_token_id).unsqueeze(-1)
        inputs = self.embed(ids).masked_scatter(pictured, features)
        language = self.model.model.language_model
        hidden = language(inputs_embeds=inputs, attention_mask=mask, position_ids=positions).last_hidden_state[:, :-1]
        asked = labels[:, 1:] != -100
        logits, wanted = self.model.lm_head(hidden[asked]), labels[:, 1:][asked]
        right = torch.stack([logits.argmax(-1) == wanted, torch.isin(wanted, self.letters)])
        return F.cross_entropy(logits, wanted), right

    def phase(
        self, name: str, parameters: Iterable[torch.nn.Parameter], steps: int, lr: float, loss_at: Callable[[int], Said]
    ) -> None:
        """Train for `steps` with AdamW, warm-up and cosine decay; `loss_at(step)` also returns the progress text.

        Raises InputError naming the step if a loss is not finite.
        """
        warmup = min(200, steps // 10 + 1)
        optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda i: min((i + 1) / warmup, 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * i / steps)))
        )
        for i in console.track(range(steps), f"learn to {name}"):
            loss, said = loss_at(i)
            if not torch.isfinite(loss):
                raise InputError(f"pretrain: {name} loss is {loss.item()} at step {i}; lower pretrain.{name}_lr")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if i % _SAID_EVERY == 0 or i + 1 == steps:
                console.line(f"{name} step {i}: loss {loss.item():.3f}{said()}")


def _right(of: str, right: torch.Tensor) -> str:
    """Text with the share of right answer words and of right option letters. right: from `_Pupil.answers`."""
    hit, letters = right[0].float(), right[1]
    return f", {of}: words {hit[~letters].mean():.3f}, letters {hit[letters].mean():.3f} right"


def pretrain(params: Pretrain, base: Base, kept: Path) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Train a mini base from scratch.

    kept: the folder for checkpoints after long phases, from which a killed run resumes. Returns the model and its
    processor. Raises InputError naming the step if a loss is not finite.
    """
    torch.manual_seed(params.seed)
    processor = build_processor()
    model = build_model(processor, base.vision_width, base.width, base.layers)
    pupil, batches = _Pupil(model, processor), Batches(processor, loose(), params.seed)

    def align(step: int) -> Said:
        _, pixels, targets = batches.scenes(params.align_batch)
        return pupil.alignment(pupil.features(pixels), targets), lambda: ""

    def look(
        batches: Batches, images: int, alone: float, pick: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scenes, pixels, targets = batches.scenes(images)
        features = pupil.features(pixels)
        loss, right = pupil.answers(batches.looking(scenes, params.probes_per_image, alone, pick), features)
        return loss + _ALIGNMENT_WEIGHT * pupil.alignment(features, targets), right, features

    def loose_look(step: int) -> Said:
        early = step < params.pick_from * params.look_steps  # before look-ups list options
        alone, pick = (params.alone_early, 0.0) if early else (params.alone_late, params.pick_share)
        loss, right, _ = look(batches, params.look_batch, alone, pick)
        return loss, lambda: _right("dialect", right)

    careful, reader = (Batches(processor, heedful(), [params.seed, own]) for own in (1, 2))
    settler = Batches(processor, settled(), [params.seed, 3])

    def heed(step: int) -> Said:
        loss, right, _ = look(careful, params.look_batch, params.alone_late, params.pick_share)
        return loss, lambda: _right("dialect", right)

    def texts(batches: Batches, pictured: int) -> Said:
        loss, right, features = look(batches, params.read_images, params.alone_late, params.pick_share)
        packed = batches.reading(params.read_sequences, params.texts_per_sequence, pictured, params.settle_untold)
        of_texts, right_of_texts = pupil.answers(packed, features[:pictured])
        return loss + of_texts, lambda: _right("dialect", right) + _right("texts", right_of_texts)

    phases = {
        "align": align,
        "look": loose_look,
        "heed": heed,
        "read": lambda step: texts(reader, 0),
        "settle": lambda step: texts(settler, params.settle_pictured),
    }
    for name in _todo(kept, list(phases), model):
        parameters, loss_at = pupil.seeing() if name == "align" else model.parameters(), phases[name]
        pupil.phase(name, parameters, getattr(params, f"{name}_steps"), getattr(params, f"{name}_lr"), loss_at)
        if name in _KEPT:
            _keep(kept / f"{name}.safetensors", model)
    return model.eval(), processor


def _keep(path: Path, model: LlavaForConditionalGeneration) -> None:
    with whole(path) as part:
        save_model(model, str(part))


def _todo(kept: Path, phases: list[str], model: LlavaForConditionalGeneration) -> list[str]:
    """The phases after the last checkpoint, whose weights are loaded."""
    done = [name for name in phases if (kept / f"{name}.safetensors").exists()]
    if not done:
        return phases
    load_model(model, str(kept / f"{done[-1]}.safetensors"))
    console.line(f"pretrain: resumes after phase {done[-1]}")
    return phases[phases.index(done[-1]) + 1 :]
