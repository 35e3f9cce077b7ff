"""Metabolism: what does not help is not kept."""

import numpy as np
import pytest

from cadc.config.errors import InputError
from cadc.evaluation.statistics import Samples
from cadc.metabolism.validation import validate


def samples(p: float, rng: np.random.Generator, n: int = 400) -> Samples:
    text = np.array(["mini_vqa"] * n)
    subtask = np.array([f"s{i % 8}" for i in range(n)])
    blank = np.zeros(n, bool)
    return Samples(
        text,
        np.arange(n),
        subtask,
        subtask,
        blank,
        blank,
        (rng.random(n) < p).astype(float),
        np.ones(n),
        np.full(n, 0.25),
    )


def test_only_what_the_probe_rows_say_is_better_is_accepted():
    rng = np.random.default_rng(1)
    before, same, better, worse = ([samples(p, rng) for _ in range(3)] for p in (0.5, 0.5, 0.62, 0.4))
    up, level, down = (validate(before, after, 0.95, 200) for after in (better, same, worse))
    assert (
        up.accepted
        and up.gain == pytest.approx(100 * (0.62 - 0.5) / 0.75, abs=5)
        and up.gain == pytest.approx(np.mean(up.by_seed))
    )
    assert not level.accepted and not down.accepted and down.gain < 0
    assert not validate(before, before, 0.95, 50).accepted
    with pytest.raises(InputError, match="different probe rows"):
        validate(before, [samples(0.5, rng, 300)] * 3, 0.95, 10)


def test_one_run_does_not_speak_for_all():
    rng = np.random.default_rng(2)
    before = [samples(0.5, rng) for _ in range(3)]
    assert not validate(before, [samples(p, rng) for p in (0.98, 0.5, 0.47)], 0.95, 200).accepted
    assert validate(before, [samples(p, rng) for p in (0.65, 0.65, 0.65)], 0.95, 200).accepted


def test_of_equal_versions_about_one_in_twenty_passes():
    rng = np.random.default_rng(1)
    passed = [
        validate([samples(0.5, rng, 200)] * 2, [samples(0.5, rng, 200)] * 2, 0.95, 40, seed).accepted
        for seed in range(60)
    ]
    assert sum(passed) <= 10
