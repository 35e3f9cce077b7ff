"""Checks by a model: nobody is judged by who has seen him, and evidence made by hand is judged as it says."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cadc.cleaning import hallucination, mismatch, wrong_answer
from cadc.cleaning.cross_fitting import answer_tokens, fold_of, judged, other_rows, training_order
from cadc.cleaning.evidence import Evidence
from cadc.cleaning.findings import robust_z
from cadc.config.errors import InputError
from cadc.model.encode import IGNORE, EncodedRows


def decode(ids):
    return " ".join(f"w{i}" for i in ids)


def evidence(rows: list[list[dict]], match=None, decoy=None) -> Evidence:
    """Rows of tokens {token, likeliest, nll, likeliest_nll, entropy, blind_nll}, with defaults of a token that is well
    predicted."""
    usual = {"token": 1, "likeliest": 1, "nll": 0.1, "likeliest_nll": 0.1, "entropy": 0.1, "blind_nll": 2.0}
    tokens = [usual | token for row in rows for token in row]
    columns = {
        name: np.array([token[name] for token in tokens], np.int32 if name in ("token", "likeliest") else np.float32)
        for name in usual
    }
    bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    match, decoy = (
        np.zeros((*shape, len(rows)), np.float32) if own is None else np.asarray(own, np.float32)
        for own, shape in ((match, ()), (decoy, (1,)))
    )
    other = np.where(np.isfinite(decoy), np.roll(np.arange(len(rows)), 1), -1)
    views = {"similarity": np.full(len(rows), 0.1, np.float32), "match": match, "other": other, "decoy": decoy}
    return Evidence(bounds=bounds, fold=np.zeros(len(rows), np.int32), **views, **columns)


def test_no_adapter_learns_from_what_it_judges_nor_from_its_copies():
    rng = np.random.default_rng(0)
    keeper = np.arange(300)
    keeper[100:200] = rng.integers(0, 100, 100)
    fold = fold_of(keeper, 3, seed=0)
    assert (fold == fold[keeper]).all() and np.ptp(np.bincount(fold)) < 30
    for k in range(3):
        learnt = training_order(fold, k, keeper, 2.0, seed=0)
        assert not np.isin(keeper[learnt], keeper[fold == k]).any() and (keeper[learnt] == learnt).all()
        assert len(learnt) == 2 * len(np.unique(learnt)) == 2 * ((fold != k) & (keeper == np.arange(300))).sum()
    with pytest.raises(InputError, match="crossfit.folds=3"):
        fold_of(np.zeros(5, int), 3, seed=0)


def test_other_images_are_others():
    keeper = np.array([0, 0, 0, 3, 4, 5, 5, 7, 8, 9]) + 40
    pictured = np.array([True] * 9 + [False])
    which = np.arange(40, 50)
    drawn = other_rows(which, pictured, keeper, draws=5, seed=0)
    assert (drawn[:, 9] == -1).all() and np.isin(drawn[:, :9], which[:9]).all()
    assert (keeper[drawn[:, :9] - 40] != keeper[:9]).all()
    assert np.array_equal(drawn, other_rows(which, pictured, keeper, draws=5, seed=0))


def test_token_figures_by_hand():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [1 / 3, 1 / 3, 1 / 3]])
    labels = torch.tensor([[IGNORE, 0, 2, IGNORE], [IGNORE, IGNORE, IGNORE, 1]])
    row, made = answer_tokens(torch.log(p[[0, 1, 2, 2]]).expand(2, 4, 3), labels)
    assert (
        row.tolist() == [0, 0, 1] and made["token"].tolist() == [0, 2, 1] and made["likeliest"].tolist()[:2] == [0, 1]
    )
    assert made["nll"].tolist() == pytest.approx([-np.log(0.7), -np.log(0.3), np.log(3)])
    assert made["likeliest_nll"].tolist() == pytest.approx([-np.log(0.7), -np.log(0.6), np.log(3)])
    assert made["entropy"].tolist()[1:] == pytest.approx(
        [-(0.1 * np.log(0.1) + 0.6 * np.log(0.6) + 0.3 * np.log(0.3)), np.log(3)]
    )


def test_a_row_is_judged_the_same_whatever_stands_beside_it_and_images_are_swapped(lora_model, rows, pool):
    pictured = np.array([len(images) > 0 for images in pool["images"].to_pylist()])
    which = np.concatenate([np.flatnonzero(pictured)[:9], np.flatnonzero(~pictured)[:2]])
    others = other_rows(which, pictured[which], which, draws=2, seed=0)
    made, alone = (
        judged(lora_model, rows, which, others, 4000),
        [judged(lora_model, rows, which[[i]], others[:, [i]], 4000) for i in range(len(which))],
    )
    for name, array in made.items():
        np.testing.assert_allclose(
            array, np.concatenate([one[name] for one in alone]), rtol=1e-3, atol=1e-3, err_msg=name
        )
    bounds = np.concatenate([[0], np.cumsum(made["n_tokens"])])
    assert np.isnan(made["blind_nll"][bounds[9] :]).all() and np.isfinite(made["blind_nll"][: bounds[9]]).all()
    assert np.abs(made["blind_nll"] - made["nll"])[: bounds[9]].max() > 1e-3
    shown = pool.set_column(2, "images", pool["images"].take(np.arange(pool.num_rows)).combine_chunks())
    first, other = int(which[0]), int(others[0, 0])
    swapped = shown.slice(first, 1).set_column(2, "images", shown["images"].slice(other, 1))
    own = judged(lora_model, EncodedRows(swapped, rows.processor, 256), np.array([0]), np.full((1, 1), -1), 4000)
    one = judged(lora_model, rows, which[[0]], others[:1, [0]], 4000)
    np.testing.assert_allclose(own["nll"], one["blind_nll"], rtol=1e-3, atol=1e-4)
    labels = rows[first]["labels"]
    with torch.inference_mode():
        encoded = {name: value[None] for name, value in rows[first].items() if name in ("input_ids",)} | {
            "pixel_values": rows[first]["pixel_values"]
        }
        logits = lora_model(**encoded).logits[0, :-1].float()
    end = rows.processor.tokenizer.convert_tokens_to_ids("<end>")
    direct = F.cross_entropy(logits, torch.where(labels == end, IGNORE, labels)[1:], ignore_index=IGNORE)
    assert one["nll"].mean() == pytest.approx(direct.item(), rel=1e-4)


def test_a_confident_other_answer_is_wrong_and_mere_doubt_is_not():
    rng = np.random.default_rng(0)
    rows = [[{"nll": 0.1 + 0.05 * rng.standard_normal(), "entropy": 0.15}] for _ in range(60)]
    rows += [[{"nll": 1.6, "likeliest_nll": 1.5, "entropy": 1.6}] for _ in range(5)]  # a guess among five
    rows += [[{"nll": 4.0, "likeliest": 7, "likeliest_nll": 0.05, "entropy": 0.2}]]
    found = wrong_answer.check(evidence(rows), np.arange(66), decode, rule="surprise", z=3.5, consensus=5)
    assert found.flag.nonzero()[0].tolist() == [65] and found.evidence[65] == "w1 (0.02) where w7 (0.95) was predicted"
    agreed = wrong_answer.check(
        evidence(rows * 5), np.tile(np.arange(66), 5), decode, rule="surprise", z=3.5, consensus=5
    )
    assert not agreed.flag.any() and np.isnan(agreed.score).all()  # five rows say so


def test_the_confident_joint_is_cleanlab_s():
    """One token an answer, every token likely to be given: then our rule is that of the package."""
    count = pytest.importorskip("cleanlab.count")
    rng = np.random.default_rng(1)
    n, k = 400, 4
    labels = rng.integers(0, k, n)
    p = rng.dirichlet(np.ones(k), n) + 1.5 * np.eye(k)[np.where(rng.random(n) < 0.2, (labels + 1) % k, labels)]
    p /= p.sum(1, keepdims=True)
    rows = [
        [{"token": int(y), "likeliest": int(q.argmax()), "nll": -np.log(q[y]), "likeliest_nll": -np.log(q.max())}]
        for y, q in zip(labels, p, strict=True)
    ]
    _, off = count.compute_confident_joint(labels, p, calibrate=False, return_indices_of_off_diagonals=True)
    ours = set(np.flatnonzero(wrong_answer.confident_joint(evidence(rows))).tolist())
    assert ours <= set(off) and len(ours) > 0.9 * len(
        off
    )  # cleanlab also counts the likeliest above ITS threshold where another class is likelier below its own


def planted_matches(share: float, apart: float, n: int = 4000, doubtful: float = 0.0):
    """Log-odds of a pool in which `share` of rows look like decoys, `doubtful` a little like them, and which
    rows are which."""
    rng = np.random.default_rng(0)
    mismatched = rng.random(n) < share
    kind = np.where(mismatched, 0.0, np.where(rng.random(n) < doubtful, apart / 2, apart))
    return rng.normal(kind, 1), rng.normal(0, 1, 2 * n), mismatched


@pytest.mark.parametrize(("share", "doubtful"), [(0.05, 0.0), (0.05, 0.15), (0.3, 0.15)])
def test_decoys_tell_how_far_down_most_flagged_rows_are_mismatched(share, doubtful):
    own, decoy, mismatched = planted_matches(share, 6.0, doubtful=doubtful)
    expected, estimated = mismatch.expected_precision(own, decoy)
    flag = expected >= 0.9
    assert mismatched[flag].mean() > 0.75 and flag[mismatched].mean() > (0.5 if doubtful else 0.9)
    assert 0.9 * share < estimated < 1.3 * share
    assert own[flag].max() < own[~flag].min() and (np.diff(expected[np.argsort(own)]) <= 0).all()
    stricter = expected >= 0.98
    assert stricter.sum() < flag.sum() and mismatched[stricter].mean() > mismatched[flag].mean()


def test_a_pool_without_mismatches_or_evidence_has_none_flagged():
    own, decoy, _ = planted_matches(0.0, 6.0)
    assert (mismatch.expected_precision(own, decoy)[0] >= 0.8).mean() < 0.005
    assert (
        len(mismatch.expected_precision(own[:0], decoy)[0]) == 0
        and not mismatch.expected_precision(own, decoy[:0])[0].any()
    )


def test_a_mismatch_is_told_with_its_evidence_and_rows_without_image_are_not_judged():
    own, decoy, mismatched = planted_matches(0.1, 8.0, n=400)
    found = mismatch.check(
        evidence([[{"blind_nll": 1.5}]] * 401, [*own, np.nan], [[*decoy[:400], np.nan]]),
        np.full(401, "web"),
        precision=0.8,
    )
    assert found.flag[:400][mismatched].mean() > 0.9 and found.flag[:400][~mismatched].mean() < 0.04
    assert np.isnan(found.score[400]) and not found.flag[400]
    row = int(np.flatnonzero(found.flag)[0])
    assert found.evidence[row] == (
        f"log-odds {own[row]:.1f} that image and text match; their similarity is 0.10, "
        "and the image adds 1.40 nats per token"
    )


def test_rows_are_not_judged_by_a_model_that_does_not_tell_images_apart():
    """Own and other images look alike to it: that is no sign that all images are of other rows."""
    own, decoy, _ = planted_matches(1.0, 0.0)
    row = [[{}]] * 4000
    assert mismatch.expected_precision(own, decoy[:4000])[1] > 0.8
    blind = mismatch.check(evidence(row, own, [decoy[:4000]]), np.full(4000, "web"), precision=0.9)
    assert np.isnan(blind.score).all() and not blind.flag.any()
    alone = mismatch.check(evidence(row, own, [decoy[:4000]]), np.arange(4000).astype(str), precision=0.9)
    assert np.isnan(alone.score).all() and not alone.flag.any()


def test_short_and_long_answers_are_judged_by_bounds_of_their_own():
    """Here log-odds of captions are all 4 higher: under one bound a mismatched caption would pass for a single
    word that belongs."""
    own, decoy, mismatched = planted_matches(0.1, 6.0, n=4000)
    long = np.arange(4000) % 4 == 0
    lift = np.where(long, 4.0, 0.0)
    found = mismatch.check(
        evidence([[{}] * (20 if caption else 1) for caption in long], own + lift, [decoy[:4000] + lift]),
        np.full(4000, "web"),
        precision=0.8,
    )
    for kind in (long, ~long):
        assert found.flag[mismatched & kind].mean() > 0.9 and mismatched[found.flag & kind].mean() > 0.7


def test_decoys_are_of_the_same_source():
    """Pictures of the other source are told at once; taken for decoys, they would make true mismatches look too good to
    flag."""
    own, decoy, mismatched = planted_matches(0.1, 6.0, n=4000)
    source = np.repeat(["photos", "plots"], 2000)
    shown = evidence(
        [[{}]] * 4000, own, [np.where(source == np.roll(source, 1), decoy[:4000], -9.0), np.full(4000, -9.0)]
    )
    shown.other[1] = np.roll(np.arange(4000), 2000)
    found = mismatch.check(shown, source, precision=0.8)
    assert found.flag[mismatched].mean() > 0.9 and mismatched[found.flag].mean() > 0.7
    assert mismatch.check(shown, np.full(4000, "all"), precision=0.8).flag.sum() < 0.2 * found.flag.sum()


def test_words_that_the_image_does_not_speak_for_are_hallucinated():
    def said(tokens, gain):
        return [
            {"token": t, "nll": 1.0, "blind_nll": 1.0 + (gain if t else 0.0)} for t in tokens
        ]  # token 0 is a word that no image tells

    seen = [said([0, 1, 2, 3, 0, 4, 5, 6], 2.0) for _ in range(20)]
    for k, row in enumerate(seen):  # a word or two are doubtful anywhere
        row[1 + k % 3]["blind_nll"] = 1.0 - 0.1 * (k % 7)
    rows = [*seen, said([0, 1, 2, 3, 0, 4, 5, 6], -1.0), said([1, 2], -1.0), said([0] * 8, -1.0)]
    found = hallucination.check(evidence(rows), decode, visual=0.1, words=6, z=3.5)
    assert (
        found.flag.nonzero()[0].tolist() == [20]
        and found.evidence[20] == "not supported by the image: w1, w2, w3, w4, w5, w6"
    )
    assert np.isnan(found.score[21:]).all()


def test_robust_distances():
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0, np.nan])
    assert robust_z(values)[:5] == pytest.approx((values[:5] - 3) / 1.4826) and np.isnan(robust_z(values)[5])
    assert robust_z(np.array([0.0, 0, 0, 0, 5]))[4] == pytest.approx(1 / 1.4826)
    assert robust_z(np.full(3, 2.0)).tolist() == [0, 0, 0] and np.isnan(robust_z(np.full(2, np.nan))).all()
