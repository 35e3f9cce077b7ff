"""Work in shards: each is computed once, written whole and renamed into place, so a killed stage goes on where it was.

The launcher is chosen by the machine (`CADC_WORKERS`, else one process a core), never by params: shards are cut by
params alone, so their number of workers can't change a byte.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from cadc import artifacts, console


def n_workers() -> int:
    """Worker processes: CADC_WORKERS, else one a core this process may use."""
    return max(1, int(os.environ.get("CADC_WORKERS") or len(os.sched_getaffinity(0))))


def digest(*parts) -> str:
    """A short name for what goes into a stage: JSON values by content, files and folders by their bytes."""
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, Path):
            for path in sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]:
                h.update(str(path).encode())
                with path.open("rb") as file:
                    h.update(hashlib.file_digest(file, "blake2b").digest())
        else:
            h.update(json.dumps(part, sort_keys=True, default=str).encode())
    return h.hexdigest()


def source_digest() -> list[Path]:
    """The package's own source: shards made by other code are not taken up."""
    return sorted(Path(__file__).parent.rglob("*.py"))


def _run(task: Callable[[object, Path], None], key: object, folder: Path) -> None:
    """Compute one shard into a temporary folder, then rename it into place."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    task(key, partial)
    partial.rename(folder)


def run(task: Callable[[object, Path], None], keys: list, stage: str, inputs: list, label: str) -> dict[object, Path]:
    """Run `task(key, folder)` once per key, in worker processes, skipping shards already whole.

    `inputs` (values and paths) name the scratch folder: shards made from other inputs are not taken up. `task` must be
    picklable. Returns each key's folder. An error in a shard stops the stage with that error; whole shards are kept.
    """
    root = artifacts.SCRATCH / stage / digest(*inputs, *source_digest())
    for stale in (artifacts.SCRATCH / stage).glob("*"):
        if stale != root:
            shutil.rmtree(stale)
    root.mkdir(parents=True, exist_ok=True)
    folders = {key: root / (key if isinstance(key, str) else f"{key:05d}") for key in keys}
    todo = [key for key in keys if not folders[key].exists()]
    if len(todo) < len(keys):
        console.line(f"{stage}: {len(keys) - len(todo)} of {len(keys)} parts are there already")
    workers = min(n_workers(), len(todo))
    if workers > 1 and len(todo) < 2 * workers:
        workers = len(todo)  # three long parts on two cores: side by side, not two and then one beside an idle core
    if workers <= 1:
        for key in console.track(todo, label):
            _run(task, key, folders[key])
        return folders
    sys.stdout.flush()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(_start_method()), initializer=_quiet) as pool:
        jobs = [pool.submit(_run, task, key, folders[key]) for key in todo]
        try:
            for job in console.track(as_completed(jobs), label, total=len(jobs)):
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return folders


def _start_method() -> str:
    """`fork` saves every worker its imports (seconds of torch and transformers); CUDA does not survive it."""
    torch = sys.modules.get("torch")
    return "spawn" if torch is not None and torch.cuda.is_available() else "fork"


def _quiet() -> None:
    console.mute()


def forget(stage: str) -> None:
    """Drop a stage's shards once its outputs are written."""
    shutil.rmtree(artifacts.SCRATCH / stage, ignore_errors=True)
