"""The page of any pipeline table: python -m cadc.report.page PIPELINE TABLE (names from `pipelines/*/params.json`).

It is written next to the table, as reports/tables/PIPELINE/TABLE.html. Neither git nor DVC tracks it.
"""

from __future__ import annotations

import sys

from cadc import artifacts
from cadc.compute import console
from cadc.config.errors import InputError
from cadc.config.params import load_params
from cadc.report import tables
from cadc.report.page import making
from cadc.report.stated import Stated


def main(given: list[str]) -> None:
    if len(given) != 2:
        raise SystemExit("usage: python -m cadc.report.page PIPELINE TABLE (a table of that pipeline)")
    (pipeline, name), stated = given, Stated()
    path = artifacts.REPORTS / "tables" / pipeline / f"{name}.html"
    try:
        table = tables.make(stated.table(pipeline, name), stated, load_params().evaluate.bootstrap)
        size = making.write(table, stated, path)
    except InputError as error:
        raise SystemExit(str(error)) from None
    console.line(f"page: {path}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
