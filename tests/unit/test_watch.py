"""What hangs ends, and what works is left alone; machines meet where DVC runs, and one rank reads the weights."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cadc.compute import launch, watch
from cadc.config.errors import InputError

SOURCE = Path(__file__).parents[2] / "src"
SECONDS = 3 / 3600  # in hours
HANGS = """
import os, sys, time
from pathlib import Path
from cadc.compute import shards, watch
from cadc.config.errors import InputError

def make():
    def task(key, folder):
        if key == 1 and "hang" in sys.argv:
            time.sleep(600)
        for _ in range(5 if key == 2 else 0):  # longer than a silence may be
            time.sleep(1)
            watch.beat()
        (folder / "made").touch()
    return task

read = shards._digest
def counted(*parts):
    Path(f"read_by_{os.environ.get('RANK')}").touch()
    return read(*parts)
shards._digest = counted

if __name__ == "__main__":
    try:
        shards.run(make, list(range(4)), "hangs", [Path("weights")], "parts")
        print("done at", os.environ.get("GROUP_RANK"))
    except InputError as error:
        print("said:", error)
"""


def start(folder, *command, **more):
    (folder / "hangs.py").write_text(HANGS)
    (folder / "weights").write_text("w")
    env = os.environ | {"PYTHONPATH": str(SOURCE), "CADC_TIMEOUT": str(SECONDS)} | more
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def whole(folder):
    return sorted(path.parent.name for path in (folder / "artifacts/scratch/hangs").glob("*/0*/made"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_part_that_hangs_ends_the_stage_and_what_is_whole_is_kept(tmp_path, workers):
    process = start(tmp_path, "hangs.py", "hang", CADC_WORKERS=workers)
    out, err = process.communicate(timeout=120)
    assert "/00001: no sign of life for 0.000833333 hours" in err and "CADC_TIMEOUT=HOURS" in err
    assert "done" not in out and "00001" not in whole(tmp_path) and "00000" in whole(tmp_path)
    assert process.returncode != 0 or "said: parts: a process was lost" in out
    out, err = start(tmp_path, "hangs.py", CADC_WORKERS=workers).communicate(timeout=120)
    assert "done" in out and len(whole(tmp_path)) == 4, err


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def nodes(folder, *argv):
    options = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port())]
    command = ("-m", "torch.distributed.run", *options)
    processes = [start(folder, *command, "--node-rank", str(node), "hangs.py", *argv) for node in (1, 0)]
    return [(process.communicate(timeout=300), process.returncode) for process in processes]


def test_rank_0_is_on_node_0_and_it_alone_reads_the_weights(tmp_path):
    (second, _), (first, code) = nodes(tmp_path)
    assert code == 0 and "done at 0" in first[0] and "done" not in second[0], first[1] + second[1]
    assert [path.name for path in tmp_path.glob("read_by_*")] == ["read_by_0"] and len(whole(tmp_path)) == 4


def test_a_machine_that_hangs_ends_all_of_them(tmp_path):
    """The first rank has done its parts and waits, the second one hangs."""
    results = nodes(tmp_path, "hang")
    assert all(code != 0 for _, code in results)
    assert "00001: no sign of life" in results[0][0][1] and whole(tmp_path)[:1] == ["00000"]


def test_who_waits_ends_when_the_others_are_silent(tmp_path):
    """A machine that is gone closes no connection: all that is left of it is a file that no longer changes."""
    code = (
        "from pathlib import Path; import time; from cadc.compute import watch\n"
        "with watch.over('the other ranks', hears=Path('alive')):\n    time.sleep(600)"
    )
    started, process = time.monotonic(), start(tmp_path, "-c", code)
    alive, stop = tmp_path / "alive", threading.Event()

    def touch():
        while not stop.wait(0.5):
            alive.touch()

    toucher = threading.Thread(target=touch)
    toucher.start()
    time.sleep(8)
    assert process.poll() is None, "it ended although others worked"
    stop.set()
    toucher.join()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "the other ranks: no sign of life" in err and time.monotonic() - started > 8


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan"])
def test_a_time_out_that_is_none_is_named(monkeypatch, given):
    monkeypatch.setenv("CADC_TIMEOUT", given)
    with pytest.raises(InputError, match="CADC_TIMEOUT"):
        watch.limit()
    monkeypatch.delenv("CADC_TIMEOUT")
    assert watch.limit() == 3600 * watch.HOURS


MEET = "--master-addr HOST --master-port 29400"


@pytest.mark.parametrize(
    ("options", "fine"),
    [
        ("--nproc-per-node 8", True),
        (f"--nnodes 4 --node-rank 0 --nproc-per-node 8 {MEET}", True),
        ("--nnodes 1 --rdzv-backend c10d --rdzv-endpoint localhost:0", True),
        ("--nnodes 4 --rdzv-backend c10d --rdzv-endpoint HOST:29400", False),
        (f"--nnodes 4 --node-rank 1 {MEET}", False),
        ("--nnodes 1:4 --rdzv-backend c10d --rdzv-endpoint HOST:29400", False),
    ],
)
def test_a_launcher_whose_first_rank_may_be_elsewhere_is_refused(options, fine):
    if fine:
        launch._check_nodes(options.split())
        return
    with pytest.raises(InputError, match="rank 0 must run where DVC runs.*--node-rank 0"):
        launch._check_nodes(options.split())
