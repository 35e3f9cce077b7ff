"""Runs stages one after the other in one process, because imports take most of a stage's time in a miniature.

Run as a program, this file is that process: for each stage it reads one line, the folder and arguments as JSON, and
answers with one line, the stage's last message.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path


class InTurn:
    """A process that runs stages. code: the folder whose src/ it imports; environment: None removes a variable."""

    def __init__(self, code: Path, **environment: str | None):
        env = os.environ | {"CADC_WORKERS": "1", "PYTHONPATH": str(code / "src")} | environment
        env = {name: value for name, value in env.items() if value is not None}
        self.process = subprocess.Popen(
            [sys.executable, __file__], cwd=code, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder: Path, *arguments: str) -> str:
        """Run a stage in `folder`; returns its error message or traceback, "" if it succeeds."""
        self.process.stdin.write(json.dumps([str(folder), *arguments]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else f"Traceback: the process ended with {self.process.wait()}"

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def _ended(arguments: list[str]) -> str:
    sys.argv = arguments
    try:
        runpy.run_path(arguments[0], run_name="__main__")
        return ""
    except SystemExit as error:
        return "" if error.code in (None, 0) else str(error.code)
    except BaseException:
        return traceback.format_exc()


def _work() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        folder, *arguments = json.loads(line)
        os.chdir(folder)
        if "cadc.compute.shards" in sys.modules:  # an earlier stage's data must not replace deleted files
            sys.modules["cadc.compute.shards"]._made.clear()
        print(json.dumps(_ended(arguments)), file=answers, flush=True)


if __name__ == "__main__":
    _work()
