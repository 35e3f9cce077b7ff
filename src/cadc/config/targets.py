"""What `capture.targets` names: benchmarks, by their tasks, and files of rows."""

from __future__ import annotations

from pathlib import Path

_FILES = (".json", ".jsonl", ".ndjson", ".jsonlines", ".parquet")


def is_file(target: str) -> bool:
    """Whether a target is a file of rows, and no benchmark."""
    return target.lower().endswith(_FILES)


def target_name(target: str) -> str:
    """What a target is called in artifacts: a benchmark as it is, a file without its folder and ending."""
    return Path(target).stem if is_file(target) else target
