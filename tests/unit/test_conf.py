"""conf/: what it composes is what is committed, every profile says the same things, and nothing is said twice."""

import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from cadc.compose.files import composed, files
from cadc.config.errors import InputError
from cadc.config.params import checked
from cadc.doctor.published import size_of

CONF = Path("conf")
PROFILES = sorted(path.stem for path in (CONF / "profile").glob("*.yaml"))
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
WORLDS = sorted(path.stem for path in (CONF / "world").glob("*.yaml"))
#: Dictionaries that are values, not sections.
WHOLE = {"model.processor", "finetune.epochs", "views.descriptions", "data.expected.images"}


#: What a profile or a data set leaves to its user.
OWN = {"own": ["model.path=somewhere"], "folder": ["data.path=somewhere"]}


def params_of(*overrides):
    return checked(OmegaConf.to_container(composed(list(overrides))), "conf")


@pytest.mark.parametrize("profile", PROFILES)
def test_no_other_model_beside_a_stage_s_own_makes_it_stale(profile):
    """A folder that holds models is no dependency: a model that is converted into it would make every cell stale."""
    params = params_of(f"profile={profile}", *OWN.get(profile, []))
    for own, watched in ((params.model.path, params.model.watched), (params.embed.tower, params.embed.watched)):
        assert watched == own or Path(watched).is_file()


def leaves(section: dict, path: str = "") -> set[str]:
    """Dotted keys of all values of a file of conf/."""
    found = set()
    for key, value in section.items():
        name = f"{path}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) and value and name not in WHOLE else {name}
    return found


def stated(path: Path) -> set[str]:
    """The keys of a file of conf/, and of the files beside it that it is composed over."""
    own = yaml.safe_load(path.read_text())
    others = [name for name in own.pop("defaults", []) if isinstance(name, str) and name != "_self_"]
    return leaves(own).union(*(stated(path.with_name(f"{name}.yaml")) for name in others))


def test_params_yaml_and_pipelines_are_what_conf_composes():
    for path, text in files([]).items():
        assert path.read_text() == text, f"{path}: conf/ was changed: run `make params`"


@pytest.mark.parametrize("group, names", [("profile", PROFILES), ("data", DATA), ("world", WORLDS)])
def test_all_files_of_a_group_state_the_same_keys_and_no_other_file_does(group, names):
    keys = {name: stated(CONF / group / f"{name}.yaml") for name in names}
    for name in names:
        assert keys[name] == keys[names[0]], f"{name} and {names[0]} differ: {sorted(keys[name] ^ keys[names[0]])}"
    others = [
        CONF / "config.yaml",
        CONF / "testbed.yaml",
        *(path for path in CONF.glob("*/*.yaml") if path.parent.name not in (group, "accelerate", "studies")),
    ]
    for path in others:
        assert not keys[names[0]] & stated(path), path


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_goes_with_every_data_set(profile, data):
    params = params_of(f"profile={profile}", f"data={data}", *OWN.get(profile, []), *OWN.get(data, []))
    assert params.sizes.concept_clusters >= params.sizes.progress_clusters


def test_a_data_profile_takes_its_world_and_the_testbed_has_both():
    default, other = params_of("world.rows=300"), params_of("data=world-b", "world.rows=300")
    assert default.worlds == other.worlds and set(default.worlds) == set(WORLDS)
    for name, params in (("mini-world", default), ("world-b", other)):
        assert params.world == params.worlds[name].model_copy(update={"rows": 300})


def test_nothing_of_one_world_but_its_size_is_the_other_s():
    a, b = (params_of().worlds[name].model_dump() for name in WORLDS)
    for section in ("form_shares", "faults", "sources"):
        assert not [key for key, value in a.pop(section).items() if value == b[section][key]]
    assert [key for key, value in a.items() if value == b[key]] == ["rows"]


@pytest.mark.parametrize("data", ["mini-world", "llava-665k"])
@pytest.mark.parametrize("profile", ["smolvlm-256m", "llava-1.5-7b"])
def test_the_studies_go_with_real_models_and_data(profile, data):
    assert Path("pipelines/targeted/dvc.yaml") in files([f"profile={profile}", f"data={data}"])


def test_what_can_not_be_composed_is_named():
    for override, word in (
        ("profile=llava", "profile/llava"),
        ("bugdet=0.1", "bugdet"),
        ("budget", "budget"),
    ):
        with pytest.raises(ValueError, match=word):
            composed([override])
    with pytest.raises(ValueError, match="data.path has no default; set it"):
        params_of("data=folder")


def test_no_arms_at_all_are_refused():
    """There is nothing to make, and no report to write of it."""
    with pytest.raises(InputError, match="conf: arms is empty; name at least one method"):
        files(["~arms"])


def test_a_profile_that_is_no_yaml_is_named_with_its_line(tmp_path):
    conf = shutil.copytree(CONF, tmp_path / "conf")
    profile = conf / "profile/mini.yaml"
    for wrong in ("match:\n  keep_width: 1\n", "a: [1\n"):
        profile.write_text((CONF / "profile/mini.yaml").read_text() + wrong)
        with pytest.raises(InputError, match=r"cannot read a file: .*profile/mini.yaml\", line \d+"):
            composed([], conf)


@pytest.mark.parametrize(
    "value", ["/tmp/mine [1]", "/tmp/a,b", "/tmp/(a)", "/tmp/it's", "/tmp/é", "/tmp/a=b", '/tmp/"a" #1', "/tmp/[a]\\"]
)
def test_how_a_value_is_quoted_is_said(value):
    with pytest.raises(InputError, match="is text, quote it: ") as error:
        composed([f"data.path={value}"])
    said = shlex.split(str(error.value).rpartition("quote it: ")[2])
    assert composed(said).data.path == value
    with pytest.raises(InputError, match="Could not override"):
        composed(["data.pth=/tmp/a"])


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
    assert 0.5e6 < size.parameters < 0.6e6 and size.picture.tokens == 9


@pytest.mark.parametrize(
    "data, budget, gap, warm_up", [("llava-665k", 0.2, 7_500, 0.09), ("vision-flan-191k", 0.167, 3_500, 0.084)]
)
def test_progress_runs_on_its_data_sets_as_published(data, budget, gap, warm_up):
    """Rows unlocked a round, and the warm-up as a share of the pool (arXiv 2506.01085)."""
    conf = composed(["profile=llava-1.5-7b", f"data={data}", f"budget={budget}"])
    chosen = conf.arms.progress.select
    assert chosen.gap * budget * conf.data.expected.rows == pytest.approx(gap, rel=0.01)
    assert chosen.warm_up * budget == pytest.approx(warm_up, rel=0.01)
