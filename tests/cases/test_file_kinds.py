"""Files of another kind than their names say."""

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.data.checks import Checker
from cadc.data.own_questions import read_choice, read_yesno
from cadc.data.reader import PoolError, read_pool


def kinds(folder):
    """Files of rows that are none, by what they are."""
    table, plain = pa.table({"id": ["a"]}), b'{"id": "a"}\n'
    pq.write_table(table, folder / "t.parquet")
    with pa.ipc.new_file(folder / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pool.jsonl", plain)
    return {
        "compressed by gzip; unpack it": gzip.compress(plain),
        "compressed by zstd; unpack it": pa.compress(plain, "zstd", asbytes=True),
        "compressed by xz; unpack it": lzma.compress(plain),
        "compressed by bzip2; unpack it": bz2.compress(plain),
        "a ZIP archive; unpack it": packed.getvalue(),
        "parquet; name it .parquet": (folder / "t.parquet").read_bytes(),
        "an Arrow file; give the folder": (folder / "t.arrow").read_bytes(),
        "a Git LFS pointer; fetch": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "an HTML page; fetch": b"\n<!DOCTYPE html><html>",
    }


@pytest.mark.parametrize("name", ["pool.json", "pool.jsonl", "pool.jsonl.gz", "pool.txt", "pool.parquet"])
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path, name):
    for said, data in kinds(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        if not (name == "pool.parquet" and said.startswith("parquet")):
            with pytest.raises(PoolError, match=f"{name}: it is {said}"):
                read_pool(tmp_path / name, None)


def test_questions_of_another_kind_are_called_what_they_are(tmp_path):
    for read, name in ((read_choice, "mmt.tsv"), (read_yesno, "pope.jsonl")):
        (tmp_path / name).write_bytes(gzip.compress(b"index\n"))
        with pytest.raises(PoolError, match=f"{name}: it is compressed by gzip; unpack it"):
            read(tmp_path / name, Checker(tmp_path))
