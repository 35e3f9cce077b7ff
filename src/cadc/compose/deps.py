"""Write the code dependencies of stages (their imports) into the dvc.yaml files that are edited by hand: `make deps`.

Comments and other lines are kept. The pipelines of conf/studies are generated from dvc.yaml (`python -m cadc.compose`).
"""

from __future__ import annotations

import re
from pathlib import Path

from cadc import artifacts
from cadc.compute.closure import SOURCE, stage_code

#: Non-Python files that stages read -> the module that reads them.
READ = {
    "src/cadc/evaluation/tasks": "src/cadc/evaluation/benchmarks.py",
    "src/cadc/features/skills.txt": "src/cadc/features/skills.py",
    "src/cadc/report/page/assets": "src/cadc/report/page/document.py",
}
_SELECTORS = "src/cadc/selectors"
_DEP = re.compile(r"^ *- (src/|stages/|requirements\.lock)")


def code_of(script: Path, foreach: bool) -> list[str]:
    """The code dependencies of the stage that runs `script`: sorted paths relative to the repository root.

    foreach: whether the stage runs once per variant. If it does not and loads selectors by name, it depends on all of
    them.
    """
    code = stage_code(script)
    if not foreach and any("${item.method}" in name for name in code):
        code = sorted({_SELECTORS if name.startswith(f"{_SELECTORS}/") else name for name in code})
    return code + [read for read, reader in READ.items() if reader in code]


def rewritten(text: str, root: Path) -> str:
    """A dvc.yaml with the code dependencies that its stages' imports require. root: the repository."""
    lines, out, script, listing, foreach = text.splitlines(), [], None, False, False
    for line in lines:
        foreach = line.strip() == "do:" or (foreach and not re.match(r"^  \w", line))
        if found := re.search(r"^ *cmd: .*?(stages/\w+\.py)", line):
            script = root / found[1]
        if listing and _DEP.match(line):
            continue
        listing = bool(script) and line.strip() == "deps:"
        out.append(line)
        if listing:
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            out += [f"{indent}- {dep}" for dep in code_of(script, foreach)]
    return "\n".join(out) + "\n"


def main() -> None:
    root = SOURCE.parent
    own = (path for path in root.glob("pipelines/*/dvc.yaml") if not path.with_name("params.json").exists())
    for path in [root / "dvc.yaml", *sorted(own)]:
        artifacts.write_text(path, rewritten(path.read_text(encoding="utf-8"), root))


if __name__ == "__main__":
    main()
