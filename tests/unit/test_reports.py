"""What reports say of capabilities: words that set them apart, rows that serve them."""

import numpy as np
from PIL import Image

from cadc.report.capabilities import describe, draw, most_influential, telling_words


def test_the_words_that_set_a_group_apart_are_its_own_and_not_the_common_ones():
    texts = ["what is the color of it"] * 30 + ["what is the number of it"] * 30 + ["what is it"] * 30
    words = telling_words(texts, np.repeat([0, 1, 3], 30), 4, 1)
    assert words[0] == ["color"] and words[1] == ["number"] and words[2] == []


def test_the_most_influential_rows_are_asked_differently():
    influence = np.array([[9.0, 0.0], [8.0, 1.0], [7.0, 2.0], [7.0, 3.0]])
    assert most_influential(influence, ["a", "a", "b", "c"], 3) == [[0, 2, 3], [3, 2, 1]]


def test_every_capability_is_described_and_drawn(pool, tmp_path):
    rng = np.random.default_rng(0)
    named = [{"name": f"task_{i}", "meta_task": "m", "rows": 3, "capability": i % 2} for i in range(5)]
    text, rows = describe(
        named,
        rng.normal(size=(pool.num_rows, 2)).astype(np.float32),
        [{"tau": 0.0, "resolution": 1.0, "capabilities": 2, "ari": 0.5, "runs": 3, "chosen": True}],
        pool,
    )
    assert "task_0, task_2, task_4" in text and "task_1, task_3" in text and [len(line) for line in rows] == [6, 6]
    draw(tmp_path / "x.png", rows)
    assert Image.open(tmp_path / "x.png").size[0] > 400
