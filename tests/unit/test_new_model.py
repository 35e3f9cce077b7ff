"""A model of one's own: docs/new_model.md as it stands, and what the doctor says is missing in a profile."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from architectures import FAMILIES
from omegaconf import OmegaConf
from repository import FENCE

from cadc.compose.files import composed
from cadc.config.errors import InputError
from cadc.config.params import Lora, checked
from cadc.doctor import checks, own_model
from cadc.doctor.__main__ import main
from cadc.model.load import add_lora

DOCUMENT = Path("docs/new_model.md")


def params_of(*overrides, conf=Path("conf")):
    return checked(OmegaConf.to_container(composed(list(overrides), conf)), str(conf))


MINI = params_of()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return {name: FAMILIES[name].write(tmp_path_factory.mktemp(name)) for name in FAMILIES}


def own(model, *overrides):
    return params_of("profile=own", f"model.path={model}", *overrides)


def missing(findings):
    return [finding.text for finding in findings if not finding.there]


def test_the_document_s_ten_lines_are_a_profile(tmp_path, models):
    (text,) = (block for kind, block in FENCE.findall(DOCUMENT.read_text()) if kind == "yaml")
    assert len(text.splitlines()) <= 11
    conf = shutil.copytree("conf", tmp_path / "conf")
    (conf / "profile/mine.yaml").write_text(text.replace("/models/mine", str(models["llava"])))
    params = params_of("profile=mine", conf=conf)
    assert params.model.path == params.model.watched == str(models["llava"]) and params.model.max_length == 2048
    assert params.finetune == own(models["llava"]).finetune  # all else is own.yaml's
    assert params.model.lora.targets in text
    size, found = own_model.layer_findings(params.model)
    assert size.lora and not missing(found)
    assert "multi_modal_projector.(linear_1|linear_2)" in found[0].text.split("Without LoRA")[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_own_yaml_reaches_every_family_s_language_model_and_the_doctor_lists_the_rest(family, models):
    size, found = own_model.layer_findings(own(models[family]).model)
    (hit, left), parts = found[0].text.split("Without LoRA: "), FAMILIES[family].parts
    assert not missing(found) and size.layers == 2
    assert parts[0] in hit and parts[1] not in hit
    assert parts[1] in left and parts[2] in left and parts[0] not in left


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (r".*multi_modal_projector\.linear_[12]", "matches no layer of the model"),  # another family's
        (r".*patch_embedding", r"patch_embedding (Conv2d), which is not a linear layer"),
        (r".*text_model.*embed_tokens|.*text_model.*_proj", "embed_tokens (Embedding), which is not a linear layer"),
        (r".*layers\.0", "(Idefics3EncoderLayer), which is not a linear layer"),
    ],
)
def test_lora_targets_that_hit_nothing_or_no_linear_layer_are_named_by_doctor_and_stages_alike(targets, words, models):
    lora = Lora(rank=2, alpha=4, targets=targets)
    model = own(models["smolvlm"]).model.model_copy(update={"lora": lora})
    size, found = own_model.layer_findings(model)
    assert size is None and words in missing(found)[0]
    base, _ = FAMILIES["smolvlm"].build()
    with pytest.raises(InputError) as error:
        add_lora(base, lora, 0)
    assert str(error.value) == missing(found)[0]
    if targets != "(":
        assert "model.connector.modality_projection.proj" in str(error.value)  # a name that can be aimed at


def test_a_template_and_a_patch_size_that_are_not_there_are_named(models, tmp_path):
    folder = shutil.copytree(models["llava"], tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    assert "set model.chat_template to a file" in missing(checks.processor_findings(own(folder)))[0]
    shutil.copy(models["llava"] / "chat_template.jinja", folder)
    config = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps(config | {"patch_size": None}))
    assert "patch_size: 8" in missing(checks.processor_findings(own(folder)))[0]
    assert not missing(checks.processor_findings(own(models["llava"])))


def test_weights_that_are_not_safetensors_are_missing(models, tmp_path):
    folder = shutil.copytree(models["llava"], tmp_path / "model")
    tower = shutil.copytree("towers/mini", tmp_path / "tower")
    params = own(folder, f"embed.tower={tower}")
    assert not missing(checks.model_findings(params, None))
    for place in (folder, tower):
        for weights in place.glob("*.safetensors"):
            weights.unlink()
        torch.save({}, place / "pytorch_model.bin")
    found = missing(checks.model_findings(params, None))
    assert [text.split(" has ")[0] for text in found] == [str(folder), str(tower)] and "save_pretrained" in found[0]


def test_values_left_from_the_mini_profile_are_named(models):
    assert not missing(own_model.recipe_findings(own(models["llava"]), MINI))
    assert not missing(own_model.recipe_findings(MINI, MINI))
    copied = params_of("recipe_of=null", f"model.path={models['llava']}")  # mini.yaml, copied
    found = own_model.recipe_findings(copied, MINI)
    assert [finding.what for finding in found] == [f"recipe, {key}" for key in own_model.RECIPE]
    mended = params_of("recipe_of=null", f"model.path={models['llava']}", "finetune.learning_rate=1e-4")
    assert len(own_model.recipe_findings(mended, MINI)) == len(found) - 1


@pytest.mark.parametrize(
    "profile", [p.stem for p in Path("conf/profile").glob("*.yaml") if p.stem not in ("mini", "own")]
)
def test_no_profile_of_ours_has_values_of_the_mini_one_s(profile):
    assert not own_model.recipe_findings(params_of(f"profile={profile}"), MINI)


def test_the_mini_profile_takes_no_other_model(models):
    with pytest.raises(InputError) as error:
        params_of(f"model.path={models['llava']}")
    for words in (
        str(models["llava"]),
        "models/mini and models/small",
        "profile=own",
        "docs/new_model.md",
        "recipe_of",
    ):
        assert words in str(error.value)
    params_of("model.path=models/small")
    params_of(f"model.path={Path('models/mini').resolve()}")


def test_the_doctor_says_all_that_is_missing_at_once(models, tmp_path, capsys):
    """A folder of words that the tokenizer does not know, and a copied recipe: each has its line."""
    (tmp_path / "images").mkdir()
    turns = [{"from": "human", "value": "quetzal ?"}, {"from": "gpt", "value": "zygomorphic"}]
    rows = [{"id": k, "conversations": turns} for k in range(30)]
    (tmp_path / "train.json").write_text(json.dumps(rows))
    folder = ("data=folder", f"data.path={tmp_path}", "data.choice=null", "data.yesno=null")
    assert main([*folder, "recipe_of=null", "model.lora.targets=nothing"]) == 1
    said = capsys.readouterr().out
    for words in ("MISSING  LoRA targets: ", "MISSING  words: 66.7%", "'quetzal'", "No estimate"):
        assert words in said, words
    assert main([*folder, "profile=own", f"model.path={models['smolvlm']}"]) == 1  # no tower here, and no GPU
    said = capsys.readouterr().out
    assert "ok       words: 0.0%" in said and "ok       LoRA targets" in said and "recipe" not in said


def test_texts_are_taken_from_all_over_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "SAMPLE_ROWS", 8)
    rows = [{"id": k, "conversations": [{"from": "human", "value": str(k)}]} for k in range(100)]
    (tmp_path / "train.json").write_text(json.dumps(rows))
    found = checks.annotations_of(params_of("data=folder", f"data.path={tmp_path}").data)
    assert found.rows == 100 and found.texts == tuple(str(k) for k in range(0, 100, 8))
