"""Loading what others made: safetensors alone, no code of theirs unless asked for, no option that nothing knows."""

import json
import shutil

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from cadc.config.errors import InputError
from cadc.config.params import Model
from cadc.model.adapters import load_adapter
from cadc.model.load import add_lora, load_base, load_processor


@pytest.fixture
def copied(params, tmp_path):
    """models/mini in a folder of its own, and params that name it."""
    folder = shutil.copytree("models/mini", tmp_path / "model")
    return folder, params.model.model_copy(update={"path": str(folder)})


def test_pickled_weights_are_refused_and_not_opened(copied):
    folder, model = copied
    weights = load_base(model).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin but no safetensors.*save_pretrained"):
        load_base(model)


def test_a_model_without_all_its_weights_is_refused(copied):
    folder, model = copied
    path = folder / "model.safetensors"
    weights = load_file(path)
    load_base(model)
    lost = sorted(weights)[3]
    save_file({name: weight for name, weight in weights.items() if name != lost}, path, {"format": "pt"})
    with pytest.raises(InputError, match="lacks 1 weights that its config.json asks for: .*copy or download it again"):
        load_base(model)


def test_a_pickled_adapter_is_refused(copied, tmp_path):
    _, model = copied
    tuned = add_lora(load_base(model), model.lora, 0)
    tuned.save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter/adapter_model.safetensors").rename(tmp_path / "adapter/adapter_model.bin")
    with pytest.raises(InputError, match=r"no adapter_model\.safetensors"):
        load_adapter(load_base(model), tmp_path / "adapter")


@pytest.mark.parametrize(
    "load, file, key",
    [(load_base, "config.json", "AutoConfig"), (load_processor, "processor_config.json", "AutoProcessor")],
)
def test_a_model_s_own_code_runs_only_where_that_is_asked_for(copied, tmp_path, load, file, key):
    folder, model = copied
    code = f"""
from pathlib import Path
from transformers import LlavaConfig, LlavaProcessor
Path({str(tmp_path / "ran")!r}).touch()
class Theirs{key}({"LlavaConfig" if key == "AutoConfig" else "LlavaProcessor"}):
    {'model_type = "theirs"' if key == "AutoConfig" else "pass"}
"""
    (folder / "theirs.py").write_text(code)
    config = json.loads((folder / file).read_text())
    config["auto_map"] = {key: f"theirs.Theirs{key}"}
    if key == "AutoConfig":
        config["model_type"] = "theirs"
    else:
        config["processor_class"] = f"Theirs{key}"
    (folder / file).write_text(json.dumps(config))
    with pytest.raises(InputError, match="needs its own Python code.*model.trust_remote_code: true"):
        load(model)
    assert not (tmp_path / "ran").exists()
    trusting = model.model_copy(update={"trust_remote_code": True})
    if key == "AutoProcessor":
        load(trusting)
        assert (tmp_path / "ran").exists()


def test_processor_options_reach_it_and_unknown_ones_are_named(params):
    model = params.model
    assert (
        load_processor(model.model_copy(update={"processor": {"do_rescale": False}})).image_processor.do_rescale
        is False
    )
    with pytest.raises(
        InputError, match=r"model\.processor: do_image_spliting: unknown option of LlavaProcessor, SiglipImageProcessor"
    ):
        load_processor(model.model_copy(update={"processor": {"do_image_spliting": False}}))


def test_a_chat_template_takes_the_place_of_the_model_s_own(params, tmp_path):
    (tmp_path / "t.jinja").write_text("{% for m in messages %}{{ m.role }}|{% endfor %}")
    processor = load_processor(params.model.model_copy(update={"chat_template": str(tmp_path / "t.jinja")}))
    assert (
        processor.apply_chat_template([{"role": "user", "content": [{"type": "text", "text": "x"}]}], tokenize=False)
        == "user|"
    )
    with pytest.raises(ValidationError, match="chat_template: no file 'none.jinja'"):
        Model(**params.model.model_dump() | {"chat_template": "none.jinja"})


def test_attention_is_what_was_asked_for_and_flash_attention_never_sees_packed_rows(params):
    assert load_base(params.model).config._attn_implementation == "sdpa"
    assert load_base(params.model.model_copy(update={"attention": "eager"})).config._attn_implementation == "eager"
    with pytest.raises(ValidationError, match="attend to each other; set packing: false"):
        Model(**params.model.model_dump() | {"attention": "flash_attention_2"})


def test_models_that_can_t_be_loaded_are_named_with_what_to_do(params, tmp_path):
    for path in (str(tmp_path / "none"), "models/none"):
        for load in (load_base, load_processor):
            with pytest.raises(InputError, match=r"model\.path: no model in .*none.*make pretrain"):
                load(params.model.model_copy(update={"path": path}))
    for load in (load_base, load_processor):
        with pytest.raises(InputError, match=rf"model\.path: {tmp_path} can't be loaded .*image-text-to-text"):
            load(params.model.model_copy(update={"path": str(tmp_path)}))


def test_lora_targets_that_match_no_module_are_named(params):
    lora = params.model.lora.model_copy(update={"targets": "nothing"})
    with pytest.raises(InputError, match=r"model\.lora\.targets: .*nothing"):
        add_lora(load_base(params.model), lora, 0)
