"""A run that unlocks its rows while a real model learns: locked answers, kills, controls, and what is measured."""

import numpy as np
import pytest
import torch
from test_adaptive import PLAN

from cadc.artifacts import Selection
from cadc.model.adapters import save_adapter
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora
from cadc.model.stream import token_lengths
from cadc.training.adaptive import Adaptive, Plan
from cadc.training.answers import answer_scores, exact_matches, measured
from cadc.training.checkpoint import Checkpoint
from cadc.training.finetune import finetune
from cadc.training.schedule import static_schedule
from cadc.training.unlocking import UnlockedRows, tune
from cadc.world.bases import build_model


@pytest.fixture
def few(params):
    return params.finetune.model_copy(update={"batch_size": 4})


class LockedPool:
    """A pool that raises when the answers of a row are read that has not been unlocked."""

    def __init__(self, table, unlocked, lives):
        self.table, self.unlocked, self.lives = table, unlocked, lives

    def slice(self, row, length):
        assert length == 1 and row in self.unlocked, f"row {row} was read before it was unlocked"
        self.lives -= 1
        if self.lives < 0:
            raise KeyboardInterrupt
        return self.table.slice(row, length)

    def __getitem__(self, name):
        assert name == "id"
        return self.table[name]


def small_lora(processor, model_params):
    torch.manual_seed(0)
    return add_lora(build_model(processor, 32, 32, 2).requires_grad_(False).eval(), model_params.lora, 1)


def run(pool, processor, model_params, few, path=None, die_at=None, lives=1000, **changes):
    model = small_lora(processor, model_params)
    rows = UnlockedRows(pool, processor, 256)
    rows.table = LockedPool(pool, rows.unlocked, lives)
    cluster = np.arange(pool.num_rows) % 5
    plan = PLAN.model_copy(update={"objective": "loss", "gap": 0.25} | changes)
    asked = []

    def measure(which):
        asked.append(which)
        if die_at == len(asked):
            raise KeyboardInterrupt
        return measured(model, rows, which, 4)

    schedule = Adaptive(plan, cluster, np.arange(0, 60, 3), 40, 70, 3, measure, rows.unlock)
    checkpoint = Checkpoint(path, frozenset(mark // 4 for mark in schedule.marks), schedule) if path else None
    losses = finetune(model, rows, schedule, few, model_params, checkpoint=checkpoint)
    return model, losses, schedule, rows, asked


def test_no_answer_is_read_before_it_is_unlocked(pool, processor, model_params, few):
    _, _, schedule, rows, _ = run(pool, processor, model_params, few)
    assert rows.unlocked == set(schedule.selection().row.tolist()) and len(rows.unlocked) == 40
    with pytest.raises(PermissionError, match=pool["id"][1].as_py()):
        UnlockedRows(pool, processor, 256)[1]


@pytest.mark.parametrize("die_at", [1, 2, 3])
def test_a_run_killed_between_rounds_ends_with_the_same_bytes(pool, processor, model_params, few, tmp_path, die_at):
    def files(model, name):
        save_adapter(model, tmp_path / name)
        return {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())}

    model, losses, schedule, _, asked = run(pool, processor, model_params, few)
    with pytest.raises(KeyboardInterrupt):
        run(pool, processor, model_params, few, tmp_path / "checkpoint", die_at)
    again, their_losses, theirs, _, asked_again = run(pool, processor, model_params, few, tmp_path / "checkpoint")
    assert len(asked) == 3 and len(asked_again) == 3 - die_at + 1  # what was measured before is not measured again
    assert files(model, "a") == files(again, "b")
    np.testing.assert_array_equal(losses, their_losses)
    np.testing.assert_array_equal(schedule.selection().row, theirs.selection().row)
    np.testing.assert_array_equal(schedule.history(), theirs.history())


def test_a_run_killed_within_a_round_ends_with_the_same_bytes(pool, processor, model_params, few, tmp_path):
    few = few.model_copy(update={"checkpoint_steps": 1})
    model, losses, schedule, _, _ = run(pool, processor, model_params, few)
    with pytest.raises(KeyboardInterrupt):
        run(
            pool, processor, model_params, few, tmp_path / "checkpoint", lives=27
        )  # a round begins behind 20 rows, the next behind 30
    again, their_losses, theirs, _, asked = run(pool, processor, model_params, few, tmp_path / "checkpoint")
    assert len(asked) == 1
    np.testing.assert_array_equal(losses, their_losses)
    np.testing.assert_array_equal(schedule.selection().row, theirs.selection().row)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))


def test_loaders_read_no_locked_answer_and_change_no_byte(pool, processor, model_params, few, monkeypatch):
    _, losses, schedule, _, _ = run(pool, processor, model_params, few)
    monkeypatch.setenv("CADC_LOADERS", "2")
    _, theirs, again, rows, _ = run(pool, processor, model_params, few)
    np.testing.assert_array_equal(theirs, losses)
    np.testing.assert_array_equal(again.selection().row, schedule.selection().row)
    np.testing.assert_array_equal(again.history(), schedule.history())
    with pytest.raises(PermissionError, match=pool["id"][1].as_py()):
        token_lengths(rows, np.array([1]))


@pytest.mark.parametrize("passes", ["first", "round"])
def test_its_realised_selection_trained_on_statically_gives_the_same_adapter(
    pool, processor, model_params, few, passes
):
    _, losses, schedule, _, _ = run(pool, processor, model_params, few, passes=passes)
    chosen = schedule.selection() if passes == "round" else Selection.of_rows(schedule.selection().row)
    static = finetune(
        small_lora(processor, model_params),
        EncodedRows(pool, processor, 256),
        static_schedule(chosen, 70),
        few,
        model_params,
    )
    np.testing.assert_array_equal(losses, static)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_whole_run_and_its_shuffled_control(pool, processor, model_params, few, tmp_path, shuffled):
    plan = PLAN.model_copy(update={"objective": "loss", "gap": 0.25, "shuffled": shuffled})
    cluster, warm_up = (np.arange(pool.num_rows) % 5).astype(np.int32), np.arange(0, 60, 3)
    rows = UnlockedRows(pool, processor, 256)
    made = tune(
        lambda: small_lora(processor, model_params),
        rows,
        plan,
        cluster,
        warm_up,
        40,
        70,
        3,
        few,
        model_params,
        tmp_path / "checkpoint",
    )
    assert rows.unlocked == set(made.selection.row.tolist()) and len(made.selection) == 40
    np.testing.assert_array_equal(made.selection.capability, cluster[made.selection.row])
    in_order = made.selection.row[:20].tolist() == warm_up.tolist()
    assert (len(made.losses), in_order, made.selection.stage.max()) == ((36, False, 0) if shuffled else (18, True, 2))
    if shuffled:
        order = np.resize(made.selection.row, 70)
        static = finetune(
            small_lora(processor, model_params), EncodedRows(pool, processor, 256), order, few, model_params
        )
        np.testing.assert_array_equal(made.losses[18:], static)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_released_losses_are_summed_and_divided_by_all_of_a_row_s_text(
    pool, processor, model_params, few, tmp_path, variant
):
    plan = PLAN.model_copy(update={"objective": "loss", "variant": variant, "rows_per_cluster": 100})
    cluster, rows = np.arange(pool.num_rows, dtype=np.int32) % 5, UnlockedRows(pool, processor, 256)
    still = few.model_copy(update={"learning_rate": 1e-30})
    made = tune(
        lambda: small_lora(processor, model_params), rows, plan, cluster, np.arange(20), 40, 40, 3, still, model_params,
        tmp_path / "checkpoint",
    )  # fmt: skip
    model, expected = small_lora(processor, model_params), np.zeros(5)
    image = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    for row in range(10):  # half of the warm-up is measured first
        encoded = rows[row]
        batch = model_inputs(collate([encoded], 0), torch.device("cpu"))
        logits = model(**batch, use_cache=False).logits[0].log_softmax(-1)
        learnt = [i for i in range(1, len(encoded["labels"])) if encoded["labels"][i] != -100]
        total = -sum(logits[i - 1, encoded["labels"][i]].item() for i in learnt)
        n_text = int((encoded["input_ids"] != image).sum()) + len(pool["images"][row])
        expected[cluster[row]] += total / (n_text if variant == "released" else len(learnt)) / 2
    np.testing.assert_allclose(made.history[0, :, 0], expected, rtol=1e-4)


def test_a_judge_needs_a_model_and_answers_to_grade():
    for changes in (
        {"judge_url": "http://x/v1"},
        {"judge_url": "http://x/v1", "judge_model": "m", "objective": "loss"},
    ):
        with pytest.raises(ValueError, match="judge_url needs a judge_model"):
            Plan(**PLAN.model_dump() | changes)


def test_exact_matches_are_what_greedy_decoding_gives(pool, processor, tiny_model, model_params, few):
    model = add_lora(tiny_model, model_params.lora, 0)
    rows, which = EncodedRows(pool, processor, 256), np.arange(12)
    finetune(
        model,
        rows,
        np.resize(which, 1200),
        few.model_copy(update={"batch_size": 12, "learning_rate": 3e-3}),
        model_params,
    )
    shares = measured(model, rows, which, 5)[:, 1]
    assert shares.mean() > 0  # something is known by heart
    for row, share in zip(which, shares, strict=True):
        encoded, right, begins = rows[int(row)], [], []
        labels = encoded["labels"]
        begins = [i for i in range(1, len(labels)) if labels[i] != -100 and labels[i - 1] == -100]
        for begin in begins:
            answer = labels[begin:][
                : next((j for j in range(len(labels) - begin) if labels[begin + j] == -100), len(labels) - begin)
            ]
            prompt = {**encoded, "input_ids": encoded["input_ids"][:begin], "labels": labels[:begin]}
            inputs = model_inputs(collate([prompt], 0), torch.device("cpu"), with_labels=False)
            made = model.generate(
                **inputs, max_new_tokens=len(answer), do_sample=False, eos_token_id=None, pad_token_id=0
            )[0, begin:]
            right.append(torch.equal(made, answer))
        assert share == pytest.approx(np.mean(right)), row


def test_scores_and_matches_by_hand():
    labels = torch.tensor([[-100, 1, 2, -100, 0, -100], [-100, -100, 1, 1, -100, -100], [-100] * 6])
    logits = torch.zeros(3, 6, 3)
    for row, position, token in ((0, 0, 1), (0, 1, 2), (0, 3, 1), (1, 1, 1), (1, 2, 1)):
        logits[row, position, token] = 9.0
    expected = [0.5, 1.0, np.nan]  # the first of two answers; the only one; no answer
    assert exact_matches(logits, labels).tolist() == pytest.approx(expected, nan_ok=True)
    assert all(values[2].isnan() for values in answer_scores(logits, labels).values())
