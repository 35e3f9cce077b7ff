"""Labelled lists of what people's rows say, and the check that is held to them."""

from pathlib import Path

from cadc.cleaning import abnormal

HERE = Path(__file__).parent / "cases"
ABNORMAL = dict(echo_words=5, prose_words=12, letters=6, margin=4)


def lines(name: str) -> list[list[str]]:
    """The rows of a labelled list, without its header."""
    return [line.split("\t") for line in (HERE / name).read_text(encoding="utf-8").splitlines()[1:]]


def row(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "text": text} for i, text in enumerate(said)]


def abnormal_rows(*rows: list[dict[str, str]]) -> list[str]:
    return abnormal.check(list(rows), **ABNORMAL).evidence
