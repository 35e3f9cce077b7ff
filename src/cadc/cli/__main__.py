"""cadc: which rows of your instruction data to train on, as a file that your trainer takes.

cadc curate train.json --images images --model smolvlm-256m --method cadc --budget 10% --target my.json --out s.json
cadc compare s.json other.json            which rows only one of two selections has
cadc explain ROW_ID s.json                why a row is in it, or is not
cadc doctor profile=NAME data=NAME        what a run of the whole pipeline misses, and what it will take
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
from cadc.config.errors import InputError
from cadc.config.params import Images


def parser() -> argparse.ArgumentParser:
    """What the command line may say."""
    command = argparse.ArgumentParser("cadc", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = command.add_subparsers(dest="command", required=True)

    one = commands.add_parser("curate", help="choose rows of your data and write them as a training file")
    one.add_argument("data", type=Path, help="your rows in LLaVA's format: JSON, JSONL or parquet (docs/data.md)")
    one.add_argument("--images", type=Path, help="the folder that image paths are relative to; the data's own without")
    one.add_argument("--model", required=True, help="a profile of conf/profile, or a model's folder or hub id")
    one.add_argument("--method", default="cadc", help="a file of src/cadc/selectors (default: %(default)s)")
    one.add_argument("--budget", required=True, help="how many rows: 10%%, 0.1 or 5000")
    one.add_argument("--target", action="append", metavar="ROWS", help="what to be good at: a file of such rows in "
                     "LLaVA's format, a benchmark's name, or none (default); may be given several times")  # fmt: skip
    one.add_argument("--benchmarks", type=Path, help="the folder of benchmarks that targets name (data.probe)")
    one.add_argument("--out", required=True, type=Path, help="the training file, with its format's ending; "
                     "what it is and why go beside it")  # fmt: skip
    one.add_argument("--format", default="llava", choices=curate.FORMATS, help="whose (default: %(default)s)")
    one.add_argument("--paths", default="relative", choices=get_args(Images), help="of images, in the file; copied: "
                     "they go beside it (default: %(default)s)")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="of all draws (default: %(default)s)")
    one.add_argument("--work", type=Path, default=Path("cadc-work"), help="the project folder in which it is made, "
                     "and from which it goes on after a kill (default: %(default)s)")  # fmt: skip
    one.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other parameter of conf/")
    one.add_argument("--dry-run", action="store_true", help="say what would run, and what it will take")

    two = commands.add_parser("compare", help="which rows only one of two selections has")
    two.add_argument("files", nargs=2, type=Path, metavar="FILE", help="what `cadc curate --out` wrote")

    why = commands.add_parser("explain", help="why a row is in a selection, or is not")
    why.add_argument("row", help="the row's id; one that begins with - behind `explain --`")
    why.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what `cadc curate --out` wrote")

    commands.add_parser("doctor", add_help=False, help="what a run of the whole pipeline misses, and what it will take")
    return command


def examine(overrides: list[str]) -> int:
    """`cadc doctor`: in a clone or a project by its conf/, elsewhere by this package's."""
    from cadc.doctor import __main__ as doctor  # it imports torch

    if {"-h", "--help"}.intersection(overrides):
        print(doctor.__doc__)
        return 0
    if (CONF / "config.yaml").is_file():
        return doctor.main(overrides)
    here = [from_here(override) for override in overrides]
    with contextlib.chdir(ROOT):  # where models/mini lies
        return doctor.main(here)


def from_here(override: str) -> str:
    """An override whose value, where it is a path that is there, is whole."""
    key, _, value = override.partition("=")
    is_path = "." in key and value and Path(value).exists()
    return curate.quoted(key, str(Path(value).resolve())) if is_path else override


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    given, others = parser().parse_known_args(arguments)
    try:
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
    except KeyboardInterrupt:
        print(f"\ncadc {given.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of `| head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        print(f"cadc {given.command}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
