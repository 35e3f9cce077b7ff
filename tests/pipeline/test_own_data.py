"""A folder of one's own through `dvc exp run -S data=folder`: DVC's own composition of conf/, on a folder with all that
a user may bring."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parents[2]


def write_folder(folder: Path) -> None:
    (folder / "photos").mkdir(parents=True)
    for k in range(8):
        Image.new("RGB", (40 + k, 30), (30 * k, 0, 0)).save(folder / f"photos/{k}.jpg")
    turns = [{"from": "human", "value": "<image>\nwhat is it ?"}, {"from": "gpt", "value": "red"}]
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"id": k, "image": f"{k}.jpg", "conversations": turns}) + "\n" for k in range(8))
    )
    with (folder / "mmt.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["index", "question", "A", "B", "answer", "category", "l2-category", "image_path", "split"])
        writer.writerows(
            [k, f"is it {k} ?", "yes", "no", "AB"[k % 2], "shade", "color", f"{k}.jpg", ("VAL", "TEST")[k % 2]]
            for k in range(8)
        )
    asked = [{"question_id": k, "image": f"{k // 2}.jpg", "text": "is it red ?", "label": "yes"} for k in range(8)]
    (folder / "pope.jsonl").write_text("".join(json.dumps(one) + "\n" for one in asked))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    for name in ("dvc.yaml", "params.yaml", "requirements.lock", ".gitignore", ".dvcignore", ".dvc/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "stages", "models", "towers", "conf", "data"):  # DVC reads pipelines/ for 30 seconds a call
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def experiment(repository: Path, *changes: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = ["dvc", "exp", "run", "prepare", *options, *(part for change in changes for part in ("-S", change))]
    return subprocess.run(
        command,
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(repository / "src")},
        capture_output=True,
        text=True,
    )


def test_a_folder_becomes_pool_and_benchmarks_by_its_path_alone(repository, tmp_path):
    write_folder(tmp_path)
    done = experiment(
        repository,
        "data=folder",
        f"data.path={tmp_path}",
        "data.annotations=rows.jsonl",
        "data.images=photos",
        "finetune.learning_rate=0.002",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    params = yaml.safe_load((repository / "params.yaml").read_text())
    assert params["evaluate"]["tasks"] == ["mmt_val", "pope"] and params["finetune"]["learning_rate"] == 0.002
    pool = pq.read_table(repository / "artifacts/raw/rows.parquet")
    assert pool["id"].to_pylist() == [str(k) for k in range(8)] and pool["images"][3].as_py() == [
        {"bytes": None, "path": str(tmp_path / "photos/3.jpg")}
    ]
    for part, indices in (("probe", [0, 2, 4, 6]), ("score", [1, 3, 5, 7])):
        root = repository / "artifacts/benchmarks" / part / "lmms-lab-encoder"
        assert pq.read_table(root / "MMT-Benchmark/data")["index"].to_pylist() == indices
        assert pq.read_table(root / "POPE/data").num_rows == 4


def test_an_experiment_in_a_temporary_copy_sees_a_folder_by_its_absolute_path_alone(repository):
    """As `--queue` runs them: a copy of what git tracks."""
    write_folder(repository / "data/mine")
    names = ("data=folder", "data.annotations=rows.jsonl", "data.images=photos")
    for path, seen in (("data/mine", False), (repository / "data/mine", True)):
        done = experiment(repository, *names, f"data.path={path}", options=("--temp",))
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == seen and ("8 rows" if seen else "data/mine") in said, said


def test_what_is_wrong_is_said_in_one_line(repository, tmp_path):
    write_folder(tmp_path)
    (tmp_path / "photos/3.jpg").write_bytes(b"")
    done = experiment(
        repository, "data=folder", f"data.path={tmp_path}", "data.annotations=rows.jsonl", "data.images=photos"
    )
    said = done.stdout + done.stderr
    assert done.returncode, said
    assert "rows.jsonl, row id 3: image '3.jpg' is empty (0 bytes)" in said and "Traceback" not in said
    for change, words in (
        ("data.pth=x", "data.pth"),
        ("profile=llava", "profile/llava"),
        ("evaluate.tasks=[mmt_vall]", "did you mean mmt_val"),
    ):
        done = experiment(repository, change)
        assert done.returncode and words in done.stdout + done.stderr, done.stdout + done.stderr
