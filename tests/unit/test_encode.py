"""Encoding: what is learnt is exactly the answers, and padding and batches change nothing."""

import pytest
import torch

from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.model.batches import collate, model_inputs, pack
from cadc.model.conversation import segments, to_messages
from cadc.model.encode import IGNORE, EncodedRows, encode, encode_prompt

ROW = {
    "id": "r",
    "images": [],
    "turns": [
        {"role": "user", "text": "what comes after 3 ?"},
        {"role": "assistant", "text": "4"},
        {"role": "user", "text": "repeat the word star ."},
        {"role": "assistant", "text": "star"},
    ],
}


def shown(processor, encoded) -> str:
    """The row as text, learnt tokens in brackets."""
    words = processor.tokenizer.convert_ids_to_tokens(encoded["input_ids"].tolist())
    return " ".join(
        f"[{w}]" if label != IGNORE else w for w, label in zip(words, encoded["labels"].tolist(), strict=True)
    )


def test_mask_of_a_multi_turn_row(processor):
    assert shown(processor, encode(ROW, processor, 64)) == (
        "<user> what comes after 3 ? <assistant> [4] [<end>] <user> repeat the word star . <assistant> [star] [<end>]"
    )


def test_mask_and_image_tokens_of_an_image_row(processor, pool):
    row = next(r for r in pool.to_pylist() if r["images"] and len(r["turns"]) == 2)
    encoded = encode(row, processor, 256)
    assert (encoded["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<image>")).sum() == 9
    assert encoded["pixel_values"].shape == (1, 3, 48, 48)
    learnt = encoded["labels"][encoded["labels"] != IGNORE]
    assert processor.tokenizer.decode(learnt, skip_special_tokens=True).split() == processor.tokenizer.tokenize(
        row["turns"][1]["text"]
    )


def test_no_word_of_the_world_is_unknown(processor, pool):
    for row in pool.to_pylist():
        assert processor.tokenizer.unk_token_id not in encode(row, processor, 256)["input_ids"]


def test_generation_continues_exactly_what_training_saw(processor, pool):
    row = next(r for r in pool.to_pylist() if r["images"])

    prompt = encode_prompt(to_messages(row["turns"][:1]), [open_image(i) for i in row["images"]], processor)
    trained = encode(row, processor, 256)
    n = len(prompt["input_ids"])
    assert torch.equal(trained["input_ids"][:n], prompt["input_ids"]) and trained["labels"][n] != IGNORE


def test_a_template_that_rewrites_earlier_turns_is_refused(processor):
    class Rewriting:
        def apply_chat_template(self, messages, tokenize, add_generation_prompt=False):
            return f"{len(messages)} turns"

    with pytest.raises(InputError, match="renders earlier turns differently"):
        segments(Rewriting(), to_messages(ROW["turns"]))


def test_too_long_a_row_is_named(processor):
    with pytest.raises(InputError, match="row r: 18 tokens, above model.max_length=10"):
        encode(ROW, processor, 10)


def test_what_is_cut_is_a_row_s_end_and_never_a_picture(processor, pool):
    whole, cut = encode(ROW, processor, 18), encode(ROW, processor, 14, cut=True)
    assert cut["was"] == 18 and "was" not in whole
    assert all(torch.equal(cut[name], whole[name][:14]) for name in ("input_ids", "labels"))
    shown = next(row for row in pool.to_pylist() if row["images"])
    with pytest.raises(InputError, match=r"its images end at token \d+, so they would be cut"):
        encode(shown, processor, 5, cut=True)
    at = [len(turns) for turns in pool["turns"].to_pylist()].index(4)  # a conversation of two rounds
    length = len(EncodedRows(pool, processor, 256)[at]["input_ids"])
    rows = EncodedRows(pool, processor, length - 2, long_rows="cut")
    assert (
        len(rows[at]["input_ids"]) == length - 2 and rows.cut == {at: length} and f"longest: {length}" in rows.summary()
    )
    assert "was" not in rows[at]


def test_rows_are_kept_as_far_as_memory_is_meant_to_go(processor, pool, monkeypatch):
    monkeypatch.setattr("cadc.model.encode.KEPT_BYTES", 1)
    rows = EncodedRows(pool, processor, 256)
    assert rows[0] is rows[0] and rows[1] is not rows[1] and torch.equal(rows[1]["input_ids"], rows[1]["input_ids"])


@pytest.mark.parametrize("left", [False, True])
def test_collate_pads_and_says_whose_image_is_whose(processor, pool, left):
    rows = pool.to_pylist()
    mixed = [next(r for r in rows if not r["images"]), *[r for r in rows if r["images"]][:2]]
    encoded = [encode({**row, "row": k}, processor, 256) for k, row in enumerate(mixed)]
    batch = collate(encoded, processor.tokenizer.pad_token_id, left)
    assert batch["image_row"].tolist() == [1, 2] and batch["row"].tolist() == [0, 1, 2]
    for k, e in enumerate(encoded):
        kept = batch["attention_mask"][k].bool()
        assert torch.equal(batch["input_ids"][k][kept], e["input_ids"]) and torch.equal(
            batch["labels"][k][kept], e["labels"]
        )


def test_packed_rows_have_the_loss_and_gradient_of_padded_ones(processor, pool, tiny_model):
    rows = pool.to_pylist()
    chosen = [*[r for r in rows if not r["images"]][:2], *[r for r in rows if r["images"]][:7]]
    encoded = [encode({**row, "row": k}, processor, 256) for k, row in enumerate(chosen)]
    made = {"padded": collate(encoded, 0), "packed": pack(encoded, 0)}
    assert len(made["packed"]["input_ids"]) < len(encoded) and sorted(made["packed"]["row"].tolist()) == list(range(9))
    tiny_model.requires_grad_(True)
    losses, gradients = [], []
    for batch in made.values():
        tiny_model.zero_grad()
        loss = tiny_model(**model_inputs(batch, torch.device("cpu")), use_cache=False).loss
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in tiny_model.parameters() if p.grad is not None]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[0].norm()


def test_an_image_that_is_gone_or_broken_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: can't be read \(No such file"):
        open_image({"bytes": None, "path": str(tmp_path / "gone.png")})
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png: can't be decoded"):
        open_image({"bytes": None, "path": str(tmp_path / "text.png")})
