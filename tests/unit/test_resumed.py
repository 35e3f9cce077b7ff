"""What trains beside the proxy and the arms goes on from its checkpoint, too, and ends with the same bytes."""

import numpy as np
import pytest
from test_checkpoints import Mortal
from test_training import small_lora

from cadc.cleaning.picture_match import train_matching
from cadc.config.cleaning import Matching
from cadc.features.score_net import train_score_net
from cadc.model.adapters import load_adapter, save_adapter, start_from
from cadc.model.load import trainable
from cadc.world.bases import build_model


@pytest.fixture
def recipe(small):
    return small.model_copy(update={"checkpoint_steps": 3})


def resumed(train, lives, again):
    """What `train(lives)` returns whole, and killed after `lives` rows and run once more, which may read `again`."""
    whole = train(10**6, None)
    with pytest.raises(KeyboardInterrupt):
        train(lives, "kept")
    return whole, train(again, "kept")


def test_a_killed_score_net_goes_on(processor, model_params, pool, recipe, tmp_path):
    features = np.random.default_rng(0).standard_normal((pool.num_rows, 3)).astype(np.float32)

    def train(lives, name):
        model, rows = small_lora(processor, model_params), Mortal(pool, processor, 256, lives=lives)
        kept = tmp_path / name if name else None
        return train_score_net(model, rows, features, np.arange(40), recipe, model_params, 0.05, kept=kept)

    whole, again = resumed(train, 21, 28)  # in the sixth step of ten; the first three are not read again
    assert np.array_equal(whole, again) and np.ptp(whole) > 0


def test_a_killed_matcher_goes_on(processor, model_params, pool, recipe, tmp_path):
    which = np.flatnonzero([len(images) > 0 for images in pool["images"].to_pylist()])[:16]
    how, keeper = Matching(members=1, epochs=3, learning_rate=0.01, batch_size=4), np.arange(pool.num_rows)

    def train(lives, name):
        model, rows = small_lora(processor, model_params), Mortal(pool, processor, 256, lives=lives)
        kept = tmp_path / name if name else None
        head = train_matching(model, rows, which, keeper, how, recipe, "float32", 500, [0, 0], kept)
        return [head.weight.detach().numpy(), *(p.detach().numpy() for p in trainable(model).values())]

    whole, again = resumed(train, 5 * 4 + 1, 9 * 4)  # in the sixth of twelve steps of four rows, each read once
    assert all(map(np.array_equal, whole, again)) and np.abs(whole[0]).max() > 0


def test_an_adapter_starts_where_another_ended_and_stands_beside_it(processor, model_params, tmp_path):
    first, second = small_lora(processor, model_params), small_lora(processor, model_params)
    for scale, model in ((0.1, first), (0.2, second)):
        for parameter in trainable(model).values():
            parameter.data.fill_(scale)
    save_adapter(first, tmp_path / "first")
    save_adapter(second, tmp_path / "second")
    start_from(second, tmp_path / "first")
    assert all(map(np.array_equal, *([p.detach().numpy() for p in trainable(m).values()] for m in (first, second))))
    model = load_adapter(build_model(processor, 32, 32, 2), tmp_path / "first", "a")
    assert load_adapter(model, tmp_path / "second", "b") is model and model.active_adapter == "a"
    weights = {name: p.max().item() for name, p in model.named_parameters() if "lora_" in name}
    assert {round(v, 3) for k, v in weights.items() if ".a." in k} == {0.1} and not model.training
    assert {round(v, 3) for k, v in weights.items() if ".b." in k} == {0.2}
