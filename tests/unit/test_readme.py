"""README shows the committed run, and names only what exists."""

import re
from pathlib import Path

from cadc.report import testbed
from cadc.report.leaderboard import markdown
from cadc.report.readme import README, benchmark, block, leaderboard


def test_tables_in_the_readme_are_the_committed_ones():
    for name, committed in {
        "leaderboard": leaderboard(),
        "gate": markdown(*testbed.gate_table()),
        "gradients": benchmark(),
    }.items():
        assert block(README.read_text(), name) == committed, name


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert target.startswith("http") or Path(target).exists(), target


def test_every_method_and_selector_belong_together(params):
    files = {path.stem for path in Path("src/cadc/selectors").glob("*.py")} - {"__init__", "signal"}
    assert files == {*params.methods, *params.baselines} == set(params.select)
