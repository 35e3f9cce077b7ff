"""conf/: what it composes is what is committed, every profile says the same things, and nothing is said twice."""

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from cadc.compose.files import composed, files, read_study
from cadc.compose.studies import Row, Study, Variants, expand
from cadc.config.errors import InputError
from cadc.config.params import checked
from cadc.doctor.published import size_of

CONF = Path("conf")
PROFILES = sorted(path.stem for path in (CONF / "profile").glob("*.yaml"))
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
#: Dictionaries that are values, not sections.
WHOLE = {"model.processor", "finetune.epochs", "views.descriptions", "data.expected.images"}


def params_of(*overrides):
    return checked(OmegaConf.to_container(composed(list(overrides))), "conf")


def leaves(section: dict, path: str = "") -> set[str]:
    """Dotted keys of all values of a file of conf/."""
    found = set()
    for key, value in section.items():
        name = f"{path}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) and value and name not in WHOLE else {name}
    return found


def stated(path: Path) -> set[str]:
    return leaves(yaml.safe_load(path.read_text())) - {"defaults"}


def test_params_yaml_and_pipelines_are_what_conf_composes():
    for path, text in files([]).items():
        assert path.read_text() == text, f"{path}: conf/ was changed: run `make params`"


@pytest.mark.parametrize("group, names", [("profile", PROFILES), ("data", DATA)])
def test_all_files_of_a_group_state_the_same_keys_and_no_other_file_does(group, names):
    keys = {name: stated(CONF / group / f"{name}.yaml") for name in names}
    for name in names:
        assert keys[name] == keys[names[0]], f"{name} and {names[0]} differ: {sorted(keys[name] ^ keys[names[0]])}"
    others = [
        CONF / "config.yaml",
        CONF / "world.yaml",
        *(path for path in CONF.glob("*/*.yaml") if path.parent.name not in (group, "accelerate", "studies")),
    ]
    for path in others:
        assert not keys[names[0]] & stated(path), path


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_goes_with_every_data_set(profile, data):
    params = params_of(f"profile={profile}", f"data={data}", *(["data.path=somewhere"] if data == "folder" else []))
    assert params.sizes.concept_clusters >= params.sizes.progress_clusters


def test_what_can_not_be_composed_is_named():
    for override, word in (
        ("profile=llava", "profile/llava"),
        ("bugdet=0.1", "bugdet"),
        ("budget", "budget"),
    ):
        with pytest.raises(ValueError, match=word):
            composed([override])
    with pytest.raises(ValueError, match="data.path has no default: give it"):
        params_of("data=folder")
    with pytest.raises(InputError, match=r"mmt_val: aimed at .* and scored"):
        params_of("data=llava-665k", "evaluate.tasks=[mmt_val]")
    params_of("data=llava-665k", "evaluate.tasks=[mmt_val]", "data.probe=data/others")


#: billions of parameters, as published
PUBLISHED = {
    "smolvlm-256m": 0.256,
    "smolvlm-2.2b": 2.25,
    "llava-1.5-7b": 7.06,
    "llava-1.5-13b": 13.35,
    "qwen2-vl-7b": 8.29,
}


@pytest.mark.parametrize("profile", PUBLISHED)
def test_lora_of_every_profile_reaches_language_model_and_connector_alone(profile):
    size = size_of(params_of(f"profile={profile}").model)
    assert size.parameters / 1e9 == pytest.approx(PUBLISHED[profile], rel=0.01)
    parts = {name.rsplit(".", 1)[-1] if "layers" in name else "connector" for name in size.adapted}
    assert parts == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "connector"}
    assert not any("vision" in name or "visual.blocks" in name for name in size.adapted)


def test_the_mini_profile_is_measured_by_its_own_config():
    size = size_of(params_of().model)
    assert 0.5e6 < size.parameters < 0.6e6 and size.image_tokens == 9


@pytest.fixture(scope="module")
def library():
    return OmegaConf.to_container(composed([], name="library"))


def table(*rows, **more):
    return Study.model_validate({"title": "x", "tables": [{"title": "T", "rows": list(rows), **more}]})


def arms_of(study, variants):
    return [row["arm"] for row in expand(study, "mine", variants)["t"]["rows"]]


def test_a_row_that_is_an_arm_already_is_that_arm(library):
    variants = Variants(library)
    assert arms_of(table({"arm": "random"}, {"arm": "cadc", "set": {"budget": 0.05}}), variants) == ["random", "cadc"]
    assert "mine" not in variants.made


def test_a_change_upstream_makes_what_follows_from_it_and_shares_the_rest(library):
    variants = Variants(library)
    rows = [
        {"arm": "influence_coverage", "set": {"discover.tau": 0.1}},
        {"arm": "influence_coverage", "set": {"discover.tau": 0.1, "select.keep": 1.0}, "label": "both"},
        {"arm": "influence_coverage", "set": {"capture.update": "sgd"}},
    ]
    first, second, third = arms_of(table(*rows), variants)
    made = variants.made["mine"]
    assert {level: len(names) for level, names in made.items()} == {"captures": 1, "discoveries": 2, "arms": 3}
    assert made["arms"][first]["signal"] == made["arms"][second]["signal"] != made["arms"][third]["signal"]
    of_third = made["discoveries"][made["arms"][third]["signal"].partition("/")[2]]
    assert of_third["run"] == "default" and made["captures"][of_third["trajectories"]]["capture"]["update"] == "sgd"


def test_names_are_ones_that_dvc_takes(library):
    variants = Variants(library)
    many = {f"select.{name}": value for name, value in {"temperature": 0.3, "gap": 0.011, "exploration": 0.25}.items()}
    rows = [
        {"arm": "progress", "set": many | {"select.order": order}, "label": order} for order in ("easiest", "medium")
    ]
    names = arms_of(table(*rows, budgets=[0.05, 0.2], split="probe"), variants)
    assert len(set(names)) == 4 and all(len(name) <= 64 and name.replace("_", "").isalnum() for name in names)


def test_what_a_study_names_wrongly_is_said():
    for change, word in (({"select.kep": 1}, "select.kep"), ({"bugdet": 1}, "bugdet"), ({"discover.tau": 0.1}, "tau")):
        with pytest.raises(InputError, match=word):
            Variants(OmegaConf.to_container(composed([], name="library"))).arm(
                Row(arm="random"), change, "mine", "here"
            )
    with pytest.raises(ValueError, match="no row of the table"):
        table({"arm": "random"}, claims=[["random", "nobody"]])
    with pytest.raises(ValueError, match="two rows are called random"):
        table({"arm": "random"}, {"arm": "random"})


def test_five_lines_make_a_pipeline(tmp_path):
    import shutil

    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
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
