"""Lineage: a version is what the raw pool, the reserve and the file say, no matter how often they are put together."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.data.lineage import (
    Change,
    answers_of,
    apply_lineage,
    apply_to_labels,
    read_lineage,
    version_of,
    write_lineage,
)
from cadc.data.reader import PoolError
from cadc.world.mini_world import write_pool
from cadc.world.reserve import read_reserve


@pytest.fixture(scope="module")
def reserve(params, tmp_path_factory):
    asked = params.metabolize.model_copy(update={"reserve_rows": 100})
    return read_reserve(params.model_copy(update={"metabolize": asked}), tmp_path_factory.mktemp("reserve"))


@pytest.fixture
def changes(pool):
    ids, before = pool["id"].to_pylist(), answers_of(pool["turns"][5].as_py())
    return [
        Change(ids[0], 1, "drop", reason="same as row 000009"),
        Change(
            ids[5],
            1,
            "rewrite",
            before=before,
            after=tuple(f"new {k}" for k, _ in enumerate(before)),
            reason='two models say "new"',
        ),
        Change("reserve:000003", 1, "add", "reserve:000003"),
        Change(ids[5] + "~2", 2, "add", ids[5], reason="seen too seldom"),
        Change("reserve:000003", 2, "drop"),
    ]


def test_drop_add_and_rewrite_change_their_rows_and_no_other(pool, reserve, changes):
    made, ids = apply_lineage(pool, reserve[0], changes[:3]), pool["id"].to_pylist()
    assert made["id"].to_pylist() == [*ids[1:], "reserve:000003"] and version_of(made) == 1 and version_of(pool) == 0
    was, now = pool.to_pylist(), made.to_pylist()
    assert answers_of(now[4]["turns"])[0] == "new 0" and [t for t in now[4]["turns"] if t["role"] == "user"] == [
        t for t in was[5]["turns"] if t["role"] == "user"
    ]
    assert now[4]["images"] == was[5]["images"] and now[-1] == reserve[0].to_pylist()[3]
    assert [row for i, row in enumerate(now[:-1]) if i != 4] == [row for i, row in enumerate(was) if i not in (0, 5)]


def test_a_further_copy_is_the_row_as_the_version_before_has_it(pool, reserve, changes):
    made = apply_lineage(pool, reserve[0], changes)
    last = made.to_pylist()[-1]
    assert (
        last["id"].endswith("~2")
        and answers_of(last["turns"])[0] == "new 0"
        and made.num_rows == pool.num_rows
        and version_of(made) == 2
    )


def test_twice_is_once_and_one_by_one_is_at_once(pool, reserve, changes):
    made = apply_lineage(pool, reserve[0], changes)
    assert apply_lineage(made, reserve[0], changes).equals(made, check_metadata=True)
    assert apply_lineage(apply_lineage(pool, reserve[0], changes[:3]), reserve[0], changes).equals(
        made, check_metadata=True
    )
    shuffled = [changes[i] for i in (3, 1, 4, 0, 2)]
    assert apply_lineage(pool, reserve[0], shuffled).equals(made, check_metadata=True)
    assert apply_lineage(pool, reserve[0], []).equals(pool, check_metadata=True)


def test_what_does_not_fit_is_named(pool, reserve, changes):
    row = pool["id"][0].as_py()
    for change, fault in [
        (Change("nobody", 1, "drop"), "'nobody': is not in version 0"),
        (Change("new", 1, "add", "reserve:9999"), "'new': its source 'reserve:9999'"),
        (Change(row, 1, "add", "reserve:000003"), f"'{row}': is to be added but is already in the pool"),
        (Change(row, 1, "rewrite", before=("never said",), after=("x",)), f"'{row}': has the answers"),
    ]:
        with pytest.raises(PoolError, match=fault):
            apply_lineage(pool, reserve[0], [change])
    with pytest.raises(PoolError, match="changed twice"):
        apply_lineage(pool, reserve[0], [changes[0], changes[0]])


def test_a_file_gives_the_same_changes_and_a_bad_line_is_named(tmp_path, changes):
    path = tmp_path / "lineage.csv"
    write_lineage(path, changes)
    assert read_lineage(path) == changes
    path.write_text(path.read_text().replace("drop", "remove", 1))
    with pytest.raises(PoolError, match=r"lineage.csv, line 2, row '\d+': action is 'remove'"):
        read_lineage(path)
    with pytest.raises(PoolError, match="pool.lineage"):
        read_lineage(tmp_path / "none.csv")
    path.write_bytes(path.read_bytes() + b"\xff")
    with pytest.raises(PoolError, match=r"lineage.csv: not UTF-8 at byte \d+"):
        read_lineage(path)
    write_lineage(path, [Change("a", 1, "rewrite", before=("x",), after=(5,))])
    with pytest.raises(PoolError, match="line 2, row 'a': the answer 5 is not a text"):
        read_lineage(path)


def test_labels_follow_their_rows(world, pool, reserve, changes, tmp_path):
    labels = write_pool(tmp_path, world, np.random.default_rng(3))
    made = apply_lineage(pool, reserve[0], changes[:4])
    after = {label["id"]: label for label in apply_to_labels(labels, reserve[1], made["id"].to_pylist(), changes[:4])}
    assert list(after) == made["id"].to_pylist()
    source = changes[3].source
    assert (
        after[source]["noise"] == after[source + "~2"]["noise"] == "rewritten"
        and after[source + "~2"]["duplicate_of"] == source
    )
    assert after["reserve:000003"]["subtask"] == reserve[1][3]["subtask"]
    assert apply_to_labels([], [], made["id"].to_pylist(), changes[:4]) == []


def test_the_reserve_is_drawn_apart_from_the_pool(pool, reserve):
    pictures = {image["bytes"] for row in pool["images"].to_pylist() for image in row}
    assert not pictures & {image["bytes"] for row in reserve[0]["images"].to_pylist() for image in row}
    assert not set(pool["id"].to_pylist()) & set(reserve[0]["id"].to_pylist())
    assert isinstance(reserve[0], pa.Table) and len(reserve[1]) == reserve[0].num_rows == 100


def test_prepare_makes_the_last_version_for_whatever_selects_from_it(tmp_path):
    root = Path(__file__).parents[2]
    text = (root / "params.yaml").read_text()
    for old, new in {
        "rows: 20000": "rows: 120",
        "reserve_rows: 4000": "reserve_rows: 100",
        "per_subtask: 2": "per_subtask: 1 # 2",
    }.items():
        text = text.replace(old, new)
    (tmp_path / "params.yaml").write_text(text)

    def prepared() -> tuple[pa.Table, list[dict]]:
        env = os.environ | {"PYTHONPATH": str(root / "src")}
        subprocess.run(
            [sys.executable, root / "stages/prepare.py"], cwd=tmp_path, env=env, check=True, capture_output=True
        )
        return pq.read_table(tmp_path / "artifacts/raw/rows.parquet"), pq.read_table(
            tmp_path / "artifacts/labels.parquet"
        ).to_pylist()

    raw, _ = prepared()
    write_lineage(
        tmp_path / "lineage.csv",
        [Change(raw["id"][3].as_py(), 1, "drop"), Change("reserve:000007", 1, "add", "reserve:000007")],
    )
    (tmp_path / "params.yaml").write_text(text.replace("lineage: null", "lineage: lineage.csv"))
    made, labels = prepared()
    ids = raw["id"].to_pylist()
    assert (
        made["id"].to_pylist() == [*ids[:3], *ids[4:], "reserve:000007"] == [label["id"] for label in labels]
        and version_of(made) == 1
    )
