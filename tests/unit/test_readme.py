"""README shows the committed run. What it tells its reader to do: tests/cases/test_documents.py."""

import json
from pathlib import Path

import pytest

from cadc.config.params import read
from cadc.report import readme

MERMAID = """```mermaid
flowchart TD
	node1["capture"]
	node2["pipelines/mine/dvc.yaml:score"]
	node3["proxy"]
	node1-->node2
	node3-->node1
```"""


@pytest.mark.parametrize("name", readme.BLOCKS)
def test_blocks_of_the_readme_are_the_committed_ones(name):
    assert readme.block(readme.README.read_text(), name) == readme.BLOCKS[name]()


def test_a_block_is_replaced_and_the_rest_stays():
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb"
    assert readme.with_block(text, "x", "new\n") == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"


def test_the_dag_is_the_root_pipeline_s():
    assert readme.root_only(MERMAID).splitlines()[2:-1] == ["\tproxy --> capture"]


def test_what_is_not_made_says_only_that(tmp_path, monkeypatch):
    spec = {"title": "One"}
    monkeypatch.chdir(tmp_path)
    Path("pipelines/mine").mkdir(parents=True)
    Path("pipelines/mine/params.json").write_text(json.dumps({"tables": {"one": spec, "two": spec}}))
    Path("params.yaml").write_text("worlds: {a: {}}")
    assert readme.leaderboard() == "not made yet\n" and readme.gate() == "- **a**: not made yet\n"
    assert readme.tables() == "- Tables not made yet: **mine** (2)\n"
    page = Path("reports/tables/mine/one.md")
    page.parent.mkdir(parents=True)
    page.write_text("")
    for fresh, old in ((True, ""), (False, " (of commit abc)")):
        monkeypatch.setattr(
            readme, "is_fresh", lambda *_, fresh=fresh: fresh
        )  # what DVC says is tried on the real tables
        monkeypatch.setattr(readme, "commit_of", lambda page: "abc")
        assert readme.tables() == f"- **mine**: [One](reports/tables/mine/one.md){old}; One (not made yet)\n"
        claims = "| a |\n|:--|\n\n| claim | p |\n|:--|--:|\n| x > y, 5% | 1 |\n"
        page.with_name("claims.md").write_text(claims)
        assert readme.ablations("mine", "claims") == f"| claim | p |\n|:--|--:|\n| x > y, 5%{old} | 1 |\n"
    assert readme.ablations() == "not made yet\n"
    Path("reports/leaderboard.md").write_text("# L\n\n| a |\n|:--|\n| 1 |\n\n| b |\n")
    assert readme.leaderboard() == "| a |\n|:--|\n| 1 |\n"


def test_every_method_is_in_the_library():
    files = {path.stem for path in Path("src/cadc/selectors").glob("*.py")} - {"__init__", "signal", "loading"}
    arms = {arm["method"] for arm in read("params.yaml")["arms"].values()}
    assert files == {*arms, *read("conf/methods.yaml")["methods"]}
