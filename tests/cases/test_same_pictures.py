"""No picture is scored unnoticed that a model was tuned on or that methods aimed at; both ask in the same words."""

import json
import os
import runpy
import shutil

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pytest
from PIL import Image

from cadc.config.errors import InputError
from cadc.data.hub_layout import MMT_COLUMNS, POPE_COLUMNS, pictures_in, write_card, write_split
from cadc.data.probe import MMT, POPE, load_probe
from cadc.data.same_pictures import Scored

HEAD = "index\tquestion\tA\tB\tanswer\tcategory\tl2-category\tsplit\timage_path\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A pool of four pictures, and questions on four others."""
    (tmp_path / "images/coco").mkdir(parents=True)
    for i in range(8):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / f"images/coco/{i}.png"
        )
    talk = [{"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": "a"}]
    rows = [{"id": f"r{i}", "image": f"coco/{i}.png", "conversations": talk} for i in range(4)]
    (tmp_path / "train.json").write_text(json.dumps(rows))
    (tmp_path / "mmt.tsv").write_text(
        HEAD + "0\tq\tx\ty\tA\tk\tm\tVAL\tcoco/4.png\n1\tq\tx\ty\tA\tk\tm\tTEST\tcoco/5.png\n"
    )
    asked = [{"question_id": i, "image": f"coco/{i}.png", "text": "q", "label": "yes"} for i in (6, 7)]
    (tmp_path / "pope.jsonl").write_text("\n".join(map(json.dumps, asked)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def prepare(folder, params, request):
    main = runpy.run_path(str(request.config.rootpath / "stages/prepare.py"))["main"]

    def run(embed=False, **data):
        names = {"annotations": "train.json", "images": "images", "choice": "mmt.tsv", "yesno": "pope.jsonl"}
        data = params.data.model_copy(update={"path": str(folder), **names, **data})
        pool = params.pool.model_copy(update={"embed_images": embed})
        capture = params.capture.model_copy(update={"targets": ["mmt_val", "pope"]})
        evaluate = params.evaluate.model_copy(update={"tasks": ["mmt_val", "pope"]})
        main(params.model_copy(update={"data": data, "pool": pool, "capture": capture, "evaluate": evaluate}))

    return run


@pytest.mark.parametrize("embed", [False, True])
def test_pool_rows_with_pictures_that_are_scored_are_named(folder, prepare, capsys, embed):
    prepare(embed)
    assert "scored on" not in capsys.readouterr().out
    shutil.copy(folder / "images/coco/5.png", folder / "images/coco/0.png")  # TEST of mmt.tsv
    shutil.copy(folder / "images/coco/7.png", folder / "images/coco/2.png")  # scored of pope.jsonl
    shutil.copy(folder / "images/coco/4.png", folder / "images/coco/1.png")  # aimed at alone
    prepare(embed)
    said = capsys.readouterr().out
    assert "pool: 1 rows use images that mmt_val is scored on: r0" in said
    assert "pool: 1 rows use images that pope is scored on: r2" in said and "r1" not in said


def hub(root, repository, split, *images, **fields):
    columns = MMT_COLUMNS if repository == MMT else POPE_COLUMNS
    answer = "A" if repository == MMT else "yes"
    rows = [
        {
            **dict.fromkeys(columns, "A"),
            "index": i,
            "id": str(i),
            "answer": answer,
            "image": {"bytes": image, "path": None},
            **fields,
        }
        for i, image in enumerate(images)
    ]
    rows = [{k: v for k, v in row.items() if k in columns} for row in rows]
    write_split(root / repository, "default", split, rows, columns)
    write_card(root / repository, {"default": [split]})


def test_own_questions_that_are_aimed_at_are_not_scored_elsewhere(folder, prepare, capsys):
    hub(folder / "score", POPE, "test", (folder / "images/coco/4.png").read_bytes())
    hub(folder / "probe", POPE, "test", (folder / "images/coco/6.png").read_bytes())
    with pytest.raises(InputError, match="1 target rows of mmt_val use images that pope is scored on: 0; use"):
        prepare(yesno=None, probe=str(folder / "probe"), score=str(folder / "score"))


def test_rows_of_published_benchmarks_with_pictures_that_are_scored_are_left_out(folder, prepare, capsys):
    pictures = {"probe": ((4, 6), (4, 7)), "score": ((5,), (4,))}  # of MMT-Bench, and of POPE
    for root, both in pictures.items():
        for repository, split, images in zip((MMT, POPE), ("val", "test"), both, strict=True):
            hub(folder / root, repository, split, *((folder / f"images/coco/{i}.png").read_bytes() for i in images))
    prepare(choice=None, yesno=None, probe=str(folder / "probe"), score=str(folder / "score"))
    said = capsys.readouterr().out
    for name, row in (("mmt_val", "0"), ("pope", "pope A 0")):
        assert f"probe: 1 target rows of {name} use images that pope is scored on: {row}; they" in said
        assert f"probe: {name}: 1 of 2 rows are target rows" in said
    aimed = load_probe(folder / "artifacts/benchmarks/probe", ["mmt_val", "pope"])[0]
    assert aimed["id"].to_pylist() == ["1", "pope A 1"]
    assert [row[0]["bytes"] for row in aimed["images"].to_pylist()] == [
        (folder / f"images/coco/{i}.png").read_bytes() for i in (6, 7)
    ]
    assert load_probe(folder / "artifacts/benchmarks/probe", ["mmt_val"], whole=True)[0]["id"].to_pylist() == ["0", "1"]


def test_a_benchmark_of_which_every_picture_is_scored_is_refused(folder, prepare):
    for root in ("probe", "score"):
        for repository, split, image in ((MMT, "val", 4 if root == "probe" else 5), (POPE, "test", 4)):
            hub(folder / root, repository, split, (folder / f"images/coco/{image}.png").read_bytes())
    with pytest.raises(InputError, match="capture.targets: mmt_val: every row uses an image that is scored; choose"):
        prepare(choice=None, yesno=None, probe=str(folder / "probe"), score=str(folder / "score"))


def test_few_files_of_the_pool_are_read(folder, monkeypatch):
    hub(folder, POPE, "test", b"x" * 1000)
    scored = Scored({"pope": list((folder / POPE / "data").iterdir())})
    read = []
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: read.append(path.name) or b"y" * 1000)
    (folder / "same_size").write_bytes(b"z" * 1000)
    names = ["images/coco/0.png", "images/coco/1.png", "same_size", "same_size"]
    assert scored.shared((name, {"bytes": None, "path": str(folder / name)}) for name in names) == {}
    assert read == ["same_size"]
    assert [name for name, _ in pictures_in([folder / POPE / "data/test-00000-of-00001.parquet"], "id")] == ["0"]


ODD = ["What <image> is it ?", "  two\n\nlines \n", "<image>", "a <image>\nb", "Question: what ?"]


@pytest.mark.parametrize("target, repository", [("mmt_val", MMT), ("pope", POPE)])
@pytest.mark.parametrize("question", ODD)
def test_probe_rows_are_asked_in_the_evaluation_s_very_words(folder, target, repository, question):
    from cadc.evaluation.adapter import ChatModel
    from cadc.evaluation.benchmarks import load_tasks

    split = "val" if repository == MMT else "test"
    hub(folder, repository, split, (folder / "images/coco/4.png").read_bytes(), question=question, B=" <image> x ")
    asked = load_probe(folder, [target])[0]["turns"].to_pylist()[0][0]["text"]
    task = load_tasks(folder, [target]).tasks[0]
    task.build_all_requests(limit=1, rank=0, world_size=1)
    chat = ChatModel(None, 1, 8)
    chat.task_dict = {target: task.dataset}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cadc.evaluation.adapter.prompt", lambda processor, text, images: {"said": f"<image>\n{text}"})
        assert chat.prompt(chat._question(task.instances[0]))["said"] == asked and asked.count("<image>") == 1
