"""Measure how well a model predicts the answers of rows, during training and for features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from peft import PeftModel
from torch.nn import functional as F

from cadc.compute.finite import refuse_not_finite
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import IGNORE, EncodedRows
from cadc.model.stream import ahead, token_lengths

#: (logits [B, L, V], labels [B, L], text bool [B, L]) -> loss of each row, [B].
RowLosses = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def answer_scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """How well each row's answer tokens are predicted: logits [B, L, V], labels [B, L] -> float32 [B] each, means over
    tokens.

    nll: -log p. el2n: |p - onehot|_2 (Paul et al. 2021, eq. 2). margin: p of the token minus the highest other p; its
    mean over snapshots is the area under the margin (Pleiss et al. 2020). NaN for a row without answer tokens, because
    0 would be the best value.
    """
    targets = labels[:, 1:]
    row, position = torch.nonzero(targets != IGNORE, as_tuple=True)
    p = logits[row, position].float().softmax(-1)  # position i predicts token i + 1
    own = p.gather(1, targets[row, position][:, None])[:, 0]
    others = p.scatter(1, targets[row, position][:, None], -1.0).amax(1)
    nll = F.cross_entropy(logits[row, position].float(), targets[row, position], reduction="none")
    tokens = {"nll": nll, "el2n": (p.square().sum(1) - 2 * own + 1).clamp(min=0).sqrt(), "margin": own - others}
    counts = torch.bincount(row, minlength=len(labels))
    return {
        name: torch.zeros(len(labels), device=p.device).index_add_(0, row, values) / counts
        for name, values in tokens.items()
    }


def exact_matches(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Share of each row's answers that greedy decoding would reproduce: logits [B, L, V], labels [B, L] -> float32 [B].

    Greedy decoding reproduces an answer exactly if each token, the end of turn included, is the most likely one after
    those before it. So one forward pass is enough, without generation. All answers of a multi-turn row count equally.
    NaN for a row without an answer.
    """
    wrong = (logits[:, :-1].argmax(-1) != labels[:, 1:]) & (labels[:, 1:] != IGNORE)
    answer = labels != IGNORE
    begins = answer & ~F.pad(answer, (1, 0))[:, :-1]
    number = begins.cumsum(1)[:, 1:]  # index of the answer that a token belongs to, from 1
    missed = torch.zeros(len(labels), int(number.max()) + 1 if number.numel() else 1, device=labels.device)
    missed.scatter_add_(1, number, wrong.float())
    n_answers = begins.sum(1)
    there = torch.arange(1, missed.shape[1], device=labels.device)[None] <= n_answers[:, None]
    return ((missed[:, 1:] == 0) & there).sum(1) / n_answers


def mean_losses(logits: torch.Tensor, labels: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Mean loss over each row's answer tokens: float32 [B]. Ignores `text`."""
    return answer_scores(logits, labels)["nll"]


def text_tokens(inputs: dict[str, torch.Tensor], image_token: int) -> torch.Tensor:
    """A batch's tokens before image expansion: bool [B, L]; only the first token of each image counts."""
    image = inputs["input_ids"] == image_token
    return (inputs["attention_mask"] == 1) & ~(image & F.pad(image, (1, 0))[:, :-1])


@torch.no_grad()  # not inference_mode: training reuses what FSDP allocates in the first pass
def measured(
    model: PeftModel, rows: EncodedRows, which: np.ndarray, batch_size: int, losses: RowLosses = mean_losses
) -> np.ndarray:
    """Loss (by `losses`) and share of exact answers of each row in `which`: float64 [len(which), 2].

    Keeps the model's train or eval mode. Rows are batched by length, so that batches depend only on `which`. Raises
    InputError naming rows without a finite loss.
    """
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    values = np.empty((len(which), 2))
    order = np.argsort(token_lengths(rows, which), kind="stable")
    stream = ahead(rows, which[order])
    for start in range(0, len(order), batch_size):
        at = order[start : start + batch_size]
        inputs = model_inputs(collate([next(stream) for _ in at], rows.processor.tokenizer.pad_token_id), device)
        labels = inputs.pop("labels")
        logits = model(**inputs, use_cache=False).logits
        made = losses(logits, labels, text_tokens(inputs, model.config.image_token_id)), exact_matches(logits, labels)
        values[at] = torch.stack(made, 1).double().cpu().numpy()
    model.train(was_training)
    refuse_not_finite({"loss and accuracy": values}, 0, rows.ids(which), fix="lower learning_rate, or check these rows")
    return values
