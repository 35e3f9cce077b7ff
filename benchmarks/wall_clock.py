"""Compare each row of a table by its time on this machine, from signal to last score, and its score.

`python benchmarks/wall_clock.py leaderboard every_method_at_20_of_the_pool` (after that table's `dvc repro`): seconds
of the stages that an arm depends on, from `reports/costs.md`, each counted in full. `select` is everything before
training, shared by all seeds; `tune` is for one seed. Their sum is also given relative to tuning on all rows, by wall
clock; the CPU seconds vary less between runs. PROGRESS selects while it is tuned, so its measurements are in `tune`.
Writes reports/benchmarks/wall_clock_TABLE.md.
"""

import sys
from pathlib import Path

from commits import measured_at

from cadc import artifacts
from cadc.compose.pipelines import STAGES
from cadc.compose.rows import POINTERS
from cadc.compose.studies import OF_SIGNAL
from cadc.config.params import load_params
from cadc.report import tables
from cadc.report.stated import Stated
from cadc.report.text import markdown

#: Folders whose stages read the embeddings, which no variant names.
EMBEDDED = ("views", "score_net", "contrasts", "embeddings")
Seconds = tuple[float, float]  # wall clock, CPU


def stages_before(stated: Stated, signal: str) -> list[str]:
    """The stages that make a signal, by their names in `artifacts/costs`, without those that read and check the
    pool."""
    folder, _, name = signal.partition("/")
    found = ["embed"] if folder in EMBEDDED else []
    return found + (_makers(stated, OF_SIGNAL[folder], name) if name else [])


def _makers(stated: Stated, level: str, name: str) -> list[str]:
    variant, found = stated.variant(level, name), []
    for pointer, of in POINTERS.items():
        if pointer in variant:
            found += _makers(stated, of, variant[pointer])
    own = [stage for stage in STAGES[level] if stage != "attribute"]  # only capabilities depend on it
    own = ["attribute", *own] if level == "discoveries" else own
    names = {stage: variant["trajectories"] if stage == "attribute" else name for stage in own}
    return list(dict.fromkeys([*found, *(f"{stage}@{of}" for stage, of in names.items())]))


def taken(names: list[str]) -> Seconds:
    """Total seconds of stages. Raises SystemExit naming one that did not run here."""
    made = []
    for name in names:
        path = artifacts.COSTS / f"{name}.json"
        if not path.exists():
            raise SystemExit(f"{path}: {name} did not run here; run the table's pipeline in this checkout first")
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
    header = ["", "select, s", "tune, s", "sum / tuning on all rows", "sum, CPU s", tables.COLUMNS[table.judged]]
    text = (
        f"# Score against wall-clock time: {table.spec['title'].lower()}\n\n"
        f"Made by `python benchmarks/wall_clock.py {pipeline} {name}`, with two processes on a shared machine:\n"
        "times vary by 10 to 20% between runs. Selection time is shared by all seeds; tuning time is for one seed.\n\n"
        f"{measured_at()}\n\n"
    )
    out = artifacts.REPORTS / "benchmarks" / f"wall_clock_{name}.md"
    out.write_text(text + markdown(header, body))
    print(Path(out).read_text())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
