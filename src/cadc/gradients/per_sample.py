"""Per-sample gradients of every LoRA parameter from one batched forward and backward pass.

For a linear map y = x W^T the gradient of sample b is sum over positions of (dL/dy)^T x. Hooks on LoRA's two linears
catch x and dL/dy, so the batch's summed weight gradients are never computed (as in Opacus, bergson and dattri).
"""

from __future__ import annotations

import torch
from peft import PeftModel
from torch.nn import functional as F

from cadc.model.encode import IGNORE, model_inputs
from cadc.model.load import trainable

_TEXT_MODULES = ("language_model.", "text_model.")


def answer_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over each row's own answer tokens: logits [B, L, V], labels [B, L] -> float [B].

    The mean is per row, so that a row's gradient depends on nothing else in its batch. A row without answer tokens in
    reach has loss 0.
    """
    targets = labels[:, 1:]
    losses = F.cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, ignore_index=IGNORE, reduction="none")
    return losses.sum(1) / (targets != IGNORE).sum(1).clamp(min=1)


class PerSampleGradients:
    """Collects the gradient of each row of a batch with respect to every LoRA parameter.

    Use as a context manager around any number of `__call__`s; LoRA weights ask for no gradient meanwhile. Parameters
    are concatenated in the sorted order of `trainable(model)`, each flattened row-major.
    """

    def __init__(self, model: PeftModel):
        self.model = model
        parameters = trainable(model)
        self.names = list(parameters)
        self.sizes = [parameter.numel() for parameter in parameters.values()]
        self.width = sum(self.sizes)
        offsets = dict(zip(self.names, torch.tensor([0, *self.sizes]).cumsum(0).tolist(), strict=False))
        self._slots = {id(p): (offsets[name], p.numel(), any(part in name for part in _TEXT_MODULES)) for name, p in parameters.items()}
        self._handles: list = []

    def __enter__(self) -> PerSampleGradients:
        for module in self.model.modules():
            weight = getattr(module, "weight", None)
            if isinstance(module, torch.nn.Linear) and id(weight) in self._slots:
                weight.requires_grad_(False)
                self._handles.append(module.register_forward_hook(self._on_forward))
        if len(self._handles) != len(self.names):
            self.__exit__()
            raise TypeError(
                f"{len(self.names)} LoRA parameters but {len(self._handles)} of them in linear layers; per-sample gradients know linear layers alone"
            )
        return self

    def __exit__(self, *_) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for parameter in trainable(self.model).values():
            parameter.requires_grad_(True)

    def _on_forward(self, module: torch.nn.Linear, inputs: tuple, output: torch.Tensor):
        if not output.requires_grad:
            output.requires_grad_(True)  # below the first adapted layer nothing is differentiable: start the graph here
        x = inputs[0].detach()
        output.register_hook(lambda gradient: self._on_backward(module, x, gradient))

    def _on_backward(self, module: torch.nn.Linear, x: torch.Tensor, gradient: torch.Tensor) -> None:
        offset, size, is_text = self._slots[id(module.weight)]
        x, gradient = x.flatten(1, -2), gradient.detach().flatten(1, -2)
        per_item = torch.bmm(gradient.float().transpose(1, 2), x.float()).flatten(1)  # [items, out * in]
        target = self._gradients[:, offset : offset + size]
        if is_text:
            target += per_item
        else:  # vision tower and connector see images, of which a row has any number
            target.index_add_(0, self._image_row, per_item)

    def __call__(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients float32 [B, width] and losses float32 [B] of a collated batch."""
        device = next(self.model.parameters()).device
        self._image_row = batch["image_row"].to(device)
        self._gradients = torch.zeros(len(batch["input_ids"]), self.width, device=device)
        inputs = model_inputs(batch, device)
        labels = inputs.pop("labels")
        with torch.enable_grad():
            losses = answer_loss(self.model(**inputs, use_cache=False).logits, labels)
            losses.sum().backward()
        gradients, self._gradients = self._gradients, None
        return gradients, losses.detach()
