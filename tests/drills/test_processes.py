"""Stages that are killed or run twice at once: no process keeps running, and no finished part is lost."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from watching import until, working_in

STAGE = """
import sys, time
from pathlib import Path
import numpy as np
from cadc import artifacts
from cadc.compute import lifeline, shards

def make():
    def task(key, folder):
        Path(f"ran_{key}_{time.time_ns()}").touch()
        time.sleep(PAUSE)
        artifacts.save_array(folder / "x.npy", np.full(3, key))
    return task

if __name__ == "__main__":
    lifeline.end_with_dvc()
    keys = list(range(8))
    if "kept" in sys.argv:
        folders = shards.run_kept(make, {key: [key] for key in keys}, "slow", "slow")
    else:
        folders = shards.run(make, keys, "slow", ["inputs"], "slow")
    shards.join(folders, "x.npy", Path("joined.npy"), 24)
    print("done")
"""
JOINED = np.repeat(np.arange(8), 3).tolist()


@pytest.fixture
def stage(tmp_path):
    """Starts the stage in two processes; each part takes a fifth of a second."""
    (tmp_path / "stage.py").write_text(STAGE.replace("PAUSE", "0.2"))
    started = []

    def start(*arguments, by=(), **environment):
        env = os.environ | {"CADC_WORKERS": "2"} | environment
        command = [*by, sys.executable, "stage.py", *arguments]
        started.append(
            subprocess.Popen(
                command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def ran(folder) -> list[int]:
    return sorted(int(path.name.split("_")[1]) for path in folder.glob("ran_*"))


def test_nobody_works_on_after_a_killed_stage_and_the_next_run_goes_on(stage, tmp_path):
    """A killed stage leaves no worker behind; the next run keeps the finished parts."""
    process = stage()
    until(lambda: len(ran(tmp_path)) >= 3)
    process.kill()
    process.wait()
    until(lambda: not working_in(tmp_path), 10)
    whole = {int(path.name[:-6]) for path in tmp_path.glob("artifacts/scratch/slow/*/*.whole")}
    before = ran(tmp_path)
    out, _ = stage().communicate(timeout=120)
    assert out.splitlines()[-1] == "done" and np.load(tmp_path / "joined.npy").tolist() == JOINED
    again = ran(tmp_path)
    assert all(again.count(key) == before.count(key) for key in whole)
    assert not list(tmp_path.glob("artifacts/scratch/slow/*/*.partial-*"))


def test_a_stage_ends_with_the_dvc_that_runs_it(stage, tmp_path):
    """If DVC is killed, its stage and the stage's workers end too."""
    dvc = "import subprocess, sys; subprocess.run(' '.join(sys.argv[1:]), shell=True)"
    process = stage(by=[sys.executable, "-c", dvc], DVC_STAGE="slow")
    until(lambda: len(ran(tmp_path)) >= 3)
    assert len(working_in(tmp_path)) >= 4
    process.kill()
    process.wait()
    until(lambda: not working_in(tmp_path), 10)


ORPHAN = "import os, subprocess, sys; import cadc; subprocess.Popen(sys.argv[1:]); os._exit(0)"
#: As `dvc queue` does: the process that runs the stages has lost its own parent.
DAEMON = "import os, subprocess, sys; import cadc; os.fork() and os._exit(0); subprocess.run(sys.argv[1:])"
SHELLS = "import subprocess, sys; import cadc; subprocess.run(['sh', '-c', ' '.join(sys.argv[1:]) + '; true'])"


@pytest.mark.parametrize("loading", [0, 1])
def test_a_stage_whose_dvc_went_while_it_was_loading_does_not_begin(stage, tmp_path, loading):
    """If DVC is killed at any time while its stage is still loading, the stage does not start."""
    (tmp_path / "sitecustomize.py").write_text(f"import time; time.sleep({loading})")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    out, _ = stage(by=[sys.executable, "-c", ORPHAN], DVC_STAGE="slow", PYTHONPATH=path).communicate(timeout=60)
    assert "InputError: the DVC that started it has gone; run it again" in out
    assert not ran(tmp_path) and not working_in(tmp_path)


IN_ITS_PLACE = "import os, sys; import cadc; os.execv(sys.argv[1], sys.argv[1:])"


@pytest.mark.parametrize("by", [DAEMON, SHELLS, IN_ITS_PLACE])
def test_a_stage_that_something_else_than_dvc_s_command_runs_goes_on(stage, tmp_path, by):
    """A stage that is run by a daemon, through a shell that stays, or in place of its wrapper is not stopped."""
    out, _ = stage(by=[sys.executable, "-c", by], DVC_STAGE="slow").communicate(timeout=60)
    assert out.splitlines()[-1] == "done" and ran(tmp_path) == list(range(8))


def test_a_lost_worker_is_one_sentence_and_the_others_stop(stage, tmp_path):
    """If the system kills a worker, one message says so, and no further work is started."""
    process = stage()
    until(lambda: len(ran(tmp_path)) >= 3)
    worker = next(pid for pid in working_in(tmp_path) if pid != process.pid)
    os.kill(worker, signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    last = out.strip().splitlines()[-1]
    assert "InputError: slow: a process was lost" in last and "finished shards are kept" in last
    assert len(ran(tmp_path)) < 8 and not working_in(tmp_path)


def test_the_second_of_two_runs_is_told_of_the_first(stage, tmp_path):
    """If a stage is already running, a second run stops with one message, and the first finishes normally."""
    first = stage()
    until(lambda: ran(tmp_path))
    out, _ = stage().communicate(timeout=60)
    assert f"is running already, as process {first.pid}; wait for it or end it" in out.splitlines()[-1]
    out, _ = first.communicate(timeout=60)
    assert out.splitlines()[-1] == "done" and ran(tmp_path) == list(range(8))


def test_two_runs_share_the_parts_that_both_need(stage, tmp_path):
    """Two runs that share kept parts make each part once, and both end with all parts."""
    both = [stage("kept"), stage("kept")]
    ends = [process.communicate(timeout=120)[0].splitlines()[-1] for process in both]
    assert ends == ["done", "done"] and ran(tmp_path) == list(range(8))
    assert np.load(tmp_path / "joined.npy").tolist() == JOINED


def test_scratch_of_other_code_is_not_read(stage, tmp_path):
    """Parts from an older version of the code, finished or not, are deleted and made again."""
    assert stage().communicate(timeout=120)[0].splitlines()[-1] == "done"
    (before,) = (path for path in tmp_path.glob("artifacts/scratch/slow/*") if path.is_dir())
    odd = before.with_name("0123456789abcdef") / "00003.partial"
    odd.mkdir(parents=True)
    (odd / "x.npy").write_bytes(b"")
    script = tmp_path / "stage.py"
    script.write_text(script.read_text() + "# another version\n")
    assert stage().communicate(timeout=120)[0].splitlines()[-1] == "done"
    assert ran(tmp_path) == sorted([*range(8), *range(8)])
    (left,) = (path for path in tmp_path.glob("artifacts/scratch/slow/*") if path.is_dir())
    assert left.name not in (before.name, odd.parent.name)
    assert np.load(tmp_path / "joined.npy").tolist() == JOINED


@pytest.mark.parametrize("damage", ["truncated", "lost", "half written"])
def test_a_part_with_half_its_files_is_no_part(stage, tmp_path, damage):
    """A part with a truncated or missing file is made again, and so is a part that was not marked as finished."""
    assert stage().communicate(timeout=120)[0].splitlines()[-1] == "done"
    (folder,) = tmp_path.glob("artifacts/scratch/slow/*/00003")
    if damage == "truncated":
        os.truncate(folder / "x.npy", 40)
    elif damage == "lost":
        (folder / "x.npy").unlink()
    else:
        folder.with_name("00003.whole").unlink()
    assert stage().communicate(timeout=120)[0].splitlines()[-1] == "done"
    assert ran(tmp_path) == sorted([*range(8), 3]) and np.load(tmp_path / "joined.npy").tolist() == JOINED
