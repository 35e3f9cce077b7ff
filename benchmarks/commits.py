"""The line of a report that names the commit at which its figures were measured."""

import subprocess
from pathlib import Path

_COMMAND = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
#: The first 8 digits of this checkout's commit as the script starts; later commits are not the code that is measured.
CURRENT = subprocess.run(_COMMAND, capture_output=True, text=True).stdout[:8] or "unknown"


def measured_at(*commits: str) -> str:
    """The line for a report; `commits`: those of its figures if they are not all of the current commit."""
    named = list(dict.fromkeys(commits or [CURRENT]))
    return f"Measured at commit{'s' if len(named) > 1 else ''} {', '.join(named)}."
