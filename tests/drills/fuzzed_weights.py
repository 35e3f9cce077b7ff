"""Damaged weights, adapters, snapshots and model folders, and their readers."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from fuzzing import Make, Read
from mutating import of_bytes, of_value
from safetensors.torch import save_file

from cadc.config.params import Lora, Model, load_params
from cadc.model.adapters import load_adapter, save_adapter, start_from
from cadc.model.assemble import connector
from cadc.model.load import add_lora, load_base, load_processor, trainable
from cadc.training.checkpoint import Checkpoint
from cadc.training.snapshots import load_snapshots, restore, save_snapshot
from cadc.world.bases import build_model, build_processor

_TARGETS = r".*language_model.*(q|v)_proj"


class _Runs:
    """Creates a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def _base() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(build_processor(), vision_width=32, width=32, layers=1).requires_grad_(False).eval()


@cache
def _model() -> torch.nn.Module:
    return add_lora(_base(), Lora(rank=2, alpha=4, targets=_TARGETS), 0)


@cache
def whole() -> Path:
    """A folder that holds a model, an adapter, a run's weights, snapshots, a checkpoint and a connector."""
    folder = Path(tempfile.mkdtemp())
    build_processor().save_pretrained(folder / "model")
    _base().save_pretrained(folder / "model")
    model = _model()
    save_adapter(model, folder / "adapter")
    (folder / "full").mkdir()
    save_file(
        {name: w.clone() for name, w in list(_base().named_parameters())[:2]}, folder / "full/weights.safetensors"
    )
    optimizer = torch.optim.AdamW(trainable(model).values(), 1e-3)
    (folder / "snapshots").mkdir()
    entry = save_snapshot(folder / "snapshots", 0, 1, 0.1, model, optimizer)
    (folder / "snapshots/snapshots.json").write_text(json.dumps([entry]))
    Checkpoint(folder / "run.checkpoint").save(model, optimizer, np.ones(2, np.float32))
    named = {f"model.mm_projector.{n}.{part}": torch.ones(2, 2) for n in (0, 2) for part in ("weight", "bias")}
    save_file(named, folder / "mm_projector.safetensors")
    torch.save(named, folder / "mm_projector.bin")
    return folder


def _of_safetensors(rng: random.Random, data: bytes, outside: str) -> bytes:
    """Change the JSON header, which states where each tensor is, at least as often as all bytes."""
    length = int.from_bytes(data[:8], "little")
    head, way = data[8 : 8 + length], rng.random()
    if way < 0.4:
        changed = json.dumps(of_value(rng, json.loads(head), outside)).encode()
    elif way < 0.6:
        changed = of_bytes(rng, head, [head])
    else:
        return of_bytes(rng, data, [data])
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]


def _changed(rng: random.Random, file: Path, outside: str) -> None:
    data = file.read_bytes()
    if file.suffix in (".safetensors", ".checkpoint"):
        file.write_bytes(_of_safetensors(rng, data, outside))
    elif file.suffix == ".json" and rng.random() < 0.7:
        file.write_text(json.dumps(of_value(rng, json.loads(data), outside)))
    elif file.suffix == ".bin" and rng.random() < 0.3:
        file.write_bytes(pickle.dumps({"model.mm_projector.0.weight": _Runs()}))
    else:
        file.write_bytes(of_bytes(rng, data, [data]))


def _copy(name: str) -> Make:
    def make(rng: random.Random, folder: Path, outside: str) -> None:
        source = whole() / name
        if source.is_file():
            shutil.copyfile(source, folder / name)
            return _changed(rng, folder / name, outside)
        shutil.copytree(source, folder / name)
        if name == "model" and rng.random() < 0.2:
            _bring_code(rng, folder / name)
        else:
            files = sorted(path for path in (folder / name).iterdir() if path.is_file())
            _changed(rng, rng.choice(files), outside)

    return make


def _bring_code(rng: random.Random, folder: Path) -> None:
    """Make the model ask for its own Python code to run, or for its weights to be unpickled."""
    (folder / "evil.py").write_text("import os\nos.mkdir('ran')\nclass Evil: pass\n")
    if rng.random() < 0.3:
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Runs()))
        return
    name = rng.choice(("config.json", "tokenizer_config.json", "processor_config.json"))
    known = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
    classes = ("AutoConfig", "AutoModelForImageTextToText", "AutoProcessor", "AutoTokenizer", "AutoImageProcessor")
    (folder / name).write_text(
        json.dumps(known | {"auto_map": dict.fromkeys(classes, "evil.Evil"), "model_type": "evil"})
    )


@cache
def _own() -> Model:
    return load_params().model


def _params(folder: Path) -> Model:
    return _own().model_copy(update={"path": str(folder / "model"), "processor": {}})


def _in(folder: Path, read):
    """Read with `folder` as the working folder, where code of the folder would create `ran`."""
    _own()
    before = Path.cwd()
    os.chdir(folder)
    try:
        read()
    finally:
        os.chdir(before)


def _read_snapshots(folder: Path) -> None:
    for snapshot in load_snapshots(folder / "snapshots"):
        restore(_model(), snapshot)


def _read_checkpoint(folder: Path) -> None:
    model = _model()
    Checkpoint(folder / "run.checkpoint").load(model, torch.optim.AdamW(trainable(model).values(), 1e-3))


WEIGHTS: dict[str, tuple[Make, Read, int]] = {
    "adapters": (_copy("adapter"), lambda folder: load_adapter(_base(), folder / "adapter"), 250),
    "adapters to start from": (_copy("adapter"), lambda folder: start_from(_model(), folder / "adapter"), 150),
    "trained weights": (_copy("full"), lambda folder: load_adapter(_base(), folder / "full"), 250),
    "snapshots": (_copy("snapshots"), _read_snapshots, 250),
    "checkpoints": (_copy("run.checkpoint"), _read_checkpoint, 150),
    "connectors": (_copy("mm_projector.safetensors"), lambda f: connector(str(f / "mm_projector.safetensors")), 200),
    "pickled connectors": (
        _copy("mm_projector.bin"), lambda f: _in(f, lambda: connector(str(f / "mm_projector.bin"))), 100
    ),
    "models": (_copy("model"), lambda folder: _in(folder, lambda: load_base(_params(folder))), 100),
    "processors": (_copy("model"), lambda folder: _in(folder, lambda: load_processor(_params(folder))), 150),
}  # fmt: skip
