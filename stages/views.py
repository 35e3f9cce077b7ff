"""views NAME: embed pool and probe rows by concept (their images) and by skill (what their instructions need), for
targeted selection."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import torch

from cadc import artifacts
from cadc.compute import console
from cadc.compute.endpoint import Endpoint
from cadc.compute.finite import refuse_not_finite
from cadc.compute.replies import summary
from cadc.compute.stage import run_stage
from cadc.config.arms import Variant
from cadc.config.params import Params
from cadc.data.probe import load_probe
from cadc.features.embeddings import Tower, load_sentence_encoder, row_encoder, sentence_embeddings
from cadc.features.skills import asked_lists, inventory_lists, list_text

VARIANT = Variant.asked("view_sets")


def skill_lists(params: Params, encoder, tables: dict[str, pa.Table]) -> dict[str, list[list[str]]]:
    """The skills of every row of each table, from the inventory or from the language model in params."""
    asked = params.views
    if asked.url is None:
        return {
            name: inventory_lists(encoder, (row["turns"] for row in rows_of(table.select(["turns"]))), asked.top)
            for name, table in tables.items()
        }
    endpoint = Endpoint(asked.url, asked.model)
    try:
        return {name: asked_lists(endpoint, rows_of(table), asked.top, asked.image) for name, table in tables.items()}
    finally:
        console.line(f"skills: {summary(endpoint.spent)}")


def rows_of(table: pa.Table) -> Iterable[dict]:
    """Yield the rows one by one, so that images are not all in memory."""
    for batch in table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def descriptions(known: dict[str, dict[str, str]], said: dict[str, str]) -> dict[str, str]:
    """A text on each target (a benchmark's meta-task): from `said`, or the names of its subtasks."""
    names: dict[str, list[str]] = {}
    for subtask, of in sorted(known.items()):
        names.setdefault(f"{of['target']}/{of['meta_task']}", []).append(
            subtask.removesuffix(" (open)").removesuffix(f" ({of['target']})").replace("_", " ")
        )
    return {target: said.get(target) or ", ".join(names[target]) for target in sorted(names)}


def main(params: Params) -> int:
    torch.set_num_threads(1)
    pool = artifacts.load_pool()
    probe, subtasks, known = load_probe(artifacts.PROBE, params.capture.targets)
    target = np.array([f"{known[subtask]['target']}/{known[subtask]['meta_task']}" for subtask in subtasks])
    encoder = load_sentence_encoder(params.embed.sentences)
    lists = skill_lists(params, encoder, {"pool": pool, "probe": probe})
    folder = artifacts.fresh(artifacts.VIEWS / VARIANT.name)
    arrays = {
        "concept": artifacts.load_array(artifacts.EMBEDDINGS / "image.npy"),
        "skill": sentence_embeddings(encoder, [list_text(skills) for skills in lists["pool"]]),
        "probe_concept": row_encoder(params.model, params.embed.tower)(probe)["image"],
        "probe_skill": sentence_embeddings(encoder, [list_text(skills) for skills in lists["probe"]]),
        "probe_target": target,
    }
    tower = Tower(params.embed.tower) if params.embed.tower else None
    if tower and tower.reads:  # texts and images share one space
        described = descriptions(known, params.views.descriptions)
        turns = [[{"role": "user", "text": text}] for text in described.values()]
        arrays["described"] = np.array(list(described))
        arrays["described_concept"] = tower.embed_texts(list(described.values()))
        arrays["described_skill"] = sentence_embeddings(
            encoder, [list_text(skills) for skills in inventory_lists(encoder, turns, params.views.top)]
        )
        artifacts.write_json(folder / "descriptions.json", described)
    names = {"probe": probe["id"], "described": list(arrays.get("described", ()))}
    for name, array in arrays.items():
        refuse_not_finite({name: array}, 0, names.get(name.partition("_")[0], pool["id"]), "row id", "check this row")
        artifacts.save_array(folder / f"{name}.npy", array)
    for name, table in (("pool", pool), ("probe", probe)):
        artifacts.write_table(
            folder / f"{name}.parquet",
            pa.table({"id": table["id"], "skills": pa.array(lists[name], pa.list_(pa.string()))}),
        )
    return pool.num_rows


if __name__ == "__main__":
    run_stage("views", main, VARIANT)
