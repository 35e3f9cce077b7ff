"""Small results of made-up arms, as `score`, `facts`, `discover` and `operations` leave them in git."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from cadc import artifacts
from cadc.evaluation.statistics import BENCHMARKS

N_POOL = 400
TASKS = {
    "pope_adv": ("presence",),
    "pope_pop": ("presence",),
    "pope_random": ("presence",),
    "mmt_val": ("count", "read"),
    "mini_vqa": ("count", "read"),
    "llava_in_the_wild": ("wild",),
}
COUNTED = {
    "forward": 1e6, "training": 3e6, "gradients": 4e6, "embedding": 2e6, "questions": 1e4,
    "n_rows": N_POOL, "n_probe": 50, "n_subtasks": 5,
}  # fmt: skip


def samples(seed: int, skill: float, rng, tasks=tuple(TASKS), n: int = 40) -> pa.Table:
    """One run: each question is answered right with probability `skill`."""
    rows = []
    for task in tasks:
        for doc in range(n):
            right = bool(rng.random() < skill)
            name, yes = TASKS[task][doc % len(TASKS[task])], doc % 2 == 0
            wild = task == "llava_in_the_wild"
            answer = ("yes" if yes else "no") if task.startswith("pope") else "a"
            said = answer if right else {"yes": "no", "no": "yes", "a": "b"}[answer]
            chance = {"mmt_val": 0.25, "mini_vqa": 0.1, "llava_in_the_wild": 0.0}.get(task, 0.5)
            rows.append(
                {"seed": seed, "task": task, "doc": doc, "subtask": name, "meta_task": f"{name}ing", "answer": answer,
                 "prediction": said, "score": (10.0 if wild else 1.0) * right, "chance": chance,
                 "scale": 10.0 if wild else 1.0}
            )  # fmt: skip
    table = pa.Table.from_pylist(rows)
    return table.set_column(0, "seed", table["seed"].cast(pa.int32()))


def write_arm(name: str, skill: float, n_rows: int, seeds=(0, 1, 2), stages: int = 1, rounds=False, **how) -> None:
    """reports/arms/NAME; the better an arm, the higher `skill`."""
    out = artifacts.fresh(artifacts.ARMS / name)
    rng = np.random.default_rng([len(name), *name.encode()])
    pq.write_table(pa.concat_tables([samples(seed, skill, rng, **how) for seed in seeds]), out / "samples.parquet")
    parts = []
    for seed in seeds:
        row, stage = rng.permutation(N_POOL)[:n_rows], np.sort(np.arange(n_rows) % stages)
        capability = row % 2 if stages > 1 else np.full(n_rows, -1)
        columns = {"seed": pa.array([seed] * n_rows, pa.int32()), "row": row, "id": [f"r{i}" for i in row]}
        columns |= {"capability": capability.astype(np.int32), "stage": stage.astype(np.int32)}
        parts.append(pa.table(columns))
        if rounds:
            artifacts.save_array(out / f"rounds_{seed}.npy", rng.random((4, 10, 6)))
            artifacts.save_array(out / "cluster.npy", (np.arange(N_POOL) % 10).astype(np.uint8))
    pq.write_table(pa.concat_tables(parts), out / "selections.parquet")


def write_facts() -> None:
    """reports/pool.parquet and reports/operations.json."""
    at = np.arange(N_POOL)
    columns = {
        "source": np.array(["a", "b"])[at % 2], "cluster": (at % 20).astype(np.int32),
        "about": np.array(["counting", "reading"])[at % 10 // 5],
        "noise": np.array(["clean", "wrong", "mismatch", "echo"])[at % 4],
        "form": np.array(["open", "choice"])[at % 2],
        "subtask": np.array(["count", "read"])[at % 2], "copy": at % 5 == 0,
    }  # fmt: skip
    artifacts.FACTS.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata({"skipped": "3"}), artifacts.FACTS)
    artifacts.write_json(artifacts.REPORTS / "operations.json", COUNTED)


HOSTILE = """</script><script>document.title = 'taken'</script><img src=x onerror="document.title = 'taken'">"""
COPY = 7  # the row that is a copy of row 0


def write_pool() -> None:
    """artifacts/pool, artifacts/embeddings and the influences of the root's discoveries, as far as the page reads them.

    Row 3 asks HOSTILE, and has it as its id; row 5 has no picture.
    """
    rng, rows = np.random.default_rng(0), []
    for i in range(N_POOL):
        of, picture = 0 if i == COPY else i, io.BytesIO()
        Image.new("RGB", (16, 16), (of % 256, of // 256, 99)).save(picture, "PNG")
        question = HOSTILE if i == 3 else f"how many of kind {of} ?"
        rows.append(
            {"id": HOSTILE if i == 3 else f"r{i}", "source": "ab"[i % 2],
             "images": [] if i == 5 else [{"bytes": picture.getvalue(), "path": "/home/someone/x.png"}],
             "turns": [{"role": "user", "text": f"<image>\n{question}"}, {"role": "assistant", "text": f"it is {of}"}]}
        )  # fmt: skip
    artifacts.POOL.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), artifacts.POOL / "rows.parquet")
    for name in ("image", "text"):
        views = rng.normal(size=(N_POOL, 8)).astype(np.float32)
        views[COPY] = views[0]
        artifacts.save_array(artifacts.EMBEDDINGS / f"{name}.npy", views / np.linalg.norm(views, axis=1, keepdims=True))
    for name in ("cadc", "influence_coverage"):
        folder = artifacts.CAPABILITIES / name
        artifacts.save_array(folder / "influence.npy", rng.normal(size=(N_POOL, 2)).astype(np.float32))
        artifacts.save_array(folder / "self_influence.npy", rng.random((3, N_POOL)).astype(np.float32))
        artifacts.save_array(folder / "affinity.npy", rng.normal(size=(N_POOL, 3)).astype(np.float32))
        targets = ("mmt_val", "mmt_val", "/mine/rows.json")
        artifacts.write_json(folder / "capabilities.json", [{"target": target} for target in targets])


def write_found(name: str) -> None:
    """reports/capabilities/NAME."""
    named = [
        {"name": f"task_{i}", "meta_task": "m", "target": "mmt_val", "rows": 3, "capability": i % 2} for i in range(4)
    ]
    stability = [{"tau": 0.0, "resolution": 1.0, "capabilities": 2, "ari": None, "runs": 1, "chosen": True}]
    facts = {
        "subtasks": named, "stability": stability, "cosine": np.eye(4).tolist(), "steps": [1, 5, 9],
        "self_influence": [[1.0, 2.0], [0.5, 2.0], [0.1, 1.0]],
        "share": [0.25, 0.75], "words": [["how", "many"], ["read"]],
    }  # fmt: skip
    picture = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(picture, "PNG")
    rows = [
        {"capability": c, "influence": 0.5, "question": "how many $", "answer": "two",
         "image": picture.getvalue() if i else None}
        for c in range(2)
        for i in range(3)
    ]  # fmt: skip
    artifacts.write_json(artifacts.FOUND / name / "facts.json", facts)
    pq.write_table(pa.Table.from_pylist(rows), artifacts.FOUND / name / "rows.parquet")


def write_root(repository: Path) -> dict:
    """params.yaml of the repository and small results of its arms, here; returns the arms."""
    shutil.copy(repository / "params.yaml", "params.yaml")
    arms = yaml.safe_load(Path("params.yaml").read_text())["arms"]
    for i, (name, arm) in enumerate(arms.items()):
        whole, n = arm["method"] == "full", round(arm["budget"] * N_POOL)
        stages = 3 if arm["curate"]["sequence"] != "none" or arm["method"] == "progress" else 1
        write_arm(name, 0.9 if whole else 0.5 + 0.05 * i, n, arm["seeds"], stages, arm["method"] == "progress")
    write_facts()
    for name in ("cadc", "influence_coverage"):
        write_found(name)
    return arms


def write_pipeline(name: str, tables: dict, arms: dict) -> None:
    """pipelines/NAME/params.json."""
    path = artifacts.PIPELINES / name / "params.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"arms": arms, "tables": tables}))


HEADLINES = set(BENCHMARKS)
