"""Studies: what rows ask for, what it is called, which pipeline makes it, and what is said of a study that is wrong."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from cadc.compose.expand import spelled_out
from cadc.compose.files import composed, files, read_study
from cadc.compose.studies import Study
from cadc.config.errors import InputError

CONF = Path("conf")
#: As the leaderboard asks for it.
COINCIDE = "title: Mine\ntables:\n- {title: T, seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], rows: [{arm: coincide}]}\n"


@pytest.fixture(scope="module")
def library():
    return OmegaConf.to_container(composed([], name="library"))


@pytest.fixture
def conf(tmp_path):
    """A copy of conf/."""
    return shutil.copytree(CONF, tmp_path / "conf")


def table(*rows, **more):
    return Study.model_validate({"title": "x", "tables": [{"title": "T", "rows": list(rows), **more}]})


def arms_of(library, study, there=None):
    """The arms of a study's only table, and what its pipeline makes."""
    made, tables = spelled_out(library, {"mine": study}, there or {})
    return [row["arm"] for row in tables["mine"]["t"]["rows"]], made["mine"]


def params_of(made: dict, pipeline: str) -> dict:
    return json.loads(made[Path(f"pipelines/{pipeline}/params.json")])


def test_a_row_that_is_an_arm_already_is_that_arm(library):
    study = table({"arm": "random"}, {"arm": "cadc", "set": {"budget": 0.05}})
    assert arms_of(library, study) == (["random", "cadc"], {})


def test_a_change_upstream_makes_what_follows_from_it_and_shares_the_rest(library):
    rows = [
        {"arm": "influence_coverage", "set": {"discover.tau": 0.1}},
        {"arm": "influence_coverage", "set": {"discover.tau": 0.1, "select.keep": 1.0}, "label": "both"},
        {"arm": "influence_coverage", "set": {"capture.update": "sgd"}},
    ]
    (first, second, third), made = arms_of(library, table(*rows))
    assert {level: len(names) for level, names in made.items()} == {"captures": 1, "discoveries": 2, "arms": 3}
    assert made["arms"][first]["signal"] == made["arms"][second]["signal"] != made["arms"][third]["signal"]
    of_third = made["discoveries"][made["arms"][third]["signal"].partition("/")[2]]
    assert of_third["run"] == "default" and made["captures"][of_third["trajectories"]]["capture"]["update"] == "sgd"


def test_names_are_ones_that_dvc_takes(library):
    many = {f"select.{name}": value for name, value in {"temperature": 0.3, "gap": 0.011, "exploration": 0.25}.items()}
    rows = [
        {"arm": "progress", "set": many | {"select.order": order}, "label": order} for order in ("easiest", "medium")
    ]
    names, _ = arms_of(library, table(*rows, budgets=[0.05, 0.2], split="probe"))
    assert len(set(names)) == 4 and all(len(name) <= 64 and name.replace("_", "").isalnum() for name in names)


@pytest.mark.parametrize(
    "arm, level, change",
    [
        ("self_filter", "score_nets", {"score_net.seed": 0}),  # what it is already
        ("coincide", "feature_sets", {"features.layers": 5}),
        ("less", "matchings", {"capture.update": "adamw"}),
        ("targeted", "view_sets", {"select.view": "sum"}),
        ("self_filter", "score_nets", {"finetune.epochs.b05": 1.0}),
    ],
)
def test_a_default_variant_has_its_name_whoever_asks_first(library, arm, level, change):
    _, made = arms_of(library, table({"arm": arm, "set": change}, {"arm": arm}))
    assert list(made[level]) == ["default"]


def test_what_a_table_sets_reaches_the_rows_that_read_it(library):
    """A proxy's snapshots are of no account to views and the score-net, nor a capture's update to the latter."""
    rows = [{"arm": arm} for arm in ("targeted", "self_filter", "random", "coincide")]
    names, made = arms_of(library, table(*rows, set={"proxy.snapshots": 1, "capture.update": "sgd"}))
    assert names[2] == "random" and names[0] == "targeted_update_sgd" and names[1] == "self_filter_snapshots_1"
    assert list(made["view_sets"]) == ["update_sgd"] and list(made["score_nets"]) == ["snapshots_1"]
    assert list(made["feature_sets"]) == ["snapshots_1_update_sgd"] and list(made["proxies"]) == ["snapshots_1"]


def test_epochs_may_be_stated_for_further_budgets(library):
    (name,), made = arms_of(library, table({"arm": "random", "set": {"finetune.epochs.b10": 4.0}}))
    assert made["arms"][name]["finetune"]["epochs"]["b10"] == 4.0


def test_a_new_study_takes_nothing_from_another(conf):
    now = files([])
    (conf / "studies/a_mine.yaml").write_text(COINCIDE)
    made = files([], conf)
    assert {path: made[path] for path in now} == now
    mine = params_of(made, "a_mine")
    assert list(mine) == ["tables"] and mine["tables"]["t"]["rows"] == [
        {"label": "coincide", "arm": "coincide_10_seeds"}
    ]
    other = files(["profile=smolvlm-256m"], conf)  # the same variants, with other values
    assert "coincide_10_seeds" in params_of(other, "leaderboard")["arms"] and list(params_of(other, "a_mine")) == [
        "tables"
    ]


def test_of_new_variants_the_first_study_that_asks_makes_them(conf, tmp_path):
    (conf / "studies/a_mine.yaml").write_text(COINCIDE)
    made = files([], conf, tmp_path / "nothing")
    mine, other = params_of(made, "a_mine"), params_of(made, "leaderboard")
    assert list(mine["arms"]) == ["coincide_10_seeds"] and list(mine["feature_sets"]) == ["default"]
    assert "coincide_10_seeds" not in other["arms"] and "coincide_b20_5_seeds" in other["arms"]
    assert "feature_sets" not in other


def test_a_variant_passes_on_when_its_study_asks_no_more_and_keeps_its_name(conf):
    for name in ("leaderboard", "targeted"):  # who else asks for them
        (conf / f"studies/{name}.yaml").unlink()
    (conf / "studies/z_mine.yaml").write_text(COINCIDE.replace("{arm: coincide}", "{arm: coincide}, {arm: targeted}"))
    made = files([], conf)
    mine, progress = params_of(made, "z_mine"), params_of(made, "progress")
    assert "coincide_b20" in progress["arms"] and "default" in progress["feature_sets"]
    names = ["coincide_10_seeds", "targeted_view_auto_10_seeds"]  # as the leaderboard had called them
    assert list(mine) == ["arms", "tables"] and list(mine["arms"]) == names
    assert [row["arm"] for row in mine["tables"]["t"]["rows"]] == names


def test_a_name_on_disk_stays_with_its_variant(library):
    one, other = ({"arm": "self_filter", "set": {f"{section}.epochs": 2.0}} for section in ("proxy", "score_net"))
    there, _ = spelled_out(library, {"z": table(one)}, {})
    made, _ = spelled_out(library, {"a": table(other), "z": table(one)}, there)
    assert made["z"] == there["z"] and list(there["z"]["arms"]) == ["self_filter_epochs_2_0"]
    assert not {*made["a"]["arms"], *made["a"]["score_nets"]} & {*made["z"]["arms"], *made["z"]["score_nets"]}
    again, _ = spelled_out(library, {"a": table(other), "z": table(one)}, made)
    assert again == made


@pytest.mark.parametrize(
    "arm, change, words",
    [
        ("nobody", {}, "no arm or method nobody; known: cadc, .*targeted"),
        ("random", {"capture.update": "sgd"}, "no parameter capture.update"),
        ("self_filter", {"capture.update": "sgd"}, "no parameter capture.update"),
        ("clip_score", {"embed.tower": "x"}, "no parameter embed.tower"),
        ("random", {"select.keep": 1.0}, "no parameter select.keep"),
        ("random", {"bugdet": 0.1}, "no parameter bugdet"),
        ("random", {"tuned.pth": "x"}, "no parameter tuned.pth"),
        ("full", {"budget": 0.1}, "no parameter budget"),
        (
            "random",
            {"signal": "capabilities/nobody"},
            "signal = 'capabilities/nobody': .*influence_coverage, features/",
        ),
        ("random", {"signal": "nothing/default"}, "signal = 'nothing/default': .*pool, embeddings"),
        ("random", {"signal": ["pool"]}, r"signal = \['pool'\]: .*pool, embeddings"),
        ("random", {"budget": 2}, "arm.budget = 2: "),
        ("random", {"budget": "much"}, "arm.budget = 'much': "),
        ("random", {"seeds": [1, 1]}, "arm.seeds: names 1 twice"),
        ("random", {"curate.sequence": "up"}, "arm.curate.sequence = 'up'"),
        ("random", {"finetune.epochs.b5": 1.0}, r"finetune.epochs.b5.* = 'b5'"),
        ("random", {"finetune.batch_size": 0}, "finetune.batch_size = 0"),
        ("random", {"tuned.lora.rank": "r"}, "model.lora.rank = 'r'"),
        ("coincide", {"proxy.epochs": 0}, "proxy.epochs = 0"),
        ("less", {"match.update": "sgd"}, "match.update = 'sgd'"),
        ("influence_coverage", {"discover.targets": [""]}, "discover.targets.0 = ''"),
        ("influence_coverage", {"select.keep": 1.5}, "arm.select.keep = 1.5"),
        ("coincide", {"select": {"keep": 1}}, "arm.select.clusters: Field required"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_key_and_value(library, arm, change, words):
    with pytest.raises(InputError, match=f"^conf/studies/mine.yaml, T, row: {words}"):
        arms_of(library, table({"arm": arm, "set": change, "label": "row"}))


def test_a_discovery_is_of_benchmarks_that_are_aimed_at():
    narrow = OmegaConf.to_container(composed(["capture.targets=[mmt_val]"], name="library"))
    with pytest.raises(InputError, match="mine.yaml, T, cadc, targets: .*pope is not in capture.targets"):
        arms_of(narrow, table({"arm": "cadc", "set": {"discover.targets": ["mmt_val", "pope"]}}))


def test_a_key_of_a_table_that_no_row_reads_is_named(library):
    rows = [{"arm": "random"}, {"arm": "full"}]
    with pytest.raises(
        InputError, match="^conf/studies/mine.yaml, T: set: no row reads discover.tau, selct.keep; remove it$"
    ):
        arms_of(library, table(*rows, set={"selct.keep": 1, "discover.tau": 0.1, "budget": 0.2}))


def test_a_file_that_is_no_study_is_told_line_by_line(tmp_path):
    path = tmp_path / "mine.yaml"
    rows = "[{arm: random, sets: {}}, {label: x}]"
    path.write_text(f"title: x\ntables:\n- {{title: T, split: prob, budgets: [0.0001], rows: {rows}}}\n")
    with pytest.raises(InputError) as error:
        read_study(path)
    lines = str(error.value).splitlines()
    keys = ["split", "budgets.0", "rows.0.sets", "rows.1.arm"]
    assert [line.split(": ")[:2] for line in lines] == [[str(path), f"tables.0.{key}"] for key in keys]
    assert lines[3] == f"{path}: tables.0.rows.1.arm: Field required" and "0.001, the smallest" in lines[1]
    for text, words in (("", r"\(whole file\): "), ("a: [", "cannot read it")):
        path.write_text(text)
        with pytest.raises(InputError, match=f"mine.yaml: {words}"):
            read_study(path)


def test_claims_and_labels_are_of_rows():
    with pytest.raises(ValueError, match="not a row of the table"):
        table({"arm": "random"}, claims=[["random", "nobody"]])
    with pytest.raises(ValueError, match="two rows have the label random"):
        table({"arm": "random"}, {"arm": "random"})
    twice = [{"title": title, "rows": [{"arm": "random"}]} for title in ("At 5%", "At 5 %")]
    with pytest.raises(ValueError, match="two tables would be written to at_5.md"):
        Study.model_validate({"title": "Mine", "tables": twice})


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"budgets": [0.05, 0.05]}, "names 0.05 twice"),
        ({"budgets": []}, "at least 1 item"),
        ({"shows": ["rows", "rows"]}, "names rows twice"),
        ({"claims": [["random", "full"], ["random", "full"]]}, "twice"),
    ],
)
def test_a_table_names_nothing_twice(named, words):
    with pytest.raises(ValueError, match=words):
        table({"arm": "random"}, {"arm": "full"}, **named)


def test_five_lines_make_a_pipeline(conf):
    rows = "\n  - {arm: random}\n  - {arm: influence_coverage, set: {select.keep: 0.5}}\n"
    text = f"title: Mine\ntables:\n- title: Keep\n  rows:{rows}"
    (conf / "studies" / "mine.yaml").write_text(text)
    assert read_study(conf / "studies" / "mine.yaml").tables[0].title == "Keep"
    stages = yaml.safe_load(files([], conf)[Path("pipelines/mine/dvc.yaml")])["stages"]
    assert set(stages) == {"curate", "finetune", "score", "table_keep"}
    deps = stages["table_keep"]["deps"]
    assert {dep for dep in deps if "arms" in dep} == {
        "reports/arms/random",
        "reports/arms/influence_coverage_keep_0_5",
        "reports/arms/full",
    }


def test_a_study_of_one_model_is_composed_where_params_have_it(conf):
    assert Path("pipelines/real_lite/dvc.yaml") not in files([], conf)
    made = files(["profile=smollm2-135m", "data=folder", "data.path=data/mine"], conf)
    arms = params_of(made, "real_lite")["arms"]
    assert all(arm["model"]["path"] == "models/smollm2-135m" for arm in arms.values())
