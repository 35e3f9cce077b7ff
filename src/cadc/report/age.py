"""Whether a committed result belongs to the code and parameters at hand; if not, its commit. DVC and git say it."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def is_fresh(target: str) -> bool:
    """Whether DVC would run nothing to make `target`: its figures belong to the code and parameters at hand."""
    command = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing", target]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0 and "Running stage" not in done.stdout


def commit_of(path: Path) -> str:
    """The commit that last changed a file, its first 8 digits; "" where git does not know it. Git's own abbreviation
    (%h) is longer in a clone with more objects, so the same commit would read differently from clone to clone."""
    command = ["git", "log", "-1", "--format=%H", "--", str(path)]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()[:8]


def table_stage(page: Path) -> str:
    """The stage that makes a table of a study: reports/tables/PIPELINE/TABLE.md."""
    return f"pipelines/{page.parent.name}/dvc.yaml:table_{page.stem}"


def old(target: str, path: Path) -> str:
    """The commit of `path`, where what the stage `target` makes it from has changed since; else ""."""
    return "" if is_fresh(target) else commit_of(path)


def older(pages: dict[str, Path]) -> str:
    """A line on the tables of a study that were made with older code, by what they are called; else ""."""
    commits = {name: old(table_stage(page), page) for name, page in pages.items() if page.exists()}
    told = [f"{name} at commit {commit}" for name, commit in commits.items() if commit]
    return f"\nThe code has changed since these results were made: {', '.join(told)}.\n" if told else ""
