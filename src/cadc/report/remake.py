"""Every table and figure again from the small results in git: `python -m cadc.report.remake` (`make tables`).

No arm is trained and no cache is needed. Tables whose arms are not made yet are left out, and said so.
"""

from __future__ import annotations

import subprocess
import sys

from cadc import artifacts
from cadc.compute import console
from cadc.config.params import read


def targets() -> tuple[list[str], list[str]]:
    """What can be made: DVC targets of tables whose arms' results are there; and the tables whose arms are not."""
    ready, missing = ["report"], []
    for path in sorted(artifacts.PIPELINES.glob("*/params.json")):
        name = path.parent.name
        for table, spec in read(path)["tables"].items():
            arms = {*(row["arm"] for row in spec["rows"]), *([spec["full"]] if spec["full"] else [])}
            whole = all((artifacts.ARMS / arm / "samples.parquet").exists() for arm in arms)
            (ready if whole else missing).append(
                f"{path.with_name('dvc.yaml')}:table_{table}" if whole else f"{name}/{table}"
            )
    return ready, missing


def main() -> None:
    ready, missing = targets()
    if missing:
        console.line(f"not made yet: {', '.join(missing)}")
    raise SystemExit(subprocess.run([sys.executable, "-m", "dvc", "repro", "-s", "-f", *ready]).returncode)


if __name__ == "__main__":
    main()
