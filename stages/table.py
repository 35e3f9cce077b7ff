"""table PIPELINE TABLE: one table of a pipeline, its metric and its plots, from the small results of its arms."""

import sys

from cadc import artifacts
from cadc.compute.stage import run_stage
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.report import sections, tables
from cadc.report.stated import Stated

GIVEN = [word for word in sys.argv[1:] if not word.startswith("-")]


def main(params: Params) -> None:
    if len(GIVEN) != 2:
        raise InputError("usage: stages/table.py PIPELINE TABLE (a table of that pipeline)")
    pipeline, name = GIVEN
    stated = Stated()
    table = tables.make(stated.table(pipeline, name), stated, params.evaluate.bootstrap)
    folder = artifacts.REPORTS / "tables" / pipeline
    tables.write(folder, name, table, sections.of(table, stated, folder / name))


if __name__ == "__main__":
    run_stage(f"table@{'_'.join(GIVEN)}", main)
