"""SmolVLM's and Qwen2-VL's pictures at their true sizes: tiles and patches as their processors make them by the
profiles' options, and tokens counted without decoding."""

import json
from pathlib import Path

import pytest
import yaml
from architectures import FAMILIES
from PIL import Image
from transformers import Idefics3ImageProcessor, Qwen2VLImageProcessor

from cadc.model.encode import encode
from cadc.model.fit import Fit
from cadc.model.load import load_processor


def options(profile) -> dict:
    model = yaml.safe_load(Path(f"conf/profile/{profile}.yaml").read_text(encoding="utf-8"))["model"]
    return {name: model[name] for name in ("processor", "aspect", "pictures", "text", "max_length")}


@pytest.fixture
def published(params, tmp_path):
    """The model section of a profile, over a folder whose processor has the published sizes and tiny weights."""

    def published(profile, **changes):
        family = "qwen2_vl" if profile.startswith("qwen") else "smolvlm"
        model, processor = FAMILIES[family].build()
        if family == "qwen2_vl":
            processor.image_processor = Qwen2VLImageProcessor()
        else:
            tile, seen = (512, 64) if profile == "smolvlm-256m" else (384, 81)
            processor.image_processor = Idefics3ImageProcessor(
                size={"longest_edge": 4 * tile}, max_image_size={"longest_edge": tile}
            )
            processor.image_seq_len = seen
        model.config.save_pretrained(tmp_path)
        processor.save_pretrained(tmp_path)
        if family == "qwen2_vl":  # as the hub's preprocessor_config.json says it
            path = tmp_path / "processor_config.json"
            said = json.loads(path.read_text())
            said["image_processor"] |= {"min_pixels": 3136, "max_pixels": 12845056}
            path.write_text(json.dumps(said))
        return params.model.model_copy(update={"path": str(tmp_path), **options(profile), **changes})

    return published


def encoded(model, size, tmp_path):
    """A row with a picture of this size, encoded, and its tokens counted."""
    Image.new("RGB", size, (90, 120, 30)).save(tmp_path / "picture.png")
    cell = {"bytes": None, "path": str(tmp_path / "picture.png")}
    turns = [{"role": "user", "text": "<image>\nwhat is it ?"}, {"role": "assistant", "text": "a cat"}]
    row = {"id": "r", "images": [cell], "turns": turns}
    processor = load_processor(model)
    made = encode(row, processor, model.max_length)
    assert Fit(model).length(row) == len(made["input_ids"])
    return made, int((made["input_ids"] == processor.image_token_id).sum())


@pytest.mark.parametrize("size, tiles", [((640, 480), 13), ((336, 336), 17), ((480, 640), 13), ((1000, 150), 5)])
@pytest.mark.parametrize("profile, tokens", [("smolvlm-256m", 64), ("smolvlm-2.2b", 81)])
def test_smolvlm_splits_a_picture_into_tiles_and_shows_it_whole_besides(
    published, tmp_path, profile, tokens, size, tiles
):
    made, n_tokens = encoded(published(profile), size, tmp_path)
    assert made["pixel_values"].shape[1] == tiles and n_tokens == tiles * tokens


@pytest.mark.parametrize("asked, tiles", [({"size": {"longest_edge": 1024}}, 5), ({"do_image_splitting": False}, 1)])
def test_fewer_tiles_can_be_asked_for(published, tmp_path, asked, tiles):
    made, n_tokens = encoded(published("smolvlm-256m", processor=asked), (640, 480), tmp_path)
    assert made["pixel_values"].shape[1] == tiles and n_tokens == tiles * 64


@pytest.mark.parametrize(
    "size, rows, columns",
    [((640, 480), 34, 46), ((3000, 2000), 44, 66), ((20, 20), 4, 4), ((1200, 30), 2, 86)],
)
def test_qwen2_vl_scales_a_picture_into_the_profile_s_bounds(published, tmp_path, size, rows, columns):
    made, n_tokens = encoded(published("qwen2-vl-7b"), size, tmp_path)
    assert made["image_grid_thw"].tolist() == [[1, rows, columns]] and n_tokens == rows * columns // 4 <= 768


def test_small_pictures_can_be_enlarged_for_qwen2_vl(published, tmp_path):
    asked = {"min_pixels": 200704, "max_pixels": 602112}
    made, n_tokens = encoded(published("qwen2-vl-7b", processor=asked), (40, 40), tmp_path)
    assert n_tokens == 256 and made["image_grid_thw"].tolist() == [[1, 32, 32]]
