"""What checks find becomes changes of the pool: the first reason counts, and nothing changes where nothing acts."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from cadc import artifacts
from cadc.cleaning import actions, checks
from cadc.cleaning.evidence import load_evidence
from cadc.cleaning.findings import Findings
from cadc.config.errors import InputError
from cadc.data.lineage import read_lineage


def flagged(n, rows, why):
    flag = np.isin(np.arange(n), rows)
    return Findings.of(flag.astype(float), flag, [f"{why} {i}" if at else "" for i, at in enumerate(flag)])


@pytest.fixture
def some(pool, tmp_path, monkeypatch):
    """Ten rows as the raw pool, and findings of two checks."""
    monkeypatch.setattr(artifacts, "RAW", tmp_path / "raw")
    rows = pool.slice(0, 10)
    artifacts.RAW.mkdir()
    pq.write_table(rows, artifacts.RAW / "rows.parquet")
    artifacts.write_json(artifacts.RAW / "skipped.json", [{"id": "x", "reason": "no image"}])
    return rows, {"repetition": flagged(10, [7, 2], "again"), "abnormal": flagged(10, [2, 5], "odd")}


def test_a_row_goes_for_the_first_reason_and_one_without_a_new_answer_goes_too(some, params, tmp_path, monkeypatch):
    rows, found = some
    clean = params.clean.model_copy(
        update={
            "repetition": params.clean.repetition.model_copy(update={"action": "drop"}),
            "abnormal": params.clean.abnormal.model_copy(update={"action": "rewrite"}),
        }
    )
    assert actions.reasons_of(found, ["repetition", "abnormal"]) == {
        2: "clean.repetition: again 2",
        5: "clean.abnormal: odd 5",
        7: "clean.repetition: again 7",
    }
    asked = []
    monkeypatch.setattr(actions, "new_answers", lambda pool, which, *_: asked.append(which) or {})
    ids, changes = rows["id"].to_pylist(), actions.changes_of(found, rows, clean, params.model)
    assert asked == [[5]]  # what is dropped anyway is not asked about
    assert [(change.row, change.action) for change in changes] == [(ids[i], "drop") for i in (2, 5, 7)]
    assert changes[1].reason == "clean.abnormal: odd 5; no new answer was accepted"
    out = artifacts.fresh(tmp_path / "cleaned")
    actions.write_cleaned(out, rows, changes)
    assert pq.read_table(out / "rows.parquet")["id"].to_pylist() == [ids[i] for i in range(10) if i not in (2, 5, 7)]
    assert [entry["id"] for entry in json.loads((out / "skipped.json").read_text())] == ["x", ids[2], ids[5], ids[7]]
    assert read_lineage(out / "lineage.csv") == changes


def test_without_changes_the_pool_is_a_copy_to_the_byte(some, params, tmp_path):
    rows, found = some
    assert actions.changes_of(found, rows, params.clean, params.model) == []
    out = artifacts.fresh(tmp_path / "cleaned")
    actions.write_cleaned(out, rows, [])
    assert sorted(path.name for path in out.iterdir()) == ["rows.parquet", "skipped.json"]
    assert all(path.read_bytes() == (artifacts.RAW / path.name).read_bytes() for path in out.iterdir())


def test_findings_are_one_table_check_by_check(some):
    rows, found = some
    table = checks.findings_table(found, rows["id"])
    assert table.schema == checks.SCHEMA and table["row"].to_pylist() == [*range(10)] * 2
    assert table["check"].unique().to_pylist() == ["repetition", "abnormal"]
    assert np.flatnonzero(table["flag"].to_numpy()).tolist() == [2, 7, 12, 15]


def test_lists_of_nothing_can_drop_nothing(some, params, tmp_path):
    (tmp_path / "lists.jsonl").write_text("")
    asked = params.clean.objects.model_copy(update={"lists": str(tmp_path / "lists.jsonl")})
    assert checks.object_findings(some[0], params.clean.model_copy(update={"objects": asked}), params.data) == {}
    asked = asked.model_copy(update={"action": "drop"})
    with pytest.raises(
        InputError, match=r"objects.action is drop, but .*lists.jsonl is empty; set clean.objects.lists"
    ):
        checks.object_findings(some[0], params.clean.model_copy(update={"objects": asked}), params.data)


def test_evidence_that_is_not_there_says_which_stage_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "CROSSFIT", tmp_path / "crossfit")
    with pytest.raises(InputError, match="dvc repro pipelines/cleaning/dvc.yaml:crossfit"):
        load_evidence()
