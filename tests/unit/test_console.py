"""Progress where there is no terminal: silence on short runs, and on long ones a line with what one would ask."""

import re

import pytest

from cadc.compute import console


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr(console, "_live", False)
    monkeypatch.setattr(type(console._console), "is_terminal", False)


def test_a_short_run_says_nothing(capsys):
    assert list(console.track(range(3), "short")) == [0, 1, 2] and capsys.readouterr().out == ""


def test_a_long_run_says_how_far_it_is_how_fast_what_was_noted_memory_and_time_left(capsys, monkeypatch):
    seconds = iter([0.0, 100.0, 400.0, 401.0, 800.0])  # at the start and after each of four items
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    for i in console.track(range(4), "learn"):
        console.note(loss=2.0 / (i + 1))
    first, second = capsys.readouterr().out.splitlines()
    said = r"learn: 2 of 4, 200\.0 s each, loss 1, \d+\.\d GiB of memory, 7 min left"
    assert re.fullmatch(said, first) and second.startswith("learn: 4 of 4, 200.0 s each, loss 0.5")


@pytest.mark.parametrize(
    ("done", "total", "seconds", "said"),
    [(500, 1000, 100, "5.0/s"), (1, 45, 300, "300.0 s each"), (1, 45, 300, "3 h 40 min left"), (9, None, 1, "9 of ?")],
)
def test_rates_and_times_are_in_units_that_can_be_read(done, total, seconds, said):
    assert said in console.progress_line("x", done, total, seconds)
