"""LLaVA-1.5's data path against haotian-liu/LLaVA c121f04: rows, token ids, labels and pixels.

`legacy` is what it gives with a tokenizer as the hub's, `head` with Vicuna's own (`legacy: false`). Of the rows that it
masks, those whose labels it loses by accident ("tokenization mismatch" over a text that holds a name of its prompt) are
learnt here; the others are left out.
"""

import json

import numpy as np
import pytest
import torch
from llava_pieces import GOLDEN, write

from cadc.config.errors import InputError
from cadc.data import pictures
from cadc.data.pictures import open_image
from cadc.data.reader import read_pool
from cadc.model.assemble import assemble
from cadc.model.conversation import to_messages
from cadc.model.encode import IGNORE, encode, encode_prompt, prompt
from cadc.model.fit import Fit
from cadc.model.load import load_processor

RECORDS = {record["id"]: record for record in json.loads((GOLDEN / "conversations.json").read_text("utf-8"))}
BY_ACCIDENT = {"answer_says_assistant", "answer_eos_literal", "unk_literal"}
TOO_LONG = {"long_question"}  # nothing is left to learn of it, in LLaVA either
PICTURES = sorted(path.name for path in (GOLDEN / "images").iterdir())
LABELS, PIXELS = np.load(GOLDEN / "labels.npz"), np.load(GOLDEN / "pixels.npz")
AS_LLAVA = {
    "processor": {"backend": "pil"},
    "aspect": "pad",
    "pictures": "llava",
    "text": "llava",
    "chat_template": "conf/templates/vicuna_v1.jinja",
    "max_length": 2048,
    "long_rows": "cut",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    assemble(**write(folder), out=folder / "start")
    return {"legacy": GOLDEN / "llava_hf_like", "head": folder / "start"}


@pytest.fixture(scope="module")
def model(params):
    return lambda folder, **changes: params.model.model_copy(update={"path": str(folder), **AS_LLAVA, **changes})


@pytest.fixture(scope="module")
def processors(folders, model):
    return {variant: load_processor(model(folder)) for variant, folder in folders.items()}


@pytest.fixture(scope="module")
def pool():
    return read_pool(GOLDEN / "conversations.json", GOLDEN / "images", on_bad_row="llava", embed_images=False)


@pytest.fixture(scope="module")
def rows(pool):
    return {row["id"]: row for row in pool[0].to_pylist()}


def test_rows_of_which_llava_learns_nothing_are_left_out_and_no_other(pool, rows):
    masked = {name for name, record in RECORDS.items() if record["official"]["all_masked"]}
    assert masked - BY_ACCIDENT == {"empty_question", "human_last"} and masked > BY_ACCIDENT
    assert {row.id for row in pool[1]} == masked - BY_ACCIDENT
    assert set(rows) == set(RECORDS) - (masked - BY_ACCIDENT)


@pytest.mark.parametrize("variant", ["legacy", "head"])
def test_ids_and_labels_are_llavas(processors, rows, variant):
    processor = processors[variant]
    compared = set()
    for name, row in rows.items():
        if name in TOO_LONG:
            with pytest.raises(InputError, match="nothing to train on"):
                encode(row, processor, 2048, cut=True)
            assert (LABELS[f"{variant}/model_labels/{name}"] == IGNORE).all()
            continue
        encoded = encode(row, processor, 2048, cut=True)
        ids = encoded["input_ids"].masked_fill(encoded["input_ids"] == processor.image_token_id, -200)
        if name in BY_ACCIDENT:
            assert (encoded["labels"] != IGNORE).any()
            continue
        assert ids.tolist() == LABELS[f"{variant}/model_ids/{name}"].tolist(), name
        assert encoded["labels"].tolist() == LABELS[f"{variant}/model_labels/{name}"].tolist(), name
        compared.add(name)
    assert len(compared) == len(RECORDS) - 6


def test_where_usual_rules_hold_they_are_not_llavas(folders, model, rows):
    """The hub's own template and trimmed text: what the comparison above would say without the profile's settings."""
    own = load_processor(model(folders["legacy"], chat_template=None, text="trimmed"))
    encoded = encode(rows["short_answer"], own, 2048)
    assert len(encoded["input_ids"]) != len(LABELS["legacy/model_ids/short_answer"])


@pytest.mark.parametrize("variant", ["legacy", "head"])
def test_questions_are_asked_as_rows_were_learnt(processors, rows, variant):
    processor = processors[variant]
    for name in sorted(set(rows) - TOO_LONG - {"empty_answer"}):
        row, trained = rows[name], encode(rows[name], processor, 2048, cut=True)
        starts = [0, *np.flatnonzero(np.diff((trained["labels"] != IGNORE).int().numpy()) == 1) + 1]
        images = [open_image(image, "llava") for image in row["images"]]
        for k, start in enumerate(starts[1:]):
            asked = row["turns"][: 2 * k + 1]
            shown = images if any("<image>" in turn["text"] for turn in asked) else []
            prompt = encode_prompt(to_messages(asked, "llava", bool(images)), shown, processor)
            assert torch.equal(prompt["input_ids"], trained["input_ids"][:start]), (name, k)


def test_a_benchmark_s_question_is_asked_in_the_same_prompt(processors, rows):
    row, processor = rows["image_blank_lines"], processors["head"]
    trained, image = encode(row, processor, 2048), open_image(row["images"][0], "llava")
    asked = prompt(processor, "How many chairs are visible in the image?", [image])
    start = int((trained["labels"] != IGNORE).nonzero()[0])
    assert torch.equal(asked["input_ids"], trained["input_ids"][:start])
    assert torch.equal(asked["pixel_values"], trained["pixel_values"])


def test_tokens_are_counted_without_a_picture(folders, model, processors, rows, monkeypatch):
    fit = Fit(model(folders["head"]))
    whole = {name: len(encode(row, processors["head"], 10_000)["input_ids"]) for name, row in rows.items()}
    monkeypatch.setitem(pictures._RGB, "llava", None)  # whoever decodes one fails
    assert {name: fit.length(row) for name, row in rows.items()} == whole


@pytest.mark.parametrize("backend, most", [("pil", 1e-3), ("torchvision", 0.03)])
@pytest.mark.parametrize("aspect, mode", [("pad", "pad"), ("crop", "square")])
def test_pixels_are_llavas(folders, model, backend, most, aspect, mode):
    processor = load_processor(model(folders["legacy"], processor={"backend": backend}, aspect=aspect))
    for name in PICTURES:
        row = {
            "id": name,
            "images": [{"bytes": None, "path": str(GOLDEN / "images" / name)}],
            "turns": [{"role": "user", "text": "<image>\nq"}, {"role": "assistant", "text": "a"}],
        }
        made = encode(row, processor, 2048)["pixel_values"][0].double().numpy()
        every8 = PIXELS[f"{mode}/every8/{name}"].astype(np.float64)
        assert np.abs(made[:, ::8, ::8] - every8).max() < most, name
        grid = made.reshape(3, 8, 42, 8, 42).mean((2, 4))
        assert np.abs(grid - PIXELS[f"{mode}/grid/{name}"]).max() < most, name
        assert np.abs(made.mean((1, 2)) - PIXELS[f"{mode}/stats/{name}"][:, 0]).max() < most, name


def test_a_picture_as_people_see_it_is_another(folders, model):
    """Three of LLaVA's pictures are turned or transparent: by the rule of other models they differ."""
    names = [
        name
        for name in PICTURES
        if np.any(
            np.asarray(open_image({"bytes": None, "path": str(GOLDEN / "images" / name)}).resize((9, 9)))
            != np.asarray(open_image({"bytes": None, "path": str(GOLDEN / "images" / name)}, "llava").resize((9, 9)))
        )
    ]
    assert names == ["exif.jpg", "palette.png", "rgba.png"]
