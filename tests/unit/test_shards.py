"""Shards: killed in the middle, a stage goes on where it was; other inputs or workers change nothing else."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cadc.compute import launch, shards

SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from cadc.compute import shards

def make():
    Path(f"made_{time.time_ns()}").touch()

    def task(key, folder):
        Path(f"ran_{key}_{time.time_ns()}").touch()
        time.sleep(0.2)
        np.save(folder / "x.npy", np.full(3, key))

    return task

if __name__ == "__main__":
    folders = shards.run(make, list(range(12)), "slow", ["inputs"], "slow")
    shards.join(folders, "x.npy", Path("joined.npy"), 36)
    print("done")
"""


def writing():
    return lambda key, folder: np.save(folder / "x.npy", np.full(3, key))


def failing():
    def fail(key, folder):
        if key == 2:
            raise ValueError("row 17 is bad")

    return fail


def test_killed_in_the_middle_it_continues_and_repeats_nothing(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    env = os.environ | {"CADC_WORKERS": "1"}
    process = subprocess.Popen([sys.executable, "slow.py"], cwd=tmp_path, env=env)
    while len(list(tmp_path.glob("ran_*"))) < 4:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    process.kill()
    process.wait()
    whole = {p.name for p in (tmp_path / "artifacts/scratch/slow").glob("*/0*") if p.is_dir() and "." not in p.name}
    assert 2 <= len(whole) < 12
    done = subprocess.run(
        [sys.executable, "slow.py"],
        cwd=tmp_path,
        env=env | {"CADC_WORKERS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{len(whole)} of 12 parts are already done" in done.stdout and "done" in done.stdout
    runs = [int(p.name.split("_")[1]) for p in tmp_path.glob("ran_*")]
    assert all(runs.count(int(name)) == 1 for name in whole) and set(runs) == set(range(12))
    assert np.load(tmp_path / "joined.npy").tolist() == np.repeat(np.arange(12), 3).tolist()
    manifest = json.loads(next((tmp_path / "artifacts/scratch/slow").glob("*/manifest.json")).read_text())
    assert manifest == {"stage": "slow", "shards": [f"{key:05d}" for key in range(12)]}


DDP = Path(__file__).parents[2] / "conf/accelerate/ddp.yaml"
LAUNCHERS = {
    "processes": ([sys.executable], {"CADC_WORKERS": "2"}),
    "torchrun": (
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "--rdzv-backend",
            "c10d",
            "--rdzv-endpoint",
            "localhost:0",
        ],
        {},
    ),
    "torchrun, by the stage": (
        [sys.executable],
        {"CADC_LAUNCHER": "torchrun --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint localhost:0"},
    ),
    "accelerate, by the stage": (
        [sys.executable],
        {"CADC_LAUNCHER": f"accelerate launch --config_file {DDP} --num_processes 2"},
    ),
    "ray": ([sys.executable], {"CADC_LAUNCHER": "ray", "CADC_WORKERS": "2"}),
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_computes_each_shard_once_in_two_workers(tmp_path, launcher):
    (tmp_path / "slow.py").write_text(SLOW)
    command, env = LAUNCHERS[launcher]
    done = subprocess.run([*command, "slow.py"], cwd=tmp_path, env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("done") == 1, done.stdout + done.stderr
    assert np.load(tmp_path / "joined.npy").tolist() == np.repeat(np.arange(12), 3).tolist()
    assert (
        sorted(int(p.name.split("_")[1]) for p in tmp_path.glob("ran_*")) == list(range(12))
        and len(list(tmp_path.glob("made_*"))) == 2
    )


GROUPED = """
import os
import numpy as np
from cadc.compute import shards

def make():
    return lambda key, folder: np.save(folder / "who.npy", os.getpid())

def group(key):
    return key % 3

if __name__ == "__main__":
    folders = shards.run_kept(make, {key: [key] for key in range(12)}, "grouped", "grouped", group=group)
    who = [int(np.load(folder / "who.npy")) for folder in folders.values()]
    print([len({who[key] for key in range(12) if key % 3 == own}) for own in range(3)], len(set(who)))
"""


@pytest.mark.parametrize(("workers", "processes"), [("1", 1), ("2", 2), ("3", 3)])
def test_shards_of_one_group_are_one_process_s(tmp_path, workers, processes):
    (tmp_path / "grouped.py").write_text(GROUPED)
    env = os.environ | {"CADC_WORKERS": workers}
    done = subprocess.run(
        [sys.executable, "grouped.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"[1, 1, 1] {processes}"


MORTAL = """
import os, signal
from pathlib import Path
import numpy as np
from cadc.compute import shards

def make():
    def task(key, folder):
        if key == 1 and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if key == 2 and Path("bad").exists():
            raise ValueError("row 17 is bad")
        np.save(folder / "x.npy", np.full(3, key))
    return task

if __name__ == "__main__":
    try:
        shards.run(make, list(range(4)), "mortal", [], "")
    except ValueError as error:
        print("said:", error)
"""


def test_a_lost_ray_worker_s_shard_is_done_again_and_an_error_is_not(tmp_path):
    (tmp_path / "mortal.py").write_text(MORTAL)
    run = dict(
        cwd=tmp_path, env=os.environ | {"CADC_LAUNCHER": "ray", "CADC_WORKERS": "2"}, capture_output=True, text=True
    )
    done = subprocess.run([sys.executable, "mortal.py"], **run)
    assert done.returncode == 0 and (tmp_path / "died").exists(), done.stderr
    assert len(list((tmp_path / "artifacts/scratch/mortal").glob("*/0000?/x.npy"))) == 4
    (tmp_path / "bad").touch()
    shutil.rmtree(next((tmp_path / "artifacts/scratch/mortal").glob("*/00002")))
    assert "said: row 17 is bad" in subprocess.run([sys.executable, "mortal.py"], **run).stdout


#: A cluster whose head, where the stage runs, has no GPU: Ray takes its word for those of the other machine.
CLUSTER = """
import os
from pathlib import Path
from ray.cluster_utils import Cluster
from cadc.compute import shards

def make():
    return lambda key, folder: (folder / "gpu").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))

if __name__ == "__main__":
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=2, num_gpus=2)
    os.environ["RAY_ADDRESS"] = cluster.address
    print("GPUs", {(folder / "gpu").read_text() for folder in shards.run(make, list(range(4)), "ray", [], "").values()})
    cluster.shutdown()
"""


def test_ray_s_workers_get_the_cluster_s_gpus_where_its_head_has_none(tmp_path):
    (tmp_path / "cluster.py").write_text(CLUSTER)
    env = os.environ | {"CADC_LAUNCHER": "ray"}
    done = subprocess.run([sys.executable, "cluster.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "GPUs {'" in done.stdout and "''" not in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("gpus", "asked", "parts", "processes"),
    [
        (0, None, 3, 3),
        (0, None, 4, 2),
        (0, None, 1, 1),
        (0, "2", 3, 2),
        (2, None, 3, 2),
        (2, "4", 3, 3),
        (1, None, 3, 1),
    ],
)
def test_a_few_parts_share_cores_but_no_gpu_and_never_more_than_was_asked_for(
    monkeypatch, gpus, asked, parts, processes
):
    monkeypatch.setattr(launch, "n_gpus", lambda: gpus)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setenv("CADC_WORKERS", asked) if asked else monkeypatch.delenv("CADC_WORKERS", raising=False)
    assert launch.n_processes(parts) == processes


def test_an_unknown_launcher_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_LAUNCHER", "slurm")
    with pytest.raises(ValueError, match="'slurm'.*torchrun"):
        shards.run(writing, [0], "s", [1], "")


def test_shards_of_a_stage_s_earlier_script_are_not_taken_up(tmp_path):
    def parts_made(script: str) -> int:
        """How often a part was made, once the script was run."""
        (tmp_path / "slow.py").write_text(script)
        subprocess.run(
            [sys.executable, "slow.py"],
            cwd=tmp_path,
            env=os.environ | {"CADC_WORKERS": "1"},
            check=True,
            capture_output=True,
        )
        return len(list(tmp_path.glob("ran_*")))

    quick = SLOW.replace("0.2", "0")
    assert [parts_made(quick), parts_made(quick), parts_made(quick.replace("(3, key)", "(3, -key)"))] == [12, 12, 24]


def test_shards_of_other_inputs_are_not_taken_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", "1")
    first = shards.run(writing, [0, 1], "s", [1], "")
    second = shards.run(writing, [0, 1], "s", [2], "")
    assert first[0] != second[0] and not first[0].exists() and second[1].exists()


def test_shards_of_another_instruction_set_are_not_taken_up(monkeypatch):
    def folder() -> Path:
        return shards.kept(writing, {0: [1]}, "s").folders[0]

    first = folder()
    assert folder() == first
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert folder() != first


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_stops_the_stage_and_keeps_whole_shards(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", workers)
    with pytest.raises(ValueError, match="row 17 is bad"):
        shards.run(failing, [0, 1, 2], "s", [1], "")
    assert not any(Path("artifacts/scratch/s").glob("*/00002"))
    assert any(Path("artifacts/scratch/s").glob("*/00000"))


def test_a_stage_that_is_done_leaves_no_lock_and_can_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", "1")
    for stage in ("s", "of/a", "s"):
        shards.run(writing, [0, 1], stage, [1], "")
        assert Path(f"artifacts/scratch/{stage}.lock").exists()
        shards.forget(stage.partition("/")[0])
        assert not any(path.is_file() for path in Path("artifacts/scratch").rglob("*"))
