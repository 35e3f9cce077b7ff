"""Rows that don't fit the model are left out, and counted, by whoever learns before or beside the stage `pool`."""

import json
import runpy
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from architectures import FAMILIES
from test_learnable import BAD, png, row, table
from transformers import AutoProcessor

from cadc import artifacts
from cadc.cleaning.checks import model_findings
from cadc.cleaning.cross_fitting import keeper_among, learnt_from, with_image_of
from cadc.cleaning.evidence import load_evidence
from cadc.config.errors import InputError
from cadc.config.params import load_params
from cadc.metabolism.index import fitting_reserve
from cadc.model.encode import IGNORE, EncodedRows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """params(section, ...): those of a quick run in an empty folder, with sections changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", "1")
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["model"] |= {"path": str(ROOT / raw["model"]["path"]), "max_length": 60}
    raw["recipe_of"] = None
    raw["embed"]["tower"] = str(ROOT / raw["embed"]["tower"])
    raw["crossfit"] |= {"epochs": 0.5, "matching": raw["crossfit"]["matching"] | {"members": 1, "epochs": 0.5}}

    def params(**sections):
        made = raw | {name: raw[name] | changes for name, changes in sections.items()}
        Path("params.yaml").write_text(yaml.safe_dump(made))
        return load_params()

    return params


def crossfit(rows, params):
    folder = artifacts.fresh(artifacts.RAW)
    pq.write_table(table(*rows), folder / "rows.parquet")
    artifacts.write_json(folder / "skipped.json", [])
    runpy.run_path(str(ROOT / "stages/crossfit.py"))["main"](params)
    return load_evidence()


def test_a_group_of_copies_is_kept_by_its_first_row_that_fits():
    keeper = np.array([0, 0, 2, 0, 2, 5])
    fits = np.array([False, True, True, True, True, False])
    kept = keeper_among(keeper, fits)
    assert kept[fits].tolist() == [1, 2, 1, 2] and keeper_among(keeper, np.ones(6, bool)).tolist() == keeper.tolist()
    assert learnt_from(np.array([-1, 0, 1, 0, 1, -1]), 1, kept).tolist() == [False, True, *[False] * 4]


def test_rows_that_do_not_fit_change_nothing_for_the_others_that_are_judged(here, pool, capsys):
    rows = pool.slice(0, 40).to_pylist()
    alone = crossfit(rows, here(pool={"on_bad_row": "fail"}))
    assert "judged 40 rows, left out 0" in " ".join(capsys.readouterr().out.split())
    beside = crossfit([*rows, *BAD.values()], params := here(pool={"on_bad_row": "skip"}))
    assert f"judged 40 rows, left out {len(BAD)}" in " ".join(capsys.readouterr().out.split())
    for name in vars(alone):
        own, made = getattr(alone, name), getattr(beside, name)
        np.testing.assert_array_equal(own, made[: len(own)] if own.ndim == 1 else made[:, :40], err_msg=name)
    assert (beside.fold[40:] == -1).all() and (np.diff(beside.bounds)[40:] == 0).all()
    assert np.isnan(beside.match[40:]).all() and np.isnan(beside.similarity[40:]).all()
    assert (beside.other[:, 40:] == -1).all() and (beside.other < 40).all() and np.isnan(beside.decoy[:, 40:]).all()
    n, source = 40 + len(BAD), np.array(["t"] * (40 + len(BAD)))
    for name, found in model_findings(params.clean, source, np.arange(n), params.model).items():
        assert np.isnan(found.score[40:]).all() and not found.flag[40:].any(), name
    assert not [path for path in artifacts.SCRATCH.glob("crossfit*") if path.is_dir()]  # locks stay


def test_rows_that_do_not_fit_are_named_before_anything_is_learnt(here, pool):
    with pytest.raises(InputError, match=r"raw/rows\.parquet, row id long: .* \(4 more of 9 rows\); or set pool\.on"):
        crossfit([*pool.slice(0, 4).to_pylist(), *BAD.values()], here(pool={"on_bad_row": "fail"}))
    with pytest.raises(InputError, match="row id long: ") as error:
        crossfit(BAD.values(), here(pool={"on_bad_row": "skip"}))
    assert "on_bad_row" not in str(error.value)
    with pytest.raises(InputError, match="the pool has no rows"):
        crossfit([], here(pool={"on_bad_row": "skip"}))


def test_another_picture_takes_nothing_of_an_answer(tmp_path, params):
    """A larger one has more tokens; blind and seen, a row's figures are of the same tokens."""
    processor = AutoProcessor.from_pretrained(FAMILIES["qwen2_vl"].write(tmp_path / "model"))
    pictures = [row("small", "<image>\nwhat ?", "red " * 120, images=[png(48, 48)])]
    pictures += [row("large", "<image>\nwhat ?", "red", images=[png(300, 300)])]
    whole = EncodedRows(table(*pictures), processor, 10_000)
    n = len(whole[0]["input_ids"])
    for limit in (n, n - 10):  # the small one fits, or loses its end
        rows = EncodedRows(table(*pictures), processor, limit, long_rows="cut")
        own, swapped = rows[0], with_image_of(rows, rows[0], rows[1])
        given, blind = (made["labels"][made["labels"] != IGNORE].tolist() for made in (own, swapped))
        assert blind == given and len(swapped["input_ids"]) > limit >= len(own["input_ids"])


def reserve_of(folder, rows):
    """A folder for metabolize.reserve with rows as people write them."""
    (folder / "images").mkdir(parents=True)
    roles = {"user": "human", "assistant": "gpt"}
    records = [
        {"id": one["id"], "conversations": [{"from": roles[t["role"]], "value": t["text"]} for t in one["turns"]]}
        for one in rows
    ]
    (folder / "pool.json").write_text(json.dumps(records))
    return str(folder)


def test_the_reserve_is_held_to_the_model_as_the_pool_is(here, tmp_path, capsys):
    good = [row(f"r{k}", f"what color {k} ?", "red") for k in range(5)]
    blank = row("blank", "what ?", " ")
    folder = reserve_of(tmp_path / "mine", [good[0], BAD["a long question"], blank, *good[1:]])
    made = fitting_reserve(here(pool={"on_bad_row": "skip"}, metabolize={"reserve": folder}))
    assert made["id"].to_pylist() == [f"reserve:r{k}" for k in range(5)]
    said = " ".join(capsys.readouterr().out.split())
    assert "reserve: 6 rows, 1 skipped: blank" in said and "skipped 1 of 6 rows that" in said
    assert "can't learn from: reserve:long" in said
    folder = reserve_of(tmp_path / "another", [BAD["a long question"], *good])
    with pytest.raises(InputError, match=r"another/pool\.json, row id reserve:long: 12\d tokens, .*on_bad_row: sk"):
        fitting_reserve(here(pool={"on_bad_row": "fail"}, metabolize={"reserve": folder}))
