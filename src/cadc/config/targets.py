"""Targets in `capture.targets`: benchmarks, by their tasks, and files of rows."""

from __future__ import annotations

from pathlib import Path

_FILES = (".json", ".jsonl", ".ndjson", ".jsonlines", ".parquet")


def is_file(target: str) -> bool:
    """Whether a target is a file of rows rather than a benchmark."""
    return target.lower().endswith(_FILES)


def target_name(target: str) -> str:
    """A target's name in artifacts: a benchmark's name unchanged, a file's name without folder and extension."""
    return Path(target).stem if is_file(target) else target
