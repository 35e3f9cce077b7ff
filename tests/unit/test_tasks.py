"""lmms-eval's tasks read the data that lies there now, and ask in the words that probe rows have."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pytest

from cadc.evaluation.adapter import ChatModel
from cadc.evaluation.benchmarks import load_tasks
from cadc.pool.benchmarks import write_mini_vqa, write_mmt
from cadc.pool.probe import load_probe


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def questions(root, task, split):
    return [doc["question"] for doc in load_tasks(root, [task]).tasks[0].dataset[split]]


def test_another_world_in_the_same_folder_is_not_served_from_a_cache(here):
    """datasets' own cache knows a local folder by its name: a changed world was once scored on the questions of the old one."""
    root = here.relative_to(here) / "score"
    made = []
    for seed in (1, 2):
        write_mini_vqa(root, 1, 3, np.random.default_rng(seed))
        made.append(questions(root, "mini_vqa", "test"))
    assert made[0] != made[1]


def test_probe_rows_are_asked_as_lmms_eval_asks(here, processor):
    write_mmt(here / "probe", 1, 1, np.random.default_rng(0))
    rows, _, _ = load_probe(here / "probe")
    task = load_tasks(here / "probe", ["mmt_val"]).tasks[0]
    chat = ChatModel(processor, 4, 8)
    task.build_all_requests(limit=3, rank=0, world_size=1)
    chat.task_dict = {"mmt_val": task.dataset}
    for request in task.instances:
        asked, _ = chat._prompt(request)
        expected = processor.tokenizer(rows.slice(request.doc_id, 1).to_pylist()[0]["turns"][0]["text"].replace("<image>", ""))
        words = [i for i in asked["input_ids"].tolist() if i >= 6]
        assert words == expected["input_ids"]
