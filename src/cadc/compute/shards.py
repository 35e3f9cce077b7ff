"""Work in shards: each is computed once and renamed into place when complete, so a killed stage resumes.

A shard is complete if all files in the list next to it (`NAME.whole`) exist with the sizes given there.

The machine decides who computes them (`launch.py`), never params: shards are cut by params only and are independent, so
neither the launcher nor the number of workers can change a byte.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cadc import ISA, artifacts
from cadc.compute import console, launch, locks, watch
from cadc.compute.closure import SOURCE, closure
from cadc.config.errors import InputError

Task = Callable[[Any, Path], None]
_made: dict[tuple[str, Path], Task] = {}  # this process's task, for the stage it works on


def digest(*parts) -> str:
    """A short digest of a stage's inputs: JSON values by content, files and folders by their bytes.

    Under torchrun, only the first rank reads them and broadcasts the digest, so that not all ranks read the weights.
    """
    return launch.from_first(lambda: _digest(*parts))


def _digest(*parts) -> str:
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, Path):
            for path in sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]:
                h.update(str(path.relative_to(part)).encode())  # without its location
                with path.open("rb") as file:
                    h.update(hashlib.file_digest(file, "blake2b").digest())
        else:
            h.update(json.dumps(part, sort_keys=True, default=str).encode())
    return h.hexdigest()


def code_of(make: Callable) -> list[Path]:
    """The code that `make`'s shards depend on: the closure of its file, and requirements.lock. Shards made by other
    code are not reused."""
    lock = SOURCE.parent / "requirements.lock"
    return [*closure(Path(inspect.getsourcefile(make))), *([lock] if lock.exists() else [])]


def _instructions() -> dict[str, str | None]:
    """The instruction set that each library is told to use: with another one, a shard has other bytes."""
    return {name: os.environ.get(name) for name in ISA}


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f"{folder.name}.{kind}")


def _partial(folder: Path) -> Path:
    """This process's temporary folder. Files that tasks keep next to it have `folder`'s name and their own suffix."""
    return _beside(folder, f"partial-{os.getpid()}")


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def is_whole(folder: Path) -> bool:
    """Whether a shard is complete."""
    listed = _beside(folder, "whole")
    return folder.is_dir() and listed.is_file() and artifacts.read_json(listed) == _sizes(folder)


def _put(partial: Path, folder: Path) -> None:
    """Rename a shard into place, where nothing else has become whole meanwhile: on a file system without locks two
    processes may have worked on it."""
    if is_whole(folder):
        shutil.rmtree(partial)
        return
    shutil.rmtree(folder, ignore_errors=True)
    artifacts.write_json(_beside(folder, "whole"), _sizes(partial))
    try:
        partial.rename(folder)
    except OSError:
        if not is_whole(folder):
            raise
        shutil.rmtree(partial)


def drop(folder: Path) -> None:
    """Delete a kept shard."""
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("whole", "lock"):
        _beside(folder, kind).unlink(missing_ok=True)


@dataclass(frozen=True)
class Shards:
    """The work: `make()(key, folder)` for each key. Picklable if `make` and `group` are.

    group: maps a key to its group; keys of a group share work, so one process of this machine computes them all.
    """

    make: Callable[[], Task]
    root: Path
    folders: dict[Any, Path]
    group: Callable[[object], int] | None = None

    @property
    def alive(self) -> Path:
        """The file with which ranks show each other signs of life."""
        return self.root / "alive"

    def todo(self) -> list:
        """The keys of incomplete shards, in order."""
        return [key for key, folder in self.folders.items() if not is_whole(folder)]

    def compute(self, key: object) -> None:
        """Compute one shard into a temporary folder, then rename it into place; nothing if it is there already, or
        another process makes it meanwhile.

        Of processes that work on it together the first one sees to the folders; its task must leave all writing to
        that one.
        """
        folder = self.folders[key]
        if is_whole(folder):
            return
        if launch.team()[0] > 0:
            self._work(key, folder, _partial(folder))
            return
        with locks.alone(_beside(folder, "lock"), str(folder)) as held:
            if is_whole(folder):
                return
            left = folder.parent.glob(f"{folder.name}.partial-*") if held else ()  # by processes that were killed
            for other in left:
                shutil.rmtree(other, ignore_errors=True)
            partial = _partial(folder)
            partial.mkdir(parents=True)
            self._work(key, folder, partial)
            _put(partial, folder)

    def _work(self, key: object, folder: Path, partial: Path) -> None:
        made = (self.make.__qualname__, self.root)
        if made not in _made:
            _made.clear()
        with watch.over(str(folder), tells=self.alive if launch.is_rank() else None):
            if made not in _made:
                _made[made] = self.make()
            _made[made](key, partial)

    def run(self, rank: int, world: int, label: str = "") -> None:
        """Compute every `world`-th shard that is missing, starting at the `rank`-th."""
        for key in console.track(list(self.folders)[rank::world], label):
            self.compute(key)


def run(
    make: Callable[[], Task], keys: list, stage: str, inputs: list, label: str, together: bool = False
) -> dict[Any, Path]:
    """Compute `make()(key, folder)` once per key, with the launcher of `launch.py`, skipping complete shards.

    `make` loads what all shards need (a model, the pool); every process calls it once, before its first shard.
    `inputs` (values and paths) and the instruction set name the scratch folder, so shards made from others are not
    reused. Returns each key's folder. With `together`, all ranks of `accelerate launch` work on each shard in turn. An
    error in a shard stops the stage with that error; complete shards are kept. Raises InputError if another process
    works on the same stage.
    """
    root = artifacts.SCRATCH / stage / digest(*inputs, _instructions(), *code_of(make))
    shards = Shards(make, root, {key: root / (key if isinstance(key, str) else f"{key:05d}") for key in keys})
    if launch.rank() == 0:
        locks.hold(artifacts.SCRATCH / f"{stage}.lock", f"{stage}, whose parts are in {artifacts.SCRATCH / stage},")
        for stale in (artifacts.SCRATCH / stage).glob("*"):
            if stale != root:
                shutil.rmtree(stale)
        root.mkdir(parents=True, exist_ok=True)
        artifacts.write_json(
            root / "manifest.json", {"stage": stage, "shards": [folder.name for folder in shards.folders.values()]}
        )
        if len(shards.todo()) < len(keys):
            console.line(f"{stage}: {len(keys) - len(shards.todo())} of {len(keys)} parts are already done")
    launch.launch(shards, label, together)
    return shards.folders


def kept(make: Callable[[], Task], inputs_of: dict[object, list], stage: str) -> Shards:
    """Shards that are kept and identified by their own inputs and the instruction set, so that equal work is never
    repeated.

    So a seed added to an arm is trained without repeating the others, and two arms with an identical run share it.
    `make clean` deletes them.
    """
    code, root = digest(_instructions(), *code_of(make)), artifacts.SCRATCH / stage
    return Shards(make, root, {key: root / digest(*inputs, code) for key, inputs in inputs_of.items()})


def run_kept(
    make: Callable[[], Task],
    inputs_of: dict[object, list],
    stage: str,
    label: str,
    together: bool = False,
    here: bool = False,
    group: Callable[[object], int] | None = None,
) -> dict[Any, Path]:
    """Like `run`, for shards that are `kept`. `here`: in processes of this machine, for rounds after the first, because
    torchrun's ranks have exited by then. `group`: see `Shards`."""
    shards = replace(kept(make, inputs_of, stage), group=group)
    shards.root.mkdir(parents=True, exist_ok=True)
    if launch.rank() == 0 and len(shards.todo()) < len(inputs_of):
        console.line(f"{stage}: {len(inputs_of) - len(shards.todo())} of {len(inputs_of)} parts are already done")
    launch.here(shards, label) if here else launch.launch(shards, label, together)
    return shards.folders


def link(folder: Path, to: Path) -> None:
    """Copy a kept shard with hard links, which take no disk space."""
    shutil.copytree(folder, to, copy_function=os.link, dirs_exist_ok=True)


def reserve(part: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Create an .npy file of zeros with its disk space allocated, because writing to a memory map on a full disk kills
    the process (SIGBUS) without a message. Raises OSError if the disk is full."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with part.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        size = file.tell() + np.dtype(dtype).itemsize * math.prod(shape)
        file.flush()
        os.posix_fallocate(file.fileno(), 0, size) if hasattr(os, "posix_fallocate") else file.truncate(size)


def join(folders: dict[Any, Path], name: str, path: Path, n_rows: int, axis: int = 0) -> None:
    """Join every shard's array `name` into one memory-mapped array `path`, in shard order, `n_rows` long on `axis`."""
    parts = [artifacts.load_array(folder / name) for folder in folders.values()]
    shape = (*parts[0].shape[:axis], n_rows, *parts[0].shape[axis + 1 :])
    if (held := sum(one.shape[axis] for one in parts)) != n_rows:
        raise InputError(
            f"{path}: the shards hold {held} rows instead of {n_rows}; remove {artifacts.SCRATCH} and run again"
        )
    with artifacts.whole(path) as part:
        reserve(part, parts[0].dtype, shape)
        out, start = np.load(part, mmap_mode="r+"), 0
        for one in parts:
            stop = start + one.shape[axis]
            out[(slice(None),) * axis + (slice(start, stop),)] = one
            start = stop
        out.flush()


def forget(stage: str) -> None:
    """Delete a stage's shards after its outputs are written."""
    shutil.rmtree(artifacts.SCRATCH / stage, ignore_errors=True)
    locks.release(artifacts.SCRATCH / f"{stage}.lock")
