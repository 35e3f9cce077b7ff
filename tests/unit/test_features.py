"""Features of rows: each belongs to its row alone, and scores are what their formulas say."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from test_gradients import mixed_rows, snapshot
from torch.nn import functional as F

from cadc.data.pictures import open_image
from cadc.features.forward import BY_ROW, BY_SNAPSHOT, attention_outputs, first_token_entropy, row_features, text_tokens
from cadc.model.batches import collate, model_inputs
from cadc.model.conversation import to_messages
from cadc.model.encode import IGNORE, EncodedRows, encode_prompt
from cadc.model.load import trainable
from cadc.training.answers import answer_scores


def test_scores_of_an_answer_by_hand():
    """The second row has no answer, and so no score."""
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    labels = torch.tensor([[IGNORE, 0, 2, IGNORE], [IGNORE, IGNORE, IGNORE, IGNORE]])
    made = answer_scores(torch.log(p[[0, 1, 2, 2]]).expand(2, 4, 3), labels)
    first, second = np.array([0.7, 0.2, 0.1]) - [1, 0, 0], np.array([0.1, 0.6, 0.3]) - [0, 0, 1]
    assert made["el2n"].tolist() == pytest.approx(
        [(np.linalg.norm(first) + np.linalg.norm(second)) / 2, np.nan], nan_ok=True
    )
    assert made["nll"].tolist() == pytest.approx([-(np.log(0.7) + np.log(0.3)) / 2, np.nan], nan_ok=True)
    assert made["margin"].tolist() == pytest.approx([(0.7 - 0.2 + 0.3 - 0.6) / 2, np.nan], nan_ok=True)


def test_a_certain_model_scores_without_nan():
    logits = torch.tensor([[[1e4, -1e4], [0.0, 0.0]]])
    for token, expected in (
        (0, {"nll": 0.0, "el2n": 0.0, "margin": 1.0}),
        (1, {"nll": 2e4, "el2n": 2**0.5, "margin": -1.0}),
    ):
        made = answer_scores(logits, torch.tensor([[IGNORE, token]]))
        assert {name: values.item() for name, values in made.items()} == pytest.approx(expected)


def test_the_entropy_is_that_of_the_token_with_which_the_first_answer_begins():
    p = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [0.2, 0.3, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    logits = torch.log(p).expand(3, 4, 3)
    labels = torch.full((3, 4), IGNORE)
    labels[0, 2:] = torch.tensor([1, 0])  # two tokens: the distribution behind the second is of no account
    labels[1, 1], labels[1, 3] = 2, 0  # two answers: the first counts
    expected = [0.5 * np.log(2) + 0.5 * np.log(4), 0.0, np.nan]  # the last has no answer
    assert first_token_entropy(logits, labels).tolist() == pytest.approx(expected, nan_ok=True)
    other = torch.where(labels != IGNORE, (labels + 1) % 3, labels)
    assert torch.equal(first_token_entropy(logits, other)[:2], first_token_entropy(logits, labels)[:2])


def features(model, rows, which, states, batch_tokens):
    image_token = rows.processor.tokenizer.convert_tokens_to_ids("<image>")
    return row_features(model, rows, which, states, image_token, 2, batch_tokens)


def test_features_depend_on_no_other_row_and_text_alone_has_no_image(lora_model, rows, pool):
    states = [snapshot(trainable(lora_model), seed=s) for s in (1, 2)]
    for state in states:
        for weight in state.weights.values():
            weight.mul_(0.2)
    which = np.array(mixed_rows(pool))
    together, alone = (features(lora_model, rows, which, states, tokens) for tokens in (4000, 1))
    for name, array in together.items():
        np.testing.assert_allclose(array, alone[name], rtol=2e-3, atol=2e-3, err_msg=name)
    assert together["activations"].shape[:3] == (len(which), 2, 2) and together["nll"].shape == (2, len(which))
    assert np.abs(together["nll"][0] - together["nll"][1]).max() > 1e-3  # every snapshot has its own
    assert set(together) == {*BY_ROW, *BY_SNAPSHOT}
    lengths = np.linalg.norm(together["activations"].astype(np.float32), axis=3)
    has_image = np.array([len(pool["images"][int(row)]) > 0 for row in which])
    assert has_image.any() and not has_image.all()
    np.testing.assert_allclose(lengths[:, :, 1], 1, atol=2e-3)
    np.testing.assert_allclose(lengths[:, :, 0], np.repeat(has_image[:, None], 2, 1), atol=2e-3)


def test_means_leave_image_tokens_and_padding_where_they_belong(lora_model, rows, pool):
    state = snapshot(trainable(lora_model))
    which = np.array(mixed_rows(pool))[:4]
    made = features(lora_model, rows, which, [state], 4000)
    module = attention_outputs(lora_model, 2)[-1]
    for k, row in enumerate(which):
        seen = {}
        handle = module.register_forward_hook(lambda m, i, o, seen=seen: seen.update(o=o))
        batch = collate([rows[int(row)]], 0)
        with torch.inference_mode():
            hidden = lora_model(
                **model_inputs(batch, torch.device("cpu"), with_labels=False), output_hidden_states=True
            ).hidden_states[-1][0]
        handle.remove()
        is_image = batch["input_ids"][0] == rows.processor.tokenizer.convert_tokens_to_ids("<image>")
        special = torch.tensor(
            [rows.processor.tokenizer.convert_tokens_to_ids(t) for t in ("<user>", "<assistant>", "<end>", "<image>")]
        )
        said = ~torch.isin(batch["input_ids"][0], special) & ((is_image.cumsum(0) > 0) | ~is_image.any())
        assert said.sum() < (~is_image).sum()
        expected = F.normalize(seen["o"][0][said].mean(0).tanh(), dim=0)
        np.testing.assert_allclose(made["activations"][k, -1, 1], expected.numpy(), atol=2e-3)
        np.testing.assert_allclose(made["hidden"][k], hidden.mean(0).numpy(), rtol=1e-3, atol=1e-4)


def test_text_is_what_stands_behind_the_image_and_is_no_mark():
    ids = torch.tensor([[9, 5, 1, 1, 5, 6, 9], [9, 5, 6, 9, 5, 0, 0]])  # 9 and 0: special; 1: an image
    assert text_tokens(ids, ids == 1, torch.tensor([0, 9])).int().tolist() == [
        [0, 0, 0, 0, 1, 1, 0],
        [0, 1, 1, 0, 1, 0, 0],
    ]


def test_layers_are_spread_as_coincide_has_them(lora_model):
    names = {id(module): name for name, module in lora_model.named_modules()}
    layers = {
        n: [int(names[id(m)].split("layers.")[1].split(".")[0]) for m in attention_outputs(lora_model, n)]
        for n in (1, 2, 99)
    }
    assert layers == {1: [0], 2: [0, 1], 99: [0, 1]}
    deep = torch.nn.Module()
    deep.language_model = torch.nn.Module()
    deep.language_model.layers = torch.nn.ModuleList(
        [torch.nn.ModuleDict({"self_attn": torch.nn.ModuleDict({"o_proj": torch.nn.Linear(1, 1)})}) for _ in range(24)]
    )
    every = [layer["self_attn"]["o_proj"] for layer in deep.language_model.layers]
    assert [every.index(module) for module in attention_outputs(deep, 5)] == [3, 7, 11, 15, 19]  # of TinyLLaVA's 24
    with pytest.raises(TypeError, match="o_proj"):
        attention_outputs(torch.nn.Linear(2, 2), 3)


def with_turns(pool, change):
    """The pool with other turns: `change(turns)` in place of each row's."""
    return pa.Table.from_pylist([row | {"turns": change(row["turns"])} for row in pool.to_pylist()], schema=pool.schema)


def answered(turns, answer):
    return [turn if turn["role"] == "user" else {"role": "assistant", "text": answer} for turn in turns]


def test_the_entropy_of_a_row_needs_no_answer_and_every_other_score_does(lora_model, pool, processor):
    which, states = np.array(mixed_rows(pool)), [snapshot(trainable(lora_model), seed=s) for s in (1, 2)]
    made = [
        features(lora_model, EncodedRows(with_turns(pool, change), processor, 256), which, states, 1)
        for change in (
            lambda turns: turns,
            lambda turns: answered(turns, "seven red cubes on the left"),
            lambda turns: answered(turns[:2], "no"),  # the turns behind the first answer count as little
        )
    ]
    for other in made[1:]:
        np.testing.assert_allclose(other["entropy"], made[0]["entropy"], rtol=0, atol=1e-5)
        for name in ("nll", "el2n", "margin"):
            assert np.abs(other[name] - made[0][name]).max() > 1e-4  # while entropies agree to 1e-5
    assert made[0]["entropy"].shape == (2, len(which)) and made[0]["entropy"].std(1).min() > 1e-4
    assert np.abs(made[0]["entropy"][0] - made[0]["entropy"][1]).max() > 1e-3  # every snapshot has its own


def test_the_entropy_is_what_generation_would_draw_its_first_token_from(lora_model, rows, pool, processor):
    which = np.array(mixed_rows(pool))
    made = features(lora_model, rows, which, [snapshot(trainable(lora_model))], 4000)["entropy"][0]
    for k, row in enumerate(pool.take(which.tolist()).to_pylist()):
        images = [open_image(image) for image in row["images"]]
        prompt = collate([encode_prompt(to_messages(row["turns"][:1]), images, processor)], 0)
        inputs = model_inputs(prompt, torch.device("cpu"), with_labels=False)
        with torch.inference_mode():
            logits = lora_model(**inputs).logits[0, -1]
        assert torch.distributions.Categorical(logits=logits).entropy().item() == pytest.approx(made[k], rel=1e-3)
