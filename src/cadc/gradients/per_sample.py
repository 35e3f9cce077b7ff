"""Per-sample gradients of every trained adapter parameter, from one batched forward and backward pass.

For a linear map y = x W^T the gradient of sample b is the sum over positions of (dL/dy)^T x. Hooks on LoRA's two
linears and on fully trained layers capture x and dL/dy, so the batch's summed weight gradients are never computed (as
in Opacus, bergson and dattri).

For LoRA's A the input of the adapted layer is kept, in the model's own precision, not PEFT's 32-bit copy: q, k and v
(gate and up) share one input tensor, which is then held once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch.nn import functional as F

from cadc.config.errors import InputError
from cadc.gradients.sketch import Exact
from cadc.model.batches import model_inputs
from cadc.model.encode import IGNORE
from cadc.model.load import trainable

Consume = Callable[[str, torch.Tensor], None]
_TEXT_MODULES = ("language_model.", "text_model.")


def answer_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over each row's answer tokens: logits [B, L, V], labels [B, L] -> float [B].

    The mean is per row, so that a row's gradient does not depend on other rows in its batch. A row without answer
    tokens in reach has loss 0.
    """
    targets = labels[:, 1:]
    losses = F.cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, ignore_index=IGNORE, reduction="none")
    return losses.sum(1) / (targets != IGNORE).sum(1).clamp(min=1)


class PerSampleGradients:
    """Collects the gradient of each row of a batch with respect to every parameter of `trainable(model)`.

    Use as a context manager around any number of `__call__`s. Meanwhile the parameters require no gradient, and the
    model is in evaluation mode, so dropout does not affect gradients. `names`: the parameters in the sorted order of
    `trainable(model)`; `sizes`: their numbers of elements.
    """

    def __init__(self, model: PeftModel):
        self.model = model
        self.parameters = trainable(model)
        self.names = list(self.parameters)
        self.sizes = [parameter.numel() for parameter in self.parameters.values()]
        self._name_of = {id(parameter): name for name, parameter in self.parameters.items()}
        self._handles: list = []
        self._consume: Consume = lambda name, gradients: None
        self._calls: Counter[str] = Counter()
        self._waiting: dict[str, torch.Tensor] = {}
        self._unreached: set[str] = set()
        self._uncast: dict[torch.nn.Module, torch.Tensor] = {}  # LoRA's A -> input of the layer that is running

    def __enter__(self) -> PerSampleGradients:
        self.model.eval()
        reached = 0
        for module in self.model.modules():
            for part in (getattr(module, "weight", None), getattr(module, "bias", None)):
                if part is not None and isinstance(module, torch.nn.Linear) and (name := self._name_of.get(id(part))):
                    part.requires_grad_(False)
                    self._handles.append(module.register_forward_hook(partial(self._on_forward, name)))
                    reached += 1
            if isinstance(module, LoraLayer):
                before = partial(self._before_cast, list(module.lora_A.values()))
                self._handles.append(module.get_base_layer().register_forward_hook(before))
        if reached != len(self.names):
            self.__exit__()
            raise InputError(
                f"model.lora.targets: {len(self.names) - reached} of {len(self.names)} LoRA parameters are "
                "not in linear layers; only linear layers support per-sample gradients, so name no others"
            )
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._uncast.clear()
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)

    def _before_cast(self, adapters: list[torch.nn.Module], module: torch.nn.Module, inputs: tuple, _: Any) -> None:
        """Called before PEFT casts the base layer's input for A."""
        self._uncast.update(dict.fromkeys(adapters, inputs[0].detach()))

    def _on_forward(self, name: str, module: torch.nn.Linear, inputs: tuple, output: torch.Tensor) -> None:
        if not output.requires_grad:
            output.requires_grad_(True)  # start the graph here: nothing below the first adapted layer is differentiable
        x = self._uncast.pop(module) if module in self._uncast else inputs[0].detach()
        if name.endswith(".bias"):  # bias of a fully trained layer: a weight with input 1
            x = x.new_ones(*x.shape[:-1], 1)
        self._calls[name] += 1
        output.register_hook(lambda gradient: self._on_backward(name, x, gradient))

    def _on_backward(self, name: str, x: torch.Tensor, gradient: torch.Tensor) -> None:
        x, gradient = x.float(), gradient.detach().float()
        if any(part in name for part in _TEXT_MODULES):
            rows = torch.bmm(gradient.flatten(1, -2).transpose(1, 2), x.flatten(1, -2)).flatten(1)  # [B, out * in]
        else:  # vision tower and connector: any number of images per row
            rows = self._over_images(x.flatten(0, -2), gradient.flatten(0, -2))
        self._calls[name] -= 1
        if name in self._waiting:
            rows += self._waiting.pop(name)
        if self._calls[name]:
            self._waiting[name] = rows  # sum over all uses of a layer that runs several times
        else:
            self._unreached.remove(name)
            self._consume(name, rows)

    def _over_images(self, x: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Row gradients [B, out * in] of a layer that processes the concatenated positions of all images [positions,
        in].

        The number of positions of an image is proportional to its patches. It is the same for all images, except in
        Qwen2-VL, whose merger also joins four patches.
        """
        if len(self._image_size.unique()) == 1:
            apart = (-1, len(x) // len(self._image_row))
            images = torch.bmm(gradient.unflatten(0, apart).transpose(1, 2), x.unflatten(0, apart)).flatten(1)
        else:
            counts = (self._image_size * len(x) // self._image_size.sum()).tolist()
            images = torch.stack(
                [(g.T @ part).flatten() for g, part in zip(gradient.split(counts), x.split(counts), strict=True)]
            )
        return torch.zeros(self._n_rows, images.shape[1], device=x.device).index_add_(0, self._image_row, images)

    def __call__(self, batch: dict[str, torch.Tensor], consume: Consume) -> torch.Tensor:
        """One forward and backward pass over a collated batch.

        `consume(name, gradients float32 [B, size])` is called once per parameter, inside the backward pass, so that
        only one parameter's gradients exist at a time. Parameters that the batch does not reach (the connector in a
        text-only batch) have a zero gradient, which AdamW still moves. Returns losses float32 [B].
        """
        device = next(self.model.parameters()).device
        self._image_row, self._image_size, self._n_rows = (
            batch["image_row"].to(device),
            batch["image_size"],
            len(batch["input_ids"]),
        )
        self._consume, self._calls, self._waiting, self._unreached = consume, Counter(), {}, set(self.names)
        inputs = model_inputs(batch, device)
        labels = inputs.pop("labels")
        with torch.enable_grad():
            losses = answer_loss(self.model(**inputs, use_cache=False).logits, labels)
            losses.sum().backward()
        for name in sorted(self._unreached):
            nothing = torch.zeros(1, self.parameters[name].numel(), device=device)
            consume(name, nothing.expand(self._n_rows, -1))  # expand uses no memory per row
        return losses.detach()

    def dense(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """All gradients at once, parameters concatenated: float32 [B, sum(sizes)], and losses float32 [B]."""
        device = next(self.model.parameters()).device
        everything = Exact(self.names, self.sizes, device)
        out = everything.zeros(len(batch["input_ids"]))
        losses = self(batch, lambda name, gradients: everything.add(name, gradients, out))
        return out, losses
