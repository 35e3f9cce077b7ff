"""Lanes: clones in which the variants of a study are made, one after the other, sharing this repository's cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from cadc import artifacts
from cadc.compute.endpoint import cache_folder
from cadc.evaluation.statistics import Samples, group_means, measure

LANES = Path(".study")
Figures = dict[str, dict[str, dict[str, float]]]  # budget -> seed -> figure, in percent


def git(*command: str, at: Path = Path()) -> str:
    return subprocess.run(["git", *command], cwd=at, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Cell:
    """One variant, whole: its method and all its parameters at one commit."""

    method: str
    params: dict
    commit: str


class Lane:
    """A clone in which one variant after the other is made; locked, for what a killed study left running still writes there."""

    def __init__(self, folder: Path):
        self.folder = folder
        LANES.mkdir(exist_ok=True)
        self._lock = folder.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"{folder}: another study, or a variant that a killed one left running, is at work there; wait for it or stop it"
            ) from None
        if not (folder / ".git").is_dir():
            git("clone", "-q", ".", str(folder))
        (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {Path('.dvc/cache').resolve()}\n")

    def check_out(self, cell: Cell) -> None:
        git("fetch", "-q", "origin", cell.commit, at=self.folder)
        git("reset", "-q", "--hard", cell.commit, at=self.folder)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(cell.params, sort_keys=False))

    def fingerprint(self, cell: Cell) -> str:
        """What a variant's figures depend on, as DVC sees it: the code and parameters of every stage that leads to them.

        Figures made with others are not taken up.
        """
        self.check_out(cell)
        target = f"{self.folder.resolve() / 'dvc.yaml'}:evaluate@{cell.method}"
        stages = [stage for stage in Repo(str(self.folder)).stage.collect(target, with_deps=True) if not stage.frozen]
        made = {out.def_path for stage in stages for out in stage.outs}
        code, values = set(), {}
        for stage in stages:
            for dep in stage.deps:
                if isinstance(dep, ParamsDependency):
                    values |= dep.read_params()
                elif not any(dep.def_path == path or dep.def_path.startswith(f"{path}/") for path in made):
                    code.add(dep.def_path)
        sources = {path: self._of_git(path) for path in sorted(code)}
        commands = sorted(stage.cmd for stage in stages)
        return hashlib.blake2b(
            json.dumps([commands, values, sources], sort_keys=True).encode(), digest_size=8
        ).hexdigest()

    def _of_git(self, path: str) -> str:
        """The hash of a file or folder at the lane's commit. Raises ValueError naming one that git does not have."""
        try:
            return git("rev-parse", f"HEAD:{path}", at=self.folder).strip()
        except subprocess.CalledProcessError:
            raise ValueError(
                f"{path} is not in git, and a study's clones have nothing else; run variants that read it by `dvc exp run --queue -S ...`"
            ) from None

    def _run(self, *command: str) -> str:
        own = {"PYTHONPATH": str((self.folder / "src").resolve()), "CADC_WORKERS": "1", "CADC_GPU": self.folder.name}
        env = os.environ | own | {"CADC_ENDPOINT_CACHE": str(cache_folder().resolve())}
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, pass_fds=[self._lock.fileno()]
        )
        if done.returncode:
            raise RuntimeError((done.stdout + done.stderr)[-1500:])
        return done.stdout

    def costs(self, cell: Cell) -> dict[str, list[float]]:
        """Operations of the variant's selection and of one fine-tuning, by budget; after `figures`, in the same lane."""
        return json.loads(self._run(sys.executable, "-m", "cadc.report.costs", cell.method).splitlines()[-1])

    def figures(self, cell: Cell) -> Figures:
        """Every figure of one variant. Raises RuntimeError with the end of DVC's output where it fails."""
        self.check_out(cell)
        self._run("dvc", "repro", f"evaluate@{cell.method}")
        table = pq.read_table(self.folder / artifacts.RESULTS / cell.method / "samples.parquet")
        out: Figures = {}
        for budget, seed in sorted(set(zip(table["budget"].to_pylist(), table["seed"].to_pylist(), strict=True))):
            mask = pc.and_(pc.equal(table["budget"], budget), pc.equal(table["seed"], seed))
            samples = Samples.of_table(table.filter(mask))
            out.setdefault(budget, {})[f"s{seed}"] = measure(samples) | by_meta_task(samples)
        return out


def by_meta_task(samples: Samples) -> dict[str, float]:
    """Score of every `BENCHMARK/META-TASK`, in percent: accuracy, in LLaVA-Wild points over the reference's. POPE's three splits are one."""
    benchmark = np.where(np.char.startswith(samples.task, "pope"), "pope", samples.task)
    meta = np.where(benchmark == "pope", "pope", np.where(benchmark == "llava_in_the_wild", "wild", samples.meta_task))
    names = np.char.add(np.char.add(benchmark, "/"), meta)
    return {name: 100 * mean for name, mean in group_means(samples.score / samples.scale, names, samples.scale).items()}
