"""docs/licences.md: under which licence each package of requirements.lock comes, as its own metadata say.

python -m cadc.report.licences
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from cadc.artifacts import write_text
from cadc.report.text import markdown

LOCK, PAGE = Path("requirements.lock"), Path("docs/licences.md")
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
_LONGEST = 60  # characters: some packages give a licence's whole text as its name
_UNSAID = "not said in its metadata"
NOT_HERE = "not installed on the machine that made this table"


def pinned(lock: str) -> dict[str, str]:
    """Name -> version of each package of a lock's text."""
    return dict(_PINNED.findall(lock))


def licence_of(name: str) -> str:
    """A package's licence: its SPDX expression, or else its classifiers, or else the first line of what it says."""
    try:
        said: Any = metadata(name)  # typeshed lacks the methods of its email message
    except PackageNotFoundError:
        return NOT_HERE
    if expression := said.get("License-Expression"):
        return expression.strip()
    classified = [
        text.split("::")[-1].strip() for text in said.get_all("Classifier") or () if text.startswith("License")
    ]
    if own := [text for text in classified if text != "OSI Approved"]:
        return ", ".join(own)
    line = next((line.strip() for line in (said.get("License") or "").splitlines() if line.strip()), "")
    return line[:_LONGEST] if line and line.upper() != "UNKNOWN" else _UNSAID


def page(lock: str) -> str:
    """docs/licences.md, of a lock's text."""
    rows = [[name, version, licence_of(name)] for name, version in sorted(pinned(lock).items())]
    return "\n".join(
        [
            "# Licences of the packages in requirements.lock\n",
            "As each package's own metadata say. `make audit` checks the same lock for known vulnerabilities.\n"
            "Made by `python -m cadc.report.licences`, after `make lock`.\n",
            markdown(["package", "version", "licence"], rows),
        ]
    )


if __name__ == "__main__":
    write_text(PAGE, page(LOCK.read_text(encoding="utf-8")))
