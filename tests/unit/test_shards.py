"""Shards: killed in the middle, a stage goes on where it was; other inputs or workers change nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cadc import shards

SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from cadc import shards

def task(key, folder):
    Path(f"ran_{key}_{time.time_ns()}").touch()
    time.sleep(0.2)
    np.save(folder / "x.npy", np.full(3, key))

if __name__ == "__main__":
    shards.run(task, list(range(12)), "slow", ["inputs"], "slow")
    print("done")
"""


def write(key, folder):
    np.save(folder / "x.npy", np.full(3, key))


def fail(key, folder):
    write(key, folder)
    if key == 2:
        raise ValueError("row 17 is bad")


def test_killed_in_the_middle_it_continues_and_repeats_nothing(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    env = os.environ | {"CADC_WORKERS": "1"}
    process = subprocess.Popen([sys.executable, "slow.py"], cwd=tmp_path, env=env)
    while len(list(tmp_path.glob("ran_*"))) < 4:
        time.sleep(0.02)
    process.kill()
    process.wait()
    whole = {p.name for p in (tmp_path / "artifacts/scratch/slow").glob("*/*") if not p.name.endswith(".partial")}
    assert 2 <= len(whole) < 12
    done = subprocess.run([sys.executable, "slow.py"], cwd=tmp_path, env=env | {"CADC_WORKERS": "2"}, capture_output=True, text=True, check=True)
    assert f"{len(whole)} of 12 parts are there already" in done.stdout and "done" in done.stdout
    runs = [int(p.name.split("_")[1]) for p in tmp_path.glob("ran_*")]
    assert all(runs.count(int(name)) == 1 for name in whole) and set(runs) == set(range(12))
    arrays = sorted((tmp_path / "artifacts/scratch/slow").glob("*/*/x.npy"))
    assert [int(np.load(path)[0]) for path in arrays] == list(range(12))


def test_shards_of_other_inputs_are_not_taken_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", "1")
    first = shards.run(write, [0, 1], "s", [1], "")
    second = shards.run(write, [0, 1], "s", [2], "")
    assert first[0] != second[0] and not first[0].exists() and second[1].exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_stops_the_stage_and_keeps_whole_shards(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", workers)
    with pytest.raises(ValueError, match="row 17 is bad"):
        shards.run(fail, [0, 1, 2], "s", [1], "")
    assert not any(Path("artifacts/scratch/s").glob("*/00002"))
    assert any(Path("artifacts/scratch/s").glob("*/00000"))
