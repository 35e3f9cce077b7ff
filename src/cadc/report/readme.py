"""Put the committed leaderboard, ablations, list of tables, gate and DAG into README.md.

python -m cadc.report.readme
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from cadc import artifacts
from cadc.config.params import read
from cadc.evaluation.gate import FORMS, JUDGED
from cadc.report import testbed
from cadc.report.text import NOT_MADE, markdown

README = Path("README.md")
_NODE, _EDGE = re.compile(r'\s*(node\d+)\["(.*)"\]'), re.compile(r"\s*(node\d+)-->(node\d+)")


def leaderboard(path: Path = artifacts.REPORTS / "leaderboard.md") -> str:
    """The first table of reports/leaderboard.md."""
    if not path.exists():
        return f"{NOT_MADE}\n"
    return re.search(r"(?:^\|.*\n)+", path.read_text(), flags=re.MULTILINE)[0]


def capabilities(path: Path = artifacts.REPORTS / "capabilities.md") -> str:
    """What each discovery's partition follows, in words: a point each, as reports/capabilities.md has it."""
    if not path.exists():
        return f"{NOT_MADE}\n"
    found = re.findall(r"^`\w+` finds .*", path.read_text(), flags=re.MULTILINE)
    more = artifacts.REPORTS / "testbed" / "capabilities.md"
    return "\n- ".join([f"Do capabilities exist here? [More of it]({more.as_posix()}).", *found]) + "\n"


@cache
def is_fresh(target: str) -> bool:
    """Whether DVC would run nothing to make `target`: its figures belong to the code and parameters at hand."""
    command = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing", target]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0 and "Running stage" not in done.stdout


def commit_of(path: Path) -> str:
    """The commit that last changed a file, in short; "" where git does not know it."""
    command = ["git", "log", "-1", "--format=%h", "--", str(path)]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def age(target: str, path: Path) -> str:
    """The commit of `path`, in words, where what the stage `target` makes it from has changed since; else ""."""
    return "" if is_fresh(target) else f" (of commit {commit_of(path)})"


def _table_stage(pipeline: str, table: str) -> str:
    return f"pipelines/{pipeline}/dvc.yaml:table_{table}"


def tables() -> str:
    """Every table of every pipeline: a link where it is made, with its commit where what it hangs on has changed.
    Of pipelines that have made none, how many they have."""
    lines, waiting = [], []
    for path in sorted(artifacts.PIPELINES.glob("*/params.json")):
        name, entries = path.parent.name, []
        for slug, spec in read(path).get("tables", {}).items():
            page = artifacts.REPORTS / "tables" / name / f"{slug}.md"
            if not page.exists():
                entries.append(f"{spec['title']} ({NOT_MADE})")
                continue
            entries.append(f"[{spec['title']}]({page.as_posix()}){age(_table_stage(name, slug), page)}")
        if not any(entry.startswith("[") for entry in entries):
            waiting += [f"**{name}** ({len(entries)})"] if entries else []
        else:
            lines.append(f"- **{name}**: {'; '.join(entries)}")
    lines += [f"- Tables {NOT_MADE}: {', '.join(waiting)}"] if waiting else []
    return "\n".join(lines) + "\n"


def ablations(pipeline: str = "ablations", table: str = "against_random_rows_and_without_each_of_its_parts") -> str:
    """What a table's claims came to: the second table of its page, each claim with its commit as `age` says it."""
    page = artifacts.REPORTS / "tables" / pipeline / f"{table}.md"
    if not page.exists():
        return f"{NOT_MADE}\n"
    head, rule, *claims = re.findall(r"(?:^\|.*\n)+", page.read_text(), flags=re.MULTILINE)[1].splitlines()
    old = age(_table_stage(pipeline, table), page)
    dated = [re.sub(r"^\| (.*?) \|", lambda found: f"| {found[1]}{old} |", claim) for claim in claims]
    return "\n".join([head, rule, *dated]) + "\n"


def gate() -> str:
    """The scores of every world's gate, by the figures that it is judged on; then which conditions each world fails,
    with its commit as `age` says it."""
    worlds, made, header, body = testbed.worlds(), testbed.gates(), ["rows"], {}
    for world in (world for world in worlds if world in made):
        head, rows = testbed.gate_table(world)
        header += [f"{world}, {FORMS[name]}" for name in JUDGED]
        for row in rows:
            body.setdefault(row[0], []).extend(row[head.index(FORMS[name])] for name in JUDGED)
    table = markdown(header, [[cell, *figures] for cell, figures in body.items()]) + "\n" if body else ""
    return table + "".join(f"- **{world}**{_verdict(world, made)}\n" for world in worlds)


def _verdict(world: str, made: dict[str, dict]) -> str:
    """What came of the gate of a world, and when."""
    if world not in made:
        return f": {NOT_MADE}"
    old, failed = age(f"pipelines/testbed/dvc.yaml:gate@{world}", testbed.path_of(world)), testbed.failed(made[world])
    if not failed:
        return f"{old}: passed, every condition holds"
    return "\n  - ".join([f"{old}: NOT passed, these conditions fail:", *failed])


def root_only(dag: str) -> str:
    """A DAG as `dvc dag --md` prints it, by the names of the stages and a line for each that others follow from.

    Stages of other dvc.yaml files and the edges to them are left out.
    """
    own: dict[str, str] = {}
    after: dict[str, list[str]] = {}
    for line in dag.splitlines():
        if (node := _NODE.match(line)) and "/" not in node[2]:
            own[node[1]] = node[2]
        elif (edge := _EDGE.match(line)) and {edge[1], edge[2]} <= set(own):
            after.setdefault(own[edge[1]], []).append(own[edge[2]])
    edges = [f"\t{stage} --> {' & '.join(sorted(following))}" for stage, following in sorted(after.items())]
    return "\n".join(["```mermaid", "flowchart TD", *edges, "```"]) + "\n"


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
BLOCKS: dict[str, Callable[[], str]] = {
    "leaderboard": leaderboard,
    "capabilities": capabilities,
    "ablations": ablations,
    "tables": tables,
    "gate": gate,
}


def main() -> None:
    text = README.read_text()
    for name, make in {**BLOCKS, "dag": dag}.items():
        text = with_block(text, name, make())
    artifacts.write_text(README, text)


if __name__ == "__main__":
    main()
