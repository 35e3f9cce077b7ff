"""What a model is shown of pictures that are no squares, and of files that are turned or transparent: `model.aspect`,
`model.pictures`."""

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.pictures import open_image, shown_size
from cadc.evaluation.benchmarks import SHOWN, blank_pictures
from cadc.evaluation.questions import shown
from cadc.model.encode import encode
from cadc.model.fit import Fit
from cadc.model.load import load_processor
from cadc.model.shaped import squared


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: family.write(tmp_path_factory.mktemp(name)) for name, family in FAMILIES.items()}


@pytest.fixture
def model(params, folders):
    def model(family, **changes):
        return params.model.model_copy(update={"path": str(folders[family]), "max_length": 4096, **changes})

    return model


def row_of(path) -> dict:
    turns = [{"role": "user", "text": "<image>\nwhat is it ?"}, {"role": "assistant", "text": "a cat"}]
    return {"id": "r", "images": [{"bytes": None, "path": str(path)}], "turns": turns}


@pytest.mark.parametrize("width, height", [(9, 4), (4, 9), (7, 4), (5, 5), (1, 200)])
def test_a_square_holds_the_whole_picture_in_its_middle(width, height):
    """expand2square of LLaVA: what is left over is halved, the smaller half in front."""
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    made = np.asarray(squared(Image.fromarray(pixels), (1, 2, 3)))
    side = max(width, height)
    assert made.shape == (side, side, 3)
    top, left = (side - height) // 2, (side - width) // 2
    assert (made[top : top + height, left : left + width] == pixels).all()
    made = made.copy()
    made[top : top + height, left : left + width] = (1, 2, 3)
    assert (made == (1, 2, 3)).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_all_of_a_wide_picture_is_shown_where_it_is_padded_and_tokens_are_counted(model, tmp_path, family):
    """Red, white and blue side by side. CLIP's crop shows the middle alone."""
    image = np.full((32, 96, 3), 255, np.uint8)
    image[:, :32], image[:, 64:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(image).save(tmp_path / "wide.png")
    made = {}
    for aspect in ("processor", "pad"):
        params = model(family, aspect=aspect)
        made[aspect] = encode(row_of(tmp_path / "wide.png"), load_processor(params), 4096)
        assert Fit(params).length(row_of(tmp_path / "wide.png")) == len(made[aspect]["input_ids"])
    if family == "llava":
        cropped, padded = (made[aspect]["pixel_values"][0] for aspect in ("processor", "pad"))
        assert cropped.std((1, 2)).max() < 1e-3  # white alone
        assert padded[0, 16, 2] > padded[2, 16, 2] and padded[0, 16, -3] < padded[2, 16, -3]  # red, blue
        assert len({tuple(padded[:, place, 16].round(decimals=2).tolist()) for place in (0, 31)}) == 1
        assert padded[:, 0, 16].abs().max() < 0.02  # the mean
    if family == "qwen2_vl":  # its grid is the picture's shape
        assert made["processor"]["image_grid_thw"].tolist() != made["pad"]["image_grid_thw"].tolist()
        assert made["pad"]["image_grid_thw"][0, 1] == made["pad"]["image_grid_thw"][0, 2]


def test_a_square_picture_is_the_same_by_any_aspect(model, tmp_path):
    Image.effect_noise((40, 40), 80).convert("RGB").save(tmp_path / "square.png")
    made = [
        encode(row_of(tmp_path / "square.png"), load_processor(model("llava", aspect=aspect)), 4096)["pixel_values"]
        for aspect in ("processor", "pad", "crop")
    ]
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])


REFUSED = [
    ("smolvlm", {"aspect": "crop"}, "model.aspect: crop: Idefics3ImageProcessor.* does not crop"),
    ("qwen2_vl", {"aspect": "crop"}, "model.aspect: crop: Qwen2VLImageProcessor.* does not crop"),
    ("llava", {"aspect": "crop", "processor": {"do_center_crop": False}}, "remove one of them"),
    ("llava", {"aspect": "pad", "processor": {"do_pad": True}}, "model.processor: do_pad: has no effect"),
]


@pytest.mark.parametrize("family, changes, said", REFUSED)
def test_an_aspect_that_changes_nothing_is_refused(model, family, changes, said):
    with pytest.raises(InputError, match=said):
        load_processor(model(family, **changes))


def test_a_processor_that_pads_itself_is_not_padded_once_more(model, folders, tmp_path):
    from transformers import AutoProcessor, LlavaImageProcessor

    processor = AutoProcessor.from_pretrained(folders["llava"])
    sides = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    processor.image_processor = LlavaImageProcessor(do_pad=True, **sides)
    processor.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folders["llava"] / "config.json").read_bytes())
    with pytest.raises(InputError, match="model.aspect: pad: LlavaImageProcessor.* already pads images itself"):
        load_processor(model("llava", path=str(tmp_path), aspect="pad"))
    load_processor(model("llava", path=str(tmp_path), aspect="processor"))


def test_a_strip_that_would_fill_memory_is_named(model, tmp_path):
    Image.new("RGB", (20_000, 8)).save(tmp_path / "strip.png")
    with pytest.raises(InputError, match=r"row r: .* 20000x8 pixels .*padded to a square, it has 20000x20000 pixels"):
        encode(row_of(tmp_path / "strip.png"), load_processor(model("llava", aspect="pad")), 4096)


def test_a_turned_file_is_seen_as_llava_opens_it_and_so_are_its_tokens_counted(model, tmp_path):
    """Qwen2-VL's tokens are as many for a picture that lies, but not in the same grid."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.effect_noise((96, 32), 90).convert("RGB").save(path, exif=exif)
    cell = {"bytes": None, "path": str(path)}
    grids = {}
    for rule, size in (("upright", (32, 96)), ("llava", (96, 32))):
        params = model("qwen2_vl", pictures=rule)
        assert open_image(cell, rule).size == size == shown_size(cell, rule)
        made = encode(row_of(path), load_processor(params), 4096)
        assert Fit(params).length(row_of(path)) == len(made["input_ids"])
        grids[rule] = made["image_grid_thw"][0].tolist()
    assert grids["upright"] == [grids["llava"][0], *grids["llava"][:0:-1]] != grids["llava"]


def test_what_hides_under_transparency_is_seen_by_llavas_rule_alone(tmp_path):
    image = np.zeros((8, 8, 4), np.uint8)
    image[..., 0], image[:4, :, 3] = 200, 255
    Image.fromarray(image).save(tmp_path / "half.png")
    cell = {"bytes": None, "path": str(tmp_path / "half.png")}
    assert open_image(cell).getpixel((0, 7)) == (255, 255, 255)
    assert open_image(cell, "llava").getpixel((0, 7)) == (200, 0, 0) and not open_image(cell, "llava").info


def test_a_benchmark_s_pictures_are_opened_by_the_same_rule(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 20), 90).convert("RGB").save(tmp_path / "turned.jpg", exif=exif)
    cell = {"bytes": (tmp_path / "turned.jpg").read_bytes(), "path": None}
    for rule, size in (("upright", (20, 40)), ("llava", (40, 20))):
        picture = SHOWN[rule]().decode_example(cell)
        with blank_pictures():
            blank = SHOWN[rule]().decode_example(cell)
        assert blank.size == size == picture.size and not np.asarray(blank).any() and np.asarray(picture).any()
        message = [{"role": "user", "content": [{"type": "image", "url": picture}, {"type": "text", "text": "q"}]}]
        (seen,) = shown("a task", 0, message, rule)[1]
        assert np.array_equal(np.asarray(seen), np.asarray(open_image(cell, rule)))
