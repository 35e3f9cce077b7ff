"""Learn from the pool whether an image matches a text: its rows against the same rows with other rows' images.

Image-text matching as a filter of noisy pairs is BLIP's (Li et al. 2022, section 3.3, CapFilt). Here the adapter
trained on the other folds learns it, too (ours): it already knows the pool's questions, and it never saw the rows that
it judges.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import PreTrainedModel

from cadc.artifacts import whole
from cadc.cleaning.cross_fitting import other_rows, shown, with_image_of
from cadc.compute import console
from cadc.compute.finite import refuse_not_finite
from cadc.config.cleaning import Matching
from cadc.config.errors import InputError
from cadc.config.params import Optimizer
from cadc.gradients.influence import token_batches
from cadc.model.adapters import load_adapter, load_tensors, save_adapter
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import IGNORE, EncodedRows
from cadc.model.load import trainable
from cadc.model.stream import ahead
from cadc.training.checkpoint import Checkpoint
from cadc.training.optimizer import clip, parameter_groups, seed_dropout, started, zero_head


class Matcher(NamedTuple):
    """A member of an ensemble: the name of its adapter in the shared model, and its head."""

    adapter: str
    head: torch.nn.Linear


def read(hidden: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The head's input: the final hidden states at the start of a row's answers (mean over answers), at their end, and
    at its last token.

    hidden [B, L, width], labels and mask int64 [B, L] -> float32 [B, 3 * width].
    """
    answer = F.pad(labels != IGNORE, (1, 1))
    begins, ends = answer[:, 2:] & ~answer[:, 1:-1], answer[:, 1:-1] & ~answer[:, 2:]
    means = [(hidden.float() * at[..., None]).sum(1) / at.sum(1, keepdim=True).clamp(min=1) for at in (begins, ends)]
    last = mask.size(1) - 1 - mask.flip(1).argmax(1)
    return torch.cat([*means, hidden[torch.arange(len(last), device=last.device), last].float()], 1)


def log_odds(model: PeftModel, head: torch.nn.Linear, encoded: list[dict], pad_id: int) -> torch.Tensor:
    """Log-odds that rows are shown with their own images: float32 [B]."""
    inputs = model_inputs(collate(encoded, pad_id), head.weight.device)
    labels = inputs.pop("labels")
    hidden = model(**inputs, use_cache=False, output_hidden_states=True).hidden_states[-1]
    return head(read(hidden, labels, inputs["attention_mask"]))[:, 0]


def train_matching(
    model: PeftModel,
    rows: EncodedRows,
    which: np.ndarray,
    keeper: np.ndarray,
    how: Matching,
    recipe: Optimizer,
    dtype: str,
    batch_tokens: int,
    seed: list[int],
    kept: Path | None = None,
) -> torch.nn.Linear:
    """Train `model` in place, with a linear head that is returned, to tell rows with their own images from the same
    rows with others' images.

    which int64 [n]: rows with images, in a new order in every epoch. Each batch shows every row both ways; the other
    image comes from a row of the batch that is not a copy (keeper int64 [n_rows]). A batch is split into parts of
    similar length with at most `batch_tokens` tokens. Binary cross-entropy, AdamW, `recipe`'s schedule; checkpoints at
    `kept`, from which a killed run resumes. Raises InputError if the loss is not finite.
    """
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(which) for _ in range(math.ceil(how.epochs))])[
        : round(how.epochs * len(which))
    ]
    parameters, device, pad_id = (
        list(trainable(model).values()),
        next(model.parameters()).device,
        rows.processor.tokenizer.pad_token_id,
    )
    head = zero_head(3 * model.config.get_text_config().hidden_size, device)
    n_steps = -(-len(order) // how.batch_size)
    whole_rate = recipe.whole_learning_rate and recipe.whole_learning_rate / recipe.learning_rate * how.learning_rate
    groups = parameter_groups(model, how.learning_rate, whole_rate)
    groups.append({"params": head.parameters(), "lr": how.learning_rate})
    checkpoint = Checkpoint(kept, head=head) if kept else None
    optimizer, rate, losses, done = started(model, groups, recipe, n_steps, checkpoint)
    model.train()
    stream = ahead(rows, order[done * how.batch_size :])
    for i in console.track(range(done, n_steps), "matching"):
        batch = order[i * how.batch_size : (i + 1) * how.batch_size]
        others = other_rows(batch, np.ones(len(batch), bool), keeper[batch], 1, i)[0]
        encoded = [next(stream) for _ in batch]
        of_row = dict(zip(batch.tolist(), encoded, strict=True))
        pairs = zip(encoded, others.tolist(), strict=True)
        encoded += [with_image_of(rows, texts, of_row[other]) for texts, other in pairs]
        own, passed = (torch.arange(len(encoded), device=device) < len(batch)).float(), 0.0
        for k, at in enumerate(token_batches(np.array([len(e["input_ids"]) for e in encoded]), batch_tokens)):
            seed_dropout(*seed, i, k)
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
                found = log_odds(model, head, [encoded[place] for place in at], pad_id)
            loss = F.binary_cross_entropy_with_logits(found.float(), own[at], reduction="sum") / len(encoded)
            loss.backward()
            passed += loss.item()
        if not math.isfinite(passed):
            raise InputError(f"the matching loss is {passed} at step {i + 1}; lower crossfit.matching.learning_rate")
        console.note(loss=passed)
        clip(parameters, recipe.max_grad_norm)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        losses[i] = passed
        if checkpoint and checkpoint.due(i + 1, recipe.checkpoint_steps):
            checkpoint.save(model, optimizer, losses[: i + 1])
    model.eval()
    return head


def save_matcher(model: PeftModel, head: torch.nn.Linear, folder: Path) -> None:
    """Write the result of `train_matching`, for `load_matchers`."""
    save_adapter(model, folder)
    with whole(folder / "head.safetensors") as part:
        save_file(head.state_dict(), part)


def load_matchers(
    model: PreTrainedModel | PeftModel, folders: list[Path], name: str
) -> tuple[PreTrainedModel | PeftModel, list[Matcher]]:
    """(`model` with the adapters of an ensemble's `folders`, named `name` and a number; the ensemble, empty if no
    training row had an image)."""
    made = []
    for number, folder in enumerate(folders):
        if not (folder / "head.safetensors").exists():
            continue
        model, weights = load_adapter(model, folder, f"{name}_{number}"), load_tensors(folder / "head.safetensors")
        head = torch.nn.Linear(weights["weight"].shape[1], 1, device=next(model.parameters()).device)
        head.load_state_dict(weights)
        made.append(Matcher(f"{name}_{number}", head.requires_grad_(False)))
    return model, made


@torch.inference_mode()
def matched(
    model: PeftModel,
    matchers: list[Matcher],
    rows: EncodedRows,
    which: np.ndarray,
    others: np.ndarray,
    batch_tokens: int,
) -> dict[str, np.ndarray]:
    """match float32 [n], decoy float32 [draws, n]: the ensemble's mean `log_odds` of rows `which` with their own images
    and with those of `others`.

    others int64 [draws, n], -1: none; NaN there, and everywhere without matchers. Raises InputError naming rows whose
    log-odds are otherwise not finite.
    """
    match, decoy, pad_id = (
        np.full(len(which), np.nan, np.float32),
        np.full(others.shape, np.nan, np.float32),
        rows.processor.tokenizer.pad_token_id,
    )
    pictured = np.flatnonzero(others[0] >= 0)
    if not len(pictured) or not matchers:
        return {"match": match, "decoy": decoy}

    def judge(encoded: list[dict]) -> np.ndarray:
        found = []
        for adapter, head in matchers:
            model.set_adapter(adapter)
            found.append(log_odds(model, head, encoded, pad_id).cpu().numpy())
        return np.mean(found, 0)

    for at, encoded, draws in shown(rows, which[pictured], others[:, pictured], batch_tokens):
        match[pictured[at]] = judge(encoded)
        for own, swapped in zip(decoy, draws, strict=True):
            own[pictured[at]] = judge(swapped)
    made = {"match": match[pictured], "decoy": decoy[:, pictured].T}
    refuse_not_finite(made, 0, rows.ids(which[pictured]), fix="check these rows, or lower proxy.learning_rate")
    return {"match": match, "decoy": decoy}
