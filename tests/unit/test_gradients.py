"""Gradients: exact for every row, whatever its batch; AdamW's own direction."""

import numpy as np
import torch

from cadc.gradients.adamw import Direction
from cadc.gradients.influence import token_batches
from cadc.gradients.per_sample import PerSampleGradients, answer_loss
from cadc.model.batches import collate, model_inputs
from cadc.model.load import trainable
from cadc.training.snapshots import Snapshot

CPU = torch.device("cpu")


def by_loop(model, rows, which, pad_id):
    """One backward pass a row, by autograd itself."""
    out = []
    for row in which:
        batch = model_inputs(collate([rows[row]], pad_id), CPU)
        labels = batch.pop("labels")
        loss = answer_loss(model(**batch).logits, labels).sum()
        grads = torch.autograd.grad(loss, list(trainable(model).values()), allow_unused=True)
        out.append(
            torch.cat(
                [
                    torch.zeros(p.numel()) if g is None else g.flatten()
                    for g, p in zip(grads, trainable(model).values(), strict=True)
                ]
            )
        )
    return torch.stack(out)


def mixed_rows(pool):
    """Rows with and without image, of one and of several turns."""
    records = pool.to_pylist()
    text = [i for i, r in enumerate(records) if not r["images"]][:2]
    several = [i for i, r in enumerate(records) if len(r["turns"]) > 2][:2]
    return [*text, *several, 0, 1, 2, 3]


def test_hooks_equal_the_loop_in_language_model_connector_and_vision_tower(lora_model, rows, pool):
    which = mixed_rows(pool)
    expected = by_loop(lora_model, rows, which, 0)
    with PerSampleGradients(lora_model) as gradients:
        made, losses = gradients.dense(collate([rows[i] for i in which], 0))
    assert (made - expected).norm(dim=1).max() / expected.norm(dim=1).max() < 1e-5
    for part in ("language_model", "multi_modal_projector", "vision_tower"):
        at = np.cumsum([0, *gradients.sizes])
        slot = next(slice(at[i], at[i + 1]) for i, name in enumerate(gradients.names) if part in name)
        assert made[-1, slot].abs().max() > 0
    assert torch.isfinite(losses).all() and all(p.requires_grad for p in trainable(lora_model).values())


def test_a_row_does_not_depend_on_its_batch(lora_model, rows, pool):
    which = mixed_rows(pool)
    with PerSampleGradients(lora_model) as gradients:
        together, _ = gradients.dense(collate([rows[i] for i in which], 0))
        reverse, _ = gradients.dense(collate([rows[i] for i in reversed(which)], 0))
        alone = torch.cat([gradients.dense(collate([rows[i]], 0))[0] for i in which])
    scale = together.norm(dim=1, keepdim=True)
    assert ((together - alone) / scale).abs().max() < 1e-5
    assert ((together - reverse.flip(0)) / scale).abs().max() < 1e-5


def test_only_answer_tokens_count_and_a_row_without_them_has_no_gradient(lora_model, rows):
    batch = collate([rows[0], rows[1]], 0)
    batch["labels"][1] = -100
    with PerSampleGradients(lora_model) as gradients:
        made, losses = gradients.dense(batch)
    assert made[1].abs().max() == 0 and losses[1] == 0 and made[0].abs().max() > 0


def test_a_layer_used_twice_has_the_sum_of_both_uses(lora_model, rows):
    import types

    layer = next(m for name, m in lora_model.named_modules() if name.endswith("layers.1.mlp.down_proj"))
    forward = layer.forward
    layer.forward = types.MethodType(lambda self, x: forward(x) + 0.5 * forward(x * 0.3), layer)
    expected = by_loop(lora_model, rows, [0, 5, 9], 0)
    with PerSampleGradients(lora_model) as gradients:
        made, _ = gradients.dense(collate([rows[i] for i in (0, 5, 9)], 0))
    assert (made - expected).norm(dim=1).max() / expected.norm(dim=1).max() < 1e-5


def test_batches_hold_every_row_once_within_the_budget_of_tokens():
    lengths = np.random.default_rng(0).integers(5, 90, 200)
    lengths[17] = 500
    batches = token_batches(lengths, 300)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert (
        all(len(b) == 1 or len(b) * lengths[b].max() <= 300 for b in batches)
        and token_batches(np.empty(0, int), 10) == []
    )


def snapshot(parameters, step=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = {k: {n: torch.randn(p.shape, generator=generator) for n, p in parameters.items()} for k in ("w", "m", "v")}
    return Snapshot(step, 1e-3, 0.9, 0.999, 1e-8, draw["w"], draw["m"], {n: v.square() for n, v in draw["v"].items()})


def test_adamw_direction_is_the_step_that_torch_takes():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(6, 5))
    optimizer = torch.optim.AdamW([weight], lr=1.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    for _ in range(4):
        weight.grad = torch.randn(6, 5)
        optimizer.step()
    state = optimizer.state[weight]
    taken = Snapshot(
        4,
        1.0,
        0.9,
        0.999,
        1e-8,
        {"w": weight.detach()},
        {"w": state["exp_avg"].clone()},
        {"w": state["exp_avg_sq"].clone()},
    )
    gradient, before = torch.randn(6, 5), weight.detach().clone()
    weight.grad = gradient
    optimizer.step()
    made = Direction(taken, "adamw", CPU)("w", gradient.flatten()[None].clone())
    assert torch.allclose(made[0].reshape(6, 5), before - weight.detach(), atol=1e-6)


def test_own_update_leaves_out_the_shared_momentum():
    parameters = {"w": torch.zeros(40)}
    state = snapshot(parameters)
    gradients = torch.randn(5, 40)
    full = Direction(state, "adamw", CPU)("w", gradients)
    own = Direction(state, "adamw_own", CPU)("w", gradients)
    second = 0.999 * state.exp_avg_sq["w"] + 0.001 * gradients**2
    shared = 0.9 * state.exp_avg["w"] / (1 - 0.9**8) / ((second / (1 - 0.999**8)).sqrt() + 1e-8)
    assert torch.allclose(full - own, shared, atol=1e-4)
    assert torch.equal(Direction(state, "sgd", CPU)("w", gradients), gradients)
