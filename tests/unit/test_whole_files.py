"""Outputs are hard links to DVC's cache: none is written in place, and none half."""

import ast
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cadc import artifacts
from cadc.compute import shards
from cadc.report import figures
from cadc.world.files import write_labels

#: What writes to a path that it is given. `part` is what `artifacts.whole` gives.
_WRITERS = {"write_text", "write_bytes", "savefig", "save_file", "save_model", "ParquetWriter", "write_table", "tofile"}
_CALLED = {"np.save", "np.savez", "pq.write_table", "pa.OSFile", "np.lib.format.open_memmap", "np.memmap"}
_OURS = (
    "artifacts.write_text",
    "artifacts.write_bytes",
    "artifacts.write_table",
    "write_text",
    "write_bytes",
    "write_table",
)


def in_place(tree: ast.AST) -> list[str]:
    """Calls that write to a path other than `part`, or to a file that is opened for it."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, said = ast.unparse(node.func), ast.unparse(node)
        last, on = name.rpartition(".")[2], name.rpartition(".")[0]
        mode = next((ast.unparse(one) for one in node.args if ast.unparse(one) in ("'w'", "'wb'", "'a'", "'w+'")), None)
        opens = last == "open" and mode and on != "part" and "os.devnull" not in said
        writes = (last in _WRITERS and name not in _OURS) or name in _CALLED
        if opens or (writes and on != "part" and not any(w in said for w in ("part", "file,", "writer.", "(file)"))):
            found.append(said[:100])
    return found


#: Writes to what is no output: the words that others read of a process, and parts, in scratch, and locks.
_ELSEWHERE = {
    "src/cadc/compute/replies.py",
    "src/cadc/compute/locks.py",
    "src/cadc/cli/project.py",
    "src/cadc/data/row_order.py",
}


def test_no_code_opens_an_output_for_writing():
    files = [path for folder in ("src/cadc", "stages") for path in sorted(Path(folder).rglob("*.py"))]
    found = {str(path): in_place(ast.parse(path.read_text())) for path in files if str(path) not in _ELSEWHERE}
    assert {path: calls for path, calls in found.items() if calls} == {}
    assert in_place(ast.parse("path.write_text('x'); open(path, 'w'); np.save(path, x)")), "it would find nothing"


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("x.npy", lambda path: artifacts.save_array(path, np.arange(3))),
        ("x.json", lambda path: artifacts.write_json(path, [1])),
        ("x.parquet", lambda path: artifacts.write_table(path, pa.table({"row": [1]}))),
        ("s.parquet", lambda path: artifacts.save_selection(path, artifacts.Selection.of_rows(np.arange(3)))),
        ("labels.parquet", lambda path: write_labels(path, [])),
        ("x.png", lambda path: figures.save(figures.plt.figure(), path)),
    ],
)
def test_a_hard_link_to_an_output_keeps_what_it_held(tmp_path, name, write):
    path, cached = tmp_path / "out" / name, tmp_path / "cached"
    cached.write_bytes(b"before")
    path.parent.mkdir()
    os.link(cached, path)
    write(path)
    assert cached.read_bytes() == b"before" != path.read_bytes()
    assert [one.name for one in path.parent.iterdir()] == [name]


def test_what_fails_in_the_middle_leaves_the_output_of_before(tmp_path):
    path = tmp_path / "x.json"
    artifacts.write_json(path, [1])
    with pytest.raises(RuntimeError), artifacts.whole(path) as part:
        part.write_text("[2")
        raise RuntimeError
    assert artifacts.read_json(path) == [1] and [one.name for one in tmp_path.iterdir()] == ["x.json"]


def test_a_joined_array_is_the_bytes_that_numpy_itself_would_write(tmp_path):
    for dtype, shape in ((np.float32, (3, 4)), (np.int64, (5,)), (np.float16, (2, 0, 3)), (bool, (7,))):
        shards.reserve(tmp_path / "mine.npy", dtype, shape)
        np.save(tmp_path / "theirs.npy", np.zeros(shape, dtype))
        assert (tmp_path / "mine.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
