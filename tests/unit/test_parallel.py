"""However a batch is split, by micro-batches, processes or FSDP, the loss is the mean over its answer tokens and what
is learnt the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import two_processes
from safetensors.numpy import load_file

from cadc.training.parallel import shares

ROOT = Path(__file__).parents[2]


def launched(folder, config, **more):
    """What two processes say that the launcher starts as it starts a stage's."""
    launcher = f"accelerate launch --config_file conf/accelerate/{config}.yaml --num_processes 2"
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}", "CADC_LAUNCHER": launcher} | more
    return subprocess.run([sys.executable, two_processes.__file__], cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def alone(pool, tmp_path_factory):
    """The folder of everything that one process makes."""
    folder = tmp_path_factory.mktemp("alone")
    pq.write_table(pool, folder / "pool.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        task = two_processes.task()
        for name in two_processes.CASES:
            (folder / name).mkdir()
            task(name, folder / name)
    return folder


def assert_alike(made, expected):
    for path in sorted(expected.iterdir()):
        other = made / path.name
        if path.suffix == ".safetensors":
            mine, theirs = load_file(path), load_file(other)
            assert set(mine) == set(theirs)
            rtol = 1e-5 if path.stem == "state" else 1e-3  # it holds moments: gradients
            for name in mine:
                np.testing.assert_allclose(theirs[name], mine[name], rtol=rtol, atol=1e-6, err_msg=f"{path} {name}")
        elif path.suffix == ".npy":
            np.testing.assert_allclose(np.load(other), np.load(path), rtol=1e-4, atol=1e-6, err_msg=str(path))
        elif path.suffix == ".parquet":
            assert pq.read_table(other)["row"].equals(pq.read_table(path)["row"])
        else:
            assert other.read_text() == path.read_text()


def test_two_processes_that_accelerate_starts_learn_what_one_does(alone, tmp_path):
    """Each with the whole base, killed in the proxy run; then with the base spread over both, going on there."""
    (tmp_path / "pool.parquet").symlink_to(alone / "pool.parquet")
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    killed = launched(tmp_path, "ddp", DIE="proxy")
    assert killed.returncode and "done" not in killed.stdout, killed.stdout + killed.stderr
    (root,) = (tmp_path / "artifacts/scratch/two").iterdir()
    assert not (root / "proxy").exists() and (root / "proxy.kept/checkpoint").exists()
    for name in ("parts", "adaptive", "score_net"):
        assert_alike(root / name, alone / name)
        shutil.rmtree(root / name)
    done = launched(tmp_path, "fsdp")
    said = [done.stdout.count(what) for what in ("done", "step 2, from checkpoint", "step 2, from full.checkpoint")]
    assert done.returncode == 0 and said == [1, 1, 1], done.stdout + done.stderr
    for name in two_processes.CASES:
        assert_alike(root / name, alone / name)


def test_each_row_counts_once_and_all_processes_pass_equally_often():
    rng = np.random.default_rng(0)
    for n, micro, world in rng.integers(1, 20, (50, 3)):
        which = rng.permutation(n)
        split = [shares(which, int(micro), rank, int(world)) for rank in range(world)]
        counted = np.concatenate([np.concatenate([*parts[:k], np.empty(0, int)]) for parts, k in split])
        assert sorted(counted) == list(range(n)) and len({len(parts) for parts, _ in split}) == 1
        assert max(len(part) for parts, _ in split for part in parts) <= micro
    (whole,), counts = shares(which, None, 0, 1)
    assert whole.tolist() == which.tolist() and counts == 1
