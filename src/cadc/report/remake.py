"""Rebuild every table and plot from the small results in git: `python -m cadc.report.remake` (`make tables`).

This trains nothing and needs no cache. Tables with missing results are skipped and named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cadc.compose.studies import read_by
from cadc.compute import console
from cadc.report.leaderboard import spec_of
from cadc.report.stated import Stated
from cadc.report.text import NOT_MADE


def targets() -> tuple[list[str], list[str]]:
    """DVC targets of the tables that have all their results, and the tables that lack some."""
    ready, missing, stated = [], [], Stated()
    tables = {("", "report"): spec_of(stated)}
    tables |= {(name, table): spec for name, own in stated.pipelines.items() for table, spec in own["tables"].items()}
    for (name, table), spec in tables.items():
        if all(Path(read).exists() for read in read_by(name, spec)):
            ready.append(f"pipelines/{name}/dvc.yaml:table_{table}" if name else table)
        else:
            missing.append(f"{name}/{table}" if name else table)
    return ready, missing


def main() -> None:
    ready, missing = targets()
    if missing:
        console.line(f"{NOT_MADE}: {', '.join(missing)}")
    if not ready:
        return
    raise SystemExit(subprocess.run([sys.executable, "-m", "dvc", "repro", "-s", "-f", *ready]).returncode)


if __name__ == "__main__":
    main()
