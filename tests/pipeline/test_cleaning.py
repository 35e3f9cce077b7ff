"""Cleaning in the DAG: it changes nothing unless told to, it can be killed, and what it drops is said."""

import json
import os
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import yaml
from miniature import clone, run

from cadc.data.lineage import answers_of, read_lineage

CROSSFIT, CLEAN = (f"pipelines/cleaning/dvc.yaml:{name}" for name in ("crossfit", "clean"))
CHECKS = ["repetition", "abnormal", "answer_format", "duplicates", "mismatch", "hallucination", "wrong_answer"]
LABELS = (
    "from cadc import artifacts; from cadc.data.labels import load_labels; labels = load_labels(); "
    "same = labels['id'].to_pylist() == artifacts.load_pool()['id'].to_pylist()"
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("cleaning"))
    run(folder, "dvc", "repro", "pool")
    return folder


def set_clean(folder, **changes):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for name, value in changes.items():
        params["clean"][name] = params["clean"][name] | value if isinstance(value, dict) else value
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def outs(folder, stage):
    return yaml.safe_load((folder / "pipelines/cleaning/dvc.lock").read_text())["stages"][stage]["outs"]


def test_as_long_as_all_is_reported_the_pool_is_what_was_read_and_waits_for_no_check(repository):
    assert set(yaml.safe_load((repository / "dvc.lock").read_text())["stages"]) == {"prepare", "pool"}
    for name in ("rows.parquet", "skipped.json"):
        assert (repository / "artifacts/pool" / name).read_bytes() == (repository / "artifacts/raw" / name).read_bytes()


def test_every_check_is_reported_and_a_killed_crossfit_goes_on_to_the_same_bytes(repository):
    env = os.environ | {"CADC_WORKERS": "1", "PYTHONPATH": str(repository / "src")}
    process = subprocess.Popen(
        [sys.executable, "stages/crossfit.py"], cwd=repository, env=env, stdout=subprocess.DEVNULL
    )
    scratch = repository / "artifacts/scratch/crossfit"
    while process.poll() is None and not list(scratch.glob("*/0000[0-9]")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    out = run(repository, "dvc", "repro", CLEAN, workers="1").stdout
    assert "crossfit_train: 2 of 2 parts are already done" in out and "of 4 parts are already done" in out
    made = outs(repository, "crossfit")
    run(repository, "dvc", "repro", "-f", "-s", CROSSFIT, CLEAN, workers="2")
    assert outs(repository, "crossfit") == made
    table = pq.read_table(repository / "artifacts/cleaning/findings.parquet")
    assert table["check"].unique().to_pylist() == CHECKS and table.num_rows == 200 * len(CHECKS)
    assert table["row"].to_pylist()[:200] == list(range(200))
    text = (repository / "reports/cleaning.md").read_text()
    assert (
        all(f"## {name}" in text for name in CHECKS)
        and (repository / "reports/cleaning/duplicates.png").stat().st_size > 500
    )


def test_what_is_dropped_is_named_and_labels_stay_with_their_rows(repository):
    set_clean(repository, duplicates={"action": "drop"})
    refused = run(repository, "dvc", "repro", "pool", CLEAN, check=False)
    assert "set clean.pool: cleaned" in refused.stdout + refused.stderr
    set_clean(repository, pool="cleaned", evidence="raw")
    run(repository, "dvc", "repro", "pool")
    raw, pool = (
        pq.read_table(repository / f"artifacts/{name}/rows.parquet")["id"].to_pylist() for name in ("raw", "pool")
    )
    skipped = json.loads((repository / "artifacts/pool/skipped.json").read_text())
    assert sorted([*pool, *(row["id"] for row in skipped)]) == raw and len(pool) < 160
    assert all(row["reason"].startswith("clean.duplicates: ") and row["reason"].split()[-1] in raw for row in skipped)
    assert run(repository, sys.executable, "-c", f"{LABELS}; print(same)").stdout == "True\n"
    assert pq.read_table(repository / "artifacts/cleaning/findings.parquet")["check"].unique().to_pylist() == CHECKS[:4]
    set_clean(repository, wrong_answer={"action": "drop"})
    refused = run(repository, "dvc", "repro", CLEAN, check=False)
    assert "wrong_answer needs a model's evidence; set clean.evidence: crossfit" in refused.stdout + refused.stderr


def test_rows_are_rewritten_where_an_answer_is_accepted_and_both_versions_are_kept(repository):
    set_clean(
        repository,
        pool="cleaned",
        evidence="crossfit",
        duplicates={"action": "report"},
        wrong_answer={"action": "rewrite", "z": 0.5},
    )
    run(repository, "dvc", "repro", "pool")
    raw, pool = (
        {row["id"]: row for row in pq.read_table(repository / f"artifacts/{name}/rows.parquet").to_pylist()}
        for name in ("raw", "pool")
    )
    lineage = (repository / "artifacts/pool/lineage.csv").read_bytes()
    changes = read_lineage(repository / "artifacts/pool/lineage.csv")
    rewritten, dropped = (
        {change.row: change for change in changes if change.action == action} for action in ("rewrite", "drop")
    )
    assert rewritten and dropped and raw.keys() - pool.keys() == dropped.keys()
    assert {name for name in pool if pool[name]["turns"] != raw[name]["turns"]} == rewritten.keys()
    for name, change in rewritten.items():
        assert (
            answers_of(raw[name]["turns"]) == change.before != change.after == answers_of(pool[name]["turns"])
            and len(change.after) == 1
        )
        assert change.reason.startswith("clean.wrong_answer: ")
    skipped = {row["id"]: row["reason"] for row in json.loads((repository / "artifacts/pool/skipped.json").read_text())}
    assert skipped.keys() == dropped.keys() and all(
        reason.endswith("no new answer was accepted") for reason in skipped.values()
    )
    script = f"{LABELS}; print(same, labels['noise'].to_pylist().count('rewritten'))"
    assert run(repository, sys.executable, "-c", script).stdout == f"True {len(rewritten)}\n"
    run(repository, "dvc", "repro", "-f", "-s", CLEAN)
    assert (repository / "artifacts/cleaned/lineage.csv").read_bytes() == lineage


def test_objects_that_a_list_does_not_have_are_found_in_the_pool_and_lists_are_watched(repository):
    rows = pq.read_table(repository / "artifacts/raw/rows.parquet").to_pylist()
    row = max((row for row in rows if row["images"]), key=lambda row: len(row["turns"][1]["text"]))  # a caption
    image, words = row["images"][0]["path"], [word for word in row["turns"][1]["text"].split() if word.isalpha()]
    lists = repository / "objects.jsonl"
    lists.write_text(
        "\n".join(
            map(json.dumps, [{"image": "elsewhere.png", "objects": words}, {"image": image, "objects": ["unicorn"]}])
        )
    )
    set_clean(
        repository,
        pool="cleaned",
        evidence="raw",
        wrong_answer={"action": "report"},
        objects={"action": "drop", "lists": "objects.jsonl"},
    )
    assert "objects: objects.jsonl lacks" in run(repository, "dvc", "repro", "pool").stdout
    skipped = {row["id"]: row["reason"] for row in json.loads((repository / "artifacts/pool/skipped.json").read_text())}
    assert row["id"] in skipped and all(
        "clean.objects: not in the image's list: " in reason for reason in skipped.values()
    )
    lists.write_text(json.dumps({"image": image, "objects": words}))
    run(repository, "dvc", "repro", "pool")
    assert json.loads((repository / "artifacts/pool/skipped.json").read_text()) == []
    lists.write_text("")
    refused = run(repository, "dvc", "repro", CLEAN, check=False)
    assert (
        "clean.objects.action is drop, but objects.jsonl is empty; set clean.objects.lists"
        in refused.stdout + refused.stderr
    )
