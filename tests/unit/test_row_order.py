"""A pool is the same to the byte whatever order its file had."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.data import row_order
from cadc.data.reader import POOL_FEATURES
from cadc.data.row_order import write_in_order

N = 500


@pytest.fixture
def rows():
    """Rows of all kinds and sizes: without a picture or with several, texts that are no ASCII, ids of all lengths."""
    rng = np.random.default_rng(0)
    made = []
    for number in rng.permutation(N).tolist():
        images = [{"bytes": rng.bytes(int(rng.integers(900))), "path": None} for _ in range(rng.integers(3))]
        turns = [{"role": "user", "text": "ä" * int(rng.integers(40))}, {"role": "assistant", "text": f"{number}"}]
        name = f"{'é' if number % 7 == 0 else ''}{number}"
        made.append({"id": name, "source": f"s{number % 3}", "images": images, "turns": turns})
    return pa.Table.from_pylist(made, schema=POOL_FEATURES.arrow_schema)


def ordered(folder, rows, name, left=None, group=N):
    """The bytes of `rows` as they are written in order, from a file with row groups of `group` rows."""
    pq.write_table(rows, folder / f"{name}.in", row_group_size=group)
    left = np.ones(len(rows), bool) if left is None else left
    write_in_order(folder / f"{name}.in", folder / name, folder / "scratch", left)
    assert not (folder / "scratch").exists()
    return (folder / name).read_bytes()


@pytest.fixture(
    params=[(30, 1 << 20, 1), (1 << 15, 9000, 2), (1 << 15, 1 << 27, 4)], ids=["rows", "bytes", "one group"]
)
def small_groups(request, monkeypatch):
    n_rows, n_bytes, n_groups = request.param
    monkeypatch.setattr(row_order, "GROUP_ROWS", n_rows)
    monkeypatch.setattr(row_order, "GROUP_BYTES", n_bytes)
    monkeypatch.setattr(row_order, "BUCKET_GROUPS", n_groups)
    monkeypatch.setattr(row_order, "_BATCH", 64)


def test_a_pool_in_another_order_is_the_same_to_the_byte(tmp_path, rows, small_groups):
    names = rows["id"].to_pylist()
    in_order = rows.take(sorted(range(N), key=names.__getitem__))
    made = ordered(tmp_path, in_order, "in_order")
    assert pq.read_table(tmp_path / "in_order").equals(in_order)
    for seed, group in ((0, N), (1, 37), (2, 1)):
        moved = rows.take(np.random.default_rng(seed).permutation(N))
        assert ordered(tmp_path, moved, f"moved_{seed}", group=group) == made


def test_rows_that_are_not_left_change_nothing_else(tmp_path, rows, small_groups):
    left = np.random.default_rng(0).random(N) < 0.7
    made = ordered(tmp_path, rows, "some", left)
    assert made == ordered(tmp_path, rows.filter(pa.array(left)), "alone")
    assert set(pq.read_table(tmp_path / "some")["id"].to_pylist()) == set(np.array(rows["id"].to_pylist())[left])


def test_row_groups_end_where_either_measure_is_full(tmp_path, rows, small_groups):
    ordered(tmp_path, rows, "made")
    meta, table = pq.read_metadata(tmp_path / "made"), pq.read_table(tmp_path / "made")
    sizes, start = row_order._n_bytes(table.to_struct_array().combine_chunks()), 0
    for k in range(meta.num_row_groups):
        stop = start + meta.row_group(k).num_rows
        full = stop - start == row_order.GROUP_ROWS or sizes[start:stop].sum() >= row_order.GROUP_BYTES
        assert (full or stop == N) and sizes[start : stop - 1].sum() < row_order.GROUP_BYTES
        start = stop
    assert start == N and sizes.sum() == sum(
        len(row["id"].encode()) + len(row["source"]) + sum(len(image["bytes"]) for image in row["images"])
        + sum(len(turn["role"]) + len(turn["text"].encode()) for turn in row["turns"])
        for row in table.to_pylist()
    )  # fmt: skip


def test_no_more_files_than_a_process_may_open(tmp_path, rows, small_groups, monkeypatch):
    made = ordered(tmp_path, rows, "made")
    monkeypatch.setattr(row_order, "_MOST_BUCKETS", 3)
    assert ordered(tmp_path, rows, "few") == made
