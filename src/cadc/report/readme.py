"""Put what is generated into README.md and docs: results, findings, tables, published figures, the gate, the DAG.

python -m cadc.report.readme
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from cadc import artifacts
from cadc.config.params import read
from cadc.evaluation.gate import FORMS, JUDGED
from cadc.report import methods, results, testbed
from cadc.report.text import NOT_MADE, markdown

README, GRADIENTS = Path("README.md"), artifacts.REPORTS / "benchmarks" / "gradients.md"
_NODE, _EDGE = re.compile(r'\s*(node\d+)\["(.*)"\]'), re.compile(r"\s*(node\d+)-->(node\d+)")


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


def age(target: str, path: Path) -> str:
    """The commit of `path`, in words, where what the stage `target` makes it from has changed since; else ""."""
    return "" if is_fresh(target) else f" (of commit {commit_of(path)})"


def _table_stage(pipeline: str, table: str) -> str:
    return f"pipelines/{pipeline}/dvc.yaml:table_{table}"


def tables() -> str:
    """Every table of every pipeline, for a document in docs/: a link where it is made, with its commit where its inputs
    have changed since. Of pipelines that have made none, how many they have."""
    lines, waiting = [], []
    for path in sorted(artifacts.PIPELINES.glob("*/params.json")):
        name, entries = path.parent.name, []
        for slug, spec in read(path).get("tables", {}).items():
            page = artifacts.REPORTS / "tables" / name / f"{slug}.md"
            if not page.exists():
                entries.append(f"{spec['title']} ({NOT_MADE})")
                continue
            entries.append(f"[{spec['title']}](../{page.as_posix()}){age(_table_stage(name, slug), page)}")
        if not any(entry.startswith("[") for entry in entries):
            waiting += [f"**{name}** ({len(entries)})"] if entries else []
        else:
            lines.append(f"- **{name}**: {'; '.join(entries)}")
    lines += [f"- Tables {NOT_MADE}: {', '.join(waiting)}"] if waiting else []
    return "\n".join(lines) + "\n"


def claims(page: Path = results.CLAIMS) -> str:
    """What a table's claims came to, with the table's commit as `age` says it."""
    if not page.exists():
        return f"{NOT_MADE}\n"
    old = age(_table_stage(page.parent.name, page.stem), page)
    return results.grid(page, "verdict") + (f"\nMade with older code{old}.\n" if old else "")


def ranking() -> str:
    """`results.results`, and below it the commit of each table whose inputs have changed since."""
    stages = {budget: _table_stage(path.parent.name, path.stem) for budget, path in results.RANKED.items()}
    ages = {budget: age(stages[budget], path) for budget, path in results.RANKED.items() if path.exists()}
    old = "; ".join(f"{budget}{said}" for budget, said in ages.items() if said)
    return results.results() + (f"\nMade with older code: {old}.\n" if old else "")


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


#: What is generated, by document and marker. All but the DAG comes from the small results in git.
BLOCKS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {
        "results": ranking,
        "findings": results.findings,
        "real model": results.real_model,
        "methods": methods.overview,
    },
    Path("docs/reproduce.md"): {"published": results.published, "claims": claims, "tables": tables},
    Path("docs/world.md"): {"gate": gate},
    Path("docs/costs.md"): {"costs": partial(results.grid, results.LEADERBOARD, "total / full data")},
    Path("docs/gradient_engine.md"): {"gradients": partial(results.grid, GRADIENTS, "x plain")},
    Path("docs/pipeline.md"): {"dag": dag},
}


def main() -> None:
    for document, blocks in BLOCKS.items():
        text = document.read_text(encoding="utf-8")
        for name, make in blocks.items():
            text = with_block(text, name, make())
        artifacts.write_text(document, text)


if __name__ == "__main__":
    main()
