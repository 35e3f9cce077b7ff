"""`cadc curate`, killed with SIGKILL at several moments and started again with the same command."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from watching import until, working_in

from cadc.world.mini_world import write_pool

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def data(world, tmp_path_factory):
    """Rows of a small world, in a folder with spaces and umlauts."""
    folder = tmp_path_factory.mktemp("in öd Läden")
    write_pool(folder, world.model_copy(update={"rows": 40}), np.random.default_rng(5))
    return folder / "pool.json"


class Project:
    """The folder of a call: the project in `work`, the training file in `out`."""

    def __init__(self, data: Path, folder: Path):
        self.folder, self.work, self.out = folder, folder / "work", folder / "out"
        self.command = [sys.executable, "-m", "cadc.cli", "curate", data, "--images", data.parent / "images"]
        self.command += ["--model", "mini", "--method", "random", "--budget", "10%"]
        self.command += ["--out", self.out / "chosen.json", "--work", self.work]
        self.said = folder / "said"

    def start(self) -> subprocess.Popen:
        """Start the command in a session of its own, as at a terminal."""
        with self.said.open("w") as said:
            return subprocess.Popen(
                self.command, cwd=self.folder, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )

    def call(self) -> tuple[int, str]:
        """Run the command to its end: exit status and output."""
        status = self.start().wait(timeout=600)
        return status, self.said.read_text()

    def finished(self) -> set[str]:
        """The stages that have finished."""
        lock = self.work / "dvc.lock"
        locks = [lock, *self.work.glob("pipelines/*/dvc.lock")]
        stated = [yaml.safe_load(one.read_text()) for one in locks if one.exists()]
        return {name for one in stated if one for name in one["stages"]}

    def written(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.iterdir()}


def kill_all_of(process: subprocess.Popen, project: Project) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not working_in(project.work), 90)


def ran(said: str) -> set[str]:
    return {name.rpartition(":")[2] for name in re.findall(r"Running stage '(.*?)'", said)}


@pytest.fixture(scope="module")
def left_alone(data, tmp_path_factory):
    project = Project(data, tmp_path_factory.mktemp("alone"))
    status, said = project.call()
    assert status == 0 and ran(said) == {"prepare", "pool", "embed", "curate@random", "export@random"}, said
    return project


def test_a_call_that_is_killed_goes_on_with_the_same_command(data, left_alone, tmp_path):
    """If `cadc curate` is killed, alone or with all its processes, while it copies its project or while stages run, the
    same command resumes, repeats no finished stage and writes the same bytes."""
    project = Project(data, tmp_path)
    process = project.start()
    until(lambda: (project.work / "stages").exists())
    kill_all_of(process, project)
    assert not project.out.exists() and not (project.work / "params.yaml").exists()

    process = project.start()
    until(lambda: "prepare" in project.finished(), 300)
    process.kill()  # only this process: DVC keeps running
    process.wait()
    status, said = project.call()
    assert status == 1 and "its stages still run after a kill; wait for them" in said and "Traceback" not in said
    until(lambda: "pool" in project.finished(), 300)
    os.killpg(process.pid, signal.SIGKILL)
    until(lambda: not working_in(project.work), 90)
    done = project.finished()

    process = project.start()
    until(lambda: "curate@random" in project.finished(), 300)
    kill_all_of(process, project)
    assert not ran(project.said.read_text()) & done
    done = project.finished()
    assert "curate@random" in done and not project.out.exists()

    status, said = project.call()
    assert status == 0 and not ran(said) & done, said
    assert project.written() == left_alone.written()


def test_results_that_were_deleted_come_back_without_their_work(left_alone):
    """If results in the project of `cadc curate` are deleted, whole or in part, the same command restores them from its
    cache, runs no stage and writes the same bytes."""
    before, artifacts = left_alone.written(), left_alone.work / "artifacts"
    shutil.rmtree(artifacts / "embeddings")
    next((artifacts / "export").rglob("why.parquet")).unlink()
    (artifacts / "pool/rows.parquet").unlink()
    shutil.rmtree(left_alone.out)
    status, said = left_alone.call()
    assert status == 0 and not ran(said), said
    assert left_alone.written() == before
