"""The head that tells which picture belongs to a row."""

import numpy as np
import torch

from cadc.cleaning.cross_fitting import other_rows, with_image_of
from cadc.cleaning.picture_match import load_matchers, matched, read, save_matcher, train_matching
from cadc.config.cleaning import Matching
from cadc.model.encode import IGNORE, EncodedRows, encode
from cadc.model.load import add_lora, load_base, load_processor


def test_the_head_reads_where_answers_begin_and_end_and_the_last_token():
    hidden = torch.arange(12.0).reshape(2, 6, 1)
    labels = torch.full((2, 6), IGNORE)
    labels[0, 1:3], labels[0, 4], labels[1, 2:4] = 1, 1, 1
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]])
    assert read(hidden, labels, mask).tolist() == [[(0 + 3) / 2, (2 + 4) / 2, 4], [6 + 1, 6 + 3, 6 + 3]]
    assert read(hidden[:1], torch.full((1, 6), IGNORE), mask[:1]).tolist() == [[0, 0, 4]]  # a row cut before its answer


def test_matching_tells_rows_from_rows_with_other_pictures_and_is_repeatable(pool, params, tmp_path):
    """The mini base on a few rows, learnt and judged on the same: that it looks at pictures, that what is saved judges
    alike, that rows of text alone are left out."""
    rows = EncodedRows(pool, load_processor(params.model), 256)
    pictured = np.array([len(images) > 0 for images in pool["images"].to_pylist()])
    which, how = np.flatnonzero(pictured)[:32], Matching(members=2, epochs=30, learning_rate=0.005, batch_size=16)
    asked = np.concatenate([which, np.flatnonzero(~pictured)[:2]])
    others, judged = other_rows(asked, pictured[asked], asked, 2, 0), []
    for folder in (tmp_path / "once", tmp_path / "again"):
        for member in range(how.members):
            model = add_lora(load_base(params.model), params.model.lora, 0)
            seed, keeper = [0, member], np.arange(pool.num_rows)
            head = train_matching(model, rows, which, keeper, how, params.proxy, "float32", 500, seed)
            save_matcher(model, head, folder / str(member))
        model, ensemble = load_matchers(load_base(params.model), [folder / "0", folder / "1"], "m")
        judged.append(matched(model, ensemble, rows, asked, others, 2000))
    one, other = ensemble
    assert not torch.equal(one.head.weight, other.head.weight)
    assert np.isnan(matched(model, [], rows, asked, others, 2000)["match"]).all()
    assert load_matchers(model, [tmp_path / "none"], "n") == (model, [])
    bases = [load_matchers(load_base(params.model), [folder / name], "m") for name in "01"]  # a base for each
    apart = [matched(base, [only], rows, asked, others, 2000)["match"] for base, (only,) in bases]
    np.testing.assert_array_equal(np.mean(apart, 0), judged[1]["match"])
    assert all(
        np.array_equal(judged[0][name], more[name], equal_nan=True)
        for more in judged[1:]
        for name in ("match", "decoy")
    )
    match, decoy = judged[0]["match"], judged[0]["decoy"]
    assert np.isnan(match[32:]).all() and np.isnan(decoy[:, 32:]).all() and decoy.shape == (2, 34)
    assert np.median(match[:32]) > 1 > -1 > np.median(decoy[:, :32])


def test_a_batch_of_matching_may_be_passed_in_parts(pool, params):
    rows, keeper = EncodedRows(pool, load_processor(params.model), 256), np.arange(pool.num_rows)
    which = np.flatnonzero([len(images) > 0 for images in pool["images"].to_pylist()])[:16]
    how, heads = Matching(members=1, epochs=3, learning_rate=0.001, batch_size=8), []
    for batch_tokens in (100, 10**6):
        model = add_lora(load_base(params.model), params.model.lora, 0)
        heads.append(train_matching(model, rows, which, keeper, how, params.proxy, "float32", batch_tokens, [0, 0]))
    torch.testing.assert_close(heads[0].weight, heads[1].weight, rtol=1e-3, atol=1e-4)
    assert heads[0].weight.abs().max() > 1e-3


def test_a_picture_of_the_same_size_is_shown_as_if_the_row_were_encoded_with_it(pool, processor):
    rows = EncodedRows(pool, processor, 256)
    a, b = np.flatnonzero([len(images) == 1 for images in pool["images"].to_pylist()])[:2]
    record = pool.slice(int(a), 1).to_pylist()[0] | {"images": pool["images"][int(b)].as_py(), "row": int(a)}
    shown, expected = with_image_of(rows, rows[int(a)], rows[int(b)]), encode(record, processor, 256)
    assert shown.keys() == expected.keys() and all(
        torch.equal(torch.as_tensor(shown[name]), torch.as_tensor(expected[name])) for name in expected
    )
