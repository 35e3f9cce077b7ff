"""Flags of a pool version: text and image checks, run again for each version, and the flags of model-based checks if
`clean` has run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cadc.cleaning import abnormal, answer_format, duplicates, repetition
from cadc.cleaning.findings import Findings
from cadc.config.cleaning import BY_MODEL, Clean

COPIES = "duplicates"
#: The text checks by name, in report order.
TEXT = {"repetition": repetition, "abnormal": abnormal, "answer_format": answer_format}


def settings_of(clean: Clean, name: str) -> dict:
    """One check's parameters without its action."""
    return getattr(clean, name).model_dump(exclude={"action"})


def text_flags(turns: list[list[dict]], clean: Clean) -> dict[str, Findings]:
    """Findings of the text checks, by name."""
    return {name: module.check(turns, **settings_of(clean, name)) for name, module in TEXT.items()}


def model_free(
    ids: list[str], turns: list[list[dict]], picture: np.ndarray, files: np.ndarray, meant: np.ndarray, clean: Clean
) -> tuple[dict[str, Findings], np.ndarray]:
    """Findings of every check that needs no model, by name, and each row's keeper int64 [n] (itself if it is no copy).

    picture, files [n]: from `shown_pictures`. meant bool [n]: deliberate copies (up-sampled rows), which are not
    flagged as duplicates.
    """
    settings = clean.duplicates
    prints = duplicates.text_prints(turns, settings.shingle, settings.permutations, settings.short, settings.seed)
    copies = duplicates.row_copies(prints, picture, files, settings.bands, settings.jaccard)
    copied = duplicates.check(copies, ids)
    return text_flags(turns, clean) | {
        COPIES: Findings(copied.score, copied.flag & ~meant, copied.evidence)
    }, copies.keeper


def recorded(path: Path, ids: list[str]) -> dict[str, Findings]:
    """The findings of `clean`'s model-based checks, for rows unchanged since the raw pool; {} if it has not run.

    ids: of unchanged rows; '' for others, which get NaN and no flag.
    """
    if not path.is_file():
        return {}
    table = pq.read_table(path, columns=["id", "check", "score", "flag", "evidence"])
    out = {}
    for check in BY_MODEL:
        own = {row["id"]: row for row in table.filter(pc.equal(table["check"], check)).to_pylist()}
        if own:
            rows = [own.get(name, {"score": np.nan, "flag": False, "evidence": ""}) for name in ids]
            out[check] = Findings.of(
                [row["score"] for row in rows], [row["flag"] for row in rows], [row["evidence"] for row in rows]
            )
    return out


def any_flag(flags: dict[str, Findings], n_rows: int) -> np.ndarray:
    """Rows flagged by at least one check: bool [n_rows]."""
    return np.any([found.flag for found in flags.values()], axis=0) if flags else np.zeros(n_rows, bool)


def why(flags: dict[str, Findings], row: int) -> str:
    """The first check that flags a row, with its evidence."""
    return next(f"{name}: {found.evidence[row]}" for name, found in flags.items() if found.flag[row])
