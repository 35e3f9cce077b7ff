"""What views of a row show: purity of clusters on planted cases, and pages whose bytes repeat."""

import io

import numpy as np
import pytest
from PIL import Image

from cadc.features.purity import chance, purity
from cadc.report import views


def test_purity_counts_the_commonest_label_of_each_cluster():
    cluster, label = np.array([0, 0, 0, 1, 1, 3]), np.array(["a", "a", "b", "c", "c", "a"])
    assert purity(cluster, label) == pytest.approx(5 / 6)
    assert purity(np.zeros(6, int), label) == 0.5 and purity(np.arange(6), label) == 1


def test_small_clusters_are_pure_by_chance_and_large_ones_are_not():
    rng = np.random.default_rng(0)
    label = rng.choice(list("abcd"), 400)
    pairs, halves = np.repeat(np.arange(200), 2), np.repeat(np.arange(2), 200)
    assert chance(pairs, label) > 0.55 > 0.35 > chance(halves, label) > 0.25
    by_label = np.unique(label, return_inverse=True)[1]
    assert purity(by_label, label) == 1 and chance(by_label, label) < 0.4


def row(word: str, near: float | None = None) -> views.Shown:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), word if word in ("red", "blue") else "green").save(file, "png")
    turns = [{"role": "user", "text": f"<image>\nIs it | {word}?"}, {"role": "assistant", "text": word}]
    images = [{"bytes": file.getvalue(), "path": None}] if word != "none" else []
    return views.Shown.of({"turns": turns, "images": images}, ["naming a colour"], near)


def test_pages_say_what_was_found_and_repeat_their_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = {"source": {"pictures": {10: (0.5, 0.2), 30: (0.75, 0.4)}, "both": {10: (1.0, 0.2), 30: (1.0, 0.4)}}}
    near = {"concept": [row("red", 0.91), row("blue", 0.5)], "skill": [row("none", 1.0)]}
    pages = []
    for _ in range(2):
        views.write_purity(made)
        views.write_neighbours([("mmt_val/counting", row("blue"), near)])
        pages.append({path.name: path.read_bytes() for path in views.FOLDER.iterdir()})
    assert pages[0] == pages[1] and set(pages[0]) == {
        f"{n}.{e}" for n in ("purity", "neighbours") for e in ("md", "png")
    }
    assert "| 30 | 75.0 (40.0) | 100.0 (40.0) |" in pages[0]["purity.md"].decode()
    text = pages[0]["neighbours.md"].decode()
    assert "| by concept | 0.91 | Is it \\| red? | red | naming a colour |" in text and "| by skill | 1.00 |" in text
