"""Shared fixtures: a freshly initialised mini model and a small pool of real rows."""

import numpy as np
import pyarrow as pa
import pytest
import torch

import cadc  # noqa: F401  pins threads and instruction sets before torch is imported
from cadc.config.params import Lora, Model, World, load_params
from cadc.data.reader import read_pool
from cadc.model.encode import EncodedRows
from cadc.model.load import add_lora, trainable
from cadc.world.bases import build_model, build_processor
from cadc.world.mini_world import write_pool

torch.set_num_threads(1)
TARGETS = r".*language_model.*_proj|.*multi_modal_projector\.linear_[12]"
EVERYWHERE = r".*language_model.*_proj|.*multi_modal_projector\.linear_[12]|.*vision_tower.*(q|v)_proj"


@pytest.fixture(scope="session")
def params():
    return load_params()


@pytest.fixture(scope="session")
def model_params(params) -> Model:
    return params.model.model_copy(update={"path": "unused", "lora": Lora(rank=4, alpha=8, targets=TARGETS)})


@pytest.fixture(scope="session")
def processor():
    return build_processor()


@pytest.fixture
def tiny_model(processor):
    """A random LLaVA of a few thousand parameters, frozen, as `load_base` returns one."""
    torch.manual_seed(0)
    return build_model(processor, vision_width=32, width=32, layers=2).requires_grad_(False).eval()


@pytest.fixture(scope="session")
def world(params) -> World:
    return params.world.model_copy(update={"rows": 240})


@pytest.fixture(scope="session")
def pool(world, tmp_path_factory) -> pa.Table:
    folder = tmp_path_factory.mktemp("world")
    write_pool(folder, world, np.random.default_rng(3))
    return read_pool(folder / "pool.json", folder / "images")[0]


@pytest.fixture
def lora_model(tiny_model):
    model = add_lora(tiny_model, Lora(rank=2, alpha=4, targets=EVERYWHERE), seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


@pytest.fixture
def rows(pool, processor):
    return EncodedRows(pool, processor, 256)


@pytest.fixture
def small(params):
    """How to tune, in batches of four rows."""
    return params.finetune.model_copy(update={"batch_size": 4})
