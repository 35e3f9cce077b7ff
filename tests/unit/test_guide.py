"""Is the generated world a guide: scores of methods in both, their rank correlation, and the record of a real run."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cadc.config.errors import InputError
from cadc.report import guide, record


def table(path, budget, **relative):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {f"{name}_{budget}": {"relative": value} for name, value in relative.items()}
    path.write_text(json.dumps(made | {"full": {"relative": 100.0}}))


def test_scores_are_those_of_one_budget_and_all_rows_are_no_method(tmp_path):
    table(tmp_path / "t.json", 5, random=80.0, less=70.5)
    assert guide.scores(tmp_path / "t.json", 5) == {"random": 80.0, "less": 70.5}
    assert guide.scores(tmp_path / "t.json", 50) == {}


def test_the_same_order_has_correlation_1_and_the_reverse_minus_1():
    x = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0, 8.0])
    own, low, high, p = guide.rank_correlation(x, np.exp(x))
    assert own == pytest.approx(1) and low == pytest.approx(1) and high == pytest.approx(1) and p < 0.001
    assert guide.rank_correlation(x, -x)[0] == pytest.approx(-1)


def test_noise_is_told_from_nothing():
    rng = np.random.default_rng(3)
    own, low, high, p = guide.rank_correlation(rng.normal(size=9), rng.normal(size=9))
    assert low < 0 < high and low <= own <= high and p > 0.05


def test_the_report_compares_what_both_have(tmp_path, monkeypatch):
    monkeypatch.setattr(guide, "WORLD", tmp_path / "world")
    monkeypatch.setattr(guide, "REAL", tmp_path / "real")
    monkeypatch.setattr("cadc.artifacts.REPORTS", tmp_path)
    with pytest.raises(InputError, match="no table to compare; run `make real_lite DATA_PATH=FOLDER`"):
        guide.write()
    methods = {"random": 80.0, "less": 60.0, "el2n": 85.0, "coincide": 82.0, "visnec": 40.0, "cadc": 70.0}
    table(tmp_path / "real/at_10_of_the_pool.json", 10, **{name: value / 2 for name, value in methods.items()})
    table(tmp_path / "world/every_method_at_5_of_the_pool.json", 5, length=10.0, **methods)
    guide.write()
    made = json.loads((tmp_path / "real_lite.json").read_text())
    assert list(made) == ["real model at 10%, generated world at 5%"]
    (one,) = made.values()
    assert one["spearman"] == 1 and one["methods"]["less"] == [60.0, 30.0] and "length" not in one["methods"]
    assert "Methods that do well in the generated world do well" in (tmp_path / "real_lite.md").read_text()
    before = (tmp_path / "real_lite.png").read_bytes()
    guide.write()
    assert (tmp_path / "real_lite.png").read_bytes() == before


def test_a_record_holds_what_the_tables_were_made_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stated = {"rows": [{"label": "random", "arm": "random_b10"}], "full": "full"}
    arm = {"budget": 0.1, "signal": "features/one", "curate": {"by": "pool"}}
    made = {"run": "default"}
    files = {
        "params.yaml": f"model: {{path: models/mine}}\nproxies: {{default: {{}}}}\narms: {{full: {json.dumps(arm)}}}",
        "dvc.lock": "x",
        "models/mine/alignment.json": "{}",
        "models/mine/model.safetensors": "weights",
        "pipelines/mine/params.json": json.dumps({"tables": {"one": stated, "two": stated}}),
        "pipelines/other/params.json": json.dumps(
            {"arms": {"random_b10": arm, "more": {}}, "tables": {}, "feature_sets": {"one": made, "two": made}}
        ),
        "reports/arms/random_b10/metrics.json": "{}",
        "reports/arms/full/metrics.json": "{}",
        "reports/arms/other/metrics.json": "{}",
        "reports/cleaning.md": "# Cleaning\n\n| check |\n\n![ROC](cleaning/roc.png)\n\n## refusal\n\na row's text\n",
        "reports/cleaning/roc.png": "picture",
        "reports/cleaning/refusal.png": "a row's image",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="no table of mine is made; run `dvc repro pipelines/mine/dvc.yaml`"):
        record.write("mine")
    (tmp_path / "reports/tables/mine").mkdir(parents=True)
    (tmp_path / "reports/tables/mine/one.md").write_text("[how](../../../docs/statistics.md)")
    (tmp_path / "records/mine/old").mkdir(parents=True)
    examples = tmp_path / "reports/arms/full/rows.parquet"
    pq.write_table(pa.table({"question": ["what is it ?"]}), examples)
    record.write("mine")
    held = {str(path.relative_to(tmp_path / "records/mine")) for path in (tmp_path / "records").rglob("*.*")}
    page = tmp_path / "records/mine/reports/tables/mine/one.md"
    assert page.read_text() == "[how](../../../../../docs/statistics.md)"
    kept = pq.read_table(tmp_path / "records/mine/reports/arms/full/rows.parquet")
    assert kept.schema.names == ["question"] and kept.num_rows == 0 and pq.read_table(examples).num_rows == 1
    assert held == {*files, "reports/tables/mine/one.md", "reports/arms/full/rows.parquet"} - {
        "models/mine/model.safetensors",
        "reports/arms/other/metrics.json",
        "reports/cleaning/refusal.png",
    }
    cleaning = tmp_path / "records/mine/reports/cleaning.md"
    assert cleaning.read_text() == "# Cleaning\n\n| check |\n\n![ROC](cleaning/roc.png)\n"
    (out,) = (tmp_path / "records/mine/pipelines/other").iterdir()
    assert json.loads(out.read_text()) == {"tables": {}, "arms": {"random_b10": arm}, "feature_sets": {"one": made}}
    with pytest.raises(InputError, match="compose the study first"):
        record.write("no_such")
