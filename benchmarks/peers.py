"""Other implementations of per-sample LoRA gradients, compared with ours by `gradients.py` if they are installed.

All differentiate the same loss. Opacus, bergson and dattri's hooks run the model unchanged. `torch.func.vmap` can't
process LLaVA's masked_scatter, so implementations built on it get rows with embedded images and only reach the language
model's LoRA. Rows are padded on the right, so a causal mask is sufficient.
"""

import logging
from collections.abc import Callable
from contextlib import contextmanager, suppress

import torch
from peft import PeftModel
from torch.func import functional_call, grad, vmap

from cadc.gradients.per_sample import answer_loss
from cadc.model.batches import model_inputs
from cadc.model.load import trainable

Peers = dict[str, Callable[[dict], torch.Tensor | None]]
_WIDTHS = (1024, 8192)


def peers(model: PeftModel) -> Peers:
    """Name -> function that returns row gradients float32 [B, n_parameters] of one collated batch, or None.

    Columns are the parameters in the order of `trainable(model)`, row-major. Peers that project or normalise return
    None. If there is LoRA outside the language model, only the naive loop is available.
    """
    made: Peers = {"naive loop": naive_loop(model)}
    if not all("language_model." in name for name in lora_names(model)):
        return made
    made["torch.func vmap(grad)"] = vmap_grad(model)
    for build in (with_opacus, with_bergson, with_trak, with_dattri):
        with suppress(ImportError):
            made |= build(model)
    return made


def lora_names(model: PeftModel) -> list[str]:
    """The model's names of its LoRA parameters, in the order of `trainable(model)`."""
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    return [name_of[id(parameter)] for parameter in trainable(model).values()]


def backward(model: PeftModel, batch: dict) -> None:
    """A plain pass over the whole batch."""
    inputs = model_inputs(batch, next(model.parameters()).device)
    labels = inputs.pop("labels")
    answer_loss(model(**inputs, use_cache=False).logits, labels).sum().backward()


def embed(model: PeftModel, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Input embeddings float [B, L, D] with the images inserted, and labels [B, L]."""
    llava, inputs = model.get_base_model().model, model_inputs(batch, next(model.parameters()).device)
    with torch.no_grad():
        embeds = llava.get_input_embeddings()(inputs["input_ids"])
        if "pixel_values" in inputs:
            images = torch.cat(
                list(llava.get_image_features(pixel_values=inputs["pixel_values"], return_dict=True).pooler_output)
            )
            embeds = embeds.masked_scatter(
                llava.get_placeholder_mask(inputs["input_ids"], inputs_embeds=embeds, image_features=images), images
            )
    return embeds, inputs["labels"]


def row_loss(
    model: PeftModel, state: dict[str, torch.Tensor], embeds: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """The loss of one row from its embeddings [L, D] and labels [L], as a function of the tensors in `state`."""
    logits = functional_call(model, state, (), {"inputs_embeds": embeds[None], "use_cache": False}).logits
    return answer_loss(logits, labels[None])[0]


def naive_loop(model: PeftModel) -> Callable[[dict], torch.Tensor]:
    """One forward and backward pass per row, without padding."""
    parameters, device = list(trainable(model).values()), next(model.parameters()).device

    def run(batch: dict) -> torch.Tensor:
        inputs, image_row, out = model_inputs(batch, device), batch["image_row"].to(device), []
        for i, length in enumerate(batch["attention_mask"].sum(1).tolist()):
            row = {name: inputs[name][i : i + 1, :length] for name in ("input_ids", "attention_mask")}
            if (image_row == i).any():
                row["pixel_values"] = inputs["pixel_values"][image_row == i]
            loss = answer_loss(model(**row, use_cache=False).logits, inputs["labels"][i : i + 1, :length])[0]
            out.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, materialize_grads=True)]))
        return torch.stack(out)

    return run


def vmap_grad(model: PeftModel) -> Callable[[dict], torch.Tensor]:
    """`torch.func` over the language model."""
    names, parameters = lora_names(model), trainable(model).values()
    per_row = vmap(grad(lambda state, embeds, labels: row_loss(model, state, embeds, labels)), in_dims=(None, 0, 0))

    def run(batch: dict) -> torch.Tensor:
        state = {name: parameter.detach() for name, parameter in zip(names, parameters, strict=True)}
        made = per_row(state, *embed(model, batch))
        return torch.cat([made[name].flatten(1) for name in names], 1)

    return run


def with_opacus(model: PeftModel) -> Peers:
    """Opacus' hooks. It also computes the batch's own gradients, which can't be switched off."""
    from opacus.grad_sample.grad_sample_module import GradSampleHooks

    parameters = list(trainable(model).values())

    def run(batch: dict) -> torch.Tensor:
        hooks = GradSampleHooks(model, loss_reduction="sum")
        backward(model, batch)
        made = torch.cat([parameter.grad_sample.flatten(1) for parameter in parameters], 1)
        hooks.cleanup()
        for parameter in parameters:
            parameter.grad = None
        return made

    return {"opacus": run}


def with_bergson(model: PeftModel) -> Peers:
    """bergson's hook collector, with frozen weights and differentiable embeddings, as bergson sets up models."""
    from bergson.collector.gradient_collectors import TraceCollector
    from bergson.gradients import AdamNormalizer, GradientProcessor

    parameters, device = list(trainable(model).values()), next(model.parameters()).device
    layers = [name.removesuffix(".weight") for name in lora_names(model)]

    @contextmanager
    def from_the_embeddings():
        handle = model.get_input_embeddings().register_forward_hook(
            lambda module, inputs, output: output.requires_grad_(True)
        )
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
        for parameter in parameters:
            parameter.requires_grad_(True)
        handle.remove()

    def collect(processor: GradientProcessor) -> Callable[[dict], torch.Tensor]:
        collector = TraceCollector(
            model=model, target_modules=set(layers), processor=processor, device=device, dtype=torch.float32
        )

        def run(batch: dict) -> torch.Tensor:
            with from_the_embeddings(), collector:
                backward(model, batch)
            return torch.cat([collector.mod_grads.pop(layer)[0] for layer in layers], 1)

        return run

    moments = {
        layer: AdamNormalizer(torch.full_like(parameter, 1e-6))
        for layer, parameter in zip(layers, parameters, strict=True)
    }
    normalised = collect(GradientProcessor(normalizers=moments))

    def run_normalised(batch: dict) -> None:
        normalised(batch)

    return {"bergson": collect(GradientProcessor()), "bergson, Adam normaliser": run_normalised}


def with_trak(model: PeftModel) -> Peers:
    """TRAK's functional gradient computer and its projector.

    The computer also differentiates the frozen weights and discards the result.
    """
    from trak.gradient_computers import FunctionalGradientComputer
    from trak.modelout_functions import AbstractModelOutput
    from trak.projectors import BasicProjector, ProjectionType

    class AnswerLoss(AbstractModelOutput):
        def __init__(self):
            pass

        @staticmethod
        def get_output(model, weights, buffers, embeds, labels):
            return row_loss(model, weights | buffers, embeds, labels)

        get_out_to_loss_grad = None  # required by the base class; not needed for projected gradients

    names, device = lora_names(model), next(model.parameters()).device
    size = sum(parameter.numel() for parameter in trainable(model).values())
    computer = FunctionalGradientComputer(model, AnswerLoss(), size, torch.float32, device, grad_wrt=names)

    @torch.no_grad()  # otherwise torch records a graph of the gradient computation
    def per_row(batch: dict) -> dict[str, torch.Tensor]:
        return computer.compute_per_sample_grad(embed(model, batch))

    def raw(batch: dict) -> torch.Tensor:
        made = per_row(batch)
        return torch.cat([made[name].flatten(1) for name in names], 1)

    def projected(width: int) -> Callable[[dict], None]:
        projector = BasicProjector(size, width, 0, ProjectionType.normal, device)

        def run(batch: dict) -> None:
            projector.project(per_row(batch), model_id=0)

        return run

    return {"TRAK": raw} | {f"TRAK, projected to {width}": projected(width) for width in _WIDTHS}


def with_dattri(model: PeftModel) -> Peers:
    """dattri's per-sample gradient function, its hooks (for compression, here the identity) and its projector."""
    from dattri.algorithm.block_projected_if import HookManager, setup_model_compressors
    from dattri.func.projection import random_project
    from dattri.task import AttributionTask

    names, device = lora_names(model), next(model.parameters()).device
    own = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    sizes = [model.get_parameter(name).numel() for name in own]
    task = AttributionTask(
        lambda state, row: row_loss(model, state, *row),
        model,
        [{}],
        checkpoints_load_func=lambda model, checkpoint: model,
    )
    per_row = task.get_grad_loss_func(in_dims=(None, 0))

    @torch.no_grad()
    def flat(batch: dict) -> torch.Tensor:
        return per_row(task.get_param()[0], embed(model, batch))

    def raw(batch: dict) -> torch.Tensor:
        parts = dict(zip(own, flat(batch).split(sizes, 1), strict=True))
        return torch.cat([parts[name] for name in names], 1)

    def projected(width: int) -> Callable[[dict], None]:
        project = random_project(torch.empty(1, sum(sizes)), 1, width, 32, device=device)

        def run(batch: dict) -> None:
            project(flat(batch))

        return run

    logging.getLogger("dattri").setLevel(logging.WARNING)
    layers = [name.removesuffix(".weight") for name in names]
    identity = {"proj_type": "identity", "proj_dim": -1, "proj_max_batch_size": 32, "device": str(device)}
    sample = {"input_ids": torch.ones(1, 2, dtype=torch.long)}
    compressors = setup_model_compressors(model, layers, identity, identity, sample, str(device))

    def hooks(batch: dict) -> torch.Tensor:
        manager = HookManager(model, layers, str(device))
        manager.set_compressors(compressors)
        backward(model, batch)
        manager.remove_hooks()
        n_rows = len(batch["input_ids"])  # the hooks assume a mean loss over rows
        return torch.cat(manager.get_compressed_grads(), 1) / n_rows

    return {"dattri": raw, "dattri, hooks": hooks} | {
        f"dattri, projected to {width}": projected(width) for width in _WIDTHS
    }
