"""Answers with and without pictures and questions, and what text attends to."""

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from test_gradients import mixed_rows, snapshot

from cadc.features.contrast import (
    answer_losses,
    attention_layers,
    first_layer,
    looks,
    without_pictures,
    without_questions,
)
from cadc.model.batches import collate, model_inputs
from cadc.model.encode import EncodedRows
from cadc.model.load import trainable


def seen(model, rows, which, states, batch_tokens=4000, variant="paper"):
    image_token = rows.processor.tokenizer.convert_tokens_to_ids("<image>")
    return looks(model, rows, which, states, image_token, batch_tokens, variant)


def test_what_is_taken_away_is_gone_and_all_else_as_it_was(pool):
    rows = pool.slice(0, 30)
    for row, blind, unasked in zip(
        rows.to_pylist(), without_pictures(rows).to_pylist(), without_questions(rows).to_pylist(), strict=True
    ):
        assert not blind["images"] and not any("<image>" in turn["text"] for turn in blind["turns"])
        assert [turn["text"].replace("<image>", "") for turn in row["turns"]] == [t["text"] for t in blind["turns"]]
        assert unasked["images"] == row["images"] and unasked["turns"][0]["text"].count("<image>") == len(row["images"])
        answers = [turn["text"].strip() for turn in row["turns"] if turn["role"] == "assistant"]
        assert [turn["text"] for turn in unasked["turns"]][1:] == [" ".join(answers)]
        assert {**blind, "images": 0, "turns": 0} == {**row, "images": 0, "turns": 0}


def test_a_row_s_values_depend_on_no_other_row_and_are_zero_without_a_picture(lora_model, rows, pool):
    states = [snapshot(trainable(lora_model), seed=s) for s in (1, 2)]
    which = np.array(mixed_rows(pool))
    together, alone = (seen(lora_model, rows, which, states, tokens) for tokens in (4000, 1))
    for name, array in together.items():
        np.testing.assert_allclose(array, alone[name], rtol=2e-3, atol=2e-3, err_msg=name)
    pictured = np.array([len(pool["images"][int(row)]) > 0 for row in which])
    assert pictured.any() and not pictured.all() and together["singular"].shape == (2, len(which), 5)
    for array in (together["attended"], together["singular"][0], together["singular"][1]):
        assert (np.abs(array).sum(1) > 0).tolist() == pictured.tolist()
    assert np.abs(together["singular"][0] - together["singular"][1]).max() > 1e-4
    assert (np.diff(together["singular"], axis=2) <= 0).all()
    swapped = seen(lora_model, rows, which, states, variant="released")
    assert np.array_equal(swapped["attended"], together["attended"])
    assert np.abs(swapped["singular"] - together["singular"]).max() > 1e-4


def test_the_first_layer_is_that_of_a_whole_pass_and_the_model_is_left_as_it_was(lora_model, rows, pool):
    which = mixed_rows(pool)[:3]
    hooks = [dict(layer._forward_hooks) for layer in attention_layers(lora_model)]
    inputs = model_inputs(collate([rows[int(row)] for row in which], 0), torch.device("cpu"), with_labels=False)
    base = lora_model.get_base_model()
    before = base.config._attn_implementation
    with torch.inference_mode(), first_layer(lora_model) as run, lora_model.disable_adapter():
        attention, hidden = run(inputs)
    assert base.config._attn_implementation == before != "eager"
    assert [dict(layer._forward_hooks) for layer in attention_layers(lora_model)] == hooks
    base.set_attn_implementation("eager")
    with torch.inference_mode(), lora_model.disable_adapter():
        whole = lora_model(**inputs, output_attentions=True, output_hidden_states=True)
    base.set_attn_implementation(before)
    there = inputs["attention_mask"] == 1
    np.testing.assert_allclose(attention[there], whole.attentions[0].mean(1)[there], atol=1e-5)
    np.testing.assert_allclose(hidden[there], whole.hidden_states[1][there], atol=1e-5)


def test_a_picture_is_worth_what_its_loss_says(lora_model, rows, pool, processor):
    which = np.array(mixed_rows(pool))
    blind = EncodedRows(without_pictures(pool), processor, rows.max_length)
    losses, without = (answer_losses(lora_model, own, which, 4000) for own in (rows, blind))
    pictured = np.array([len(pool["images"][int(row)]) > 0 for row in which])
    assert np.abs(losses - without)[pictured].max() > 1e-3
    np.testing.assert_allclose(losses[~pictured], without[~pictured], rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_its_attention_found(family):
    torch.manual_seed(0)
    model = FAMILIES[family].build()[0]
    assert len(attention_layers(model)) == model.config.get_text_config().num_hidden_layers
