"""Mixes of the pool's versions: every row is counted once, what was done is told apart, and the picture can be read."""

from itertools import pairwise

import matplotlib
import numpy as np
import pyarrow as pa
import pytest

from cadc.data.lineage import Change, apply_lineage
from cadc.metabolism.mixes import OTHER_KINDS, Mix, mix_of
from cadc.metabolism.reasoning import REASON
from cadc.report.figures import STYLE
from cadc.report.mix import changes_table, draw_mixes, figure_of, mix_section, parts_table

NAMES = ["counting", "presence"]


def row(name: str, source: str, answer: str = "a") -> dict:
    turns = [{"role": "user", "text": "q ?"}, {"role": "assistant", "text": answer}]
    return {"id": name, "source": source, "images": [], "turns": turns}


@pytest.fixture
def versions() -> list[Mix]:
    """A pool of six rows and what two rounds made of it, by `apply_lineage`."""
    pool = pa.Table.from_pylist([row(f"{i}", "vqa" if i < 4 else "chat") for i in range(6)])
    reserve = pa.Table.from_pylist([row("reserve:0", "vqa"), row("reserve:1", "ocr")])
    kind = {"0": 0, "1": 0, "2": 1, "3": 1, "4": -1, "5": -1, "reserve:0": 0, "reserve:1": 1, "0~1": 0}
    rounds = [
        [Change("5", 1, "drop"), Change("0~1", 1, "add", "0"), Change("reserve:1", 1, "add", "reserve:1")],
        [
            Change("0~1", 2, "drop"),
            Change("1", 2, "drop"),
            Change("2", 2, "rewrite", before=("a",), after=("b",)),
            Change("3", 2, "rewrite", before=("a",), after=("<think>\nb\n</think>\na",), reason=REASON),
            Change("reserve:0", 2, "add", "reserve:0"),
        ],
    ]
    made = []
    for n in range(3):
        table = apply_lineage(pool, reserve, [change for changes in rounds[:n] for change in changes])
        home = np.array([kind[name] for name in table["id"].to_pylist()])
        done = rounds[n - 1] if n else []
        made.append(mix_of(f"round_{n}", table["source"].to_pylist(), home, NAMES, done, {"reserve:0", "reserve:1"}))
    return made


def cells(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_each_row_is_counted_once_and_what_was_done_is_told_apart(versions):
    first, second, third = versions
    assert first == Mix("round_0", {"chat": 2, "vqa": 4}, {"counting": 2, OTHER_KINDS: 2, "presence": 2})
    assert second.sources == {"chat": 1, "ocr": 1, "vqa": 5}
    assert second.kinds == {"counting": 3, OTHER_KINDS: 1, "presence": 3}
    assert (second.collected, second.copied, second.rewritten, second.reasoned, second.dropped) == (1, 1, 0, 0, 1)
    assert (third.collected, third.copied, third.rewritten, third.reasoned, third.dropped) == (1, 0, 1, 1, 2)
    for before, after in pairwise(versions):
        assert sum(after.kinds.values()) == sum(after.sources.values()) == after.n_rows
        assert after.n_rows == before.n_rows + after.collected + after.copied - after.dropped


def test_tables_have_rows_shares_and_the_change_against_the_version_before(versions):
    changes = cells(changes_table(versions))
    assert changes["as read"] == ["6", "", "", "", "", "", ""]
    assert changes["round 1"] == ["7", "+1", "1", "1", "0", "0", "1"]
    assert changes["round 2"] == ["6", "-1", "1", "0", "1", "1", "2"]
    sources = cells(parts_table(versions, [mix.sources for mix in versions]))
    assert sources[""] == ["as read", "round 1", "round 2"] and list(sources)[2:] == ["vqa", "chat", "ocr"]
    assert sources["vqa"] == ["4 (66.7%)", "5 (71.4%, +1)", "4 (66.7%, -1)"]
    assert sources["ocr"] == ["0 (0.0%)", "1 (14.3%, +1)", "1 (16.7%, +0)"]
    section = "\n".join(mix_section(versions, "metabolism/mix.png"))
    assert "(metabolism/mix.png)" in section and "| not probed | 2 (33.3%) | 1 (14.3%, -1) |" in section


def many(n: int, rows: int) -> list[Mix]:
    """So many versions of a pool of some `rows` rows, with 12 sources and 33 kinds."""
    rng = np.random.default_rng(0)
    made, kinds = [], rng.multinomial(rows, rng.dirichlet(np.full(33, 0.5)))
    for i in range(n):
        sources = rng.multinomial(kinds.sum(), np.full(12, 1 / 12))
        named = ({f"a_long_name_of_{what}_{k:02d}": int(count) for k, count in enumerate(counts)} for what, counts in
                 (("a_source", sources), ("what_is_asked", kinds)))  # fmt: skip
        made.append(Mix(f"round_{i}", *named))
        kinds = kinds + rng.integers(0, rows // 300 + 2, 33)
    return made


@pytest.mark.parametrize("rows", [240, 20_000, 665_298])
@pytest.mark.parametrize("n", [1, 3, 6])
def test_in_the_picture_no_text_lies_on_another_and_bars_hold_every_row(n, rows):
    mixes = many(n, rows)
    with matplotlib.rc_context(STYLE):
        figure = figure_of(mixes)
        figure.canvas.draw()
        for axis in figure.axes:
            boxes = [text.get_window_extent() for text in axis.texts] + [axis.get_legend().get_window_extent()]
            assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
            bars = axis.patches
            inside = [box for text, box in zip(axis.texts, boxes, strict=False) if text.get_ha() == "center"]
            edges = [bar.get_window_extent() for bar in bars]
            assert inside and all(any(e.x0 <= b.x0 and b.x1 <= e.x1 for e in edges) for b in inside)
            labels = axis.get_legend().get_texts()
            assert len(labels) <= 9 and labels[-1].get_text().endswith("others") and len(bars) == n * len(labels)
            by_version = np.reshape([bar.get_width() for bar in bars], (len(labels), n)).sum(0)
            assert by_version.tolist() == [mix.n_rows for mix in mixes]
        matplotlib.pyplot.close(figure)


def test_the_picture_has_the_same_bytes_each_time(tmp_path):
    for name in ("one.png", "two.png"):
        draw_mixes(tmp_path / name, many(3, 20_000))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    draw_mixes(tmp_path / "three.png", many(4, 20_000))
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "three.png").read_bytes()
