"""The project folder in which `cadc curate` works: a small DVC project of one arm, with the very stages, parameters and
code of this repository.

It is laid out anew at every call, and what is not changed is not touched: so DVC knows what was made already, and a
killed run goes on. `artifacts/` and `dvc.lock` are left as they are.
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

from cadc.compose.files import composed
from cadc.compose.rows import base_of
from cadc.compute.closure import SOURCE
from cadc.config.arms import LEVELS
from cadc.config.errors import InputError
from cadc.selectors.loading import load_selector

_PACKAGE = SOURCE / "cadc"
#: The repository's root; of an installed package the folder that holds a copy of what is needed of it (pyproject.toml).
ROOT = SOURCE.parent if (SOURCE.parent / "dvc.yaml").is_file() else _PACKAGE / "_project"
#: What of it a project holds.
_COPIED = ("dvc.yaml", "pipelines/export", "stages", "conf", "models", "towers", "requirements.lock", ".dvcignore")
_LEFT_OUT = {"__pycache__", "_project"}
_MARK = ".cadc"  # a file by which a project of ours is known: in no other is anything overwritten


@contextmanager
def held(work: Path) -> Iterator[int]:
    """Hold a project, for what one call lays out no other may change while stages run.

    Yields a file descriptor: a process that inherits it goes on holding the project where this one is killed. Raises
    InputError where `work` is something else, can't be made, or is held.
    """
    _claim(work)
    with (work / _MARK).open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{work}: another `cadc curate` works in it, or its stages go on after a kill; wait for them, or give "
                "another folder as --work"
            ) from None
        yield file.fileno()


def _claim(work: Path) -> None:
    """Mark a folder as a project of ours. Raises InputError where it is something else."""
    try:
        if work.exists() and any(work.iterdir()) and not (work / _MARK).is_file():
            raise InputError(f"{work}: holds something else; give another folder as --work")
        _write(work / _MARK, b"The project of `cadc curate`: what it copies here is overwritten by the next call.\n")
    except OSError as error:
        raise InputError(f"--work {work}: no folder can be made of it ({error.strerror}); give another") from None


def lay_out(work: Path, params: dict[str, Any]) -> None:
    """Make `work` a DVC project with these parameters. Raises InputError where `work` is something else."""
    _claim(work)
    _write(work / ".gitignore", b"*\n")  # a project inside somebody's repository is no part of it
    for name in _COPIED:
        _mirror(ROOT / name, work / name)
    _mirror(_PACKAGE, work / "src/cadc")
    if not (work / ".dvc").is_dir():
        subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=work, check=True)
    _write(work / ".dvc/config", b"[core]\n    analytics = false\n    check_update = false\n    no_scm = true\n"
           b"[cache]\n    type = hardlink,symlink,copy\n")  # fmt: skip
    _write(work / "params.yaml", OmegaConf.to_yaml(OmegaConf.create(params)).encode())


def _mirror(source: Path, to: Path) -> None:
    """Make `to` what `source` is, and write what differs alone."""
    if source.is_file():
        _write(to, source.read_bytes())
        return
    wanted = _files(source)
    for name in _files(to) - wanted:
        (to / name).unlink()
    for name in wanted:
        _write(to / name, (source / name).read_bytes())


def _files(folder: Path) -> set[Path]:
    """The files below a folder, which need not be there, relative to it."""
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not _LEFT_OUT.intersection(name.parts)}


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def params_of(method: str, budget: float, seed: int, overrides: list[str]) -> dict[str, Any]:
    """All parameters, with `method` as the one arm and just the variants that it is made from.

    overrides: in Hydra's grammar. Raises InputError where there is no such method, and as `composed` does.
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
