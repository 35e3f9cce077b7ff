"""The docs site: README.md, docs/ and the reports that they link to, as Sphinx renders them (`make docs`).

The pages are those that are read in the repository: links between them lead to pages, links to other files to copies of
these. A link to a folder is plain text, for a site has no page for it. A link that leads nowhere fails the build.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project, author, copyright = "cadc", "the cadc authors", "the cadc authors, Apache-2.0"
extensions = ["myst_parser"]
myst_heading_anchors = 6  # as GitHub names them
root_doc = "README"
html_theme = "alabaster"  # fonts and scripts of its own: nothing is fetched
html_theme_options = {"description": "data curation for vision-language instruction tuning", "page_width": "1100px"}
html_show_sourcelink = False

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")
#: What is reached from the side bar, in this order.
NAVIGATION = """

```{toctree}
:hidden:
:glob:
:titlesonly:
docs/*
docs/methods/README
CONTRIBUTING
CHANGELOG
SECURITY
```
"""


def found() -> tuple[list[str], set[str]]:
    """The pages: README.md and its like, docs/, and what is linked from there or from such a page, as paths from the
    repository's root; and the links to folders, as they are written."""
    paths: set[Path] = set()
    folders: set[str] = set()
    waiting = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/methods/*.md")]
    while waiting:
        path = waiting.pop().resolve()
        if path in paths or path.suffix != ".md" or not path.is_file() or not path.is_relative_to(ROOT):
            continue
        paths.add(path)
        links = _LINK.findall(path.read_text(encoding="utf-8"))
        folders |= {link for link in links if (path.parent / link).is_dir()}
        waiting += [path.parent / link for link in links]
    return sorted(path.relative_to(ROOT).as_posix() for path in paths), folders


include_patterns, _folders = found()
nitpick_ignore = {("myst", folder) for folder in _folders}
suppress_warnings = ["toc.not_included"]  # reports and methods: the pages that tell of them link to them


def _add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == root_doc:
        source[0] += NAVIGATION


def _add_index(app: Sphinx, error: Exception | None) -> None:
    """Let the folder open with README's page."""
    if error is None:
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_lexer("mermaid", TextLexer)  # charts are shown as text: drawing them takes a script from the network
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _add_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
