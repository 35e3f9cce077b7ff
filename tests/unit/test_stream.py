"""Rows ahead of the model: each encoded once for all snapshots, in order, by this process or by others."""

import copy

import numpy as np
import pytest
import torch
from architectures import FAMILIES
from test_gradients import mixed_rows, snapshot
from test_influence import engine_of
from transformers import AutoProcessor

from cadc.cleaning.cross_fitting import judged, other_rows
from cadc.cleaning.picture_match import Matcher, matched, train_matching
from cadc.config.cleaning import Matching
from cadc.config.errors import InputError
from cadc.gradients.influence import row_influence, token_batches
from cadc.model import encode as encoding
from cadc.model import stream
from cadc.model.encode import EncodedRows
from cadc.model.load import trainable
from cadc.model.stream import ahead, stretches, token_lengths


class Counted:
    """A processor that remembers how many pictures it was shown."""

    def __init__(self, processor):
        self.processor, self.shown = processor, 0

    def __getattr__(self, name):
        return getattr(self.processor, name)

    def __call__(self, *args, images=(), **options):
        self.shown += len(images)
        return self.processor(*args, images=images, **options)


def states_of(model, n=3):
    states = [snapshot(trainable(model), seed=s) for s in range(n)]
    for state in states:
        for weight in state.weights.values():
            weight.mul_(0.2)
    return states


@pytest.mark.parametrize("room", [1 << 31, 200_000, 1])
def test_a_picture_is_processed_once_for_all_snapshots(lora_model, pool, processor, monkeypatch, room):
    """However much memory there is for it: a stretch is a shard, some batches, or one batch."""
    monkeypatch.setattr(encoding, "KEPT_BYTES", room)
    engine, which = engine_of(lora_model, projection=128, batch_tokens=200), np.arange(40)
    counted = Counted(processor)
    rows = EncodedRows(pool, counted, 256)
    made = row_influence(engine, rows, which, states_of(lora_model), np.zeros((3, 2, 128), np.float32))
    n_pictures = sum(len(images) for images in pool["images"].to_pylist()[:40])
    sizes = 0 if room > 200_000 else 1  # a blank picture of each size is counted where pictures are not kept
    assert counted.shown == n_pictures + sizes
    alone = [
        row_influence(engine, EncodedRows(pool, processor, 256), which, [state], np.zeros((1, 2, 128), np.float32))
        for state in states_of(lora_model)
    ]
    for name, array in made.items():
        np.testing.assert_array_equal(array, np.concatenate([one[name] for one in alone]))


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_are_those_of_encoded_rows_and_decode_no_picture(family, tmp_path, pool):
    processor = AutoProcessor.from_pretrained(FAMILIES[family].write(tmp_path))
    which = np.array(mixed_rows(pool))
    lengths = token_lengths(EncodedRows(pool, processor, 2000, keep=False), which)
    rows = EncodedRows(pool, processor, 2000)
    assert lengths.tolist() == [len(rows[int(row)]["input_ids"]) for row in which]
    longest = int(lengths.max())
    cut = EncodedRows(pool, processor, longest - 1, keep=False, long_rows="cut")
    assert token_lengths(cut, which).max() == longest - 1
    with pytest.raises(InputError, match=f"{longest} tokens, above model.max_length"):
        token_lengths(EncodedRows(pool, processor, longest - 1, keep=False), which)


def test_loaders_make_the_same_rows_in_the_same_order_and_say_what_was_cut(pool, processor, monkeypatch):
    order = np.random.default_rng(0).integers(0, 60, 50)
    lengths = token_lengths(EncodedRows(pool, processor, 256), order)
    limit = int(lengths.max()) - 1
    here = EncodedRows(pool, processor, limit, long_rows="cut")
    expected, state = list(ahead(here, order)), torch.get_rng_state()
    monkeypatch.setenv("CADC_LOADERS", "2")
    rows = EncodedRows(pool, processor, limit, long_rows="cut")
    for a, b in zip(ahead(rows, order), expected, strict=True):
        assert a.keys() == b.keys() and a["row"] == b["row"]
        assert all(torch.equal(a[name], b[name]) for name in a if name != "row")
    assert rows.cut == here.cut != {} and torch.equal(torch.get_rng_state(), state)


def test_loaders_change_no_byte_of_cross_fitting(pool, params, lora_model, processor, monkeypatch):
    pictured = np.array([len(images) > 0 for images in pool["images"].to_pylist()])
    which, how = np.flatnonzero(pictured)[:12], Matching(members=1, epochs=1, learning_rate=0.01, batch_size=8)
    asked = np.concatenate([which, np.flatnonzero(~pictured)[:2]])
    others = other_rows(asked, pictured[asked], asked, 2, 0)

    def made():
        rows, model = EncodedRows(pool, processor, 256, keep=False), copy.deepcopy(lora_model)
        head = train_matching(model, rows, which, np.arange(pool.num_rows), how, params.proxy, "float32", 300, [0])
        seen = judged(model, rows, asked, others, 300)
        return seen | matched(model, [Matcher("default", head)], rows, asked, others, 300)

    alone = made()
    monkeypatch.setenv("CADC_LOADERS", "2")
    for name, array in made().items():
        np.testing.assert_array_equal(array, alone[name], err_msg=name)
    assert np.ptp(alone["match"][:12]) > 0


def test_an_error_in_a_loader_is_that_of_the_row(pool, processor, monkeypatch):
    monkeypatch.setenv("CADC_LOADERS", "1")
    with pytest.raises(InputError, match=r"^row .*: \d+ tokens, above model.max_length=8; raise it"):
        list(ahead(EncodedRows(pool, processor, 8), np.arange(5)))


def test_a_stretch_takes_no_more_memory_than_it_may(pool, processor, monkeypatch):
    rows, which = EncodedRows(pool, processor, 256, keep=False), np.arange(60)
    places = token_batches(token_lengths(rows, which), 200)
    monkeypatch.setattr(encoding, "KEPT_BYTES", 400_000)
    sizes, seen = [], []
    for stretch in stretches(rows, which, places, 0):
        sizes.append([sum(x.nbytes for x in batch.values()) for _, batch in stretch])
        seen += [int(i) for at, _ in stretch for i in at]
    assert seen == [int(i) for at in places for i in at] and len(sizes) > 3
    assert all(sum(size) <= 400_000 or len(size) == 1 for size in sizes)


def test_loaders_are_as_many_as_are_asked_for_and_none_without_a_gpu(monkeypatch):
    assert stream.n_loaders() == 0
    monkeypatch.setattr(stream.launch, "n_gpus", lambda: 1)
    assert stream.n_loaders() >= 1
    monkeypatch.setenv("CADC_LOADERS", "5")
    assert stream.n_loaders() == 5
