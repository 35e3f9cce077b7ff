"""Keep what a study of one model made: `python -m cadc.report.record STUDY` writes records/STUDY, which git keeps.

Such a study is composed only where params.yaml has its model, so its results can't lie among those of the default
model. A record has the layout of a checkout: params.yaml, dvc.lock, pipelines/STUDY and reports/. The script
of the stage `table`, run in it, makes a table again.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from cadc import artifacts
from cadc.compose.studies import OF_SIGNAL, read_by
from cadc.compute import console
from cadc.config.errors import InputError
from cadc.config.params import read
from cadc.report.stated import Stated
from cadc.report.text import NOT_MADE

RECORDS = Path("records")
#: Besides the small results that tables are made from.
_ALWAYS = ("params.yaml", "dvc.lock", "reports/operations.json", "reports/cleaning.md", "reports/cleaning/roc.png")


def kept(study: str) -> list[Path]:
    """The files and folders of a study that a record keeps. Raises InputError where no table of it is made."""
    stated = Path("pipelines") / study / "params.json"
    if not stated.exists():
        raise InputError(f"{stated}: no such file; compose the study first: `make params`, with its model's profile")
    tables = read(stated)["tables"]
    made = [name for name in tables if (artifacts.REPORTS / "tables" / study / f"{name}.md").exists()]
    if not made:
        raise InputError(f"no table of {study} is made; run `dvc repro pipelines/{study}/dvc.yaml`")
    if missing := sorted(set(tables) - set(made)):
        console.line(f"{NOT_MADE}: {', '.join(missing)}")
    about = Path(read("params.yaml")["model"]["path"]) / "alignment.json"
    read_here = (path for name in made for path in read_by(study, tables[name]))
    names: list[str | Path] = [
        *_ALWAYS,
        stated,
        stated.with_name("dvc.lock"),
        about,
        artifacts.REPORTS / "tables" / study,
        *read_here,
    ]
    return [path for path in dict.fromkeys(Path(name) for name in names) if path.exists()]


def _made_from(stated: Stated, level: str, name: str) -> Iterator[tuple[str, str]]:
    """A variant and all variants that it is made from, as (level, name)."""
    yield level, name
    made = stated.variant(level, name)
    reads = [made["signal"], made["curate"]["by"]] if level == "arms" else []
    parts = [(OF_SIGNAL[folder], own) for folder, _, own in (read.partition("/") for read in reads) if own]
    parts += [(of, made[key]) for key, of in (("trajectories", "captures"), ("run", "proxies")) if key in made]
    for part in parts:
        yield from _made_from(stated, *part)


def _borrowed(study: str) -> dict[Path, dict]:
    """What other pipelines' params.json state of the variants that they make for a study's tables."""
    stated, made = Stated(), {}
    tables = stated.pipelines[study]["tables"].values()
    wanted = {("arms", row["arm"]) for spec in tables for row in spec["rows"]}
    wanted |= {("discoveries", name) for spec in tables for name in spec.get("discoveries", ())}
    for level, name in sorted({part for variant in wanted for part in _made_from(stated, *variant)}):
        if (maker := stated.maker(level, name)) not in ("", study):
            own = made.setdefault(Path("pipelines") / maker / "params.json", {"tables": {}})
            own.setdefault(level, {})[name] = stated.pipelines[maker][level][name]
    return made


def write(study: str, folder: Path = RECORDS) -> None:
    """Replace the record of a study in `folder`. Raises InputError as `kept` does."""
    paths, out = kept(study), artifacts.fresh(folder / study)
    for path in paths:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, out / path)
    for path in out.rglob("rows.parquet"):  # texts and images of the pool, which may not be yours to publish
        artifacts.write_table(path, artifacts.read_table(path).slice(0, 0))
    if (page := out / "reports/cleaning.md").exists():  # likewise: sections below its figures show rows
        figures = page.read_text(encoding="utf-8").partition("\n## ")[0]
        artifacts.write_text(page, figures.rstrip("\n") + "\n")
    for path in out.rglob("*.md"):  # a record lies two folders deeper than the checkout's own reports
        text = path.read_text(encoding="utf-8")
        artifacts.write_text(path, text.replace("](../../../docs/", "](../../../../../docs/"))
    for path, stated in _borrowed(study).items():
        artifacts.write_json(out / path, stated)
    console.line(f"{out}: {len(paths)} results kept")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("give a study: python -m cadc.report.record STUDY")
    try:
        write(sys.argv[1])
    except InputError as error:
        raise SystemExit(f"record: {error}") from None
