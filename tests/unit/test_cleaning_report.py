"""The cleaning report: precision and recall are what they are by hand, and the same findings give the same bytes."""

import numpy as np
import pyarrow as pa
import pytest

from cadc.cleaning.duplicates import Copies
from cadc.cleaning.findings import Findings
from cadc.compute import launch
from cadc.report import cleaning


def labels(noise, copy_of):
    return pa.table({"id": [f"{i:03d}" for i in range(len(noise))], "noise": noise, "duplicate_of": copy_of})


def test_precision_recall_and_auc_by_hand():
    noise = ["wrong", "clean", "wrong", "mismatch", "clean", "wrong"]
    found = Findings.of([5, 4, 3, 2, np.nan, 1], [True, True, True, True, False, False], [""] * 6)
    made = cleaning.figures_of(
        "wrong_answer", found, labels(noise, [""] * 6), Copies(np.arange(6), np.zeros(6, bool), np.zeros(6))
    )
    assert made == {
        "planted": 3,
        "precision": 0.5,
        "recall": pytest.approx(2 / 3),
        "noisy": 0.75,
        "auc": pytest.approx(3 / 6),
    }
    assert cleaning.figures_of("repetition", found, labels(noise, [""] * 6), None) == {}


def test_a_check_may_be_meant_for_several_faults():
    noise = ["refusal", "echo", "clean", "meta", "format", "truncation"]
    found = Findings.of([2, 1, 1, 0, 0, 0], [True, True, True, False, False, False], [""] * 6)
    made = cleaning.figures_of("abnormal", found, labels(noise, [""] * 6), None)
    assert made["planted"] == 4 and made["precision"] == pytest.approx(2 / 3) and made["recall"] == 0.5


def test_a_copy_is_found_whichever_of_its_group_is_kept_and_equal_text_is_a_copy_by_chance():
    planted = ["", "000", "000", "", "", ""]  # rows 0, 1, 2 say the same; 3 and 4 do by chance, letter by letter
    copies = Copies(np.array([1, 1, 1, 3, 3, 3]), np.array([False, False, False, False, True, False]), np.zeros(6))
    found = Findings.of(np.zeros(6), copies.keeper != np.arange(6), [""] * 6)
    made = cleaning.figures_of("duplicates", found, labels(["clean"] * 6, planted), copies)
    assert made == {"planted": 3, "precision": pytest.approx(3 / 4), "recall": 1.0}  # row 5 is no copy of row 3


def test_a_report_has_examples_with_pictures_and_the_same_bytes_twice(pool, params, tmp_path):
    rng = np.random.default_rng(0)
    n = pool.num_rows
    found = {
        name: Findings.of(rng.random(n), rng.random(n) < 0.1, ["a | b"] * n) for name in ("repetition", "wrong_answer")
    }
    noise = labels(rng.choice(["clean", "wrong"], n).tolist(), [""] * n).set_column(0, "id", pool["id"])
    copies = Copies(np.arange(n), np.zeros(n, bool), np.zeros(n, np.float32))
    made = []
    for name in ("a", "b"):
        cleaning.write(tmp_path / name, pool, found, copies, noise, params.clean, 0, 0)
        made.append(
            {
                path.relative_to(tmp_path / name): path.read_bytes()
                for path in sorted((tmp_path / name).rglob("*"))
                if path.is_file()
            }
        )
    assert made[0] == made[1]
    assert {path.name for path in made[0]} == {"cleaning.md", "repetition.png", "wrong_answer.png", "roc.png"}
    text = (tmp_path / "a/cleaning.md").read_text()
    assert text.count("a \\| b") == 2 * cleaning.EXAMPLES and "## wrong_answer" in text


def test_stages_of_several_rounds_refuse_ranks_and_say_what_to_do(monkeypatch):
    launch.refuse_ranks("clean")
    monkeypatch.setenv("CADC_LAUNCHER", "torchrun --nproc-per-node 2")
    with pytest.raises(ValueError, match="clean works in several rounds.*processes or ray"):
        launch.refuse_ranks("clean")
