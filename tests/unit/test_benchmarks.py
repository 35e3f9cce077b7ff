"""Every benchmark of the catalogue on a mirror of a few rows in the schema of the hub: the right answers make 100, the
wrong ones 0, and our figure is lmms-eval's own on the same samples."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

from collections import Counter
from dataclasses import replace

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from datasets import Features
from hub_mirror import COLORS, IMAGE, MIRROR, POPE, TEXT, Replies, letter, picture, table_of, write

from cadc.config.errors import InputError
from cadc.config.evaluation import Judge
from cadc.evaluation.adapter import ChatModel
from cadc.evaluation.benchmarks import load_tasks, run
from cadc.evaluation.catalogue import BENCHMARKS, TASKS, check, needs, repositories, shipped
from cadc.evaluation.judge import judge
from cadc.evaluation.samples import sample_schema
from cadc.evaluation.statistics import Samples, measure, resampled_weights
from cadc.world.benchmarks import write_llava_wild, write_pope

OPPOSITE = {"yes": "no", "no": "yes", "对": "错", "错": "对", "1": "no", "0": "yes"}
LOCAL = [name for name in TASKS if TASKS[name].judge in (None, "may")]


def reply(task, doc, right):
    """The right answer to a document as lmms-eval wants it, or a wrong one that it can read."""
    answer = (
        doc["answers"][0] if "answers" in doc else doc.get("gt_answer_details") if "gt_answer" in doc else doc["answer"]
    )
    if task == "hallusion_bench_image":
        answer = {"1": "yes", "0": "no"}[doc["gt_answer"]]
    if task in ("scienceqa_img", "ai2d"):
        answer = letter(int(answer))
    answer = answer["answer"] if isinstance(answer, dict) else answer
    if right:
        return answer
    return OPPOSITE.get(answer.lower()) or (letter("ABCD".index(answer) + 1) if answer in "ABCD" else "zzz")


@pytest.fixture(scope="module")
def runs(mirror):
    """lmms-eval's metrics, and the table of samples, of a model that is right, one that is wrong, and one that is wrong
    on every third."""
    tasks = load_tasks(mirror, LOCAL)
    out = {}
    for name, right in (("right", lambda i: True), ("wrong", lambda i: False), ("mixed", lambda i: i % 3 > 0)):
        metrics, samples = run(Replies(lambda task, doc, i, right=right: reply(task, doc, right(i))), tasks)
        out[name] = metrics, table_of(samples)
    return out


#: lmms-eval's figure of each benchmark, and what it is multiplied by for percent.
THEIRS = {
    "pope_f1": ("pope_f1_score", 100), "mmt_accuracy": ("accuracy", 1), "vqa_accuracy": ("exact_match", 100),
    "vqav2": ("exact_match", 100), "gqa": ("exact_match", 100), "vizwiz": ("exact_match", 100),
    "scienceqa": ("exact_match", 100), "textvqa": ("exact_match", 100), "mme": ("mme_perception_score", 100 / 2000),
    "mmbench_en": ("gpt_eval_score", 1), "mmbench_cn": ("gpt_eval_score", 1), "seedbench": ("seed_all", 100),
    "ai2d": ("exact_match", 100), "chartqa": ("relaxed_overall", 100), "cmmmu": ("cmmmu_acc", 100),
    "hallusion": ("aAcc", 100),
}  # fmt: skip


def test_all_benchmarks_of_progress_s_table_and_two_more_are_there():
    assert len(BENCHMARKS) == 14 + 2 + 1  # and mini_vqa, the mini world's own
    assert set(THEIRS) | {"llava_wild"} == set(BENCHMARKS) == {task.benchmark for task in TASKS.values()}
    for name in TASKS:
        assert shipped(name)["test_split"] == needs(name)[0].split
    assert [(data.config, data.rows) for data in needs("gqa")] == [
        ("testdev_balanced_instructions", 12578),
        ("testdev_balanced_images", 398),
    ]
    assert repositories(["pope_adv", "pope_pop", "mme"]) == ["lmms-lab-encoder/MME", "lmms-lab-encoder/POPE"]


@pytest.mark.parametrize("key", THEIRS)
def test_right_answers_make_100_wrong_ones_0_and_any_what_lmms_eval_says(runs, key):
    tasks = [name for name in LOCAL if TASKS[name].benchmark == key]
    name, scale = THEIRS[key]
    for which, expected in (("right", 100), ("wrong", 0), ("mixed", None)):
        metrics, table = runs[which]
        ours = measure(Samples.of_table(table))[key]
        theirs = np.mean([metrics[task][name] for task in tasks]) * scale
        assert ours == pytest.approx(theirs, abs=0.06 if key == "cmmmu" else 1e-4)  # CMMMU's is rounded to three digits
        assert (0 < ours < 100) if expected is None else ours == pytest.approx(expected)


def test_mme_has_its_second_figure(runs):
    for which in runs:
        metrics, table = runs[which]
        assert measure(Samples.of_table(table))["mme_cognition"] == pytest.approx(
            metrics["mme"]["mme_cognition_score"] * 100 / 800
        )


def test_samples_know_their_unit_subtask_and_chance(runs):
    table = runs["right"][1].to_pylist()
    of = {task: [row for row in table if row["task"] == task] for task in LOCAL}
    assert (
        set(Counter(row["unit"] for row in of["mme"]).values()) == {2}
        and len({row["unit"] for row in of["mmbench_en_dev_static"]}) == 6
    )
    assert all(row["unit"] == row["doc"] for task in ("ai2d", "seedbench") for row in of[task])
    chances = {task: {round(row["chance"], 3) for row in rows} for task, rows in of.items()}
    assert (
        chances["scienceqa_img"] == {0.5, 0.333, 0.25}
        and chances["cmmmu_val"] == {0.25, 0.5, 0}
        and chances["mme"] == {0.5}
        and chances["gqa"] == {0}
    )
    assert chances["mmbench_cn_dev_static"] == {0.25, 0.5} and chances["mini_vqa"] == {0.25}
    assert {(row["subtask"], row["meta_task"]) for row in of["seedbench"]} >= {("0", "image"), ("1", "video")}
    assert {row["answer"] for row in of["vqav2_val"]} == set(COLORS)


def images_of(table, documents):
    """The units of each image in a table of samples, where documents[task] are the rows that were asked."""
    units = {}
    for row in table.to_pylist():
        document = documents[row["task"]][row["doc"]]
        units.setdefault(document[TASKS[row["task"]].image], set()).add(row["unit"])
    return units


@pytest.mark.parametrize("key, n", [("pope_f1", 4), ("gqa", 2), ("vqav2", 6), ("textvqa", 3)])
def test_an_image_is_one_unit_in_all_splits_wherever_it_stands(runs, key, n):
    tasks = [task for task in LOCAL if TASKS[task].benchmark == key]
    table = runs["right"][1]
    units = images_of(
        table.filter(pa.compute.is_in(table["task"], pa.array(tasks))), {task: MIRROR[task][1] for task in tasks}
    )
    assert len(units) == n and all(len(one) == 1 for one in units.values()) and len(set.union(*units.values())) == n


def test_the_mini_world_s_questions_on_an_image_are_one_unit(tmp_path):
    write_pope(tmp_path, 5, [0], np.random.default_rng(0))
    write_llava_wild(tmp_path, 3, [0], np.random.default_rng(0))
    asked = ["pope_adv", "pope_pop", "pope_random", "llava_in_the_wild"]
    with judge(Judge(url=None, model="word-f1")):
        tasks = load_tasks(tmp_path, asked)
        samples = run(Replies(lambda task, doc, i: ("yes", "no")[i % 2]), tasks)[1]
    documents = {task: [sample["doc"] for sample in made] for task, made in samples.items()}
    table = table_of(samples)
    for benchmark, n, each in (("pope_f1", 5, 12), ("llava_wild", 3, 3)):
        own = [row for row in table.to_pylist() if TASKS[row["task"]].benchmark == benchmark]
        units = images_of(pa.Table.from_pylist(own), documents)
        assert len(units) == len(set.union(*units.values())) == n and all(len(one) == 1 for one in units.values())
        assert set(Counter(row["unit"] for row in own).values()) == {each}


def test_what_is_scored_together_is_drawn_together(runs):
    samples = Samples.of_table(runs["mixed"][1])
    weights = resampled_weights(samples, np.random.default_rng(0))
    for tasks in (["mme"], ["mmbench_en_dev_static"], ["pope", "pope_adv", "pope_pop", "pope_random"], ["gqa"]):
        at = np.isin(samples.task, tasks)
        for unit in np.unique(samples.unit[at]):
            assert len(set(weights[at & (samples.unit == unit)])) == 1
    alone = samples.task == "mmt_val"
    assert weights[alone].sum() == alone.sum() and len(set(weights[alone])) > 1


def test_what_is_drawn_together_changes_no_figure_of_questions_that_are_scored_apart(runs):
    samples = Samples.of_table(runs["mixed"][1])
    with_units, without = measure(samples), measure(replace(samples, unit=None))
    for name in ("pope_f1", "pope_accuracy", "pope_yes_ratio", "gqa", "vqav2", "textvqa"):
        assert with_units[name] == without[name]


def test_only_units_make_a_table_wider():
    assert "unit" not in sample_schema(["mmt_val", "ai2d"]).names
    for name in ("mme", "mmbench_cn_dev_static", "pope_adv", "llava_in_the_wild", "gqa"):
        assert "unit" in sample_schema([name, "ai2d"]).names


def test_an_image_s_name_is_among_the_columns_that_a_mirror_must_have():
    assert all(task.image in (None, *task.columns) for task in TASKS.values())


@pytest.mark.parametrize("task", ["seedbench", "cmmmu_val"])
def test_documents_of_no_image_and_of_several_are_answered(mirror, processor, tiny_model, task, monkeypatch):
    tasks = load_tasks(mirror, [task])
    chat = ChatModel(processor, 4, 4)
    chat.model = tiny_model
    samples = run(chat, tasks)[1][task]
    per_image = {len(doc["pixel_values"]) if "pixel_values" in doc else 0 for doc in chat._prompts.values()}
    assert per_image == ({1, 3} if task == "seedbench" else {0, 1, 2})
    assert len(samples) == len(MIRROR[task][1])
    monkeypatch.setattr("cadc.evaluation.adapter.PORTION", 2)
    again = ChatModel(processor, 4, 4)
    again.model = tiny_model
    assert [s["filtered_resps"] for s in run(again, tasks)[1][task]] == [s["filtered_resps"] for s in samples]


def test_a_document_of_another_medium_is_refused(mirror, processor):
    task = load_tasks(mirror, ["gqa"]).tasks[0]
    task.build_all_requests(limit=1, rank=0, world_size=1)
    chat = ChatModel(processor, 4, 4)
    chat.task_dict = {"gqa": task.dataset}
    task.config.doc_to_visual = lambda doc: ["film.mp4"]
    with pytest.raises(InputError, match="gqa, document 0: contains video"):
        chat.generate_until(task.instances)


def test_all_missing_data_sets_are_named_at_once_with_what_to_do(mirror, tmp_path):
    with pytest.raises(InputError) as error:
        check(tmp_path, ["gqa", "pope_adv", "pope_pop", "mme"], False)
    message = str(error.value)
    for name in ("GQA", "POPE", "MME"):
        folder = tmp_path / "lmms-lab-encoder" / name
        assert f"hf download --repo-type dataset lmms-lab-encoder/{name} --local-dir {folder}" in message
    assert "(pope_adv, pope_pop)" in message
    with pytest.raises(InputError, match="no task 'mmbench_en'; did you mean mmbench_en_dev"):
        check(mirror, ["mmbench_en"], False)
    with pytest.raises(InputError, match="mmbench_cn_dev asks a language model .* mmbench_cn_dev_static"):
        check(mirror, ["mmbench_cn_dev"], False)
    with pytest.raises(InputError, match="both with a judge and static"):
        check(mirror, ["mmbench_cn_dev", "mmbench_cn_dev_static"], True)


def test_an_incomplete_mirror_says_what_it_lacks(tmp_path):
    kinds, rows = MIRROR["textvqa_val"]
    write(tmp_path, "textvqa_val", ({name: kind for name, kind in kinds.items() if name != "answers"}, rows))
    with pytest.raises(
        InputError, match=r"textvqa, config default, split validation: no column answers, .* hf download"
    ):
        load_tasks(tmp_path, ["textvqa_val"])
    write(tmp_path, "pope_adv", POPE)
    with pytest.raises(
        InputError, match=r"POPE, config Full, split popular: cannot read it \(the folder has the splits adversarial\)"
    ):
        load_tasks(tmp_path, ["pope_pop"])
    (tmp_path / "lmms-lab-encoder/ChartQA").mkdir()
    with pytest.raises(InputError, match="ChartQA, config default, split test: cannot read it"):
        load_tasks(tmp_path, ["chartqa"])
    write(tmp_path, "gqa", MIRROR["gqa"])
    config = tmp_path / "lmms-lab-encoder/GQA/testdev_balanced_images"
    datasets.Dataset.from_list(
        [{"id": "n0", "image": picture(0)}], features=Features({"id": TEXT, "image": IMAGE})
    ).to_parquet(config / "testdev-00000-of-00001.parquet")
    with pytest.raises(InputError, match="GQA: 1 of the images that questions refer to are missing, such as n1"):
        load_tasks(tmp_path, ["gqa"])
