"""params.yaml: every fault is named with its key and value before anything runs."""

from pathlib import Path

import pytest
import yaml

from cadc.config.params import Optimizer, ParamsError, budget_key, load_params


@pytest.mark.parametrize(
    "path, value, words",
    [
        (("discover", "tau"), -0.1, ["discover.tau", "-0.1", "greater than or equal to 0"]),
        (("curate", "budget"), 1.5, ["curate.budget", "1.5", "less than or equal to 1"]),
        (("curate", "budget"), 0.00012, ["curate.budget", "multiple of 0.001"]),
        (("capture", "update"), "lion", ["capture.update", "'lion'", "adamw"]),
        (("proxy", "learning_rate"), "fast", ["proxy.learning_rate", "'fast'"]),
        (("pool", "on_bad_row"), "ignore", ["pool.on_bad_row", "'ignore'"]),
        (("data", "path"), "x", ["data", "path is set; set annotations and images, too"]),
        (("replicate", "seeds"), [1, 0], ["replicate.seeds: 0 stands twice among these and proxy.seed"]),
        (("discover", "gamma"), 1, ["discover.gamma", "Extra inputs are not permitted"]),
        (("curate", "replay"), 2, ["replay", "less than or equal to 1"]),
        (("methods", "lesss"), {"signal": "pool"}, ["no file src/cadc/selectors/lesss.py"]),
        (("seeds",), [], ["seeds", "at least 1"]),
        (("world", "form_shares", "open"), 0.9, ["world.form_shares", "summing to 1"]),
    ],
)
def test_faults_are_named(tmp_path, path, value, words):
    raw = yaml.safe_load(open("params.yaml"))
    section = raw
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ParamsError) as error:
        load_params(tmp_path / "params.yaml")
    for word in ["params.yaml", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer_format.action": "rewrite"}, "answer_format.action is rewrite, but clean.pool is raw"),
        (
            {"pool": "cleaned", "evidence": "raw", "answer_format.action": "rewrite"},
            "set clean.evidence: crossfit, whose adapters then answer anew, or clean.url",
        ),
        (
            {"pool": "cleaned", "evidence": "raw", "wrong_answer.action": "rewrite"},
            "wrong_answer needs a model's evidence; set clean.evidence: crossfit",
        ),
        ({"pool": "cleaned", "duplicates.action": "rewrite"}, "clean.duplicates.action = 'rewrite'"),
        ({"url": "https://x"}, "url names an endpoint; set model, too"),
        (
            {"pool": "cleaned", "evidence": "raw", "answer_format.action": "rewrite", "url": "https://x", "model": "m"},
            None,
        ),
    ],
)
def test_what_cleaning_cannot_carry_out_is_refused(tmp_path, changes, words):
    raw = yaml.safe_load(open("params.yaml"))
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (raw["clean"][section] if section else raw["clean"])[name] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    if words is None:
        load_params(tmp_path / "params.yaml")
        return
    with pytest.raises(ParamsError) as error:
        load_params(tmp_path / "params.yaml")
    assert words in str(error.value)


def test_missing_section_and_broken_file(tmp_path):
    raw = yaml.safe_load(open("params.yaml"))
    del raw["proxy"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(ParamsError, match="proxy: Field required"):
        load_params(path)
    path.write_text("a: [")
    with pytest.raises(ParamsError, match="not YAML"):
        load_params(path)
    with pytest.raises(ParamsError, match="no such file"):
        load_params(tmp_path / "none.yaml")


def test_budget_keys_have_no_dot():
    assert [budget_key(b) for b in (0.005, 0.05, 0.125, 1.0)] == ["b00_5", "b05", "b12_5", "b100"]


@pytest.mark.parametrize("stage", ["crossfit", "score_net"])
def test_what_borrows_the_proxy_s_optimizer_depends_on_all_of_it_and_on_nothing_else_of_the_proxy(stage):
    listed = yaml.safe_load(Path("dvc.yaml").read_text())["stages"][stage]["params"]
    assert {name for name in listed if name.split(".")[0] == "proxy"} == {
        f"proxy.{name}" for name in Optimizer.model_fields
    }
