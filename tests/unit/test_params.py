"""params.yaml: every fault is named with its key and value before anything runs."""

import re
from pathlib import Path

import pytest
import yaml

from cadc.compute.launch import n_workers
from cadc.config.arms import LEVELS, Variant, budget_key
from cadc.config.environment import whole_number
from cadc.config.errors import InputError
from cadc.config.params import Optimizer, load_params
from cadc.model.stream import n_loaders
from cadc.selectors.loading import load_selector


@pytest.mark.parametrize(
    "path, value, words",
    [
        (("budget",), 1.5, ["budget", "1.5", "less than or equal to 1"]),
        (("budget",), 0.00012, ["budget", "multiple of 0.001"]),
        (("capture", "update"), "lion", ["capture.update", "'lion'", "adamw"]),
        (("proxy", "learning_rate"), "fast", ["proxy.learning_rate", "'fast'"]),
        (("pool", "on_bad_row"), "ignore", ["pool.on_bad_row", "'ignore'"]),
        (("data", "path"), "x", ["data", "path is set; set annotations and images, too"]),
        (("proxy", "seeds"), [1, 0, 1], ["proxy.seeds", "names 1 twice"]),
        (("seeds",), [], ["seeds", "at least 1"]),
        (("world", "form_shares", "open"), 0.9, ["world.form_shares", "summing to 1"]),
        (("finetune", "epochs", "b100"), 0.5, ["finetune.epochs.b100", "greater than or equal to 1"]),
        (("seeds",), [1, 1], ["seeds", "names 1 twice"]),
        (("gate", "seeds"), [3, 3], ["gate.seeds", "names 3 twice"]),
        (("plateau", "seeds"), [3, 3], ["plateau.seeds", "names 3 twice"]),
        (("metabolize", "seeds"), [3, 4, 3], ["metabolize.seeds", "names 3 twice"]),
        (("capture", "targets"), ["pope", "pope"], ["capture.targets", "names pope twice"]),
        (("evaluate", "tasks"), ["mmt_val", "mmt_val"], ["evaluate.tasks", "names mmt_val twice"]),
        (("gate", "tasks"), ["mmt_val", "mmt_val"], ["gate.tasks", "names mmt_val twice"]),
        (("export", "formats"), ["ids", "ids"], ["export.formats", "names ids twice"]),
        (("budget",), [], ["budget = []", "valid number"]),
        (("capture", "projection"), 1, ["capture.projection", "width 1 can't distinguish gradients", "or 0"]),
        (("proxy", "snapshots"), 10**6, ["proxy.snapshots", "less than or equal to 1000"]),
        (("finetune", "full"), "layers.(", ["finetune.full", "'layers.(' is not a regular expression"]),
        (("model", "lora", "targets"), "a(", ["model.lora.targets", "'a(' is not a regular expression"]),
        (("model", "lora", "whole"), "a[", ["model.lora.whole", "'a[' is not a regular expression"]),
        (
            ("evaluate", "judge", "url"),
            "ftp://x",
            ["evaluate.judge.url", "'ftp://x' is not an endpoint's URL", "https://HOST/v1"],
        ),
        (("views", "url"), "x.org/v1", ["views.url", "'x.org/v1' is not an endpoint's URL"]),
        (("clean", "url"), "https://[", ["clean.url", "is not an endpoint's URL"]),
        (("metabolize", "url"), "https:///v1", ["metabolize.url", "is not an endpoint's URL"]),
        (("evaluate", "judge"), {"url": "https://x/v1", "model": ""}, ["evaluate.judge", "set model to one"]),
        (("evaluate", "judge"), {"url": "https://x/v1", "model": "word-f1"}, ["evaluate.judge", "set model to one"]),
        (("evaluate", "bootstrap"), 10**9, ["evaluate.bootstrap = 1000000000", "less than or equal to 10000"]),
        (("evaluate", "bootstrap"), 1, ["evaluate.bootstrap = 1", "greater than or equal to 2"]),
        (("metabolize", "bootstrap"), 10**9, ["metabolize.bootstrap = 1000000000", "less than or equal to 10000"]),
        (("metabolize", "rounds"), 10**6, ["metabolize.rounds = 1000000", "less than or equal to 100"]),
        (("crossfit", "folds"), 10**6, ["crossfit.folds = 1000000", "less than or equal to 100"]),
        (("crossfit", "draws"), 10**6, ["crossfit.draws = 1000000", "less than or equal to 100"]),
        (("crossfit", "matching", "members"), 10**6, ["crossfit.matching.members", "less than or equal to 100"]),
        (("proxy", "epochs"), 1e9, ["proxy.epochs = 1000000000.0", "less than or equal to 1000"]),
        (("finetune", "epochs", "b05"), 1e9, ["finetune.epochs.b05", "less than or equal to 1000"]),
        (("finetune", "learning_rate"), float("inf"), ["finetune.learning_rate = inf", "finite number"]),
        (("finetune", "weight_decay"), float("nan"), ["finetune.weight_decay = nan", "finite number"]),
        (("seeds",), [2**31], ["seeds.0 = 2147483648", "less than 2147483648"]),
        (("world", "rows"), 10**9, ["world.rows = 1000000000", "less than or equal to 1000000"]),
        (("world", "wordings"), [0, 1, 0], ["world.wordings", "names 0 twice"]),
        (("world", "wordings"), [], ["world.wordings = []", "at least 1"]),
        (("worlds", "world-b", "wordings"), [1, 1], ["worlds.world-b.wordings", "names 1 twice"]),
        (("worlds",), {}, ["worlds = {}", "at least 1 item"]),
        (("bases",), {}, ["bases = {}", "at least 1 item"]),
        (("benchmarks", "pope_images"), 10**9, ["benchmarks.pope_images", "less than or equal to 100000"]),
        (("gate", "random"), [0.05, 0.05, 1.0], ["gate.random", "names 0.05 twice"]),
        (("gate", "random"), [0.05, 1.0], ["gate.random", "add 0.2"]),
        (("plateau", "epochs"), {}, ["plateau.epochs = {}", "at least 1 item"]),
        (("plateau", "epochs", "b05"), [], ["plateau.epochs.b05 = []", "at least 1 item"]),
        (("plateau", "epochs", "b05"), [2.0, 2.0], ["plateau.epochs.b05", "names 2.0 twice"]),
        (("recipe_of",), [], ["recipe_of = []", "at least 1 item"]),
        (("plateau", "epochs", "b05"), [0.5, 2.0], ["plateau.epochs.b05.0", "greater than or equal to 1"]),
    ],
)
def test_faults_are_named(tmp_path, path, value, words):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    section = raw
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError) as error:
        load_params(path=tmp_path / "params.yaml")
    for word in ["params.yaml", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer_format.action": "rewrite"}, "answer_format.action is rewrite, but clean.pool is raw"),
        (
            {"pool": "cleaned", "evidence": "raw", "answer_format.action": "rewrite"},
            "set clean.evidence: crossfit, so that its adapters answer, or clean.url",
        ),
        (
            {"pool": "cleaned", "evidence": "raw", "wrong_answer.action": "rewrite"},
            "wrong_answer needs a model's evidence; set clean.evidence: crossfit",
        ),
        ({"pool": "cleaned", "duplicates.action": "rewrite"}, "clean.duplicates.action = 'rewrite'"),
        ({"url": "https://x"}, "url is set but model is not; set model, too"),
        (
            {"pool": "cleaned", "evidence": "raw", "answer_format.action": "rewrite", "url": "https://x", "model": "m"},
            None,
        ),
    ],
)
def test_what_cleaning_cannot_carry_out_is_refused(tmp_path, changes, words):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (raw["clean"][section] if section else raw["clean"])[name] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    if words is None:
        load_params(path=tmp_path / "params.yaml")
        return
    with pytest.raises(InputError) as error:
        load_params(path=tmp_path / "params.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reasoning": 0.1}, "reasoning=0.1 needs an endpoint; set url and model"),
        ({"reasoning": 0.0, "url": "https://x", "model": "m"}, "metabolize.reasoning"),
        ({"reasoning": 0.1, "url": "https://x", "model": "m"}, None),
    ],
)
def test_steps_need_somebody_who_writes_them(tmp_path, changes, words):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    assert raw["metabolize"]["reasoning"] is None
    raw["metabolize"] |= changes
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    if words is None:
        assert load_params(path=tmp_path / "params.yaml").metabolize.reasoning == 0.1
        return
    with pytest.raises(InputError) as error:
        load_params(path=tmp_path / "params.yaml")
    assert words in str(error.value)


def test_a_key_in_an_address_is_refused_and_not_repeated(tmp_path):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    raw["evaluate"]["judge"] = {"url": "https://me:secret@x/v1", "model": "m"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError, match="git would store; export OPENAI_API_KEY") as error:
        load_params(path=tmp_path / "params.yaml")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "least", "said", "made"),
    [
        ("CADC_WORKERS", 1, "abc", None), ("CADC_WORKERS", 1, "0", None), ("CADC_WORKERS", 1, "-3", None),
        ("CADC_WORKERS", 1, "1.5", None), ("CADC_WORKERS", 1, "4", 4), ("CADC_WORKERS", 1, "", 0),
        ("CADC_LOADERS", 0, "many", None), ("CADC_LOADERS", 0, "0", 0),
    ],
)  # fmt: skip
def test_numbers_of_the_environment_are_checked_like_params(monkeypatch, name, least, said, made):
    monkeypatch.setenv(name, said)
    if made is not None:
        assert (whole_number(name, least) or 0) == made
        return
    with pytest.raises(
        InputError, match=f"{name} is '{said}'; give a whole number of at least {least}, such as {name}="
    ):
        {"CADC_WORKERS": n_workers, "CADC_LOADERS": n_loaders}[name]()


def test_missing_section_and_broken_file(tmp_path):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    del raw["proxy"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError, match="proxy: Field required"):
        load_params(path=path)
    path.write_text("a: [")
    with pytest.raises(InputError, match="can't be read"):
        load_params(path=path)
    with pytest.raises(InputError, match="no such file"):
        load_params(path=tmp_path / "none.yaml")


def test_budget_keys_have_no_dot():
    assert [budget_key(b) for b in (0.005, 0.05, 0.125, 1.0)] == ["b00_5", "b05", "b12_5", "b100"]


@pytest.mark.parametrize(
    "level, name, key, value, words",
    [
        ("discoveries", "cadc", "discover.tau", -0.1, ["discover.tau", "-0.1", "greater than or equal to 0"]),
        ("discoveries", "cadc", "discover.tau", [0.0, 0.0], ["discover.tau", "names 0.0 twice"]),
        ("discoveries", "cadc", "discover.resolutions", [0.8, 0.6, 0.8], ["discover.resolutions", "names 0.8 twice"]),
        ("discoveries", "cadc", "discover.bootstrap", 10**9, ["discover.bootstrap = 1000000000", "equal to 10000"]),
        ("discoveries", "cadc", "discover.gamma", 1, ["discover.gamma", "Extra inputs are not permitted"]),
        ("arms", "random", "curate.replay", 2, ["arm.curate.replay", "less than or equal to 1"]),
        ("arms", "random", "seeds", [0, 0], ["arm.seeds", "names 0 twice"]),
        ("arms", "random", "signal", "gradients/x", ["arm.signal", "gradients/x"]),
    ],
)
def test_faults_of_variants_are_named(tmp_path, level, name, key, value, words):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    *path, last = key.split(".")
    section = raw[level][name]
    for part in path:
        section = section[part]
    section[last] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError) as error:
        load_params(Variant(level, name), tmp_path / "params.yaml")
    for word in [f"{level}.{name}", *words]:
        assert word in str(error.value)


def test_a_variant_that_there_is_not_is_named_with_those_there_are():
    with pytest.raises(InputError, match="no arms.lesss; there are cadc"):
        load_params(Variant("arms", "lesss"))


def variants():
    for file in [Path("params.yaml"), *sorted(Path("pipelines").glob("*/params.json"))]:
        stated = yaml.safe_load(file.read_text())
        pipeline = file.parent.name if file.suffix == ".json" else ""
        yield from (Variant(level, name, pipeline) for level in LEVELS for name in stated.get(level, {}))


def test_every_variant_loads_and_every_arm_s_method_takes_its_parameters():
    found = list(variants())
    assert len(found) > 150
    for variant in found:
        params = load_params(variant)
        if variant.level == "arms":
            load_selector(params.arm.method, params.arm.select, variant.name)
    names = [(variant.level, variant.name) for variant in found]
    assert len(set(names)) == len(names)  # they share folders of artifacts/
    assert all(re.fullmatch(r"[a-z0-9_]{1,64}", name) for _, name in names)


def test_what_borrows_the_proxy_s_optimizer_depends_on_all_of_it_and_on_nothing_else_of_the_proxy():
    listed = yaml.safe_load(Path("pipelines/cleaning/dvc.yaml").read_text())["stages"]["crossfit"]["params"]
    assert {name for name in listed if name.split(".")[0] == "proxy"} == {
        f"proxy.{name}" for name in Optimizer.model_fields
    }
