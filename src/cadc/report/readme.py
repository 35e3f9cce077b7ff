"""Put the committed leaderboard, gate, gradient benchmark and DAG into README.md: `python -m cadc.report.readme`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from cadc import artifacts
from cadc.report import testbed
from cadc.report.leaderboard import REPORTS, markdown
from cadc.report.tables import Study, tabulated

README = Path("README.md")


def leaderboard() -> str:
    """Every method's table, as `make leaderboard` last made it."""
    study = Study.model_validate(yaml.safe_load(Path("studies/methods.yaml").read_text()))
    return tabulated(study.tables[0], artifacts.read_json(REPORTS / "methods.json"))


def benchmark(path: Path = REPORTS / "benchmarks" / "gradients.md") -> str:
    """The first section of a benchmark's report: its caption and its table."""
    return path.read_text().split("\n## ")[1] + "\n"


def block(text: str, name: str) -> str:
    """What stands between the markers of `name`."""
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, flags=re.DOTALL)[1]


def with_block(text: str, name: str, content: str) -> str:
    """`text` with `content` between the markers of `name`."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda found: found[1] + content + found[2], text, flags=re.DOTALL
    )


def main() -> None:
    dag = subprocess.run(
        ["dvc", "dag", "--collapse-foreach-matrix", "--md"], capture_output=True, text=True, check=True
    ).stdout
    text = README.read_text()
    blocks = {
        "dag": dag.strip() + "\n",
        "leaderboard": leaderboard(),
        "gate": markdown(*testbed.gate_table()),
        "gradients": benchmark(),
    }
    for name, content in blocks.items():
        text = with_block(text, name, content)
    README.write_text(text)


if __name__ == "__main__":
    main()
