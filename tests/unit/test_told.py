"""Pictures of the mini world, told in words: what they show, and nothing where they are not the world's own."""

import numpy as np
import pytest
from PIL import Image

from cadc.data.pictures import open_image
from cadc.data.probe import load_probe
from cadc.world import told
from cadc.world.benchmarks import write_benchmarks
from cadc.world.reading import draw_text
from cadc.world.rows import find_question
from cadc.world.scene import BACKGROUNDS, draw_scene, sample_scene
from cadc.world.subtasks import SUBTASKS


@pytest.mark.parametrize("kind", ["objects", "repeats", "text", "chart"])
def test_every_scene_is_read_back_from_its_picture(kind):
    rng = np.random.default_rng(0)
    for _ in range(60):
        scene = sample_scene(rng, kind)
        assert told.read_scene(draw_scene(scene, rng)) == scene


def test_no_two_things_look_alike():
    for background in BACKGROUNDS:
        tiles = told._tiles(background)
        assert len(np.unique(tiles.reshape(len(tiles), -1), axis=0)) == len(tiles) == len(told._items()) + 1


def test_a_picture_from_elsewhere_shows_no_scene():
    rng = np.random.default_rng(1)
    picture = draw_scene(sample_scene(rng, "objects"), rng)
    touched = np.asarray(picture).copy()
    touched[20, 20] ^= 1
    noise = Image.fromarray(rng.integers(0, 255, (48, 48, 3), np.uint8))
    grey = Image.new("RGB", (48, 48), (128, 128, 128))
    for other in (Image.fromarray(touched), noise, grey, picture.convert("L"), picture.resize((96, 96))):
        assert told.read_scene(other) is None and told.told(other) == ""


def test_it_is_told_as_a_base_has_read_it():
    """The words of a text of `reading`, up to its question."""
    words, _ = draw_text(np.random.default_rng(5))
    rng = np.random.default_rng(5)
    scene, _ = find_question(list(SUBTASKS)[int(rng.integers(len(SUBTASKS)))], rng)
    said = told.told(draw_scene(scene, np.random.default_rng(0))).split()
    assert words[: len(said)] == said and len(said) > 5


def test_the_probe_s_pictures_are_all_told(params, tmp_path):
    few = {"probe_per_subtask": 1, "probe_pope_images": 2, "probe_llava_wild_images": 1}
    sizes = params.benchmarks.model_copy(update=few | {"score_per_subtask": 1, "pope_images": 1})
    write_benchmarks(tmp_path / "probe", tmp_path / "score", sizes, params.world)
    rows = load_probe(tmp_path / "probe", ["mmt_val", "mini_vqa", "pope"], whole=True)[0].to_pylist()
    assert len(rows) > 60 and all(told.told(open_image(row["images"][0])) for row in rows)
