"""What can be aimed at, and what is said before anything runs where it can't be."""

import pytest
from omegaconf import OmegaConf

from cadc.compose.files import composed, files
from cadc.config.errors import InputError
from cadc.config.params import checked
from cadc.doctor.checks import benchmark_findings
from cadc.doctor.examine import probed
from cadc.evaluation.aims import AIMS, SPLITS, aims, check_targets, same_rows
from cadc.evaluation.catalogue import TASKS, needs

REAL = ["data=llava-665k", "discoveries.cadc.discover.targets=${capture.targets}"]


def check(*overrides):
    raw = OmegaConf.to_container(composed(list(overrides)))
    check_targets(checked(raw, "conf"), raw)


def test_every_benchmark_of_the_catalogue_can_be_aimed_at_once():
    rows = [(each.repository, each.config, each.split) for each in (aims(name)[0] for name in AIMS)]
    assert len(set(rows)) == len(rows)
    for task in TASKS:
        assert any(aims(name)[0].repository == needs(task)[0].repository for name in AIMS), task


def test_a_benchmark_with_a_split_of_its_own_to_aim_at_may_be_scored_too():
    for name in AIMS:
        assert same_rows(name, name) == (name not in SPLITS)
    assert same_rows("pope", "pope_adv") and same_rows("mmbench_cn_dev_static", "mmbench_cn_dev")
    assert not same_rows("mmbench_en_dev_static", "mmbench_cn_dev_static") and not same_rows("gqa.json", "gqa")
    both = "[gqa,scienceqa_img,textvqa_val,cmmmu_val]"
    check(*REAL, f"capture.targets={both}", f"evaluate.tasks={both}")


@pytest.mark.parametrize("target, task", [("mmt_val", "mmt_val"), ("pope", "pope_pop"), ("vqav2_val", "vqav2_val")])
def test_what_is_aimed_at_is_not_scored_on_the_same_rows(target, task):
    wanted = [*REAL, f"capture.targets=[{target}]", f"evaluate.tasks=[{task}]"]
    with pytest.raises(
        InputError, match=rf"^{task}: capture.targets and evaluate.tasks use the same rows of data/benchmarks"
    ):
        check(*wanted)
    check(*wanted, "data.probe=data/others")


@pytest.mark.parametrize(
    "targets, words",
    [
        ("[textvqa]", "textvqa is neither a benchmark .textvqa_val"),
        ("[gqa,gqa]", "names gqa twice"),
        ("[gqa,a/gqa.json]", "a/gqa.json: two targets are named gqa"),
        ("[nowhere/mine.json]", "nowhere/mine.json: no such file; create it with rows"),
        ("[pope_adv]", "pope_adv is neither a benchmark .pope"),
    ],
)
def test_a_target_that_is_none_is_named(targets, words):
    with pytest.raises(InputError, match=f"capture.targets: {words}"):
        check(*REAL, f"capture.targets={targets}")


def test_real_benchmarks_need_real_data():
    with pytest.raises(InputError, match="gqa: the mini world only has mmt_val, mini_vqa, pope, llava_in_the_wild"):
        check("capture.targets=[gqa]", "discoveries.cadc.discover.targets=[gqa]")
    with pytest.raises(InputError, match="vqav2_val: set data.probe to a folder"):
        check(*REAL, "data.probe=null", "capture.targets=[vqav2_val]")


NEEDING = [
    "arms.cadc",
    "arms.influence_coverage",
    "captures.default",
    "discoveries.cadc",
    "discoveries.influence_coverage",
]


def test_without_a_target_what_needs_one_is_named_in_one_sentence_and_all_else_is_composed(capsys):
    with pytest.raises(InputError) as error:
        files(["capture.targets=[]"])
    assert str(error.value) == (
        f"capture.targets is empty, but {', '.join(NEEDING)} need target rows: name a target, or remove them: "
        f"{' '.join(f'~{name}' for name in NEEDING)}"
    )
    made = files(["capture.targets=[]", *(f"~{name}" for name in NEEDING)])
    params = OmegaConf.create(next(text for path, text in made.items() if path.name == "params.yaml"))
    assert set(params.arms) == {"progress", "random", "task_budget_random", "full"} and not params.captures
    said = "conf/studies/leaderboard.yaml is skipped: its row 'cadc' needs a target, and capture.targets is []"
    assert said in capsys.readouterr().out


def test_a_discovery_of_what_is_not_aimed_at_is_named_and_a_study_of_it_left_out(capsys):
    other = ["data=llava-665k", "capture.targets=[gqa]"]
    with pytest.raises(InputError, match=r"^discoveries.cadc.discover.targets: mmt_val is not among capture.targets; "):
        check(*other)
    made = {path.parent.name for path in files([*REAL, *other])}
    assert "leaderboard" in made and "sensitivity" not in made
    assert "sensitivity.yaml is skipped: its row 'targets: MMT-Bench alone (CADC)' aims at mmt_val, and capture" in (
        capsys.readouterr().out
    )


def test_the_doctor_looks_for_what_is_aimed_at_and_counts_its_rows():
    params = checked(OmegaConf.to_container(composed([*REAL, "capture.targets=[gqa,mine.json]"])), "conf")
    found = {finding.what: finding.text for finding in benchmark_findings(params)}
    said = found["lmms-lab-encoder/GQA: gqa (target), gqa (12,578 rows)"]
    assert (
        said == "hf download --repo-type dataset lmms-lab-encoder/GQA --local-dir data/benchmarks/lmms-lab-encoder/GQA"
    )
    assert not any("mine" in what for what in found)
    assert probed("gqa", None) == (132062, 10) and probed("gqa", 1000) == (1000, 10)
    assert probed("mmt_val", None) == (3127, 162) and probed("mine.json", 50) == (50, 10)
