"""The page: what it holds, that nothing in a row becomes markup, and that it is the same bytes every time."""

import io
import json
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_results
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.report import leaderboard
from cadc.report.page import __main__ as command
from cadc.report.page import figures, making, pictures, rows
from cadc.report.page.document import ASSETS, SCRIPTS, as_json, document
from cadc.report.stated import Stated

REPOSITORY = Path.cwd()


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_results.write_root(REPOSITORY)
    small_results.write_pool()
    return leaderboard.make(Stated(), 40)


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_is_one_file_the_same_every_time_and_loads_nothing(table):
    size = making.write(table, Stated())
    first = making.PATH.read_bytes()
    assert len(first) == size < 15_000_000
    making.write(table, Stated())
    assert making.PATH.read_bytes() == first
    text = first.decode()
    assert "default-src 'none'" in text and "{{" not in text
    own = text.replace("http://www.w3.org/2000/svg", "")
    before_data, after_data = own.split('<script type="application/json"')[0], own.split("</script>", 1)[1]
    assert "http" not in before_data.replace("http-equiv", "") and "http" not in after_data
    assert str(Path.cwd()) not in text


def test_figures_are_those_of_the_leaderboard_and_shares_those_of_all_rows(table):
    data = making.data_of(table, Stated())
    line = next(line for line in table.lines if line.arm == "random")
    arm = next(arm for arm in data["board"]["arms"] if arm["arm"] == "random")
    mean, sd, low, high = arm["figures"]["relative"]
    estimate = line.measured.estimate("relative")
    assert mean == pytest.approx(estimate.mean, rel=1e-3) and low < mean < high and sd > 0
    assert arm["runs"]["relative"] == pytest.approx(line.measured.runs["relative"].tolist(), rel=1e-3)
    best_first = sorted((line.mean("relative") for line in table.lines), reverse=True)
    assert [arm["figures"]["relative"][0] for arm in data["board"]["arms"]] == pytest.approx(best_first, rel=1e-3)
    noise = next(one for one in data["composition"] if one["title"] == "noise")
    assert dict(zip(noise["names"], noise["pool"], strict=True)) == dict.fromkeys(
        ("clean", "echo", "mismatch", "wrong"), 25.0
    )
    assert noise["arms"]["full"] == noise["pool"] and sum(noise["arms"]["cadc"]) == pytest.approx(100, abs=0.05)


def test_overlaps_count_rows_of_both_and_of_one_alone():
    chosen = {"a": np.array([1, 2, 3]), "b": np.array([3, 4]), "c": np.array([9])}
    assert figures.overlaps(chosen) == [["a", "b", 1, 2, 1], ["a", "c", 0, 3, 1], ["b", "c", 0, 2, 1]]


def test_a_row_says_who_chose_it_where_and_why(table):
    data = making.data_of(table, Stated())
    shown = {row["row"]: row for row in data["browser"]["rows"]}
    selections = pq.read_table(artifacts.ARMS / "cadc" / "selections.parquet").to_pylist()
    seed, row = selections[0]["seed"], selections[0]["row"]
    own = [one["row"] for one in selections if one["seed"] == seed]
    n_seeds = len({one["seed"] for one in selections if one["row"] == row})
    assert shown[row]["picked"]["cadc"] == [n_seeds, own.index(row) + 1, 0, selections[0]["capability"], 1]
    influence, affinity = (np.load(artifacts.CAPABILITIES / f"cadc/{name}.npy") for name in ("influence", "affinity"))
    columns = {
        "cadc: score": influence.max(1),
        "cadc: influence on capability 0": influence[:, 0],
        "cadc: influence on mmt_val": affinity[:, :2].mean(1),
        "cadc: influence on rows": affinity[:, 2],
    }
    for title, column in columns.items():
        value, below = shown[row]["scores"][data["browser"]["scores"].index(title)]
        assert value == pytest.approx(column[row], rel=1e-2)
        assert below == pytest.approx(100 * np.mean(column < column[row]), abs=0.06)
    assert "cadc" not in shown[int(np.setdiff1d(list(shown), [one["row"] for one in selections])[0])]["picked"]


def test_a_row_s_flags_are_shown_where_they_were_asked_for(table):
    assert "flags" not in making.data_of(table, Stated())["browser"]["rows"][0]
    stated = Stated()
    stated.root["export"]["flags"] = "cleaning"
    found = [("r7", "repeated", True), ("r7", "refusals", True), ("r8", "refusals", False)]
    artifacts.CLEANING.mkdir(parents=True)
    table_of = pa.table([list(column) for column in zip(*found, strict=True)], ["id", "check", "flag"])
    pq.write_table(table_of, artifacts.CLEANING / "findings.parquet")
    flags = {row["id"]: row["flags"] for row in making.data_of(table, stated)["browser"]["rows"]}
    assert flags["r7"] == ["repeated", "refusals"] and flags["r8"] == [] == flags["r9"]


def test_most_like_a_row_is_the_row_with_its_picture_and_words(table):
    near = rows.nearest([0, 1], artifacts.load_pool()["id"])
    assert near[0][0] == [small_results.COPY, f"r{small_results.COPY}", 1.0]  # a copy of row 0
    assert all(cosine <= 1 and row not in (0,) for row, _, cosine in near[0]) and len(near[1]) == rows.NEAREST


def test_any_beginning_holds_every_arm_and_rejected_rows_about_alike():
    chosen = {"a": np.arange(100), "b": np.arange(100, 110), "c": np.arange(50, 150)}
    order = list(rows.in_turn(chosen, 1000))
    assert sorted(order) == list(range(1000)) and order == list(rows.in_turn(chosen, 1000))
    first = order[:40]
    assert all(len(set(first) & set(own.tolist())) >= 8 for own in chosen.values())
    assert sum(row >= 150 for row in first) >= 8


def test_a_large_pool_is_sampled_within_bytes_and_says_so(table, monkeypatch):
    pool, chosen = artifacts.load_pool(), {"a": np.arange(20)}
    everything, _ = rows.sampled(pool, chosen)
    assert [one["row"] for one in everything] == list(range(pool.num_rows))
    monkeypatch.setattr(rows, "BYTES", 4000)
    some, addresses = rows.sampled(pool, chosen)
    used = {place for one in some for place in one["pictures"]}
    assert 0 < len(some) < pool.num_rows and used == set(range(len(addresses)))
    assert sum(map(len, addresses)) + sum(len(text.encode()) for one in some for _, text in one["turns"]) <= 4000
    monkeypatch.setattr(rows, "ROWS", 3)
    assert len(rows.sampled(pool, chosen)[0]) == 3


def test_large_pictures_are_made_small_and_long_turns_are_cut():
    large = io.BytesIO()
    Image.effect_noise((900, 450), 90).convert("RGB").save(large, "PNG")
    made = Image.open(io.BytesIO(pictures.thumbnail({"bytes": large.getvalue(), "path": None})))
    assert made.size == (pictures.SIDE, pictures.SIDE // 2) and made.format == "JPEG"
    ((_, text),) = rows.said([{"role": "user", "text": "<image>\n" + "x" * (rows.CHARACTERS + 7)}])
    assert text.startswith("xxx") and text.endswith("x [7 more characters]")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_s_file_says_nothing_but_its_pixels(kind):
    """Cameras write places and owners into files."""
    own, exif, texts = io.BytesIO(), Image.Exif(), PngInfo()
    exif[315], _ = "someone", texts.add_text("Author", "someone")
    Image.effect_noise((60, 40), 90).convert("RGB").save(own, kind, exif=exif, comment="someone", pnginfo=texts)
    assert b"someone" in own.getvalue()
    made = pictures.thumbnail({"bytes": own.getvalue(), "path": None})
    assert b"someone" not in made and Image.open(io.BytesIO(made)).format == kind


def test_nothing_in_a_row_ends_the_data_or_becomes_markup():
    hostile = ["</script><script>alert(1)</script>", "<!--<script>", "\u2028\u2029&amp;", "{{SCRIPT}}", "]]>"]
    text = as_json({"rows": hostile})
    assert not set("<>&\u2028\u2029") & set(text) and json.loads(text)["rows"] == hostile
    page = document({"rows": hostile})
    assert page.count("<script") == 2 and data_of(page)["rows"] == hostile


def test_scripts_set_texts_and_never_markup():
    code = "".join((ASSETS / name).read_text() for name in SCRIPTS)
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\b|new Function"
    assert not re.search(rf"{markup}|DOMParser|srcdoc|javascript:|fetch\(|XMLHttpRequest|import\(", code)
    assert {path.name for path in ASSETS.glob("*.js")} == set(SCRIPTS)


def test_a_pool_without_labels_embeddings_or_capabilities_has_its_page(table):
    """Your own data in a clone that has the pool alone."""
    facts = pq.read_table(artifacts.FACTS).drop_columns(["noise", "form", "subtask", "copy"])
    pq.write_table(facts, artifacts.FACTS)
    for folder in (artifacts.EMBEDDINGS, artifacts.CAPABILITIES):
        for path in folder.rglob("*.npy"):
            path.unlink()
    data = making.data_of(table, Stated())
    assert data["browser"]["groups"] == ["source", "about"] == [one["title"] for one in data["composition"]]
    assert data["browser"]["scores"] == [] and all(row["near"] == [] for row in data["browser"]["rows"])
    assert len(data["capabilities"]) == 2  # told from git


@pytest.mark.parametrize(
    ("path", "command"), [("artifacts/pool/rows.parquet", "pool"), ("reports/pool.parquet", "facts")]
)
def test_what_is_not_there_is_named_with_the_command_that_makes_it(table, path, command):
    Path(path).unlink()
    with pytest.raises(InputError, match=f"run `dvc repro {command}`"):
        making.data_of(table, Stated())


def test_facts_of_another_pool_are_refused(table):
    pq.write_table(artifacts.load_pool().slice(0, 5), Path("other.parquet"))
    Path("other.parquet").rename(artifacts.POOL / "rows.parquet")
    with pytest.raises(InputError, match=f"has {small_results.N_POOL} rows but artifacts/pool has 5"):
        making.data_of(table, Stated())


def test_scores_of_another_pool_are_refused(table):
    """More rows are no better than fewer: each would be another row's."""
    path = artifacts.CAPABILITIES / "cadc/influence.npy"
    kept = np.load(path)
    for other in (np.concatenate([kept, kept[:3]]), kept[:-1]):
        artifacts.save_array(path, other)
        with pytest.raises(InputError, match=f"'cadc: .*' covers {len(other)} rows but artifacts/pool has"):
            making.data_of(table, Stated())


def test_any_table_of_a_pipeline_has_its_page(table):
    named = [{"label": "at random", "arm": "random"}, {"label": "all", "arm": "full"}]
    spec = {"title": "x", "about": "", "split": "score", "plot": False, "claims": [], "published": {}, "rows": named}
    small_results.write_pipeline("mine", {"one": spec | {"full": "full"}}, {})
    command.main(["mine", "one"])
    board = data_of(Path("reports/tables/mine/one.html").read_text())["board"]
    assert [arm["title"] for arm in board["arms"]] == ["all", "at random, 5%"]
    for given, said in ((["mine"], "usage: python -m cadc.report.page"), (["mine", "two"], "no table two")):
        with pytest.raises(SystemExit, match=said):
            command.main(given)


@pytest.mark.parametrize("value", [61.050000000000004, 61.25, 61.35, -61.25, 0.05, 0.75, 99.95, 12.3456789, 0.0, -0.04])
def test_a_browser_shows_the_figure_that_the_tables_show(value):
    """A browser rounds the exact number, and half-way away from zero."""
    sent = Decimal(json.loads(json.dumps(figures.rounded(value))))
    assert sent.quantize(Decimal("0.1"), ROUND_HALF_UP) == Decimal(f"{value:.1f}")
    assert float(sent) == pytest.approx(value, rel=1e-5, abs=1e-5)
