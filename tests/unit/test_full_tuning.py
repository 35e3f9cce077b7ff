"""All weights of a language model trained."""

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from test_architectures import MODELS, rows_of
from test_training import Listed, Watched
from whole_connector import bytes_of

from cadc.artifacts import Selection
from cadc.config.errors import InputError
from cadc.model.adapters import load_adapter, save_adapter
from cadc.model.batches import collate, model_inputs
from cadc.model.load import load_base, load_processor, trainable, unfrozen
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.grouping import grouped_schedule
from cadc.training.tuner import Tuner

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_all_weights_of_a_language_model_are_trained_saved_and_loaded(small, model_params, tmp_path, dtype):
    """Qwen2-VL: its tower stays as it is."""
    build, images = MODELS["qwen2_vl"]
    kind, how = (
        getattr(torch, dtype),
        small.model_copy(update={"learning_rate": 1e-3, "micro_batch": 2, "checkpoint_steps": 2}),
    )
    options = model_params.model_copy(update={"packing": False, "dtype": dtype, "gradient_checkpointing": True})
    rows, checkpoint = Listed(rows_of(images)), Checkpoint(tmp_path / "checkpoint")
    for row in rows:
        if "pixel_values" in row:
            row["pixel_values"] = row["pixel_values"].to(kind)

    def fresh():
        torch.manual_seed(0)
        return build()[0].to(kind).requires_grad_(False).eval()

    class BreaksOff(list):
        marks = (12,)

        def __getitem__(self, examples):
            if isinstance(examples, slice) and examples.start >= 12:
                raise KeyboardInterrupt
            return np.array(self)[examples]

    def run(name, schedule, checkpoint=None):
        model = unfrozen(fresh(), r".*language_model.*|lm_head.*")
        losses = finetune(model, rows, schedule, how, options, checkpoint=checkpoint)
        save_adapter(model, tmp_path / name)
        return model, losses.tobytes(), bytes_of(tmp_path / name)

    order = np.arange(20) % 5
    model, *whole = run("whole", order)
    with pytest.raises(KeyboardInterrupt):
        run("killed", BreaksOff(order.tolist()), checkpoint)
    assert run("again", order, checkpoint)[1:] == tuple(whole)
    before = dict(fresh().named_parameters())
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed and changed <= set(trainable(model)) and not any("visual" in name for name in changed)
    assert {p.dtype for p in model.parameters()} == {kind}
    loaded = load_adapter(fresh(), tmp_path / "whole")
    inputs = model_inputs(collate(list(rows), 0), CPU, with_labels=False)
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, loaded(**inputs).logits)
        assert not torch.equal(loaded(**inputs).logits, fresh()(**inputs).logits)
    with pytest.raises(InputError, match=r"is not a weight of the model"):
        load_adapter(base_of_another(), tmp_path / "whole")
    with pytest.raises(InputError, match=r"finetune\.full: nothing matches no weight"):
        unfrozen(fresh(), "nothing")


def base_of_another():
    torch.manual_seed(0)
    return FAMILIES["llava"].build()[0]


def test_steps_too_small_for_bf16_add_up(small, model_params):
    """In bf16 itself a weight of 1 would not move by less than 1/256."""
    build, images = MODELS["qwen2_vl"]
    torch.manual_seed(0)
    model = unfrozen(build()[0].bfloat16().requires_grad_(False).eval(), r".*language_model\.norm\.weight")
    how = small.model_copy(update={"learning_rate": 5e-4, "warmup_share": 0.0, "epsilon": 1e-12})
    rows = Listed(rows_of([[]] * 5))
    options = model_params.model_copy(update={"packing": False, "dtype": "bfloat16"})
    finetune(model, rows, np.arange(120) % 5, how, options)
    (norm,) = trainable(model).values()
    assert norm.dtype == torch.bfloat16 and (norm != 1).float().mean() > 0.5 and images


def test_grouped_batches_and_all_weights_from_the_pool_to_a_folder(params, pool, tmp_path):
    """As stages/finetune.py has it, on the mini base."""
    how = params.finetune.model_copy(
        update={
            "grouped": True,
            "full": r".*language_model.*",
            "batch_size": 8,
            "micro_batch": 4,
            "epochs": {"b100": 1.0},
        }
    )
    params, selection = params.model_copy(update={"finetune": how}), Selection.of_rows(np.arange(30, 50))
    tuner = object.__new__(Tuner)
    tuner.params, tuner.pool, tuner.processor = params, pool, load_processor(params.model)
    tuner.rows = Watched(pool, tuner.processor, 256)
    tuner.static(3, selection, tmp_path / "a")
    assert tuner.rows.seen == grouped_schedule(pool, selection.row, 20, how, 3).tolist()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["loss.npy", "weights.safetensors"]
    base, tuned = load_base(params.model), load_adapter(load_base(params.model), tmp_path / "a")
    moved = {
        name for (name, p), q in zip(base.named_parameters(), tuned.parameters(), strict=True) if not torch.equal(p, q)
    }
    assert moved and all("language_model" in name for name in moved)
