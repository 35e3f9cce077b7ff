"""Command line of the package `cadc.compose`; see there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from cadc import artifacts
from cadc.compose import half_written
from cadc.compose.files import files
from cadc.compose.pipelines import BY_HAND
from cadc.compute import disk
from cadc.config.errors import InputError


def main(arguments: list[str]) -> None:
    check = "--check" in arguments
    made = files([argument for argument in arguments if argument != "--check"])
    for line in half_written.mend():
        print(line)
    old = {path.parent for path in Path("pipelines").glob("*/dvc.yaml")} - {path.parent for path in made}
    old = {folder for folder in old if folder.name not in BY_HAND}
    if check:
        others = [str(path) for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
        others += [f"{folder} (its study was removed)" for folder in sorted(old)]
        if others:
            print(f"these files differ from what conf/ composes (run `make params`): {', '.join(others)}")
        return
    for folder in old:
        shutil.rmtree(folder)
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        artifacts.write_text(path, text)


if __name__ == "__main__":
    try:
        with disk.told():
            main(sys.argv[1:])
    except InputError as error:
        raise SystemExit(f"compose: {error}") from None
