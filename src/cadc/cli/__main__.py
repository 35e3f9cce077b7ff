"""cadc: select rows of your instruction data for training and write them in your trainer's format.

cadc curate train.json --images images --model smolvlm-256m --method cadc --budget 10% --target my.json --out s.json
cadc compare s.json other.json            list the rows that only one of two selections has
cadc explain ROW_ID s.json                explain why a row was selected, or not
cadc doctor profile=NAME data=NAME        check what a full pipeline run needs and estimate its cost
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import get_args

from cadc.cli import curate, selections
from cadc.cli.project import ROOT
from cadc.compose.files import CONF
from cadc.compute import disk
from cadc.config.environment import refuse_other_encodings
from cadc.config.errors import InputError
from cadc.config.evaluation import Images


def parser() -> argparse.ArgumentParser:
    """The command's argument parser."""
    command = argparse.ArgumentParser("cadc", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = command.add_subparsers(dest="command", required=True)

    one = commands.add_parser("curate", help="select rows of your data and write them as a training file")
    one.add_argument("data", type=Path, help="your rows in LLaVA's format: JSON, JSONL or parquet (docs/data.md)")
    one.add_argument("--images", type=Path, help="folder that image paths are relative to (default: the data's folder)")
    one.add_argument("--model", required=True, help="a profile of conf/profile, or a model's folder or hub id")
    one.add_argument("--method", default="cadc", help="a file of src/cadc/selectors (default: %(default)s)")
    one.add_argument("--budget", required=True, help="number of rows: 10%%, 0.1 or 5000")
    one.add_argument("--target", action="append", metavar="ROWS", help="the task to improve: a file of example rows in "
                     "LLaVA's format, a benchmark's name, or none (default); may be repeated")  # fmt: skip
    one.add_argument("--benchmarks", type=Path, help="folder of the benchmarks named by --target (data.probe)")
    one.add_argument("--out", required=True, type=Path, help="the training file, with its format's extension; the "
                     "manifest and the reasons are written next to it")  # fmt: skip
    one.add_argument("--format", default="llava", choices=curate.FORMATS, help="output format (default: %(default)s)")
    one.add_argument("--paths", default="relative", choices=get_args(Images), help="image paths in the file; copied: "
                     "image files are copied next to it (default: %(default)s)")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="seed of all random draws (default: %(default)s)")
    one.add_argument("--work", type=Path, default=Path("cadc-work"), help="project folder for intermediate results, "
                     "from which an interrupted run resumes (default: %(default)s)")  # fmt: skip
    one.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other parameter of conf/")
    one.add_argument("--dry-run", action="store_true", help="list the stages that would run and estimate their cost")

    two = commands.add_parser("compare", help="list the rows that only one of two selections has")
    two.add_argument("files", nargs=2, type=Path, metavar="FILE", help="a file written by `cadc curate --out`")

    why = commands.add_parser("explain", help="explain why a row was selected, or not")
    why.add_argument("row", help="the row's id; write `explain -- ID` if it begins with -")
    why.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file written by `cadc curate --out`")

    commands.add_parser("doctor", add_help=False, help="check what a full pipeline run needs and estimate its cost")
    return command


def examine(overrides: list[str]) -> int:
    """`cadc doctor`: uses conf/ of the current clone or project, or else this package's own."""
    from cadc.doctor import __main__ as doctor  # it imports torch

    if {"-h", "--help"}.intersection(overrides):
        print(doctor.__doc__)
        return 0
    if (CONF / "config.yaml").is_file():
        return doctor.main(overrides)
    here = [from_here(override) for override in overrides]
    with contextlib.chdir(ROOT):  # models/mini is there
        return doctor.main(here)


def from_here(override: str) -> str:
    """An override whose value, if it is an existing path, is made absolute."""
    key, _, value = override.partition("=")
    is_path = "." in key and value and Path(value).exists()
    return curate.quoted(key, str(Path(value).resolve())) if is_path else override


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given, others = parser().parse_known_args(arguments)
    try:
        refuse_other_encodings()
        with disk.told():
            return run(given, others)
    except KeyboardInterrupt:
        print(f"\ncadc {given.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        print(f"cadc {given.command}: {error}", file=sys.stderr)
        return 1


def run(given: argparse.Namespace, others: list[str]) -> int:
    """Run the command that was given; `others`: arguments that only `doctor` takes. Returns the exit status."""
    if given.command == "doctor":
        return examine(others)
    if others:
        parser().error(f"unknown: {' '.join(others)}")
    if given.command == "curate":
        return curate.run(given)
    if given.command == "compare":
        selections.compare(*given.files)
    else:
        selections.explain(given.row, given.files)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
