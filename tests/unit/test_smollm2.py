"""A LLaVA whose tower is a convolutional network: narrow and random everywhere, of the real weights where they are."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from test_architectures import by_loop

from cadc.compose.files import composed
from cadc.config.errors import InputError
from cadc.config.params import Lora, checked
from cadc.gradients.per_sample import PerSampleGradients
from cadc.model import smollm2
from cadc.model.batches import collate
from cadc.model.conv_tower import ConvTower, ConvTowerConfig
from cadc.model.encode import EncodedRows, prompt
from cadc.model.generate import generate
from cadc.model.load import add_lora, load_base, load_processor, trainable, unfrozen
from cadc.training.alignment import CONNECTOR, answer_loss_of, split_by_picture
from cadc.training.finetune import finetune

TARGETS = r".*language_model.*_proj|.*multi_modal_projector\.linear_[12]"


@pytest.fixture
def tower():
    torch.manual_seed(1)
    return ConvTower(ConvTowerConfig(image_size=64)).eval()


def test_a_picture_s_features_are_its_own_in_training_too(tower):
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    alone = tower(pixels[:1]).last_hidden_state
    assert alone.shape == (1, 4, 1280)
    assert torch.allclose(alone.mean(-1), torch.zeros(1, 4), atol=1e-5)
    together = tower.train()(pixels).last_hidden_state[:1]
    assert not tower.training and torch.allclose(alone, together, atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"_conv_stem.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="not the weights of EfficientNet-lite0"):
        smollm2.tower(tmp_path / "other.pth")


def test_a_package_that_is_missing_is_named():
    with pytest.raises(InputError, match="no-such-package is not installed; run `make smollm2`"):
        smollm2.packaged("no_such_package", "file")


def test_no_picture_is_both_learnt_and_held_out():
    pool = pa.table({"images": [["a"], ["b"], ["a"], [], ["c"], ["d"]]})
    learnt, held = split_by_picture(pool, 2, 0)
    shown = pool["images"].to_pylist()
    assert len(held) == 2 and 3 not in {*learnt, *held}
    assert not {shown[row][0] for row in learnt} & {shown[row][0] for row in held}
    again = split_by_picture(pool, 2, 0)
    assert (again[0] == learnt).all() and (again[1] == held).all()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    try:
        smollm2.packaged(*smollm2.LANGUAGE), smollm2.packaged(*smollm2.TOWER)
    except InputError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("model") / "smollm2-135m"
    smollm2.build(folder)
    return folder


@pytest.fixture(scope="module")
def settings(real):
    options = ["profile=smollm2-135m", f"model.path={real}", "recipe_of=null"]
    return checked(OmegaConf.to_container(composed(options), resolve=True), "conf")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Three rows with a picture of one colour, and one of text alone."""
    folder, rows = tmp_path_factory.mktemp("images"), []
    for k, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (90, 60), colour).save(folder / f"{colour}.png")
        turns = [{"role": "user", "text": "<image>\nWhat colour?"}, {"role": "assistant", "text": f"It is {colour}."}]
        rows.append({"id": str(k), "images": [{"bytes": None, "path": str(folder / f"{colour}.png")}], "turns": turns})
    turns = [{"role": "user", "text": "One and two?"}, {"role": "assistant", "text": "Three."}]
    return pa.Table.from_pylist([*rows, {"id": "3", "images": [], "turns": turns}])


def test_the_tower_has_its_package_s_weights(real):
    weights = torch.load(smollm2.packaged(*smollm2.TOWER), "cpu", weights_only=True)
    network = smollm2.tower(smollm2.packaged(*smollm2.TOWER)).network
    assert torch.equal(network.conv_stem.weight, weights["_conv_stem.weight"])
    assert torch.equal(network.bn2.running_var, weights["_bn1.running_var"])


def test_text_alone_is_put_as_smollm2_puts_it(settings):
    processor = load_processor(settings.model)
    own = smollm2.tokenizer_of(smollm2.packaged(*smollm2.LANGUAGE))
    said = [("user", "What is the capital of France?"), ("assistant", "Paris."), ("user", "And of Italy?")]
    plain = [{"role": role, "content": text} for role, text in said]
    parts = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]
    expected = own.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    assert processor.apply_chat_template(parts, add_generation_prompt=True) == expected


def test_it_answers_learns_and_gives_each_row_its_gradient(settings, pool):
    at = settings.model.model_copy(update={"dtype": "float32"})
    processor, base = load_processor(at), load_base(at)
    rows = EncodedRows(pool, processor, at.max_length)
    assert int((rows[0]["input_ids"] == base.config.image_token_index).sum()) == 49
    capital = prompt(processor, "What is the capital of France?", [])
    assert "Paris" in generate(base, processor, [capital], 12, 1)[0]

    torch.manual_seed(0)
    model = add_lora(base, Lora(rank=2, alpha=4, targets=TARGETS), 0)
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            if "lora_B" in name:
                parameter.normal_(std=0.01)
    three = [rows[row] for row in (0, 1, 3)]
    with PerSampleGradients(model) as gradients:
        made, _ = gradients.dense(collate(three, 0))
    expected = by_loop(model, three)
    assert ((made - expected).norm(dim=1) / expected.norm(dim=1)).max() < 1e-4

    before = answer_loss_of(model, rows, np.arange(4), 2, blank=False)
    losses = finetune(model, rows, np.array([0, 1, 2, 3]), settings.finetune.model_copy(update={"batch_size": 2}), at)
    assert len(losses) == 2 and answer_loss_of(model, rows, np.arange(4), 2, blank=False) < before


def test_its_connector_alone_learns(settings, pool):
    at = settings.model.model_copy(update={"dtype": "float32"})
    model, rows = unfrozen(load_base(at), CONNECTOR), EncodedRows(pool, load_processor(at), at.max_length)
    assert sorted(trainable(model)) == [
        f"model.multi_modal_projector.linear_{layer}.{part}" for layer in (1, 2) for part in ("bias", "weight")
    ]
    before = answer_loss_of(model, rows, np.arange(3), 3, blank=False)
    steps = settings.align.model_copy(update={"batch_size": 3})
    finetune(model, rows, np.resize(np.arange(3), 12), steps, at)
    assert answer_loss_of(model, rows, np.arange(3), 3, blank=False) < before
