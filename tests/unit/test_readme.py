"""README and docs show the committed results. What they tell their reader to do: tests/cases/test_documents.py."""

import json
import re
from pathlib import Path

import pytest

from cadc.config.params import read
from cadc.report import age, readme, results
from cadc.selectors.loading import METHODS

MERMAID = """```mermaid
flowchart TD
	node1["capture"]
	node2["pipelines/mine/dvc.yaml:score"]
	node3["proxy"]
	node1-->node2
	node3-->node1
```"""


#: Blocks of the small results in git; the DAG takes DVC seconds, and is tried below.
COMMITTED = [(document, name) for document, blocks in readme.BLOCKS.items() for name in blocks if name != "dag"]


@pytest.mark.parametrize("document, name", COMMITTED, ids=str)
def test_generated_blocks_are_those_of_the_committed_results(document, name):
    assert readme.block(document.read_text(), name) == readme.BLOCKS[document][name]()


@pytest.mark.parametrize("name", ["results", "findings", "real model"])
def test_every_figure_of_the_results_stands_in_a_report(name):
    reports = [
        *results.RANKED.values(),
        *filter(Path.exists, [*results.REAL.values(), results.GUIDE.with_suffix(".md")]),
        results.CLAIMS,
        results.LEADERBOARD,
        Path("reports/testbed/capabilities.md"),
    ]
    there = "\n".join(path.read_text() for path in reports)
    there += "\n".join(row["published"] for row in results.compared())
    figures = re.findall(r"[+-]?\d+\.\d+", readme.block(readme.README.read_text(), name).replace("(of commit", ""))
    assert len(figures) > 5 and [figure for figure in figures if figure.lstrip("+") not in there] == []


def test_the_readme_is_short_and_counts_right():
    text = readme.README.read_text()
    assert len(text.splitlines()) <= 250
    golden = [name for name in METHODS if Path(f"tests/golden/test_{name}.py").exists()]
    assert f"implements {len(METHODS)} selection methods" in text
    assert f"| {len(golden)} methods are compared with" in text


def test_a_block_is_replaced_and_the_rest_stays():
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb"
    assert readme.with_block(text, "x", "new\n") == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"


def test_the_dag_is_the_root_pipeline_s():
    assert readme.root_only(MERMAID).splitlines()[2:-1] == ["\tproxy --> capture"]


def test_what_is_not_made_says_only_that(tmp_path, monkeypatch):
    spec = {"title": "One", "rows": [], "published": {}, "split": "score"}
    monkeypatch.chdir(tmp_path)
    Path("pipelines/mine").mkdir(parents=True)
    Path("pipelines/mine/params.json").write_text(json.dumps({"tables": {"one": spec, "two": spec}}))
    Path("params.yaml").write_text("worlds: {a: {}}")
    assert readme.gate() == "- **a**: not made yet\n"
    for made in (readme.ranking, readme.claims, results.findings, results.published):
        assert made() == "not made yet\n"
    assert results.grid(results.LEADERBOARD, "x") == "not made yet\n"
    assert readme.tables() == "- Tables not made yet: **mine** (2)\n"
    page = Path("reports/tables/mine/one.md")
    page.parent.mkdir(parents=True)
    page.write_text("")
    for fresh, old in ((True, ""), (False, " (of commit abc)")):
        monkeypatch.setattr(age, "is_fresh", lambda *_, fresh=fresh: fresh)  # what DVC says is tried on the real tables
        monkeypatch.setattr(age, "commit_of", lambda page: "abc")
        assert readme.tables() == f"- **mine**: [One](../reports/tables/mine/one.md){old}; One (not made yet)\n"
        table = "| claim | verdict |\n|:--|--:|\n| x > y, 5% | open |\n"
        page.with_name("claims.md").write_text(f"| a |\n|:--|\n\n{table}")
        said = "\nThe code has changed since these results were made: this table at commit abc.\n"
        assert readme.claims(page.with_name("claims.md")) == table + ("" if fresh else said)


TABLE = """# At a budget

|  | Rel. % | Rel. %, 95% | difference (95%) | selection, TFLOP |
|:--|--:|--:|--:|--:|
| random, B | 80.0 ± 1.0 | 79.0 to 81.0 |  | 0.0 |
| cadc, B | 70.0 ± 1.0 | 69.0 to 71.0 | -10.0 (-12.0 to -8.0) | 9.3 |
| targeted, max, B | 90.0 ± 1.0 | 89.0 to 91.0 | +10.0 (+8.0 to +12.0) |  |
"""


@pytest.fixture
def two_tables(tmp_path, monkeypatch):
    """TABLE at 5%, and at 20% the same without its last row."""
    paths = {budget: tmp_path / f"{budget}.md" for budget in results.RANKED}
    paths["5%"].write_text(TABLE.replace(", B", ", 5%"))
    paths["20%"].write_text(TABLE.rpartition("| targeted")[0].replace(", B", ", 20%"))
    monkeypatch.setattr(results, "RANKED", paths)


def test_arms_are_ranked_with_arrows_where_random_rows_are_left_behind(two_tables):
    _, _, *rows = results.results().splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| targeted, max", "| **random**", "| **cadc**"]
    assert rows[0] == "| targeted, max | 90.0 (89.0 to 91.0) ↑ | not made yet | not counted |"
    assert rows[1].count("80.0 (79.0 to 81.0) |") == 2 and rows[2].count("70.0 (69.0 to 71.0) ↓") == 2


def test_findings_count_the_arms_above_and_below_random_rows(two_tables):
    first = results.findings().splitlines()[0]
    assert "At 5%, 1 of 2 arms scores above random rows (`targeted, max`), 1 below." in first
    assert "At 20%, 0 of 1 arms score above random rows, 1 below." in first


def test_every_method_is_in_the_library():
    files = {path.stem for path in Path("src/cadc/selectors").glob("*.py")} - {"__init__", "signal", "loading"}
    arms = {arm["method"] for arm in read("params.yaml")["arms"].values()}
    assert files == {*arms, *read("conf/methods.yaml")["methods"]}


def test_every_arm_in_git_is_one_of_a_pipeline_s():
    stated = set(read("params.yaml")["arms"])
    stated.update(*(read(path).get("arms", {}) for path in Path("pipelines").glob("*/params.json")))
    assert {path.name for path in Path("reports/arms").iterdir()} - stated == set()
