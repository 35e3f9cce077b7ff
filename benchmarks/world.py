"""Measure how many rows per second the mini world's pool is made on one core: `python benchmarks/world.py`."""

import tempfile
import time
from pathlib import Path

import numpy as np

from cadc.config.params import load_params
from cadc.data.reader import read_pool
from cadc.world.mini_world import write_pool


def main() -> None:
    world = load_params().world
    with tempfile.TemporaryDirectory() as folder:
        marks = [time.process_time()]
        write_pool(Path(folder), world, np.random.default_rng(world.seed))
        marks.append(time.process_time())
        read_pool(Path(folder) / "pool.json", Path(folder) / "images")
        marks.append(time.process_time())
    for what, seconds in zip(("made and written", "read and checked"), np.diff(marks), strict=True):
        print(f"{world.rows} rows {what}: {seconds:.1f} CPU seconds, {world.rows / seconds:,.0f} rows/s")


if __name__ == "__main__":
    main()
