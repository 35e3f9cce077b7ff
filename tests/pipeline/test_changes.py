"""What a change makes anew in the miniature, and that neither a kill nor the number of workers changes a byte."""

import json
import re
import shutil
import sys

import networkx
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from dvc.repo import Repo
from miniature import (
    N_CHOSEN,
    ROOT,
    cells,
    change,
    curate,
    killed,
    lock,
    reports,
    repro,
    restoring,
    rows_of,
    run,
    without,
)

from cadc.compute.closure import stage_code
from cadc.curation.picking import purest


def test_nothing_runs_twice_and_a_parameter_reruns_only_what_follows(repository):
    assert repro(repository, "--dry") == set()
    before = rows_of(repository, "influence_coverage")
    with restoring(repository, arms__influence_coverage__select__keep=1.0):
        assert repro(repository) == cells("influence_coverage") | {"page", "report"}
        assert rows_of(repository, "influence_coverage") != before
    graph, text = Repo(str(repository)).index.graph, (repository / "params.yaml").read_text()
    for name in ("cadc", "influence_coverage"):
        change(repository, f"discoveries.{name}.discover.tau", 0.1)
        planned = repro(repository, "--dry")
        (repository / "params.yaml").write_text(text)
        assert f"discover@{name}" in planned <= {f"discover@{name}", "page", "report"} | cells(name)
        discover = next(stage for stage in graph if stage.name == f"discover@{name}")
        below = networkx.ancestors(graph, discover)
        assert {stage.name for stage in below if stage.path_in_repo == "dvc.yaml"} == cells(name) | {"page", "report"}
    assert repro(repository, "--dry") == set()  # what a commit has is there again without a stage run


def test_a_comment_makes_stale_what_imports_the_file_and_nothing_else(repository):
    name = "src/cadc/training/schedule.py"
    stages = yaml.safe_load((repository / "dvc.yaml").read_text())["stages"]
    scripts = {stage: re.search(r"stages/\w+\.py", own.get("do", own)["cmd"]) for stage, own in stages.items()}
    holding = {stage for stage, found in scripts.items() if found and name in stage_code(ROOT / found[0])}
    assert {"finetune", "report"} <= holding and not holding & {"attribute", "curate", "score"}
    text = (repository / name).read_text()
    try:
        (repository / name).write_text(text + "# a comment\n")
        stale = json.loads(run(repository, "dvc", "status", "--json", "dvc.yaml").stdout)
    finally:
        (repository / name).write_text(text)
    assert {stage for stage, why in stale.items() if name in json.dumps(why)} == set(stale)
    assert set(stale) == {stage for stage in lock(repository) if stage.partition("@")[0] in holding}


def test_stages_need_capabilities_and_then_any_method_has_them(repository):
    path = repository / "artifacts/selections/random/s0.parquet"
    plain = set(pq.read_table(path)["row"].to_pylist())
    with restoring(repository, arms__random__curate__sequence="trend"):
        assert "set by to their folder" in curate(repository, "random", check=False).stderr
        change(repository, "arms.random.curate.by", "capabilities/influence_coverage")
        assert repro(repository, "curate@random") == {"curate@random"}
        table = pq.read_table(path)
        assert set(table["row"].to_pylist()) == plain and len(plain) == N_CHOSEN
        assert max(table["stage"].to_pylist()) >= 1 and min(table["capability"].to_pylist()) >= 0
        change(repository, "arms.random.curate.keep", 0.5)
        assert repro(repository, "curate@random") == {"curate@random"}
        kept = set(pq.read_table(path)["row"].to_pylist())
        folder = repository / "artifacts/capabilities/influence_coverage"
        affinity, purity = (np.load(folder / f"{name}.npy") for name in ("affinity", "purity"))
        assert len(kept) == N_CHOSEN and kept <= set(purest(affinity, purity, 0.5).tolist()) and kept != plain


def test_a_seed_that_is_added_is_trained_and_scored_alone(repository):
    scratch = [repository / "artifacts/scratch" / name for name in ("finetune", "score")]

    def kept():
        return {path: path.stat().st_mtime_ns for folder in scratch for path in folder.iterdir() if path.is_dir()}

    before = kept()
    with restoring(repository, arms__random__seeds=[0, 1, 2]):
        out = run(repository, "dvc", "repro", "score@random").stdout
        assert all(f"{name}: 2 of 3 parts are already done" in out for name in ("finetune", "score"))
        after = kept()
        assert len(after) == len(before) + 2 and before.items() <= after.items()
        seeds = pq.read_table(repository / "reports/arms/random/samples.parquet")["seed"].to_pylist()
        assert set(seeds) == {0, 1, 2}


def test_forced_again_with_other_workers_every_byte_is_the_same(repository):
    """What chooses rows is forced with two workers in test_studies.py, attribution below."""
    before, files = lock(repository), reports(repository)
    stages = ["prepare", "embed", "facts", "proxy@default", "capture@default", "discover@influence_coverage", "report"]
    stages += ["page", *(f"finetune@{arm}" for arm in ("cadc", "influence_coverage", "progress"))]
    stages += [f"score@{arm}" for arm in ("cadc", "influence_coverage")]
    with without(repository, "artifacts/scratch/finetune", "artifacts/scratch/score"):  # finished runs are taken up
        run(repository, "dvc", "repro", "-f", "-s", *stages, workers="2")
    assert lock(repository) == before and reports(repository) == files


@pytest.mark.parametrize(
    "launcher", ["torchrun --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint localhost:0", "ray"]
)
def test_two_ranks_and_two_ray_workers_give_the_same_influence(repository, launcher):
    before = lock(repository)
    run(repository, "dvc", "repro", "-f", "-s", "attribute@default", workers="2", CADC_LAUNCHER=launcher)
    assert lock(repository) == before


def test_a_pool_in_another_order_changes_no_byte_of_what_follows(repository):
    """Whatever is told of rows, it is told by id: labels come in an order of their own, too."""
    moved, pool = np.random.default_rng(0), repository / "artifacts/pool/rows.parquet"
    made = [pool, repository / "reports/pool.parquet"]
    made += [
        repository / f"artifacts/selections/{arm}/s{seed}.parquet" for arm in ("random", "cadc") for seed in (0, 1)
    ]
    before = [path.read_bytes() for path in made]
    with restoring(repository):
        for name in ("raw/rows.parquet", "labels.parquet"):
            path = repository / "artifacts" / name
            table = pq.read_table(path)
            path.unlink()  # it is a link to DVC's cache
            pq.write_table(table.take(moved.permutation(len(table))), path, row_group_size=37)
        run(repository, sys.executable, "stages/pool.py")
        run(repository, sys.executable, "stages/facts.py")
        curate(repository, "random", "cadc")
        assert pq.read_table(repository / "artifacts/raw/rows.parquet") != pq.read_table(pool)
        assert [path.read_bytes() for path in made] == before


def test_a_killed_attribution_goes_on_and_ends_with_the_same_bytes(repository):
    before, scratch = lock(repository), repository / "artifacts/scratch/attribute_default"
    killed(repository, lambda: list(scratch.glob("*/0000[0-9]")), "stages/attribute.py", "default")
    assert 1 <= len(list(scratch.glob("*/0000[0-9]"))) < 4  # 200 rows in shards of 60
    out = run(repository, "dvc", "repro", "-f", "-s", "attribute@default").stdout
    assert "of 4 parts are already done" in out and lock(repository) == before


def test_a_schedule_killed_between_rounds_goes_on_and_ends_with_the_same_bytes(repository):
    before, scratch = lock(repository), repository / "artifacts/scratch/finetune"
    for path in scratch.glob("*/rounds.npy"):
        shutil.rmtree(path.parent)
    killed(repository, lambda: list(scratch.glob("*.checkpoint")), "stages/finetune.py", "progress")
    out = run(repository, "dvc", "repro", "-f", "-s", "finetune@progress").stdout
    assert "resuming after step" in out and lock(repository) == before
    chosen = pq.read_table(repository / "artifacts/adapters/progress/s0/selection.parquet")
    assert len(set(chosen["row"].to_pylist())) == N_CHOSEN
    assert sorted(set(chosen["stage"].to_pylist())) == [0, 1, 2, 3]
    assert chosen["row"].to_pylist()[:9] == rows_of(repository, "progress")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (("discoveries", "cadc", "discover"), "params.yaml: discoveries.cadc: discover.tua"),
        (("capture",), "params.yaml: captures.default: capture.tua"),
    ],
)
def test_an_unknown_parameter_stops_before_anything_runs(repository, section, said):
    before, path = lock(repository), repository / "params.yaml"
    with restoring(repository):  # DVC has removed the outputs of the stage that it was about to run
        params = own = yaml.safe_load(path.read_text())
        for name in section:
            own = own[name]
        own["tua"] = 0.1
        path.write_text(yaml.safe_dump(params, sort_keys=False))
        failed = run(repository, "dvc", "repro", "discover@cadc", check=False)
        assert failed.returncode and said in failed.stdout + failed.stderr
        assert "Traceback" not in failed.stdout + failed.stderr and lock(repository) == before
