"""What the testbed's reports say: every world's gate with its verdict, and the plateau's means over seeds."""

from pathlib import Path

import numpy as np
import pytest
from test_gate import PASSING

from cadc import artifacts
from cadc.evaluation.gate import FORMS, Trial
from cadc.evaluation.intervals import Arm
from cadc.report import age, readme, testbed

RAW = ("vqa_accuracy", "pope_accuracy", "mmt_accuracy")


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """The testbed's reports in a folder of two worlds, whose stages DVC finds up to date."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("worlds: {a: {}, b: {}}")
    monkeypatch.setattr(age, "is_fresh", lambda target: True)  # what DVC says is tried on the real gates
    testbed.FOLDER.mkdir(parents=True)
    return testbed.FOLDER


def write(world, **changed):
    """A gate in which every figure of a form is that of PASSING but for the changed cells."""
    cells, arms = {}, {}
    for cell, values in PASSING.items():
        arm, _, size = cell.partition(" ")
        cells[cell] = Trial(arm, float(size.rstrip("%") or 0) / 100, 2.0, 0)
        values = np.array(changed.get(arm, values))
        figures = {name: values for name in (*FORMS, *RAW)}
        draws = {name: np.full(5, values.mean()) for name in figures}
        arms[cell] = Arm(tuple(range(len(values))), figures, draws, rows="all")
    testbed.write_gate(world, cells, arms, 0.05)


def test_a_gate_that_is_passed_in_every_world_is_said_to_be(reports, capsys):
    for world in ("a", "b"):
        write(world)
    testbed.main()
    assert "the gate passed in a, b" in capsys.readouterr().out
    text = (reports / "gate_a.md").read_text()
    assert "| random 5% | 2 | 61.0 ± 1.0 |" in text and "| NO |" not in text
    assert "mean of forms: oracle 5% - random 5%, low end of the 95% interval" in text
    assert "| rows | a, open | a, mean of forms | b, open | b, mean of forms |" in readme.gate()
    assert readme.gate().endswith(
        " |\n\n- **a**: passed, every condition holds\n- **b**: passed, every condition holds\n"
    )


def test_a_world_that_fails_is_named_and_the_exit_status_says_so(reports):
    write("a")
    write("b", oracle=[62.0, 63.0, 64.0])
    with pytest.raises(SystemExit, match="the gate FAILED in b"):
        testbed.main()
    failed = [
        line["text"] for line in artifacts.read_json(reports / "gate_b.json")["conditions"]["open"] if not line["holds"]
    ]
    assert failed == ["oracle 5% - random 5%"]
    assert "| open: oracle 5% - random 5% | 2.0 | >= 8 | NO |" in (reports / "gate_b.md").read_text()
    assert readme.gate().splitlines()[-3:] == [
        "- **b**: NOT passed, these conditions fail:",
        "  - mean of forms: oracle 5% - random 5% is 2.0, required >= 8",
        "  - open: oracle 5% - random 5% is 2.0, required >= 8",
    ]


def test_a_gate_says_of_which_commit_it_is_where_its_world_has_changed(reports, monkeypatch):
    write("a")
    write("b")
    monkeypatch.setattr(age, "is_fresh", lambda target: target != "pipelines/testbed/dvc.yaml:gate@b")
    monkeypatch.setattr(age, "commit_of", lambda path: f"of_{path.name}")
    a, b = readme.gate().splitlines()[-2:]
    assert a.startswith("- **a**: passed") and b.startswith("- **b** (of commit of_gate_b.json): passed")


def test_without_a_gate_nothing_is_passed(reports):
    with pytest.raises(SystemExit, match="the gate of a is not made yet.*\n.*of b is not made yet"):
        testbed.main()
    assert readme.gate() == "- **a**: not made yet\n- **b**: not made yet\n"
    write("a")
    with pytest.raises(SystemExit, match="^the gate of b is not made yet: run `make gate`$"):
        testbed.main()
    assert readme.gate().endswith("- **a**: passed, every condition holds\n- **b**: not made yet\n")


def test_a_plateau_shows_means_over_seeds_by_passes(reports):
    figures = {
        Trial("random", 0.05, epochs, seed): dict.fromkeys(FORMS, 10.0 * epochs + seed)
        for epochs in (2.0, 1.0)
        for seed in (0, 2)
    }
    testbed.write_plateau(figures)
    made = artifacts.read_json(reports / "plateau.json")["random 5%"]
    assert list(made) == ["1", "2"] and made["2"]["corrected_open"] == 21.0
    assert "| random 5% | 1 | 11.0 ± 1.4 |" in (reports / "plateau.md").read_text()
