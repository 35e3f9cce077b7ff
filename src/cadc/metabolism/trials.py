"""Trials of a version: one model per seed, fine-tuned on a random draw of its rows.

Each model answers the probe rows with their images and with grey ones, and judges rows that it never saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from cadc import artifacts
from cadc.compute import shards
from cadc.config.budgets import n_selected
from cadc.config.params import Params, load_params
from cadc.evaluation.adapter import chat_of
from cadc.evaluation.bench import Bench, answers
from cadc.evaluation.benchmarks import SHOWN, load_tasks
from cadc.metabolism.index import FOLDER
from cadc.model.adapters import load_adapter, save_adapter
from cadc.model.load import load_base, load_processor
from cadc.training.answers import measured
from cadc.training.schedule import n_examples


@dataclass(frozen=True)
class Trial:
    """Results of one seed's model on a version.

    samples and blind (with grey images) have `sample_schema`; draw int64; measured float64 [n_looked, 2]: loss and
    share of exact answers; folder: its adapter.
    """

    samples: pa.Table
    blind: pa.Table
    draw: np.ndarray
    measured: np.ndarray
    folder: Path


def draw_of(ids: list[str], n: int, seed: int) -> np.ndarray:
    """`n` rows of a version in random order, or all if it has fewer: int64.

    Each row's position is a hash of the seed and its id, so versions with common rows share most of their draw: without
    one row, the draw is the same except for that row. Fresh draws would differ as much between such versions as between
    any others.
    """
    place = np.array(
        [int.from_bytes(blake2b(f"{seed} {row}".encode(), digest_size=8).digest()) for row in ids], np.uint64
    )
    return np.argsort(place, kind="stable")[:n]


def _version(key: str) -> tuple[Path, int]:
    """The folder of a version, and the seed, for the trial named `VERSION_sSEED`."""
    name, seed = key.rsplit("_s", 1)
    return FOLDER / "versions" / name, int(seed)


def trying() -> shards.Task:
    """A task: one trial. Its pool table holds the version's rows, then the reserve's."""
    torch.set_num_threads(1)
    params, loaded = load_params(), {}
    asked, picture = params.metabolize, SHOWN[params.model.pictures]
    tasks = load_tasks(artifacts.PROBE, asked.tasks, picture=picture)

    def attempt(key: str, folder: Path) -> None:
        version, seed = _version(key)
        if not loaded:
            bench = Bench(params, artifacts.read_table(version / "rows.parquet", memory_map=True))
            chats = {"samples": chat_of(params, bench.processor), "blind": chat_of(params, bench.processor, blank=True)}
            loaded.update(bench=bench, chats=chats, plan=artifacts.read_json(version / "plan.json"))
        bench, plan = loaded["bench"], loaded["plan"]
        n = n_selected(asked.budget, plan["raw"])  # the same number of rows, and so of steps, for every version
        draw = draw_of(bench.pool["id"].slice(0, plan["rows"]).to_pylist(), n, seed)
        model = bench.tuned(draw, n_examples(n, plan["raw"], params.finetune.epochs), seed)
        for name, chat in loaded["chats"].items():
            artifacts.write_table(folder / f"{name}.parquet", answers(model, chat, tasks))
        look = np.load(version / "look.npy")
        artifacts.save_array(folder / "draw.npy", draw)
        artifacts.save_array(folder / "measured.npy", measured(model, bench.rows, look, params.evaluate.batch_size))
        save_adapter(model, folder / "adapter")

    return attempt


def try_version(
    params: Params, name: str, table: pa.Table, reserve: pa.Table, n_raw: int, look: np.ndarray
) -> list[Trial]:
    """One trial per seed of the version `name`. look int64: rows that every model judges, numbered over the version's
    rows and then the reserve's.
    """
    folder = FOLDER / "versions" / name
    folder.mkdir(parents=True, exist_ok=True)
    artifacts.write_table(
        folder / "rows.parquet", pa.concat_tables([part.replace_schema_metadata(None) for part in (table, reserve)])
    )
    artifacts.write_json(folder / "plan.json", {"rows": table.num_rows, "raw": n_raw})
    artifacts.save_array(folder / "look.npy", look)
    asked = params.metabolize
    inputs = [
        asked.budget,
        asked.tasks,
        params.finetune.model_dump(),
        params.model.model_dump(),
        params.evaluate.max_new_tokens,
        artifacts.PROBE,
    ]
    inputs += [folder / file for file in ("rows.parquet", "plan.json", "look.npy")]
    inputs += params.model.sources
    made = shards.run(
        trying, [f"{name}_s{seed}" for seed in asked.seeds], f"metabolize/trials/{name}", inputs, f"try {name}"
    )
    return [
        Trial(
            artifacts.read_table(at / "samples.parquet"),
            artifacts.read_table(at / "blind.parquet"),
            np.load(at / "draw.npy"),
            np.load(at / "measured.npy"),
            at / "adapter",
        )
        for at in made.values()
    ]


def scoring() -> shards.Task:
    """A task: one trial's model on the scoring split, for the report after the last round."""
    torch.set_num_threads(1)
    params = load_params()
    tasks = load_tasks(artifacts.SCORE, params.metabolize.tasks, picture=SHOWN[params.model.pictures])
    chat = chat_of(params, load_processor(params.model))
    adapters = artifacts.read_json(FOLDER / "score.json")

    def score(key: str, folder: Path) -> None:
        artifacts.write_table(
            folder / "samples.parquet", answers(load_adapter(load_base(params.model), Path(adapters[key])), chat, tasks)
        )

    return score


def score_versions(params: Params, versions: dict[str, list[Trial]]) -> dict[str, list[pa.Table]]:
    """The samples of each version's models on the scoring split."""
    seeds = params.metabolize.seeds
    adapters = {
        f"{name}_s{seed}": str(trial.folder)
        for name, trials in versions.items()
        for seed, trial in zip(seeds, trials, strict=True)
    }
    artifacts.write_json(FOLDER / "score.json", adapters)
    inputs = [
        params.metabolize.tasks,
        params.model.model_dump(),
        params.evaluate.max_new_tokens,
        artifacts.SCORE,
        *map(Path, adapters.values()),
    ]
    made = shards.run(scoring, list(adapters), "metabolize/score", inputs, "score")
    return {
        name: [artifacts.read_table(made[f"{name}_s{seed}"] / "samples.parquet") for seed in seeds] for name in versions
    }
