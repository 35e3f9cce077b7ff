"""What is aimed at of every benchmark: asked in lmms-eval's words, answered in the form that it scores."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pytest
from datasets import Value
from hub_mirror import MIRROR, Replies, table_of, write

from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.data.probe import TARGETS, probe_rows
from cadc.evaluation.aimed import AimedRows, answer_of
from cadc.evaluation.aims import AIMS, aims
from cadc.evaluation.benchmarks import load_tasks, run
from cadc.evaluation.questions import shown
from cadc.model.encode import IGNORE, encode, prompt

BY_TASKS = [name for name in AIMS if name not in TARGETS]
ID = {"id": Value("string")}
TABLES = MIRROR | {"pope": (MIRROR["pope"][0] | ID, [row | {"id": row["question_id"]} for row in MIRROR["pope"][1]])}
JUDGED = "llava_in_the_wild"  # by a language model


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory):
    """The same rows where they are aimed at, and where they are scored."""
    roots = {use: tmp_path_factory.mktemp(use) for use in ("probe", "score")}
    for name in AIMS:
        write(roots["probe"], name, TABLES[name], aims(name))
        write(roots["score"], name, TABLES[name])
    return roots


@pytest.fixture(scope="module")
def rows(mirrors):
    """What is aimed at of each benchmark: [(row, subtask, meta-task)]."""
    by_tasks = {name: AimedRows(mirrors["probe"], name) for name in BY_TASKS}
    made = {name: [found[i] for i in range(len(found))] for name, found in by_tasks.items()}
    return made | {name: list(probe_rows(mirrors["probe"], name)) for name in TARGETS}


@pytest.mark.parametrize("name", AIMS)
def test_it_is_asked_as_lmms_eval_asks_it(mirrors, rows, processor, name):
    (task,) = load_tasks(mirrors["score"], [name]).tasks
    assert len(task.eval_docs) == len(rows[name]) > 0
    for number, doc in enumerate(task.eval_docs):
        row = rows[name][number][0]
        text, images = shown(name, number, task.doc_to_messages(doc))
        said = row["turns"][0]["text"]
        assert said == "<image>" * len(images) + "\n" * bool(images) + text
        assert [np.asarray(open_image(cell)).tobytes() for cell in row["images"]] == [
            np.asarray(image).tobytes() for image in images
        ]
        made, asked = encode(row, processor, 4096), prompt(processor, text, images)
        length = len(asked["input_ids"])
        assert made["input_ids"][:length].tolist() == asked["input_ids"].tolist()
        assert (made["labels"][:length] == IGNORE).all() and (made["labels"][length:] != IGNORE).any()


def test_its_answers_are_what_the_benchmark_scores_highest(mirrors, rows):
    said = lambda task, doc, number: rows[task][number][0]["turns"][1]["text"]
    scored = [name for name in AIMS if name != JUDGED]
    _, samples = run(Replies(said), load_tasks(mirrors["score"], scored))
    scores = table_of(samples).group_by("task").aggregate([("score", "min")]).to_pylist()
    assert {row["task"]: row["score_min"] for row in scores} == dict.fromkeys(scored, 1.0)


def test_subtasks_of_different_benchmarks_are_different(rows):
    of = {}
    for name, found in rows.items():
        for _, subtask, _ in found:
            assert of.setdefault(subtask, name) == name
    assert {"other (vqav2_val)", "other (vizwiz_vqa_val)", "gqa", "s0", "presence (yes)"} <= set(of)
    assert {row[2] for row in rows["scienceqa_img"]} == {"s"} and {row[2] for row in rows["gqa"]} == {"gqa"}
    assert len({row["id"] for found in rows.values() for row, _, _ in found}) == sum(map(len, rows.values()))


SAID = [  # of ten people, and the answer that scores most
    (["3", "3", "3", "two", "two", "2", "2.", "4", "5", "6"], "two"),  # two as a digit and in words are one
    (["red", "blue", "blue", "red"], "red"),  # the earlier of equals
    (["unanswerable"] * 6 + ["a can"] * 4, "unanswerable"),
    (["", "  ", "cat"], "cat"),
]


@pytest.mark.parametrize("name", ["vqav2_val", "textvqa_val", "vizwiz_vqa_val"])
@pytest.mark.parametrize("said, best", SAID)
def test_of_many_people_s_answers_the_best_is_learnt(mirrors, name, said, best):
    (task,) = load_tasks(mirrors["score"], [name]).tasks
    given = [{"answer": text, "answer_id": k} for k, text in enumerate(said)] if name == "vqav2_val" else list(said)
    doc = {"question_id": 0, "answers": given}
    assert answer_of(name, task, doc) == best and doc["answers"] == given
    with pytest.raises(InputError, match="all its answers are empty"):
        answer_of(name, task, {"question_id": 0, "answers": []})


def test_a_row_without_an_answer_is_named(tmp_path):
    kinds, rows = MIRROR["gqa"]
    kinds = kinds | {"types": {"structural": Value("string")}}
    rows = [row | {"types": {"structural": "query"}, "answer": "" if i == 3 else "red"} for i, row in enumerate(rows)]
    write(tmp_path, "gqa", (kinds, rows), aims("gqa"))
    found = AimedRows(tmp_path, "gqa")
    assert found[2][1] == "query (gqa)"
    with pytest.raises(InputError, match="GQA, split val, row 3: answer is '', which is empty"):
        found[3]


NOTHING = {  # cells without which a row of a benchmark asks something else, or nothing
    "vqav2_val": ("question", "image", "answers"),
    "scienceqa_img": ("question", "choices", "image", "answer", "hint"),
    "seedbench": ("question", "choice_b", "image", "answer"),
    "ai2d": ("options", "answer", "image"),
    "cmmmu_val": ("question", "answer"),
    "hallusion_bench_image": ("question", "gt_answer", "image"),
}


@pytest.mark.parametrize("name, column", [(name, column) for name, own in NOTHING.items() for column in own])
def test_a_cell_that_says_nothing_is_refused(tmp_path, name, column):
    kinds, found = MIRROR[name]
    last = len(found) - 1
    write(tmp_path, name, (kinds, [*found[:-1], found[-1] | {column: None}]), aims(name))
    with pytest.raises(InputError, match=rf"split {aims(name)[0].split}, row {last}: {column} is .*repair the row"):
        AimedRows(tmp_path, name)[last]
