"""Put the committed leaderboard, list of tables, gate, gradient benchmark and DAG into README.md.

python -m cadc.report.readme
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from cadc import artifacts
from cadc.config.params import read
from cadc.report import testbed
from cadc.report.text import NOT_MADE, markdown

README = Path("README.md")
_NODE, _EDGE = re.compile(r'\s*(node\d+)\["(.*)"\]'), re.compile(r"\s*(node\d+)-->(node\d+)")


def leaderboard(path: Path = artifacts.REPORTS / "leaderboard.md") -> str:
    """The first table of reports/leaderboard.md."""
    if not path.exists():
        return f"{NOT_MADE}\n"
    return re.search(r"(?:^\|.*\n)+", path.read_text(), flags=re.MULTILINE)[0]


def tables() -> str:
    """Every table of every pipeline: a link where it is made."""
    lines = []
    for path in sorted(artifacts.PIPELINES.glob("*/params.json")):
        name, entries = path.parent.name, []
        for slug, spec in read(path).get("tables", {}).items():
            page = artifacts.REPORTS / "tables" / name / f"{slug}.md"
            made = page.exists()
            entries.append(f"[{spec['title']}]({page.as_posix()})" if made else f"{spec['title']} ({NOT_MADE})")
        if entries:
            lines.append(f"- **{name}**: {'; '.join(entries)}")
    return "\n".join(lines) + "\n"


def gate() -> str:
    """The gate's scores."""
    made = (testbed.FOLDER / "gate.json").exists()
    return markdown(*testbed.gate_table()) if made else f"{NOT_MADE}\n"


def benchmark(path: Path = artifacts.REPORTS / "benchmarks" / "gradients.md") -> str:
    """The first section of a benchmark's report: its caption and its table."""
    return path.read_text().split("\n## ")[1] + "\n"


def root_only(dag: str) -> str:
    """A DAG as `dvc dag --md` prints it, without the stages of other dvc.yaml files and the edges to them.

    Nodes are numbered anew: a pipeline that is added changes nothing here.
    """
    lines, own = [], {}
    for line in dag.strip().splitlines():
        if node := _NODE.match(line):
            if "/" not in node[2]:
                own[node[1]] = f"node{len(own) + 1}"
                lines.append(f'\t{own[node[1]]}["{node[2]}"]')
        elif edge := _EDGE.match(line):
            if {edge[1], edge[2]} <= set(own):
                lines.append(f"\t{own[edge[1]]}-->{own[edge[2]]}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def dag() -> str:
    """The root pipeline's DAG as a Mermaid chart."""
    command = [sys.executable, "-m", "dvc", "dag", "--collapse-foreach-matrix", "--md"]
    return root_only(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def block(text: str, name: str) -> str:
    """What stands between the markers of `name`."""
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, flags=re.DOTALL)[1]


def with_block(text: str, name: str, content: str) -> str:
    """`text` with `content` between the markers of `name`."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda found: found[1] + content + found[2], text, flags=re.DOTALL
    )


#: What the small results in git say, by marker; the DAG is not among them, for it takes DVC seconds.
BLOCKS = {"leaderboard": leaderboard, "tables": tables, "gate": gate, "gradients": benchmark}


def main() -> None:
    text = README.read_text()
    for name, make in {**BLOCKS, "dag": dag}.items():
        text = with_block(text, name, make())
    README.write_text(text)


if __name__ == "__main__":
    main()
