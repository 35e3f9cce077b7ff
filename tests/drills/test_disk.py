"""Full, read-only and damaged disks: one message each, and finished parts are kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cadc import artifacts
from cadc.compute import disk, fsck, shards
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError

ARRAYS = """
import sys
from pathlib import Path
import numpy as np
from cadc import artifacts
from cadc.compute import shards
from cadc.compute.stage import run_stage

def make():
    return lambda key, folder: artifacts.save_array(folder / "x.npy", np.full(12_500, key, np.float64))

def main(params):
    folders = shards.run(make, [0, 1, 2], "big", [], "big")
    shards.join(folders, "x.npy", Path("joined.npy"), 37_500)

if __name__ == "__main__":
    run_stage("big", main)
"""


def big(folder, workers):
    env = os.environ | {"CADC_WORKERS": workers}
    return subprocess.run([sys.executable, "stage.py"], cwd=folder, env=env, capture_output=True, text=True)


def resize(folder, kilobytes):
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", folder], check=True)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("kilobytes", [300, 420])
def test_a_full_disk_is_one_sentence_and_costs_no_whole_part(small_disk, workers, kilobytes):
    """If the disk fills while parts are written or joined, one message says so; with space freed, the run resumes."""
    resize(small_disk, 4000)
    (small_disk / "stage.py").write_text(ARRAYS)
    (small_disk / "params.yaml").write_bytes(Path("params.yaml").read_bytes())
    used = sum(path.stat().st_blocks for path in small_disk.iterdir()) // 2
    resize(small_disk, used + kilobytes)
    done = big(small_disk, workers)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-2000:]
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("big: the disk is full (") and "are kept under artifacts/scratch: make room" in line
    assert not (small_disk / "joined.npy").exists() and not list(small_disk.rglob("*.partial"))
    kept = len(list(small_disk.glob("artifacts/scratch/big/*/*.whole")))
    assert kept == 3 if kilobytes > 400 else 1 <= kept < 3
    resize(small_disk, 4000)
    done = big(small_disk, workers)
    assert done.returncode == 0 and f"{kept} of 3 parts are already done" in done.stdout, done.stderr[-2000:]
    assert np.load(small_disk / "joined.npy").tolist() == np.repeat([0.0, 1.0, 2.0], 12_500).tolist()


def test_a_cache_that_can_t_be_written_is_told_of_before_the_work(small_disk, monkeypatch):
    """A read-only cache stops a stage before its work starts, while its earlier outputs still exist."""
    folder = small_disk.parent
    shutil.copy("params.yaml", folder)
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[cache]\n    dir = ../disk\n")
    monkeypatch.chdir(folder)
    assert disk.cache_folder() == Path(".dvc/../disk")
    disk.refuse_closed()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(SystemExit) as stopped:
        run_stage("some", lambda params: pytest.fail("it has worked"))
    assert str(stopped.value) == ("some: .dvc/../disk: not writable, so the results would be lost; make it writable")


@pytest.mark.parametrize("name", ["x.npy", "rows.parquet", "facts.json"])
@pytest.mark.parametrize("size", [0, 60, 500])
def test_a_truncated_file_is_named(tmp_path, name, size):
    """The error for a truncated file names the file and says what to do."""
    path = tmp_path / name
    rows = np.arange(2000)
    artifacts.save_array(tmp_path / "x.npy", rows)
    artifacts.write_table(tmp_path / "rows.parquet", pa.table({"row": rows}))
    artifacts.write_json(tmp_path / "facts.json", rows.tolist())
    read = {".npy": artifacts.load_array, ".parquet": artifacts.read_table, ".json": artifacts.read_json}[path.suffix]
    read(path)
    os.truncate(path, size)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(path) in str(error.value) and "run `make fsck`, which says what to run again" in str(error.value)


def test_shards_that_hold_other_rows_than_there_are_are_an_error_for_people(tmp_path):
    """If the rows of the parts do not add up to the whole, an error says so and no output is written."""
    for key in (0, 1):
        artifacts.save_array(tmp_path / f"{key}/x.npy", np.zeros(3))
    with pytest.raises(InputError, match="the shards hold 6 rows instead of 7; remove"):
        shards.join({key: tmp_path / str(key) for key in (0, 1)}, "x.npy", tmp_path / "joined.npy", 7)
    assert not (tmp_path / "joined.npy").exists()


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """A DVC repository with two small outputs in its cache, hard-linked into the workspace."""
    folder = tmp_path_factory.mktemp("cached")
    (folder / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: mkdir -p out && echo one > out/a && echo two > out/b && echo three > c\n"
        "    outs: [out, c]\n"
    )
    for command in ("init -q --no-scm", "config cache.type hardlink,copy", "repro -q"):
        subprocess.run([sys.executable, "-m", "dvc", *command.split()], cwd=folder, check=True)
    return folder


def test_a_damaged_object_of_the_cache_is_found_and_made_anew(cached, monkeypatch, capsys):
    """`make fsck` finds a changed byte that DVC misses and names the output; the command it prints makes it again."""
    monkeypatch.chdir(cached)
    assert fsck.main() == 0 and "all 4 objects match their names" in capsys.readouterr().out
    path = Path("out/b")
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"T")
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # a failing disk does not change the times
    dvc = [sys.executable, "-m", "dvc"]
    assert "up to date" in subprocess.run([*dvc, "status"], capture_output=True, text=True).stdout  # DVC misses it
    assert fsck.main() == 1
    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if line.startswith("damaged: ")]
    assert line.endswith(": out/b (make)") and "`dvc repro -f -s make`" in said
    Path(line.split(": ")[1]).unlink()
    subprocess.run([*dvc, "repro", "-q", "-f", "-s", "make"], check=True)
    assert path.read_text() == "two\n" and fsck.main() == 0
