"""The project folder of `cadc curate`: a small DVC project with one arm, using this repository's stages, parameters and
code.

Each call writes the project again but leaves unchanged files untouched, so DVC skips finished stages and a killed run
resumes. `artifacts/` is never changed, and `dvc.lock` only if a kill left half of it.
"""

from __future__ import annotations

import copy
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from cadc.compose import half_written
from cadc.compose.files import composed
from cadc.compose.rows import base_of
from cadc.compute import console
from cadc.compute.closure import SOURCE
from cadc.config.arms import LEVELS
from cadc.config.errors import InputError
from cadc.selectors.loading import load_selector

_PACKAGE = SOURCE / "cadc"
#: The repository's root, or in an installed package the folder with a copy of the needed files (pyproject.toml).
ROOT = SOURCE.parent if (SOURCE.parent / "dvc.yaml").is_file() else _PACKAGE / "_project"
#: What is copied from it into a project.
_COPIED = ("dvc.yaml", "pipelines/export", "stages", "conf", "models", "towers", "requirements.lock", ".dvcignore")
_LEFT_OUT = {"__pycache__", "_project"}
_MARK = ".cadc"  # marks a project folder as ours; files in any other folder are never overwritten


@contextmanager
def held(work: Path) -> Iterator[int]:
    """Lock a project, so that no other call changes it while stages run.

    Yields a file descriptor; a child process that inherits it keeps the lock if this process is killed. Raises
    InputError if `work` is something else, can't be created, or is locked.
    """
    _claim(work)
    with (work / _MARK).open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{work}: another `cadc curate` is using it, or its stages still run after a kill; wait for them, or "
                "give another folder as --work"
            ) from None
        for line in half_written.mend(work):
            console.line(line)
        yield file.fileno()


def _claim(work: Path) -> None:
    """Mark a folder as our project. Raises InputError if it is something else."""
    try:
        if work.exists() and any(work.iterdir()) and not (work / _MARK).is_file():
            raise InputError(f"{work}: holds other files; give another folder as --work")
        _write(work / _MARK, b"The project of `cadc curate`: what it copies here is overwritten by the next call.\n")
    except OSError as error:
        raise InputError(f"--work {work}: can't be created ({error.strerror}); give another folder") from None


def lay_out(work: Path, params: dict[str, Any]) -> None:
    """Make `work` a DVC project with these parameters. Raises InputError if `work` is something else."""
    _claim(work)
    _write(work / ".gitignore", b"*\n")  # hide the project from a surrounding repository
    for name in _COPIED:
        _mirror(ROOT / name, work / name)
    _mirror(_PACKAGE, work / "src/cadc")
    if not (work / ".dvc").is_dir():
        begin = [sys.executable, "-m", "dvc", "init", "-q", "--no-scm"]
        if (made := subprocess.run(begin, cwd=work, capture_output=True, text=True)).returncode:
            raise InputError(f"{work}: DVC can't begin a project here ({' '.join(made.stderr.split())})")
    _write(work / ".dvc/config", b"[core]\n    analytics = false\n    check_update = false\n    no_scm = true\n"
           b"[cache]\n    type = hardlink,symlink,copy\n")  # fmt: skip
    _write(work / "params.yaml", OmegaConf.to_yaml(OmegaConf.create(params)).encode())


def _mirror(source: Path, to: Path) -> None:
    """Make `to` a copy of `source`, writing only what differs."""
    if source.is_file():
        _write(to, source.read_bytes())
        return
    wanted = _files(source)
    for name in _files(to) - wanted:
        (to / name).unlink()
    for name in wanted:
        _write(to / name, (source / name).read_bytes())


def _files(folder: Path) -> set[Path]:
    """The files below a folder, relative to it; empty if it doesn't exist."""
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not _LEFT_OUT.intersection(name.parts)}


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def params_of(method: str, budget: float, seed: int, overrides: list[str]) -> dict[str, Any]:
    """All parameters, with `method` as the only arm and only the variants that it depends on.

    overrides: in Hydra's grammar. Raises InputError if there is no such method, and as `composed` does.
    """
    library = OmegaConf.to_container(composed(overrides, ROOT / "conf", "library"))
    base = base_of(library, method, {}, "--method")
    selector, _ = load_selector(base.arm["method"], base.arm["select"], "--method")
    rows = "adapters" if hasattr(selector, "plan") else "selections"
    params = OmegaConf.to_container(composed(overrides, ROOT / "conf"))
    for level in LEVELS:
        names = [base.chain[level]] if level in base.chain else []
        params[level] = {name: copy.deepcopy(library[level][name]) for name in names}
    budget = 1.0 if method == "full" else budget
    params["arms"] = {method: base.arm | {"rows": rows, "budget": budget, "seeds": [seed]}}
    return params
