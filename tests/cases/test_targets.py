"""Targets of a run on one's own data: benchmarks of the hub, files of rows, none. No picture of them is scored."""

import json
import os
import runpy
import shutil
from io import BytesIO

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import numpy as np
import pytest
from hub_mirror import MIRROR, write
from PIL import Image

from cadc import artifacts
from cadc.capabilities.labels import labels_of
from cadc.config.errors import InputError
from cadc.data.probe import load_probe
from cadc.data.reader import PoolError
from cadc.evaluation.aims import aims
from cadc.features.nearest import nearest_meta_task
from cadc.selectors.shared.retrieval import rows_of_target


def noise(i):
    return Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8))


def talk(i, **fields):
    turns = [{"from": "human", "value": f"<image>\nwhat is {i} ?"}, {"from": "gpt", "value": f"it is {i}"}]
    return {"id": i, "image": f"{i}.png", "conversations": turns, **fields}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A pool, and ScienceQA in a mirror: its test split and, with other pictures but for one, its validation split."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for i in range(6):
        noise(i).save(tmp_path / f"images/{i}.png")
    (tmp_path / "train.json").write_text(json.dumps([talk(0), talk(1)]))
    kinds, rows = MIRROR["scienceqa_img"]
    write(tmp_path / "mirror", "scienceqa_img", (kinds, rows))
    others = [row | {"image": noise(100 + i) if i else row["image"]} for i, row in enumerate(rows)]
    write(tmp_path / "mirror", "scienceqa_img", (kinds, others), aims("scienceqa_img"))
    return tmp_path


@pytest.fixture
def main(request):
    return runpy.run_path(str(request.config.rootpath / "stages/prepare.py"))["main"]


@pytest.fixture
def prepare(folder, params, main):
    def run(targets, tasks=("scienceqa_img",), rows=None):
        mine = {"path": str(folder), "annotations": "train.json", "images": "images", "choice": None, "yesno": None}
        data = params.data.model_copy(update={**mine, "probe": "mirror", "score": "mirror"})
        capture = params.capture.model_copy(update={"targets": targets, "target_rows": rows})
        evaluate = params.evaluate.model_copy(update={"tasks": list(tasks)})
        pool = params.pool.model_copy(update={"embed_images": False})
        changed = params.model_copy(update={"data": data, "pool": pool, "capture": capture, "evaluate": evaluate})
        main(changed)
        return changed

    return run


def test_a_benchmark_is_aimed_at_on_another_split_than_it_is_scored(folder, prepare, capsys):
    prepare(["scienceqa_img"])
    table, subtasks, known = load_probe(artifacts.PROBE, ["scienceqa_img"])
    assert table["id"].to_pylist() == [f"scienceqa_img {i}" for i in range(1, 6)]
    assert subtasks == [f"t{i % 2} (scienceqa_img)" for i in range(1, 6)]
    assert known["t0 (scienceqa_img)"] == {"target": "scienceqa_img", "meta_task": "s"}
    assert table["turns"][0].as_py() == [
        {
            "role": "user",
            "text": "<image>\nContext: look\nwhich ?\nA. red\nB. green\nC. blue\n"
            "Answer with the option's letter from the given choices directly.",
        },
        {"role": "assistant", "text": "B"},
    ]
    said = capsys.readouterr().out
    shared = "1 target rows of scienceqa_img use images that scienceqa_img is scored on: scienceqa_img 0"
    assert f"probe: {shared}; they are not used as targets" in said
    assert "probe: scienceqa_img: 5 of 6 rows are target rows" in said


def test_so_many_rows_are_drawn_and_more_add_to_fewer(folder, prepare):
    drawn = []
    for n in (2, 2, 4, 100):
        prepare(["scienceqa_img"], rows=n)
        drawn.append(load_probe(artifacts.PROBE, ["scienceqa_img"])[0]["id"].to_pylist())
    assert [len(ids) for ids in drawn] == [2, 2, 4, 5] and drawn[0] == drawn[1] and drawn[2] == sorted(drawn[2])
    assert set(drawn[0]) < set(drawn[2]) < set(drawn[3])


def test_a_file_of_rows_is_aimed_at_by_its_sources_beside_a_benchmark(folder, prepare, request):
    rows = [talk(2, source="counting"), talk(3, task_name="reading"), talk(4, source="counting")]
    (folder / "mine.json").write_text(json.dumps(rows))
    targets = ["mine.json", "scienceqa_img"]
    params = prepare(targets)
    fitted = runpy.run_path(str(request.config.rootpath / "stages/pool.py"))["asked"](params)
    assert fitted == ["probe.mine", "probe.scienceqa_img", "score.scienceqa_img"]
    table, subtasks, known = load_probe(artifacts.PROBE, targets)
    assert subtasks[:3] == ["counting (mine)", "reading (mine)", "counting (mine)"] and table.num_rows == 8
    assert table["id"].to_pylist()[:3] == ["mine 2", "mine 3", "mine 4"]
    assert table["images"][0].as_py()[0]["bytes"] == (folder / "images/2.png").read_bytes()
    assert table["turns"][0].as_py()[1]["text"] == "it is 2"
    target = np.array([f"{known[name]['target']}/{known[name]['meta_task']}" for name in subtasks])
    assert [len(rows_of_target(target, name)) for name in (*targets, "mine/counting")] == [3, 5, 2]
    labels = labels_of([{"name": name, **of} for name, of in known.items()])
    assert labels["form"][:2] == ["mine", "mine"] and labels["asked"][0] is None


def test_the_pictures_of_a_file_are_not_scored_either(folder, prepare, capsys):
    MIRROR["scienceqa_img"][1][2]["image"].save(folder / "images/2.png")  # in the bytes that `datasets` writes, too
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, [talk(2), talk(3)])))
    prepare(["mine.jsonl"])
    assert "1 target rows of mine use images that scienceqa_img is scored on: mine 2" in (capsys.readouterr().out)
    assert load_probe(artifacts.PROBE, ["mine.jsonl"])[0]["id"].to_pylist() == ["mine 3"]


def test_a_bad_row_of_a_file_stops_the_run(folder, prepare):
    (folder / "mine.json").write_text(json.dumps([talk(2), talk(9)]))
    with pytest.raises(PoolError, match=r"mine.json, row id 9: image '9.png' is missing"):
        prepare(["mine.json"])


def test_a_damaged_picture_of_a_benchmark_is_named(folder, prepare):
    kinds, rows = MIRROR["scienceqa_img"]
    file = BytesIO()
    noise(200).save(file, "PNG")
    cut = {"bytes": file.getvalue()[:300], "path": None}
    others = [row | {"image": cut if i == 4 else noise(100 + i)} for i, row in enumerate(rows)]
    write(folder / "mirror", "scienceqa_img", (kinds, others), aims("scienceqa_img"))
    with pytest.raises(InputError, match=r"^scienceqa_img, row scienceqa_img 4: image .* fetch the data set again"):
        prepare(["scienceqa_img"])


def test_a_mirror_without_the_split_to_aim_at_is_named(folder, prepare):
    write(folder / "mirror", "textvqa_val", MIRROR["textvqa_val"])
    with pytest.raises(
        InputError, match="mirror/lmms-lab-encoder/textvqa, config default, split train: cannot read it"
    ):
        prepare(["textvqa_val"])
    with pytest.raises(InputError, match="GQA does not exist; the target gqa needs it: hf download .*GQA"):
        prepare(["gqa"])


def test_where_there_is_no_target_nothing_is_aimed_at_and_rows_are_about_nothing(prepare, params):
    prepare([])
    assert list(artifacts.PROBE.iterdir()) == []
    shutil.copytree(artifacts.RAW, artifacts.POOL)
    capture = params.capture.model_copy(update={"targets": []})
    assert nearest_meta_task(params.model_copy(update={"capture": capture})).tolist() == ["", ""]


def test_a_file_stands_beside_the_mini_world_s_benchmarks_which_lie_as_they_did(folder, params, main):
    sizes = params.benchmarks.model_copy(update=dict.fromkeys(type(params.benchmarks).model_fields, 1))
    (folder / "images/mine.json").write_text(json.dumps([talk(2), talk(3)]))
    there = []
    for targets in (["pope"], ["pope", "images/mine.json"]):
        capture = params.capture.model_copy(update={"targets": targets})
        world = params.world.model_copy(update={"rows": 60})
        main(params.model_copy(update={"capture": capture, "benchmarks": sizes, "world": world}))
        files = (path for path in artifacts.PROBE.rglob("*") if path.is_file())
        there.append({str(path.relative_to(artifacts.PROBE)): path.read_bytes() for path in files})
        names = load_probe(artifacts.PROBE, targets)[0]["id"].to_pylist()
    assert names[-2:] == ["mine 2", "mine 3"] and names[0].startswith("pope ")
    assert set(there[1]) - set(there[0]) == {"targets/mine.parquet"} and there[0].items() < there[1].items()
