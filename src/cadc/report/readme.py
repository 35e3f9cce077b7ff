"""Put what is generated into README.md and docs: results, findings, tables, published figures, the gate, the DAG.

python -m cadc.report.readme
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cadc import artifacts
from cadc.config.params import read
from cadc.evaluation.gate import FORMS, JUDGED
from cadc.report import age, methods, results, testbed
from cadc.report.text import NOT_MADE, markdown

README, GRADIENTS = Path("README.md"), artifacts.REPORTS / "benchmarks" / "gradients.md"
_NODE, _EDGE = re.compile(r'\s*(node\d+)\["(.*)"\]'), re.compile(r"\s*(node\d+)-->(node\d+)")


def aged(target: str, path: Path) -> str:
    """The commit of `path` in brackets, where `age.old` has one; else ""."""
    return f" (of commit {commit})" if (commit := age.old(target, path)) else ""


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
            entries.append(f"[{spec['title']}](../{page.as_posix()}){aged(age.table_stage(page), page)}")
        if not any(entry.startswith("[") for entry in entries):
            waiting += [f"**{name}** ({len(entries)})"] if entries else []
        else:
            lines.append(f"- **{name}**: {'; '.join(entries)}")
    lines += [f"- Tables {NOT_MADE}: {', '.join(waiting)}"] if waiting else []
    return "\n".join(lines) + "\n"


def claims(page: Path = results.CLAIMS) -> str:
    """What a table's claims came to, and the table's commit if it was made with older code."""
    return (results.grid(page, "verdict") + age.older({"this table": page})) if page.exists() else f"{NOT_MADE}\n"


def ranking() -> str:
    """`results.results`, and the commit of each table that was made with older code."""
    return results.results() + age.older(results.RANKED)


def findings() -> str:
    """`results.findings`, and the commit of the ablations if they were made with older code than the ranking."""
    return results.findings() + age.older({"what leaving out a part costs": results.CLAIMS})


def gate() -> str:
    """The scores of every world's gate, by the figures that it is judged on; then which conditions each world fails,
    with its commit if it was made with older code."""
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
    old = aged(f"pipelines/testbed/dvc.yaml:gate@{world}", testbed.path_of(world))
    failed = testbed.failed(made[world])
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
        "findings": findings,
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
