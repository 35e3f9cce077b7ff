"""Write each stage's code dependencies into the dvc.yaml files that are written by hand: they are its imports.

    make deps

Comments and all other lines stay. The pipelines of conf/studies follow from dvc.yaml (`python -m cadc.compose`).
"""

from __future__ import annotations

import re
from pathlib import Path

from cadc import artifacts
from cadc.compute.closure import SOURCE, stage_code

#: What stages read that is no Python -> the module that reads it.
READ = {
    "src/cadc/evaluation/tasks": "src/cadc/evaluation/benchmarks.py",
    "src/cadc/features/skills.txt": "src/cadc/features/skills.py",
    "src/cadc/report/page/assets": "src/cadc/report/page/document.py",
}
_SELECTORS = "src/cadc/selectors"
_DEP = re.compile(r"^ *- (src/|stages/|requirements\.lock)")


def code_of(script: Path, foreach: bool) -> list[str]:
    """The code dependencies of the stage that runs `script`, as paths from the repository's root, sorted.

    foreach: whether it is one stage a variant. One that is not, and loads selectors by name, loads those of all arms.
    """
    code = stage_code(script)
    if not foreach and any("${item.method}" in name for name in code):
        code = sorted({_SELECTORS if name.startswith(f"{_SELECTORS}/") else name for name in code})
    return code + [read for read, reader in READ.items() if reader in code]


def rewritten(text: str, root: Path) -> str:
    """A dvc.yaml with the code dependencies that its stages' imports ask for; `root`: the repository."""
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
        artifacts.write_text(path, rewritten(path.read_text(), root))


if __name__ == "__main__":
    main()
