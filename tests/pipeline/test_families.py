"""The whole pipeline on tiny random LLaVA-1.5, SmolVLM and Qwen2-VL models: the stages' own scripts, all in one process
(imports are most of a stage here).

The pool is the mini world's with rows of a user's own beside them: several images, several turns, text alone, other
sizes.
"""

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from architectures import FAMILIES
from own_rows import own_rows
from safetensors.numpy import load_file

from cadc import artifacts
from cadc.compute import shards
from cadc.config.budgets import n_selected
from cadc.config.params import World, load_params
from cadc.data.probe import load_probe
from cadc.world.benchmarks import write_benchmarks
from cadc.world.mini_world import write_pool

ROOT = Path(__file__).parents[2]
OBJECTS = str(ROOT / "src/cadc/cleaning/objects.jsonl")
N_WORLD, N_OWN, N_PROBE, TASKS = 40, 12, 2, ["pope_adv", "mmt_val", "mini_vqa"]
SMALL = {
    "seeds": [0],
    "data": {"path": ".", "annotations": "pool.json", "images": "images"}
    | {"probe": "mirror/probe", "score": "mirror/score"},
    "benchmarks": {
        "probe_per_subtask": 1,
        "probe_pope_images": 1,
        "probe_llava_wild_images": 1,
        "score_per_subtask": 1,
        "pope_images": 1,
        "llava_wild_images": 1,
    },
    "recipe_of": None,
    "model": {"path": "model", "max_length": 512},
    "clean": {"objects": {"action": "report", "lists": OBJECTS, "least": 2, "share": 0.5}},
    "crossfit": {"epochs": 1.0, "matching": {"members": 1, "epochs": 0.5, "learning_rate": 0.001, "batch_size": 8}},
    "embed": {"tower": None},  # the model's own states
    "proxy": {"snapshots": 2, "seeds": [0]},
    "capture": {"shard_rows": 30, "projection": 256, "targets": ["mini_vqa", "pope"]},
    "match": {"keep_width": 64},
    "budget": 0.25,
    "finetune": {"epochs": {"b25": 2.0}, "batch_size": 8},
    "evaluate": {"tasks": TASKS, "max_new_tokens": 6},
    "feature_sets": {"default": {"run": "default"}},
    "contrasts": {"default": {"run": "default"}},
    "contrast": {"reference": 0.05, "reference_snapshot": -1, "attention": "paper"},
    "matchings": {"default": {"run": "default", "trajectories": "default"}},
    "score_nets": {"default": {}},
}
#: LLaVA-1.5's recipe, on the family of that name.
CONNECTOR = r".*multi_modal_projector\.linear_[12]"
LLAVA = {
    "lora": {"targets": r".*language_model.*_proj|.*vision_tower.*(q|v)_proj", "whole": CONNECTOR, "dropout": 0.05},
    "training": {"whole_learning_rate": 1e-4, "max_grad_norm": None, "loss_mean": "micro_batches", "micro_batch": 4},
}
ARMS = ("cadc", "random")
STAGES = (
    "crossfit",
    "clean",
    "pool",
    "embed",
    "proxy",
    "features",
    "contrast",
    "score_net",
    "capture",
    "attribute",
    "match",
)
N_ROWS = N_WORLD + N_OWN + N_PROBE


def stage(name: str, *argv: str) -> None:
    """Run stages/NAME.py in this process, as `python stages/NAME.py ...` would, in the current folder."""
    before = sys.argv
    if name == "pool":  # a copy, by DVC
        shutil.copytree(artifacts.CLEANED, artifacts.POOL)
        return
    try:
        sys.argv = [str(ROOT / f"stages/{name}.py"), *argv]
        shards._made.clear()
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv = before


def write_params(family: str, **model) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, value in SMALL.items():
        params[section] = {**params[section], **value} if isinstance(value, dict) else value
    params["finetune"]["epochs"] = SMALL["finetune"]["epochs"]
    for name in ARMS:
        params["arms"][name] |= {"budget": SMALL["budget"], "seeds": SMALL["seeds"]}
    for own in params["discoveries"].values():
        own["discover"] |= {"targets": SMALL["capture"]["targets"], "bootstrap": 3}
    lora = {"rank": 4, "alpha": 8, "targets": FAMILIES[family].targets}
    if family == "llava":
        lora |= LLAVA["lora"]
        for section in ("proxy", "finetune"):
            params[section] |= LLAVA["training"]
    params["model"] |= {"packing": FAMILIES[family].packing, "lora": lora, **model}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """What all families share: a pool of the mini world's rows, own and probe rows in LLaVA's format, benchmarks."""
    folder, world = tmp_path_factory.mktemp("data"), yaml.safe_load((ROOT / "params.yaml").read_text())["world"]
    write_pool(folder, World(**{**world, "rows": 100}), np.random.default_rng(1))
    records = json.loads((folder / "pool.json").read_text())[:N_WORLD] + own_rows(
        folder, N_OWN, np.random.default_rng(2)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = load_params(path=ROOT / "params.yaml")
        few = params.benchmarks.model_copy(update=SMALL["benchmarks"])
        write_benchmarks(Path("mirror/probe"), Path("mirror/score"), few, params.world)
        probe, subtasks, _ = load_probe(Path("mirror/probe"), ["mini_vqa"])
        for row, subtask in zip(probe.slice(0, N_PROBE).to_pylist(), subtasks, strict=False):
            (folder / f"images/own/{len(records)}.png").write_bytes(row["images"][0]["bytes"])
            said = zip(("human", "gpt"), row["turns"], strict=True)
            turns = [{"from": speaker, "value": turn["text"]} for speaker, turn in said]
            records.append({"id": subtask, "image": f"own/{len(records)}.png", "conversations": turns})
        (folder / "pool.json").write_text(json.dumps(records))
        write_params("llava")
        stage("prepare")
    return folder


def run_all(family: str, data: Path, folder: Path, **model) -> None:
    """The pipeline of one family from its model folder to scores, in the current folder."""
    shutil.copytree(data / "artifacts", folder / "artifacts")
    FAMILIES[family].write(folder / "model")
    write_params(family, **model)
    for name in STAGES:
        stage(name)
    stage("discover", "cadc")
    for arm in ARMS:
        stage("curate", arm)
        stage("finetune", arm)
    stage("score", "cadc")


@pytest.fixture(scope="module", params=[*FAMILIES, "smolvlm in bf16"])
def family(request, data, tmp_path_factory):
    name, _, bf16 = request.param.partition(" in ")
    folder = tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CADC_WORKERS", "1")
        run_all(name, data, folder, **({"dtype": "bfloat16"} if bf16 else {}))
        yield name


def arrays(folder: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in artifacts.load_arrays(folder).items()}


def test_artifacts_are_finite_and_of_the_contract_s_shapes(family):
    subtasks = artifacts.read_json(artifacts.CAPTURE / "default/subtasks.json")
    n, n_snapshots, n_subtasks, width = N_ROWS, 2, len(subtasks), 32
    n_probe = sum(entry["rows"] for entry in subtasks)
    expected = {
        artifacts.EMBEDDINGS: {"image": (n, width), "text": (n, width), "sentence": (n, 384)},
        artifacts.FEATURES / "default": {
            "activations": (n, 2, 2, width),
            "hidden": (n, width),
            "nll": (n_snapshots, n),
            "el2n": (n_snapshots, n),
            "margin": (n_snapshots, n),
            "entropy": (n_snapshots, n),
        },
        artifacts.CONTRASTS / "default": {
            "nll_shown": (n,),
            "nll_blind": (n,),
            "attended": (n, width),
            "singular": (n_snapshots, n, 5),
            "ratio": (n,),
            "shows": (n,),
        },
        artifacts.CAPTURE / "default": {
            "trajectories": (n_snapshots, n_subtasks, 256),
            "row_gram_run_0": (n_snapshots, n_probe, n_probe),
            "gram": (n_snapshots, n_subtasks, n_subtasks),
        },
        artifacts.INFLUENCE / "default": {
            "influence": (n_snapshots, n, n_subtasks),
            "norm": (n_snapshots, n),
            "self_influence": (n_snapshots, n),
            "loss": (n_snapshots, n),
        },
        artifacts.MATCHING / "default": {"update_on_mean": (n_snapshots, n, n_subtasks), "gradient": (n, 64)},
        artifacts.SCORE_NET / "default": {"difficulty": (n,)},
        artifacts.CAPABILITIES / "cadc": {"affinity": (n, n_subtasks)},
    }
    for folder, shapes in expected.items():
        made = arrays(folder)
        assert all(np.isfinite(array).all() for array in made.values() if array.dtype.kind == "f"), folder
        assert {name: made[name].shape for name in shapes} == shapes
    assert len(set(artifacts.load_pool()["id"].to_pylist())) == n


def test_every_kind_of_row_has_loss_gradient_and_embedding(family):
    pool = artifacts.load_pool()
    n_images = np.array([len(images) for images in pool["images"].to_pylist()])
    assert set(n_images) == {0, 1, 2, 3}
    influence, features = arrays(artifacts.INFLUENCE / "default"), arrays(artifacts.FEATURES / "default")
    embeddings = arrays(artifacts.EMBEDDINGS)
    assert (influence["loss"] > 0).all() and (influence["self_influence"] > 0).all()
    assert (np.abs(influence["influence"]).sum(2) > 0).all()
    # one by gradients' batches, one by forward passes
    assert np.allclose(influence["loss"], features["nll"], rtol=0.05)
    contrasts = arrays(artifacts.CONTRASTS / "default")
    assert (contrasts["nll_shown"] != contrasts["nll_blind"]).tolist() == (n_images > 0).tolist()
    assert contrasts["shows"].tolist() == (n_images > 0).tolist()
    assert 0 < (contrasts["ratio"] > 0).sum() <= round(0.05 * len(pool)) and not contrasts["ratio"][n_images == 0].any()
    attended, singular = contrasts["attended"], contrasts["singular"][1]
    for shown in (embeddings["image"], features["activations"][:, 0, 0], attended, singular):
        assert (np.abs(shown).sum(1) > 0).tolist() == (n_images > 0).tolist()
    assert np.allclose(np.linalg.norm(embeddings["text"], axis=1), 1, atol=1e-3)


def test_a_probe_row_in_the_pool_has_the_influence_of_its_subtask_on_itself(family):
    """Each of mini_vqa's subtasks has one probe row here, whose direction is then its trajectory."""
    names = [entry["name"] for entry in artifacts.read_json(artifacts.CAPTURE / "default/subtasks.json")]
    ids = artifacts.load_pool()["id"].to_pylist()
    influence, norm = (artifacts.load_array(artifacts.INFLUENCE / f"default/{x}.npy") for x in ("influence", "norm"))
    gram = artifacts.load_array(artifacts.CAPTURE / "default/gram.npy")
    probe = [row for row, name in enumerate(ids) if name in names]  # rows are in the order of their ids
    assert len(probe) == N_PROBE
    for row in probe:
        subtask = names.index(ids[row])
        np.testing.assert_allclose(influence[:, row, subtask], gram[:, subtask, subtask], rtol=0.01)
        np.testing.assert_allclose(norm[:, row] ** 2, gram[:, subtask, subtask], rtol=0.01)


def test_adapters_reach_language_model_connector_and_vision_tower(family):
    base = load_file("model/model.safetensors")
    for method in ARMS:
        weights = load_file(artifacts.ADAPTERS / method / "s0/adapter_model.safetensors")
        for part in FAMILIES[family].parts:
            moved = [
                name
                for name, value in weights.items()
                if part in name
                and (
                    ("lora_B" in name and np.abs(value).max() > 0)  # it starts at zero
                    or ("lora_" not in name and not any(np.array_equal(value, other) for other in base.values()))
                )
            ]
            assert moved, part
            assert any("lora_" not in name for name in moved) == (family == "llava" and "projector" in part)


def test_a_selection_holds_its_budget_and_every_sample_is_answered(family):
    n = n_selected(0.25, N_ROWS)
    for method in ARMS:
        rows = pq.read_table(artifacts.selection_path(method, 0))["row"].to_pylist()
        assert len(set(rows)) == n <= len(rows)  # later stages replay rows
    table = pq.read_table(artifacts.ARMS / "cadc/samples.parquet").to_pandas()
    documents = sum(
        pq.read_metadata(path).num_rows
        for path in artifacts.SCORE.rglob("*.parquet")
        if "POPE" not in str(path) and "wild" not in str(path)
    )
    assert len(table) == documents + 4 and set(table.task) == set(TASKS)
    assert table.prediction.notna().all() and table.score.isin([0, 1]).all()


def test_tuning_again_gives_the_same_bytes(family):
    files = sorted(path for path in (artifacts.ADAPTERS / "cadc").rglob("*") if path.is_file())
    before = [path.read_bytes() for path in files]
    stage("finetune", "cadc")
    assert [path.read_bytes() for path in files] == before
