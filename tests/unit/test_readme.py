"""README shows the committed run, and names only what exists."""

import re
from pathlib import Path

from cadc.report.readme import README, block, leaderboard


def test_the_leaderboard_in_the_readme_is_the_committed_one():
    assert block(README.read_text(), "leaderboard") == leaderboard()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert target.startswith("http") or Path(target).exists(), target


def test_every_method_and_selector_belong_together(params):
    files = {path.stem for path in Path("src/cadc/selectors").glob("*.py")} - {"__init__", "signal"}
    assert files == set(params.methods) == set(params.select)
