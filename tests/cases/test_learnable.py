"""Rows of which nothing can be learnt are named, or left out and counted, before any model runs."""

import io
import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

from cadc import artifacts
from cadc.config.errors import InputError
from cadc.config.params import Capture, Lora, load_params
from cadc.data.hub_layout import MMT_COLUMNS, POPE_COLUMNS, write_card, write_split
from cadc.data.probe import MMT, POPE
from cadc.data.reader import POOL_FEATURES
from cadc.gradients.influence import SketchedDirections, row_influence
from cadc.model.counting import size_of
from cadc.model.encode import IGNORE, EncodedRows, encode
from cadc.model.fit import Fit
from cadc.model.load import add_lora, trainable
from cadc.training.answers import measured
from cadc.training.finetune import finetune
from cadc.training.snapshots import Snapshot

ROOT = Path(__file__).parents[2]
LONG = "what color " * 60
MAX = 60


def png(width=48, height=48, orientation=None):
    image, file = Image.new("RGB", (width, height), "red"), io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(file, "PNG", exif=exif)
    return {"bytes": file.getvalue(), "path": None}


def row(name, *texts, images=()):
    turns = [{"role": ("user", "assistant")[k % 2], "text": text} for k, text in enumerate(texts)]
    return {"id": name, "source": "t", "images": list(images), "turns": turns}


GOOD = {
    "short": row("short", "what color ?", "red"),
    "two rounds, the second cut": row("later", "what color ?", "red", LONG, "blue"),
    "an answer cut at its end": row("end", "what color ?", "red " * 200),
    "a picture": row("seen", "<image>\nwhat color ?", "red", images=[png()]),
}
BAD = {
    "a long question": row("long", LONG, "red"),
    "a long question about a picture": row("long seen", f"<image>\n{LONG}", "red", images=[png()]),
    "the answer begins right behind": row("behind", "what " * (MAX - 2), "red"),
    "two rounds, the first too long": row("first", LONG, "red", "what color ?", "blue"),
    "a picture behind a long round": row("shown late", "a", "red " * 200, "<image>\nb", "c", images=[png()]),
}


def table(*rows):
    return pa.Table.from_pylist(list(rows), schema=POOL_FEATURES.arrow_schema)


def fit_of(params, **changes):
    return Fit(params.model.model_copy(update={"path": str(ROOT / params.model.path), "max_length": MAX} | changes))


@pytest.mark.parametrize("kind", BAD)
def test_a_row_whose_answers_are_wholly_cut_is_no_row(params, processor, kind):
    with pytest.raises(InputError, match=rf"row {BAD[kind]['id']}: \d+ tokens, above model.max_length={MAX}, and its"):
        encode(BAD[kind], processor, MAX, cut=True)
    (found,) = fit_of(params, long_rows="cut").misfits(table(*GOOD.values(), BAD[kind]))
    assert found["id"] == BAD[kind]["id"] and found["place"] == len(GOOD)
    assert all(said in found["reason"] for said in ("tokens, above model.max_length=60", "raise it", "remove the row"))


def test_the_last_place_is_enough_to_learn_from(processor):
    whole = encode(row("r", "what " * 20, "red"), processor, 256)
    first = int((whole["labels"] != IGNORE).nonzero()[0])
    assert (encode(row("r", "what " * 20, "red"), processor, first + 1, cut=True)["labels"] != IGNORE).sum() == 1
    with pytest.raises(InputError, match=f"its first answer begins after token {first}, .* nothing to train on"):
        encode(row("r", "what " * 20, "red"), processor, first, cut=True)


def test_with_long_rows_fail_any_longer_row_is_found(params):
    found = fit_of(params, long_rows="fail").misfits(table(*GOOD.values(), *BAD.values()))
    assert [one["id"] for one in found] == ["later", "end", *(bad["id"] for bad in BAD.values())]
    assert all("set model.long_rows: cut" in one["reason"] for one in found)


@pytest.mark.parametrize("name", ["llava", "smolvlm", "qwen2_vl"])
def test_tokens_are_counted_without_pictures_as_they_are_made_with_them(name, tmp_path, params, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    from architectures import FAMILIES

    model = params.model.model_copy(update={"path": str(FAMILIES[name].write(tmp_path / name)), "max_length": 4096})
    fit, sizes = Fit(model), [(48, 48), (300, 40), (40, 300), (97, 61), (640, 480)]
    rows = [
        *(row(f"{w}x{h}", "<image>\nwhat color ?", "red", images=[png(w, h)]) for w, h in sizes),
        row("several", "<image> and <image>\nwhich ?", "red", "<image>?", "blue", images=[png(*s) for s in sizes[:3]]),
        row("text", "what color ?", "red"),
    ]
    whole = [len(encode(one, fit._processor._processor, 4096)["input_ids"]) for one in rows]
    assert [fit.length(one) for one in rows] == whole and (len(set(whole[:5])) == 1) == (name == "llava")
    fits = Fit(model.model_copy(update={"max_length": int(np.median(whole)), "long_rows": "fail"})).misfits(
        table(*rows)
    )
    assert [one["place"] for one in fits] == np.flatnonzero(np.array(whole) > np.median(whole)).tolist()


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_a_picture_s_size_is_that_of_the_upright_one(orientation):
    assert tuple(size_of(png(64, 32, orientation))) == ((32, 64) if orientation in (6, 8) else (64, 32))


def test_a_picture_that_is_gone_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: can't be read"):
        size_of({"bytes": None, "path": str(tmp_path / "gone.png")})


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """stages/pool.py on rows and questions of a folder: (run(rows, **sections), folder)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADC_WORKERS", "1")
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["model"] |= {"path": str(ROOT / raw["model"]["path"]), "max_length": MAX, "long_rows": "cut"}
    raw["recipe_of"] = None
    raw["capture"]["targets"], raw["evaluate"]["tasks"] = ["mmt_val", "pope"], ["mmt_val", "pope"]
    for variant in raw["discoveries"].values():
        variant["discover"]["targets"] = ["mmt_val"]
    main = runpy.run_path(str(ROOT / "stages/pool.py"))["main"]

    def questions(root, mmt="what color ?", pope="is there a circle ?"):
        options = {letter: "red" if letter in "AB" else None for letter in "ABCDEFGHI"}
        doc = {"index": 7, "question": mmt, **options, "answer": "A", "image": png(), "category": "c",
               "l2-category": "m", "split": "VAL"}  # fmt: skip
        write_split(root / MMT, "default", "val", [doc], MMT_COLUMNS)
        write_card(root / MMT, {"default": ["val"]})
        doc = {"id": "9", "question_id": "9", "question": pope, "answer": "yes", "image_source": "a.png",
               "category": "own", "image": png()}  # fmt: skip
        write_split(root / POPE, "default", "test", [doc], POPE_COLUMNS)

    def run(rows, on_bad_row="fail", probe=None, score=None, groups=2, **model):
        folder = artifacts.fresh(artifacts.RAW)
        pq.write_table(table(*rows), folder / "rows.parquet", row_group_size=groups)
        artifacts.write_json(folder / "skipped.json", [{"id": "earlier", "reason": "blank"}])
        questions(artifacts.fresh(artifacts.PROBE), **probe or {})
        questions(artifacts.fresh(artifacts.SCORE), **score or {})
        made = raw | {"model": raw["model"] | model, "pool": raw["pool"] | {"on_bad_row": on_bad_row}}
        Path("params.yaml").write_text(yaml.safe_dump(made))
        main(load_params())
        return artifacts.load_pool()["id"].to_pylist(), artifacts.read_json(artifacts.POOL / "skipped.json")

    return run


def test_the_pool_is_all_rows_that_fit_in_the_order_of_their_ids(stage):
    ids, skipped = stage(GOOD.values())
    assert ids == sorted(one["id"] for one in GOOD.values()) and len(skipped) == 1
    pool = Path("artifacts/pool/rows.parquet")
    assert artifacts.load_pool().equals(table(*sorted(GOOD.values(), key=lambda one: one["id"])))
    before = pool.read_bytes()
    stage([*GOOD.values()][::-1], groups=3)
    assert pool.read_bytes() == before


def test_a_row_that_does_not_fit_is_named_and_nothing_is_written(stage):
    with pytest.raises(
        InputError, match=r"raw/rows.parquet, row id long: 12\d tokens.*4 more of 9 rows.*on_bad_row: skip"
    ):
        stage([*GOOD.values(), *BAD.values()])
    assert not artifacts.POOL.exists()


def test_words_that_the_tokenizer_does_not_know_stop_the_stage(stage):
    with pytest.raises(InputError, match=r"raw/rows.parquet: .* are unknown .*'quetzal'.*docs/new_model.md"):
        stage([*GOOD.values(), row("foreign", "quetzal quetzal quetzal " * 4, "zygomorphic")])
    assert not artifacts.POOL.exists()


@pytest.mark.parametrize("on_bad_row", ["skip", "llava"])
def test_rows_that_do_not_fit_are_left_out_and_counted(stage, on_bad_row):
    mixed = [one for pair in zip(BAD.values(), [*GOOD.values(), row("x", "a", "b")], strict=True) for one in pair]
    ids, skipped = stage(mixed, on_bad_row)
    assert ids == sorted([one["id"] for one in GOOD.values()] + ["x"])
    assert [one["id"] for one in skipped] == ["earlier", *(one["id"] for one in BAD.values())]
    assert all(set(one) == {"id", "reason"} for one in skipped) and "tokens" in skipped[1]["reason"]
    before = Path("artifacts/pool/rows.parquet").read_bytes()
    stage(mixed, on_bad_row)
    assert Path("artifacts/pool/rows.parquet").read_bytes() == before


@pytest.mark.parametrize("on_bad_row", ["fail", "skip", "llava"])
def test_a_pool_without_rows_is_refused(stage, on_bad_row):
    with pytest.raises(InputError, match=r"raw/rows\.parquet: the pool has no rows; .*raw/skipped\.json lists"):
        stage([], on_bad_row)
    assert not artifacts.POOL.exists()


def test_a_pool_of_no_other_rows_is_refused(stage):
    with pytest.raises(InputError, match="row id long.*raise it") as error:
        stage(BAD.values(), "skip")
    assert "on_bad_row" not in str(error.value)


@pytest.mark.parametrize("on_bad_row", ["fail", "skip"])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            {"probe": {"mmt": LONG}},
            r"probe/.*MMT-Benchmark: mmt_val, row 7: \d+ tokens, above .*=60; questions that are targets",
        ),
        (
            {"probe": {"pope": LONG}},
            r"probe/.*POPE: pope, row pope own 9: \d+ tokens, .*targets are never cut: raise it",
        ),
        ({"score": {"pope": LONG}}, r"score/.*POPE: pope, row 9: \d+ tokens, .*scored are never cut"),
        ({"score": {"mmt": LONG}}, r"score/.*MMT-Benchmark: mmt_val, row 7: \d+ tokens, .*scored are never cut"),
        ({"score": {"mmt": LONG, "pope": LONG}}, r"score/.*row 7: \d+ tokens, above .* \(1 more such rows\)"),
    ],
)
def test_a_question_that_is_longer_than_the_model_reads_is_named(stage, on_bad_row, where, said):
    with pytest.raises(InputError, match=said):
        stage(GOOD.values(), on_bad_row, **where)


class Blanked(EncodedRows):
    """Rows of which some are as if their answers were gone."""

    gone = ()

    def __getitem__(self, index):
        encoded = super().__getitem__(index)
        return encoded | {"labels": torch.full_like(encoded["labels"], IGNORE)} if index in self.gone else encoded


@pytest.fixture
def blanked(pool, processor):
    rows = Blanked(pool, processor, 256)
    rows.gone = (3, 4)
    return rows


def snapshot(model):
    generator = torch.Generator().manual_seed(3)
    weights = {name: p.detach().clone() for name, p in trainable(model).items()}
    first = {name: torch.randn(p.shape, generator=generator) for name, p in weights.items()}
    second = {name: x.square() + 0.1 for name, x in first.items()}
    return Snapshot(10, 1e-3, 0.9, 0.999, 1e-8, weights, first, second)


def test_a_row_without_a_gradient_of_its_own_has_no_direction(lora_model, blanked):
    """Momentum alone would be a direction: that of all rows, so that such a row would look like the purest."""
    settings = dict(targets=["mmt_val"], sketch="count", projection_seed=0, shard_rows=10, keep_sketches=True)
    for update in ("adamw", "adam_less"):
        capture = Capture(**settings, update=update, projection=128, batch_tokens=400)
        engine = SketchedDirections(lora_model, capture, 0)
        made = row_influence(engine, blanked, np.arange(8), [snapshot(lora_model)], np.ones((1, 2, 128), np.float32))
        there = ~np.isin(np.arange(8), blanked.gone)
        assert (made["norm"][0] > 0).tolist() == there.tolist() and not made["influence"][0, ~there].any()
        assert not made["self_influence"][0, ~there].any() and made["influence"][0, there].all()


def test_a_batch_of_rows_without_answers_is_named_and_no_nan(tiny_model, blanked, params, model_params):
    model = add_lora(tiny_model, Lora(rank=2, alpha=4, targets=model_params.lora.targets), 0)
    few = params.proxy.model_copy(update={"batch_size": 2})
    ids = blanked.table["id"].to_pylist()
    with pytest.raises(InputError, match=rf"step 2, id {ids[3]}, id {ids[4]}: .*raise model.max_length"):
        finetune(model, blanked, np.array([0, 1, 3, 4]), few, model_params)
    assert np.isfinite(finetune(model, blanked, np.array([0, 3, 1, 4]), few, model_params)).all()
    with pytest.raises(InputError, match=rf"loss and accuracy is not finite .* in row id {ids[3]}, id {ids[4]}"):
        measured(model, blanked, np.arange(6), 4)


def test_no_stage_s_row_is_left_unnamed(processor):
    """What slips through, as a rewritten row could, stops where it is first encoded."""
    rows = EncodedRows(table(GOOD["short"], BAD["a long question"]), processor, MAX, long_rows="cut")
    assert len(rows[0]["input_ids"]) < MAX and not rows.cut
    with pytest.raises(InputError, match="row long: "):
        rows[1]
