"""What a miniature `dvc repro` of the real DAG makes: real model, real fine-tuning, lmms-eval's own tasks, a judge
over HTTP."""

import json
import re
import shutil

import pyarrow.parquet as pq
import pytest
from miniature import ARMS, METHODS_YAML, N_CHOSEN, reports, repro, rows_of, run, without


def test_every_arm_is_scored_on_every_benchmark(repository):
    metrics = json.loads((repository / "reports/metrics.json").read_text())
    assert set(metrics) == set(ARMS) and "." not in "".join(name for arm in metrics.values() for name in arm)
    figures = {"relative", "corrected", "pope_f1", "mmt_accuracy", "llava_wild", "vqa_accuracy"}
    assert all(figures <= set(metrics[arm]) for arm in ARMS)
    assert metrics["full"]["relative"] == 100


def test_the_leaderboard_has_every_arm_its_figures_and_its_cost(repository):
    text = (repository / "reports/leaderboard.md").read_text()
    assert "| full |" in text and all(f"| {arm}, 10% |" in text for arm in ARMS if arm != "full")
    assert "pope yes ratio" in text and "mmt meta mean" in text.lower() and "\u2020" not in text
    costs = {line.split(" | ")[0]: line.split(" | ")[1:] for line in text.split("## What it costs")[1].splitlines()}
    assert costs["| full"][0] == costs["| random, 10%"][0] == "0.0" and costs["| full"][3] == "1.00"
    assert float(costs["| cadc, 10%"][3]) > 2


def test_plots_and_rounds_tell_how_rows_were_chosen(repository):
    plots = {path.name for path in (repository / "reports/plots").iterdir()}
    assert {"leaderboard.png", "pareto.png"} <= plots
    stages = pq.read_table(repository / "reports/arms/cadc/selections.parquet")["stage"].to_numpy()
    assert ("stages_cadc.png" in plots) == (stages.max() > 0)  # one would be one bar
    assert {f"rounds_progress_{name}.png" for name in ("rounds", "terciles", "improvement")} <= plots
    for kind in ("similarity", "self_influence"):
        assert {f"{kind}_cadc.png", f"{kind}_influence_coverage.png"} <= plots
    text = (repository / "reports/rounds.md").read_text()
    assert re.search(r"unlocked 20 answers: 9 in the warm-up and the others in 3 rounds", text)


def test_the_page_holds_every_row_of_a_small_pool_with_scores_and_neighbours(repository):
    text = (repository / "reports/index.html").read_text()
    held = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    ids = pq.read_table(repository / "artifacts/pool/rows.parquet")["id"].to_pylist()
    assert [row["id"] for row in held["browser"]["rows"]] == ids
    assert {arm["arm"] for arm in held["board"]["arms"]} == set(ARMS)
    assert any("self-influence" in title for title in held["browser"]["scores"])
    assert all(len(row["near"]) == 3 and row["scores"] for row in held["browser"]["rows"])


def test_no_connection_leaves_the_machine(repository):
    asked = set((repository / "sockets.log").read_text().splitlines())
    assert any(line.startswith("socket.connect ('127.0.0.1', ") for line in asked)  # the judge: the log works
    assert not [line for line in asked if "127.0.0.1" not in line and "localhost" not in line]


def test_our_figures_agree_with_lmms_eval_s_own(repository):
    own = json.loads((repository / "reports/arms/full/metrics.json").read_text())["s0"]
    samples = pq.read_table(repository / "reports/arms/full/samples.parquet").to_pandas()
    by_task = samples[samples.seed == 0].groupby("task")
    mine = by_task.agg(score=("score", "mean"), points=("score", "sum"), scale=("scale", "sum"))
    assert own["mmt_val"]["accuracy"] == pytest.approx(100 * mine.score["mmt_val"], abs=1e-3)
    assert own["pope_adv"]["pope_accuracy"] == pytest.approx(mine.score["pope_adv"])
    wild = 100 * mine.points["llava_in_the_wild"] / mine.scale["llava_in_the_wild"]
    assert own["llava_in_the_wild"]["gpt_eval_llava_all"] == pytest.approx(wild, abs=0.06)


def test_selections_hold_the_budget_and_adapters_differ_by_seed(repository):
    ids = pq.read_table(repository / "artifacts/pool/rows.parquet")["id"].to_pylist()
    told = pq.read_table(repository / "reports/arms/cadc/selections.parquet").to_pandas()
    for seed in (0, 1):
        rows = rows_of(repository, "cadc", seed)
        assert len(set(rows)) == N_CHOSEN <= len(rows) and told[told.seed == seed].row.tolist() == rows
    assert [ids[row] for row in told.row] == told.id.tolist()
    weights = [(repository / f"artifacts/adapters/random/s{s}/adapter_model.safetensors").read_bytes() for s in (0, 1)]
    assert weights[0] != weights[1]


def test_chosen_rows_are_exported_as_training_files(repository):
    """By stages that nothing else waits for: those of arms whose rows were chosen before training, or in it."""
    stages = {f"pipelines/export/dvc.yaml:export@{arm}" for arm in ("cadc", "progress")}
    assert repro(repository, *stages) == stages
    for arm in ("cadc", "progress"):
        told = pq.read_table(repository / f"reports/arms/{arm}/selections.parquet").to_pandas()
        ids, out = told[told.seed == 0].id.tolist(), repository / f"artifacts/export/{arm}/s0"
        rows = json.loads((out / "llava.json").read_text())
        assert [row["id"] for row in rows] == ids == (out / "ids.txt").read_text().split()
        assert all((out / row["image"]).is_file() for row in rows if "image" in row)
        why = pq.read_table(out / "why.parquet").to_pandas()
        assert why.id[why.chosen].tolist() == list(dict.fromkeys(ids)) and why.nearest.isin(ids).all()
        assert why.chosen.all() == (arm == "progress")
        assert ("influence_mmt_val" in why) == (arm == "cadc")
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["different_rows"] == N_CHOSEN and sum(manifest["by_source"].values()) == N_CHOSEN


def test_tables_and_figures_are_made_again_from_what_is_in_git(repository, another_model):
    files = reports(repository)
    with without(repository, "artifacts", ".dvc/cache"):
        assert repro(repository, "--dry", "--allow-missing") == set()
        for name in ("leaderboard.md", "capabilities.md", "rounds.md", "subtasks.csv", "metrics.json"):
            (repository / "reports" / name).unlink()
        for name in ("plots", "tables/methods"):
            shutil.rmtree(repository / "reports" / name)
        run(repository, "dvc", "repro", "-s", "-f", "report", f"{METHODS_YAML}:table_another_model")
        assert reports(repository) == files
