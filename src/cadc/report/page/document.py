"""Build one HTML file from the page's data, with styles, scripts and data inlined and no network access."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("dom.js", "charts.js", "board.js", "rows.js")
#: Characters that would end a script element or a JavaScript line are escaped, because rows hold arbitrary text.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def as_json(data: Any) -> str:
    """JSON that is safe inside a script element, whatever its texts. Raises ValueError on nan."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return text.translate(_ESCAPES)


def _allowed(text: str) -> str:
    """The hash by which the page's content security policy allows a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def document(data: dict[str, Any]) -> str:
    """The page: assets/page.html with its placeholders filled."""
    style, script = _asset("page.css"), "\n".join(map(_asset, SCRIPTS))
    parts = {
        "POLICY": f"default-src 'none'; img-src data:; style-src {_allowed(style)}; script-src {_allowed(script)}",
        "STYLE": style,
        "DATA": as_json(data),
        "SCRIPT": script,
    }
    before, *rest = _asset("page.html").split("{{")
    made = [before]
    for part in rest:
        name, _, after = part.partition("}}")
        made += [parts[name], after]
    return "".join(made)
