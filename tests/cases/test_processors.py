"""Processors as people find and set them: what can't go with its model, or changes nothing, is refused at loading."""

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from PIL import Image
from transformers import AutoProcessor, LlavaProcessor

from cadc.config.errors import InputError
from cadc.doctor.checks import processor_findings
from cadc.model.encode import encode
from cadc.model.load import load_processor
from cadc.model.processors import check_shapes, tensors_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: family.write(tmp_path_factory.mktemp(name)) for name, family in FAMILIES.items()}


@pytest.fixture
def load(params, folders):
    def load(family, **options):
        return load_processor(params.model.model_copy(update={"path": str(folders[family]), "processor": options}))

    return load


IDLE = {
    "CLIP pads no single picture": ("llava", {"do_pad": True}, "do_pad"),
    "nor does it with False": ("llava", {"do_pad": False}, "do_pad"),
    "a size of padding alone": ("llava", {"pad_size": {"height": 32, "width": 32}}, "pad_size"),
    "Qwen2-VL does not crop": ("qwen2_vl", {"crop_size": {"height": 32, "width": 32}}, "crop_size"),
    "and pads nothing": ("qwen2_vl", {"do_pad": True}, "do_pad"),
    "Idefics3 does not crop": ("smolvlm", {"crop_size": {"height": 32, "width": 32}}, "crop_size"),
    "one of several": ("llava", {"do_normalize": False, "do_pad": True}, "do_pad"),
}


@pytest.mark.parametrize("family, options, name", IDLE.values(), ids=IDLE)
def test_an_option_that_changes_nothing_is_refused(load, family, options, name):
    with pytest.raises(InputError, match=rf"model\.processor: {name}: has no effect in .*ImageProcessor; remove it"):
        load(family, **options)


@pytest.mark.parametrize(
    "family, option", [("llava", "image_aspect_ratio"), ("qwen2_vl", "fps"), ("qwen2_vl", "do_sample_frames")]
)
def test_an_option_of_another_processor_or_of_videos_is_refused(load, family, option):
    with pytest.raises(InputError, match=rf"model\.processor: {option}: unknown option of"):
        load(family, **{option: True})


SQUARE = {"height": 32, "width": 32}
USED = [  # options that are taken, and others, from which they differ; what is left out is as published
    ("llava", {"do_center_crop": False, "size": SQUARE}, {}),  # they make up for each other
    ("llava", {"do_normalize": False}, {}),
    ("llava", {"do_resize": True}, {"do_resize": False}),
    ("llava", {"do_convert_rgb": True}, {"do_convert_rgb": False}),
    ("llava", {"crop_size": SQUARE}, {"crop_size": {"height": 24, "width": 24}}),
    ("llava", {"patch_size": 8, "num_additional_image_tokens": 1}, {"patch_size": 16}),
    ("llava", {"patch_size": 8, "num_additional_image_tokens": 1}, {"num_additional_image_tokens": 0}),
    ("smolvlm", {"do_image_splitting": False}, {}),
    ("qwen2_vl", {"max_pixels": 802816}, {}),
    ("qwen2_vl", {"do_rescale": True}, {"do_rescale": False}),
]


def given(processor):
    """What a processor gives of a wide grey picture: its tensors, or none where it refuses it."""
    try:
        return dict(tensors_of(processor, Image.linear_gradient("L").rotate(90).resize((300, 200))))
    except InputError:
        return {}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family, options, others", USED)
def test_an_option_that_can_matter_is_taken(load, folders, family, options, others):
    taken, other = given(load(family, **options)), given(AutoProcessor.from_pretrained(folders[family], **others))
    assert "pixel_values" in taken and not same(taken, other)
    assert not others or same(taken, given(load(family)))  # said as published


def test_a_whole_picture_can_be_asked_for(load):
    """Red, white and blue side by side: CLIP's crop shows the middle alone, a resized square all three."""
    image = np.full((32, 96, 3), 255, np.uint8)
    image[:, :32], image[:, 64:] = (255, 0, 0), (0, 0, 255)
    for options, colours in (({}, False), ({"do_center_crop": False, "size": {"height": 32, "width": 32}}, True)):
        made = load("llava", **options).image_processor(images=[Image.fromarray(image)], return_tensors="pt")
        assert bool(made["pixel_values"].std((2, 3)).max() > 1e-3) is colours


def only(**changes):
    def change(processor):
        for name, value in changes.items():
            setattr(processor, name, value)
        return processor

    return change


def small(processor):
    processor.image_processor.crop_size = {"height": 24, "width": 24}
    return processor


WRONG = {  # how older conversions and slips leave a processor -> words of the message
    "no patch_size": (only(patch_size=None), ["patch_size None but the model has 8", "{patch_size: 8}"]),
    "another patch_size": (only(patch_size=16), ["patch_size 16 but the model has 8"]),
    "no class token": (only(num_additional_image_tokens=0), ["num_additional_image_tokens: 1"]),
    "no strategy": (only(vision_feature_select_strategy=None), ["vision_feature_select_strategy: default"]),
    "another strategy": (only(vision_feature_select_strategy="full"), ["'full' but the model has 'default'"]),
    "no template": (only(chat_template=None), ["no usable chat template", "model.chat_template"]),
    "a broken template": (only(chat_template="{% for %}"), ["no usable chat template"]),
    "nothing at all": (lambda p: LlavaProcessor(p.image_processor, p.tokenizer), ["no usable chat template"]),
    "another size": (small, ["24x24 pixels, but the model's vision tower takes 32x32", "crop_size"]),
}


@pytest.mark.parametrize("change, words", WRONG.values(), ids=WRONG)
def test_a_processor_that_can_t_go_with_its_model_is_refused_and_the_doctor_says_so(tmp_path, params, change, words):
    torch.manual_seed(0)
    model, processor = FAMILIES["llava"].build()
    model.config.save_pretrained(tmp_path)  # no weights are needed to tell
    change(processor).save_pretrained(tmp_path)
    params = params.model_copy(update={"model": params.model.model_copy(update={"path": str(tmp_path)})})
    with pytest.raises(InputError) as error:
        load_processor(params.model)
    (finding,) = processor_findings(params)
    assert not finding.there and finding.text == str(error.value)
    for word in (str(tmp_path), *words):
        assert word in str(error.value)


REMEDIES = [
    (only(patch_size=None), {"patch_size": 8}),
    (only(num_additional_image_tokens=0), {"num_additional_image_tokens": 1}),
]


@pytest.mark.parametrize("change, options", REMEDIES)
def test_the_remedy_helps(tmp_path, params, change, options):
    model, processor = FAMILIES["llava"].build()
    model.config.save_pretrained(tmp_path)
    change(processor).save_pretrained(tmp_path)
    loaded = load_processor(params.model.model_copy(update={"path": str(tmp_path), "processor": options}))
    row = {"id": "r", "turns": [{"role": "user", "text": "<image>\nq"}, {"role": "assistant", "text": "a"}]}
    cell = {"bytes": None, "path": str(tmp_path / "x.png")}
    Image.new("RGB", (48, 40)).save(cell["path"])
    encoded = encode({**row, "images": [cell]}, loaded, 1000)
    assert int((encoded["input_ids"] == model.config.image_token_id).sum()) == 16


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_what_prepare_lets_in(load, params, family):
    check_shapes(load(family), params.pool.min_image_side, params.pool.max_image_ratio)


def test_a_picture_that_a_processor_refuses_is_named_with_what_to_do(load, tmp_path, params):
    processor = load("qwen2_vl")
    with pytest.raises(InputError, match=r"Qwen2VLProcessor rejects an image of 8x1680 pixels.*pool\.max_image_ratio"):
        check_shapes(processor, 8, 210)
    Image.new("RGB", (2000, 8)).save(tmp_path / "banner.png")
    row = {"id": "r7", "turns": [{"role": "user", "text": "<image>\nq"}, {"role": "assistant", "text": "a"}]}
    with pytest.raises(InputError, match=r"row r7: Qwen2VLProcessor rejects an image of 2000x8 pixels"):
        encode({**row, "images": [{"bytes": None, "path": str(tmp_path / "banner.png")}]}, processor, 4096)
