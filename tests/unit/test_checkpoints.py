"""Checkpoints and snapshots: a killed run goes on and ends with the same bytes, and what was kept restores."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_training import fresh_lora, small_lora

from cadc.artifacts import write_json
from cadc.config.errors import InputError
from cadc.model.adapters import save_adapter
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, trainable
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.proxy import proxy_run
from cadc.training.snapshots import load_snapshots, restore, save_snapshot
from cadc.world.bases import build_model


class Mortal(EncodedRows):
    """Rows whose reading ends with a kill, after `lives` of them."""

    def __init__(self, *args, lives):
        super().__init__(*args)
        self.lives = lives

    def __getitem__(self, row):
        self.lives -= 1
        if self.lives < 0:
            raise KeyboardInterrupt
        return super().__getitem__(row)


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_ends_with_the_same_bytes(
    processor, model_params, pool, small, tmp_path
):
    settings, checkpoint = small.model_copy(update={"checkpoint_steps": 3}), Checkpoint(tmp_path / "checkpoint")

    def run(name, lives, checkpoint=None):
        model, rows = small_lora(processor, model_params), Mortal(pool, processor, 256, lives=lives)
        losses = finetune(model, rows, np.arange(40), settings, model_params, checkpoint=checkpoint)
        save_adapter(model, tmp_path / name)
        return losses.tobytes(), [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]

    whole = run("whole", 40)
    with pytest.raises(KeyboardInterrupt):
        run("killed", 21, checkpoint)  # in the sixth step of ten
    assert run("again", 28, checkpoint) == whole  # what came before the third step's end is not read again


class MortalPool:
    """A pool that ends a run when its `lives`-th row is read."""

    def __init__(self, table, lives):
        self.table, self.num_rows, self.lives = table, table.num_rows, lives

    def slice(self, row, length):
        self.lives -= 1
        if self.lives < 0:
            raise KeyboardInterrupt
        return self.table.slice(row, length)


def test_a_killed_proxy_run_keeps_its_snapshots(processor, params, pool, tmp_path):
    proxy = params.proxy.model_copy(
        update={"batch_size": 4, "pool_fraction": 0.2, "snapshots": 3, "checkpoint_steps": 5}
    )
    params = params.model_copy(update={"proxy": proxy})

    def run(folder, lives):
        folder.mkdir(parents=True, exist_ok=True)
        proxy_run(folder, MortalPool(pool, lives), processor, params, seed=0)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    whole = run(tmp_path / "whole/run.partial", 48)  # twelve steps, snapshots after the second, sixth and tenth
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed/run.partial", 34)  # in the ninth
    assert run(tmp_path / "killed/run.partial", 28) == whole and len(whole) == 5


def test_snapshots_hold_weights_and_adamw_state(
    tiny_model, model_params, processor, pool, small, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model, entries, seen = fresh_lora(tiny_model, model_params), [], {}

    def take(step, optimizer, lr):
        entries.append(save_snapshot(tmp_path / "proxy", len(entries), step, lr, model, optimizer))
        seen[step] = {name: p.detach().clone() for name, p in trainable(model).items()}

    finetune(model, EncodedRows(pool, processor, 256), np.arange(32), small, model_params, {2, 5}, take)
    write_json(tmp_path / "proxy" / "snapshots.json", entries)
    first, second = load_snapshots(tmp_path / "proxy")
    assert (first.step, second.step) == (2, 5) and first.lr > second.lr > 0
    assert all(torch.equal(first.weights[name], seen[2][name]) for name in seen[2])
    assert all((v >= 0).all() for v in first.exp_avg_sq.values()) and any(
        v.abs().max() > 0 for v in first.exp_avg.values()
    )
    restore(model, first)
    assert all(torch.equal(p, seen[2][name]) for name, p in trainable(model).items())
    with pytest.raises(InputError, match="does not match model.lora.targets"):
        restore(model, type(first)(**{**vars(first), "weights": {"other": torch.zeros(1)}}))


def in_batches_of_text_and_image(pool):
    """Row order: a batch of text alone, one with images, again one of text, again images.

    LoRA in the connector is reached by every second step.
    """
    n_images = np.array([len(images) for images in pool["images"].to_pylist()])
    text, image = np.resize(np.flatnonzero(n_images == 0), 8), np.flatnonzero(n_images)
    return np.concatenate([text[:4], image[:4], text[4:], image[4:8]])


def test_what_no_row_has_reached_yet_has_moments_of_zero_in_a_snapshot(
    tiny_model, model_params, processor, pool, small, tmp_path
):
    model, entries = fresh_lora(tiny_model, model_params), []

    def take(step, optimizer, lr):
        entries.append(save_snapshot(tmp_path, len(entries), step, lr, model, optimizer))

    finetune(
        model, EncodedRows(pool, processor, 256), in_batches_of_text_and_image(pool), small, model_params, {1, 2}, take
    )
    write_json(tmp_path / "snapshots.json", entries)
    for snapshot, reached in zip(load_snapshots(tmp_path), (False, True), strict=True):
        squares = [v for name, v in snapshot.exp_avg_sq.items() if "multi_modal_projector" in name]
        assert len(squares) == 4 and any(v.abs().max() > 0 for v in squares) == reached


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_run_goes_on_though_not_every_step_reached_every_parameter(
    processor, model_params, pool, small, tmp_path, killed_after
):
    order, no_schedule = in_batches_of_text_and_image(pool), SimpleNamespace(state=dict, load=lambda state: None)

    class Killed(EncodedRows):
        def __getitem__(self, row):
            if row == order[4 * killed_after]:
                raise KeyboardInterrupt
            return super().__getitem__(row)

    def tuned(rows, checkpoint=None):
        torch.manual_seed(0)
        model = add_lora(build_model(processor, 32, 32, 2).requires_grad_(False).eval(), model_params.lora, 1)
        finetune(model, rows, order, small, model_params, checkpoint=checkpoint)
        return trainable(model)

    checkpoint = Checkpoint(tmp_path / "checkpoint", frozenset({killed_after}), no_schedule)
    with pytest.raises(KeyboardInterrupt):
        tuned(Killed(pool, processor, 256), checkpoint)
    whole, again = tuned(EncodedRows(pool, processor, 256)), tuned(EncodedRows(pool, processor, 256), checkpoint)
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
