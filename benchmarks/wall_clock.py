"""What each row of a table took on this machine, from its signal to its last score, beside what it scored.

`python benchmarks/wall_clock.py leaderboard every_method_at_20_of_the_pool` (after that table's `dvc repro`): seconds
of the stages that an arm hangs on, as `reports/costs.md` has them, each counted whole: `select` is all that comes
before training and is taken once for all seeds, `tune` is one seed's. Both are also given as a share of tuning on all
rows, by wall clock; CPU seconds beside it vary less between runs. PROGRESS chooses while it is tuned: its measurements
are in `tune`. Writes reports/benchmarks/wall_clock_TABLE.md.
"""

import sys
from pathlib import Path

from cadc import artifacts
from cadc.compose.pipelines import STAGES
from cadc.compose.rows import POINTERS
from cadc.compose.studies import OF_SIGNAL
from cadc.config.params import load_params
from cadc.report import tables
from cadc.report.stated import Stated
from cadc.report.text import markdown

#: What a folder's stages read that no variant names.
EMBEDDED = ("views", "score_net", "contrasts", "embeddings")
Seconds = tuple[float, float]  # wall clock, CPU


def stages_before(stated: Stated, signal: str) -> list[str]:
    """The stages, as `artifacts/costs` names them, that make a signal, but for those that read and check the pool."""
    folder, _, name = signal.partition("/")
    found = ["embed"] if folder in EMBEDDED else []
    return found + (_makers(stated, OF_SIGNAL[folder], name) if name else [])


def _makers(stated: Stated, level: str, name: str) -> list[str]:
    variant, found = stated.variant(level, name), []
    for pointer, of in POINTERS.items():
        if pointer in variant:
            found += _makers(stated, of, variant[pointer])
    own = [stage for stage in STAGES[level] if stage != "attribute"]  # capabilities alone are told from it
    own = ["attribute", *own] if level == "discoveries" else own
    names = {stage: variant["trajectories"] if stage == "attribute" else name for stage in own}
    return list(dict.fromkeys([*found, *(f"{stage}@{of}" for stage, of in names.items())]))


def taken(names: list[str]) -> Seconds:
    """Seconds of stages together. Raises SystemExit naming one that did not run here."""
    made = []
    for name in names:
        path = artifacts.COSTS / f"{name}.json"
        if not path.exists():
            raise SystemExit(f"{path}: {name} did not run here; make the table in this checkout first")
        made.append(artifacts.read_json(path))
    return sum(one["seconds"] for one in made), sum(one["cpu_seconds"] for one in made)


def main(pipeline: str, name: str) -> None:
    stated, params = Stated(), load_params()
    table = tables.make(stated.table(pipeline, name), stated, params.evaluate.bootstrap)
    n_full = len(stated.arm("full")["seeds"])
    full = taken(["finetune@full"])[0] / n_full
    body = []
    for line in table.lines:
        arm, n = stated.arm(line.arm), len(line.measured.seeds)
        select = taken([*stages_before(stated, arm["signal"]), f"curate@{line.arm}"])
        tune = tuple(own / n for own in taken([f"finetune@{line.arm}"]))
        cells = [f"{x:.0f}" for x in (select[0], tune[0])] + [f"{(select[0] + tune[0]) / full:.2f}"]
        cells += [f"{select[1] + tune[1]:.0f}", tables.mean_sd(line, table.judged)]
        body.append([line.title, *cells])
    body.sort(key=lambda row: float(row[3]))
    body.append(["full, 100%", "", f"{full:.0f}", "1.00", f"{taken(['finetune@full'])[1] / n_full:.0f}", "100.0"])
    header = ["", "select, s", "tune, s", "both, of tuning on all rows", "both, CPU s", tables.COLUMNS[table.judged]]
    text = (
        f"# Score against wall-clock time: {table.spec['title'].lower()}\n\n"
        f"Made by `python benchmarks/wall_clock.py {pipeline} {name}`, by two processes on a shared machine:\n"
        "times vary by a tenth or two between runs. Selection is taken once for all seeds, tuning is one seed's.\n\n"
    )
    out = artifacts.REPORTS / "benchmarks" / f"wall_clock_{name}.md"
    out.write_text(text + markdown(header, body))
    print(Path(out).read_text())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
