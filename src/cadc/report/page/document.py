"""One HTML file out of the page's data: styles, scripts and data within, nothing from a network."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("dom.js", "charts.js", "board.js", "rows.js")
#: What would end a script element, or a line of JavaScript, stands as an escape: rows are people's text.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def as_json(data: Any) -> str:
    """JSON that can stand in a script element whatever its texts hold. Raises ValueError on nan."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return text.translate(_ESCAPES)


def _allowed(text: str) -> str:
    """What the page's policy calls a script or a style by: no other is run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def document(data: dict[str, Any]) -> str:
    """The page: assets/page.html with what its marks name put in."""
    style, script = (ASSETS / "page.css").read_text(), "\n".join((ASSETS / name).read_text() for name in SCRIPTS)
    parts = {
        "POLICY": f"default-src 'none'; img-src data:; style-src {_allowed(style)}; script-src {_allowed(script)}",
        "STYLE": style,
        "DATA": as_json(data),
        "SCRIPT": script,
    }
    before, *rest = (ASSETS / "page.html").read_text().split("{{")
    made = [before]
    for part in rest:
        name, _, after = part.partition("}}")
        made += [parts[name], after]
    return "".join(made)
