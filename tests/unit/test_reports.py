"""What reports say of capabilities, from what `discover` leaves in git."""

import small_results
from PIL import Image

from cadc import artifacts
from cadc.report.capabilities import draw, load_found, section


def test_every_capability_is_described_and_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_results.write_found("x")
    facts, rows = load_found(None, "x")
    text = section("x", facts)
    assert "| 0 | 25% | task_0, task_2 | how many |" in text and "| 1 | 75% | task_1, task_3 | read |" in text
    assert "| 0 | 1 | 2 |  | 1 | yes |" in text  # one partition agrees with none
    draw("x", facts, rows, tmp_path)
    for name in ("similarity", "self_influence", "rows"):
        assert f"plots/{name}_x.png" in text and Image.open(tmp_path / f"{name}_x.png").size[0] > 300
    assert artifacts.FOUND == artifacts.REPORTS / "capabilities"
