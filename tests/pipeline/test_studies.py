"""Studies and methods in the miniature: arms and tables out of what is there, docs/add_a_method.md word by word."""

import json
import re

import pyarrow.parquet as pq
import pytest
from miniature import (
    ARMS,
    METHODS,
    METHODS_YAML,
    N_CHOSEN,
    N_ROWS,
    ROOT,
    cells,
    curate,
    lock,
    repro,
    rows_of,
    rows_of_table,
    run,
    state,
    study,
    without,
)

MINE_YAML = "pipelines/mine/dvc.yaml"
MINE = """\
title: Mine
tables:
- title: Keep
  rows:
  - {arm: random}
  - {arm: influence_coverage, set: {select.keep: 0.5}}
"""
FEATURES = f"{METHODS_YAML}:features@default"


@pytest.fixture(scope="module")
def arms(repository) -> list[str]:
    """One arm of every method, at its budget."""
    return [row["arm"] for row in rows_of_table(repository, "methods", "all")]


@pytest.fixture(scope="module")
def chosen(repository, arms) -> dict[str, list[int]]:
    """The rows of the first seed of every method's arm and of the root's, by arm, all signals made."""
    stages = [f"{METHODS_YAML}:{stage}@default" for stage in ("features", "contrast", "match", "score_net", "views")]
    run(repository, "dvc", "repro", *stages)
    curate(repository, *(f"{arm} methods" for arm in arms))
    return {arm: rows_of(repository, arm) for arm in (*arms, *ARMS)}


def test_a_selection_tunes_another_model_and_is_scored_on_either_split(repository, another_model):
    assert another_model == "random_path_models_small_probe"
    config = json.loads((repository / f"artifacts/adapters/{another_model}/s0/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "models/small"
    assert rows_of(repository, another_model) == rows_of(repository, "random")
    probe, score = (
        pq.read_table(repository / f"reports/arms/{arm}/samples.parquet").to_pandas()
        for arm in (another_model, "random")
    )
    assert set(probe.seed) == {0} and len(probe) != len(score[score.seed == 0])
    assert "| random" in (repository / "reports/tables/methods/another_model.md").read_text()


def test_a_study_makes_its_arms_and_tables_out_of_the_rest_and_a_row_that_is_added_alone(repository):
    with study(repository, MINE):
        keep = rows_of_table(repository, "mine", "keep")[1]["arm"]
        assert repro(repository, MINE_YAML) == cells(keep, MINE_YAML) | {f"{MINE_YAML}:table_keep"}
        table = (repository / "reports/tables/mine/keep.md").read_text()
        assert "| random, 10% |" in table and "keep: 0.5" in table
        state(repository, f"{MINE}  - {{arm: length}}\n")
        assert f"{MINE_YAML}:curate@length" in run(repository, "dvc", "stage", "list", MINE_YAML).stdout
        added = cells("length", MINE_YAML) | {f"{MINE_YAML}:table_keep"}
        assert repro(repository, f"{MINE_YAML}:table_keep") == added
        assert "| length, 10% |" in (repository / "reports/tables/mine/keep.md").read_text()


def test_the_documented_example_takes_its_place_in_the_dag(repository, request):
    """docs/add_a_method.md, word by word: one file, one name, one table."""
    text = (ROOT / "docs/add_a_method.md").read_text()
    code, name, example = (
        re.search(rf"```{kind}(.*?)```", text, re.S)[1] for kind in ("python\n", "yaml\n", "\n(?=title: )")
    )
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    library, method = repository / "conf/methods.yaml", repository / "src/cadc/selectors/plain_words.py"
    before = library.read_text()
    try:
        method.write_text(code)
        library.write_text(before.replace("\nmethods:\n", f"\nmethods:\n{name}", 1))
        with study(repository, example):
            rows = rows_of_table(repository, "mine", "plain_words")
            first, *added = (row["arm"] for row in rows)
            assert first == "random" and added[0] == "plain_words" and len(set(added)) == 2
            made = {f"{MINE_YAML}:table_plain_words"}.union(*(cells(arm, MINE_YAML) for arm in added))
            listed = run(repository, "dvc", "stage", "list", MINE_YAML).stdout
            assert {line.split()[0] for line in listed.splitlines()} == made
            missing = set() if (repository / "artifacts/features/default").exists() else {FEATURES}
            assert repro(repository, MINE_YAML) == made | missing
            table = (repository / "reports/tables/mine/plain_words.md").read_text()
            assert all(f"| {row['label']}, 10% |" in table for row in rows)
            short, longer = (rows_of(repository, arm) for arm in added)
            assert len(set(short)) == len(set(longer)) == N_CHOSEN and set(short) != set(longer)
            assert (repository / "artifacts/adapters/plain_words/s1/adapter_model.safetensors").exists()
    finally:
        method.unlink(missing_ok=True)
        library.write_text(before)
    assert repro(repository, "--dry") == set()
    assert set(short) not in map(set, request.getfixturevalue("chosen").values())  # late: features were to be missing


def test_every_method_chooses_exactly_its_budget_and_rows_of_its_own(chosen):
    for name, rows in chosen.items():
        assert len(set(rows)) == {"full": N_ROWS, "progress": 9}.get(name, N_CHOSEN), name  # PROGRESS: its warm-up
    assert len(chosen) == len(METHODS) + len(ARMS) == len({frozenset(rows) for rows in chosen.values()})


def test_what_chooses_rows_never_opens_scoring_rows(repository, arms, chosen):
    """And with two workers its bytes are the same."""
    before = (lock(repository), lock(repository, "pipelines/methods"))
    stages = [f"{METHODS_YAML}:{stage}@default" for stage in ("features", "contrast", "match", "views")]
    stages += [f"{stage}@{arm}" for stage in ("discover", "curate") for arm in ("cadc", "influence_coverage")]
    with without(repository, "artifacts/benchmarks/score"):
        run(repository, "dvc", "repro", "-f", "-s", "capture@default", *stages, workers="2")
        curate(repository, *ARMS, *(f"{arm} methods" for arm in arms))
    assert (lock(repository), lock(repository, "pipelines/methods")) == before
    assert {arm: rows_of(repository, arm) for arm in chosen} == chosen
