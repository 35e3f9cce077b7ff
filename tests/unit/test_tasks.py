"""lmms-eval's tasks read the data that lies there now, and ask in the words that probe rows have."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.config.errors import InputError
from cadc.data.probe import MMT, load_probe
from cadc.evaluation.adapter import ChatModel
from cadc.evaluation.benchmarks import load_tasks
from cadc.world.benchmarks import write_llava_wild, write_mini_vqa, write_mmt, write_pope
from cadc.world.subtasks import WORDINGS


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def questions(root, task, split):
    return [doc["question"] for doc in load_tasks(root, [task]).tasks[0].dataset[split]]


def test_another_world_in_the_same_folder_is_not_served_from_a_cache(here):
    """datasets' own cache knows a local folder by its name: a changed world was once scored on the questions of
    the old one."""
    root = here.relative_to(here) / "score"
    made = []
    for seed in (1, 2):
        write_mini_vqa(root, 1, WORDINGS, np.random.default_rng(seed))
        made.append(questions(root, "mini_vqa", "test"))
    assert made[0] != made[1]


@pytest.mark.parametrize(
    "task_name, target",
    [
        ("mmt_val", "mmt_val"),
        ("mini_vqa", "mini_vqa"),
        ("pope_adv", "pope"),
        ("llava_in_the_wild", "llava_in_the_wild"),
    ],
)
def test_probe_rows_are_asked_as_lmms_eval_asks(here, processor, task_name, target):
    write_mmt(here / "probe", 1, [0], np.random.default_rng(0))
    write_mini_vqa(here / "probe", 1, [0], np.random.default_rng(0))
    write_pope(here / "probe", 1, [0], np.random.default_rng(0))
    write_llava_wild(here / "probe", 1, [0], np.random.default_rng(0))
    rows, _, _ = load_probe(here / "probe", [target])
    task = load_tasks(here / "probe", [task_name]).tasks[0]
    chat = ChatModel(processor, 4, 8)
    task.build_all_requests(limit=3, rank=0, world_size=1)
    chat.task_dict = {task_name: task.dataset}
    for request in task.instances:
        asked = chat.prompt(chat._question(request))
        expected = processor.tokenizer(
            rows.slice(request.doc_id, 1).to_pylist()[0]["turns"][0]["text"].replace("<image>", "")
        )
        words = [i for i in asked["input_ids"].tolist() if i >= 6]
        assert words == expected["input_ids"]


def test_a_skill_in_two_forms_is_two_subtasks(here):
    write_mmt(here / "probe", 1, [0], np.random.default_rng(0))
    write_mini_vqa(here / "probe", 1, [0], np.random.default_rng(0))
    rows, subtasks, known = load_probe(here / "probe", ["mmt_val", "mini_vqa"])
    assert len(set(subtasks)) == rows.num_rows == 62 and len(set(rows["id"].to_pylist())) == 62
    assert known["business (open)"]["target"] == "mini_vqa" and known["business"]["target"] == "mmt_val"
    with pytest.raises(InputError, match=r"capture\.targets"):
        load_probe(here / "probe", ["pope"])


def test_a_probe_split_that_is_broken_or_lacks_a_column_is_named(tmp_path):
    file = tmp_path / MMT / "data/val-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"index": [0], "question": ["?"], "image": [None], "category": ["x"]}), file)
    with pytest.raises(InputError, match=r"val-.*parquet: no column answer, l2-category; fetch"):
        load_probe(tmp_path, ["mmt_val"])
    file.write_bytes(b"no table")
    with pytest.raises(InputError, match=r"val-.*parquet: can't be read .*; fetch or write it again"):
        load_probe(tmp_path, ["mmt_val"])
