"""Studies: variants are changed parameters, and tables compare them seed by seed, at the same budget."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from cadc.lanes import Lane, git
from cadc.report import tables as tables_of
from cadc.report.tables import Question, Row, Study, Variant, difference, draw, named, rows_of, tabulated, write
from cadc.study import asked, cells_of, changed, marked

TABLE = Question(
    title="t", about="a", split="probe", seeds=[1, 2], set={"a.b": 1},
    variants=[Variant(label="first"), Variant(label="second", set={"a.b": 2}), Variant(label="all", method="full")],
)  # fmt: skip


def figures(corrected, wild=50.0):
    return {
        f"s{i}": {"corrected_mean": value, "llava_wild": wild, "pope_f1": value} for i, value in enumerate(corrected)
    }


def made():
    cells = [named(v.method, TABLE.changes(v)) for v in TABLE.variants]
    budgets = [
        {"b05": figures([10, 14])},
        {"b05": figures([30, 34]), "b100": figures([40, 40])},
        {"b100": figures([60, 60], 100)},
    ]
    return {cell: {"figures": each} for cell, each in zip(cells, budgets, strict=True)}


def test_a_change_replaces_one_value_and_a_typo_is_named():
    params = {"select": {"cadc": {"pick": "top"}}, "seeds": [0]}
    assert changed(params, {"select.cadc.pick": "diverse", "seeds": [1]}) == {
        "select": {"cadc": {"pick": "diverse"}},
        "seeds": [1],
    }
    for key in ("select.cadc.pik", "selct.cadc.pick", "seed"):
        with pytest.raises(KeyError, match=key):
            changed(params, {key: 1})


def test_a_variant_outranks_its_table_and_both_name_the_split_and_the_seeds():
    assert TABLE.changes(TABLE.variants[1]) == {"evaluate.split": "probe", "seeds": [1, 2], "a.b": 2}
    assert named("cadc", {"b": 2, "a": 1}) == named("cadc", {"a": 1, "b": 2}) != named("cadc", {"a": 1, "b": 3})


def test_a_table_or_one_row_of_it_is_asked_for_by_name():
    tables = [TABLE, TABLE.model_copy(update={"title": "u"})]
    assert asked(tables, []) == tables and asked(tables, ["u"]) == tables[1:]
    some = asked(tables, ["t/second", "u"])
    assert [(table.title, [variant.label for variant in table.variants]) for table in some] == [
        ("t", ["second"]),
        ("u", ["first", "second", "all"]),
    ]
    with pytest.raises(KeyError, match="called t/third; there are t, u"):
        asked(tables, ["t/second", "t/third"])


def test_a_table_has_a_row_a_budget_and_says_what_full_data_makes_of_it():
    rows = rows_of(TABLE, made())
    assert [(row.variant.label, row.budget) for row in rows] == [
        ("first", "b05"),
        ("second", "b05"),
        ("second", "b100"),
        ("all", "b100"),
    ]
    assert rows[0].values("relative") == pytest.approx([100 * (10 / 60 + 0.5) / 2, 100 * (14 / 60 + 0.5) / 2])
    assert rows[-1].values("relative") == [100, 100]


def test_a_table_that_asks_for_a_picture_has_the_same_bytes_of_it_every_time(tmp_path, monkeypatch):
    monkeypatch.setattr(tables_of, "REPORTS", tmp_path)
    plain = TABLE.model_copy(update={"title": "Plain"})
    curve = TABLE.model_copy(update={"title": "Is more worse?", "plot": True})
    write(Study(title="S", about="a", tables=[curve, plain]), "s", made())
    assert "![Is more worse?](s/is_more_worse.png)" in (tmp_path / "s.md").read_text()
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["is_more_worse.png"]
    draw(tmp_path / "again.png", curve, made())
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "s/is_more_worse.png").read_bytes()
    draw(
        tmp_path / "rows.png", TABLE.model_copy(update={"variants": [TABLE.variants[0], TABLE.variants[2]]}), made()
    )  # one budget: a line a variant
    assert (tmp_path / "rows.png").read_bytes() != (tmp_path / "again.png").read_bytes()


def test_differences_are_paired_by_seed_and_taken_at_the_same_budget():
    lines = tabulated(TABLE.model_copy(update={"variants": TABLE.variants[:2]}), made()).splitlines()
    assert lines[2].startswith("| first, 5% | 12.0 ± 2.8 |") and lines[2].endswith("|  |")
    assert lines[3].startswith("| second, 5% |") and lines[3].endswith("| +20.0 (0.0) |")
    assert lines[4].startswith("| second, 100% |") and lines[4].endswith("|  |")
    half = made()
    del half[named("cadc", TABLE.changes(TABLE.variants[0]))]
    assert all(line.endswith("|  |") for line in tabulated(TABLE, half).splitlines()[2:])  # nothing to compare with yet
    assert tabulated(TABLE, {}) == "Not run yet.\n"


def test_what_a_row_costs_is_told_once_all_rows_know_it():
    counted = made()
    assert "TFLOP" not in tabulated(TABLE, counted)
    for entry in counted.values():
        entry["flops"] = {budget: [2e12, 1e12] for budget in entry["figures"]}
    table = tabulated(TABLE, counted).splitlines()
    assert table[0].endswith("| selection, TFLOP | with tuning |") and all(
        line.endswith("| 2.0 | 3.0 |") for line in table[2:]
    )


def test_claims_are_checked_seed_by_seed():
    entries = made()
    entries[named("cadc", TABLE.changes(TABLE.variants[0]))]["figures"]["b05"] = figures([10, 11])
    table = TABLE.model_copy(
        update={"variants": TABLE.variants[:2], "claims": [("second", "first"), ("first", "second")]}
    )
    said = [line for line in tabulated(table, entries).splitlines() if ">" in line]
    half = 12.7062 * np.std([20, 23], ddof=1) / np.sqrt(2)  # Student's t with one degree of freedom
    low, high = f"{21.5 - half:+.1f}", f"{21.5 + half:+.1f}"
    assert said == [
        f"| second > first, 5% | +21.5 | {low} to {high} | holds |",
        f"| first > second, 5% | -21.5 | -{high[1:]} to -{low[1:]} | reversed |",
    ]
    entries[named("cadc", TABLE.changes(TABLE.variants[0]))]["figures"]["b05"] = figures([10, 41])
    assert tabulated(table, entries).splitlines()[-1].endswith("| open, leans against it |")
    with pytest.raises(ValidationError, match="third"):
        Question.model_validate(TABLE.model_dump() | {"claims": [["first", "third"]]})


def test_figures_made_with_other_code_stay_and_say_so():
    entry = {"fingerprint": "old", "figures": {"b05": {"s0": {"corrected_mean": 50.0}, "s1": {"corrected_mean": 52.0}}}}
    table = TABLE.model_copy(update={"variants": [Variant(label="x", method="random")]})
    name = named("random", table.changes(table.variants[0]))
    assert "x, 5% †" in tabulated(table, {name: marked(entry, "new")}) and "earlier code" in tabulated(
        table, {name: marked(entry, "new")}
    )
    assert "†" not in tabulated(table, {name: marked(entry, "old")}) and marked(marked(entry, "new"), "old") == entry


def test_runs_of_other_seeds_are_compared_unpaired():
    rows = rows_of(TABLE, made())
    other = Row(rows[1].variant, "b05", {"s8": {"x": 10.0}, "s9": {"x": 14.0}})
    assert difference(other, Row(rows[0].variant, "b05", {"s1": {"x": 0.0}, "s2": {"x": 4.0}}), "x") == "+10.0 (8.0)"


@pytest.mark.parametrize("path", sorted(Path("studies").glob("*.yaml")))
def test_the_committed_studies_can_be_run(path):
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    assert len(cells_of(study.tables)) > 10


def test_every_method_is_in_the_leaderboard_s_table():
    params = yaml.safe_load(Path("params.yaml").read_text())
    variants = yaml.safe_load(Path("studies/methods.yaml").read_text())["tables"][0]["variants"]
    assert {variant["method"] for variant in variants} == {*params["methods"], *params["baselines"]}


def test_unknown_methods_and_parameters_are_named():
    broken = [TABLE.model_copy(update={"set": {}, "variants": [Variant(label="x", set={"select.cadc.keep": 7})]})]
    with pytest.raises(ValueError, match="keep"):
        cells_of(broken)
    with pytest.raises(KeyError, match="lesss"):
        cells_of([TABLE.model_copy(update={"set": {}, "variants": [Variant(label="x", method="lesss")]})])
    for key in ({"splt": "probe"}, {"set": {"seeds": [1]}}):
        with pytest.raises(ValidationError):
            Question.model_validate(TABLE.model_dump() | key)


def test_a_lane_that_a_killed_study_still_writes_to_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("cadc.lanes.LANES", tmp_path)
    (tmp_path / "0" / ".git").mkdir(parents=True)
    (tmp_path / "0" / ".dvc").mkdir()
    first = Lane(tmp_path / "0")
    child = subprocess.Popen(["sleep", "60"], pass_fds=[first._lock.fileno()])
    first._lock.close()
    try:
        with pytest.raises(ValueError, match="left running"):
            Lane(tmp_path / "0")
    finally:
        child.kill()
        child.wait()
    Lane(tmp_path / "0")


def test_figures_are_known_by_the_code_and_parameters_of_the_stages_that_lead_to_them(tmp_path, monkeypatch):
    monkeypatch.setattr("cadc.lanes.LANES", tmp_path)
    lane = Lane(tmp_path / "0")

    def fingerprint(method="random", **changes):
        table = TABLE.model_copy(
            update={
                "set": {},
                "variants": [
                    Variant(label="x", method=method, set={key.replace("__", "."): v for key, v in changes.items()})
                ],
            }
        )
        return lane.fingerprint(next(iter(cells_of([table]).values())))

    plain = fingerprint()
    assert fingerprint() == plain
    assert plain == fingerprint(discover__tau=0.3)  # random rows know no capabilities
    assert (
        len(
            {
                plain,
                fingerprint(finetune__batch_size=8),
                fingerprint("task_budget_random"),
                fingerprint(methods__random__signal="capabilities"),
            }
        )
        == 4
    )
    assert fingerprint("cadc") != fingerprint("cadc", discover__tau=0.3)
    with pytest.raises(ValueError, match="/data/mine/pool.json is not in git"):
        fingerprint(data__watched="/data/mine/pool.json")

    def committed(path):
        """A cell at a commit that changes one file, made in a clone of its own."""
        (origin / path).write_text((origin / path).read_text() + "\n")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "change", at=origin)
        return replace(cell, commit=git("rev-parse", "HEAD", at=origin).strip())

    origin = tmp_path / "origin"
    git("clone", "-q", ".", str(origin))
    git("remote", "set-url", "origin", str(origin), at=lane.folder)
    cell = next(
        iter(
            cells_of([TABLE.model_copy(update={"set": {}, "variants": [Variant(label="x", method="random")]})]).values()
        )
    )
    assert lane.fingerprint(committed("src/cadc/report/leaderboard.py")) == plain  # words change no figure
    assert lane.fingerprint(committed("src/cadc/selectors/cadc.py")) == plain  # nor does another method
    assert lane.fingerprint(committed("src/cadc/training/finetune.py")) != plain
