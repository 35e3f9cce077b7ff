"""What maintainers and their tools read: versions, citation, workflows, rules of checkers, the page of the interface,
the walk through, the docs site."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from cadc.report import api

PYPROJECT = Path("pyproject.toml")
SETTINGS = tomllib.loads(PYPROJECT.read_text())
PROJECT = SETTINGS["project"]
PYTHON = sorted(
    path for folder in ("src", "stages", "tests", "benchmarks", "examples") for path in Path(folder).rglob("*.py")
)
#: Keys of a CITATION.cff, by the schema of version 1.2.0; the first four must be there.
REQUIRED = {"cff-version", "message", "title", "authors"}
ALLOWED = REQUIRED | {
    "abstract",
    "commit",
    "contact",
    "date-released",
    "doi",
    "identifiers",
    "keywords",
    "license",
    "license-url",
    "preferred-citation",
    "references",
    "repository",
    "repository-artifact",
    "repository-code",
    "type",
    "url",
    "version",
}


def test_the_citation_is_valid_and_of_this_version():
    cited = yaml.safe_load(Path("CITATION.cff").read_text())
    assert cited.keys() >= REQUIRED and cited.keys() <= ALLOWED
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert cited["version"] == PROJECT["version"] and cited["license"] == PROJECT["license"]
    assert [author["name"] for author in cited["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert re.search(rf"^## \[{re.escape(cited['version'])}\] - {cited['date-released']}$", changelog(), re.M)


def changelog() -> str:
    return Path("CHANGELOG.md").read_text()


def test_the_changelog_has_the_version_first_and_known_headings():
    versions = re.findall(r"^## \[(.*?)\]", changelog(), re.M)
    assert versions[:2] == ["Unreleased", PROJECT["version"]]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known limits"}
    assert set(re.findall(r"^### (.*)", changelog(), re.M)) <= kinds


def test_workflows_run_what_continuous_integration_runs_here():
    for path in Path(".github/workflows").glob("*.yml"):
        text = path.read_text()
        (job,) = yaml.safe_load(text)["jobs"].values()
        assert {"run": ".ci/run"} in job["steps"] and "secrets" not in text
        assert any(step.get("with", {}).get("python-version") == "3.11" for step in job["steps"])
    assert "make test" in Path(".ci/run").read_text()
    assert re.search(r"^test: check\b", Path("Makefile").read_text(), re.M)


def test_issue_forms_have_what_the_platform_asks_for():
    forms = [path for path in Path(".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert {path.stem for path in forms} == {"bug", "new_method", "question"}
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert form["name"] and form["description"] and form["body"]
        assert all("label" in part["attributes"] for part in form["body"])


def test_hooks_need_no_network():
    hooks = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert {hook["id"] for hook in hooks[0]["hooks"]} == {"ruff-check", "ruff-format"}


def unexplained(text: str) -> list[str]:
    """Lines of Python that leave a rule out without a reason behind it."""
    marks = r"#\s*(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|noqa|type: ignore(?:\[[\w, -]+\])?)"
    return [
        line for line in text.splitlines() if (found := re.search(marks + r"(.*)$", line)) and not found[1].strip(" #)")
    ]


def test_every_exception_to_a_rule_has_its_reason():
    assert unexplained("x = 1  # noqa: E731\ny = 2  # noqa: E731  so\nz = 3  # type: ignore[misc]\n") == [
        "x = 1  # noqa: E731",
        "z = 3  # type: ignore[misc]",
    ]
    found = {
        str(path): unexplained(path.read_text()) for path in PYTHON if path != Path(__file__).relative_to(Path.cwd())
    }
    assert not {path: lines for path, lines in found.items() if lines}


def test_every_rule_that_is_left_out_has_its_reason():
    ruff = SETTINGS["tool"]["ruff"]
    assert ruff["line-length"] == 120 and "E" in ruff["lint"]["select"] and "E501" not in ruff["lint"]["ignore"]
    left_out = [
        *ruff["lint"]["ignore"],
        *(rule for rules in ruff["lint"]["per-file-ignores"].values() for rule in rules),
    ]
    for rule in left_out:
        assert re.search(rf'"{rule}"\]?,?  # \S', PYPROJECT.read_text()), rule
    loosened = re.findall(
        r"^(?:disallow|strict_|implicit|warn|disable)\w* = (?:true|false|\[).*$", PYPROJECT.read_text(), re.M
    )
    assert len(loosened) > 5 and all("#" in line for line in loosened)


def test_what_users_import_is_checked_strictly():
    mypy = SETTINGS["tool"]["mypy"]
    assert mypy["strict"] and mypy["packages"] == ["cadc"]
    loosened = {module for part in mypy["overrides"] for module in part["module"]}
    assert not loosened & {f"cadc.{package}.*" for package in api.PACKAGES}


def test_the_page_of_the_interface_is_what_the_docstrings_say():
    assert api.PAGE.read_text() == api.page(), f"run {api.MADE_BY}"


def test_the_page_names_public_functions_with_their_first_paragraph():
    text = api.page()
    assert "- `attribute(influence: np.ndarray, delta: float) -> np.ndarray`\n  " in text
    assert "### cadc.selectors.signal" in text and "`_damaged" not in text
    assert "### cadc.selectors.random" not in text and "[random](methods/random.md)" in text


def load(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_walk_through_selects_and_exports(tmp_path, capsys):
    made = load("examples/walk_through.py").main(tmp_path / "out")
    said = capsys.readouterr().out
    assert [line[0] for line in said.splitlines() if line[0].isdigit()] == list("1234")
    twice = {name: int(number) for name, number in re.findall(r"(\w+) +rows .*?, (\d+) of them copies", said)}
    assert twice["semdedup"] < twice["random"]
    ids = (tmp_path / "out/ids.txt").read_text().split()
    assert len(ids) == len(made["semdedup"]) == 120 and len(set(ids)) == 120


def built(folder: Path, text: str) -> subprocess.CompletedProcess:
    """The site of a README.md, by the settings of docs/."""
    (folder / "docs/methods").mkdir(parents=True)
    shutil.copyfile("docs/conf.py", folder / "docs/conf.py")
    (folder / "README.md").write_text(text)
    for name in ("docs/page", "docs/methods/README", "CONTRIBUTING", "CHANGELOG", "SECURITY"):
        (folder / f"{name}.md").write_text("# Page\n\n## Part of it\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", folder / "docs", folder, folder / ".site"]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_site_has_every_page_and_no_dead_link(tmp_path):
    pytest.importorskip("myst_parser", reason="the docs site's generator is not installed; `make .venv/.installed`")
    good = "# Top\n\n[page](docs/page.md#part-of-it), [folder](docs), [file](docs/conf.py)\n"
    done = built(tmp_path / "good", good)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "good/.site"
    index = (site / "index.html").read_text()
    assert 'href="docs/page.html#part-of-it"' in index and list(site.glob("_downloads/*/conf.py"))
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//', index)
    for name, link in (("page", "docs/pages.md"), ("heading", "docs/page.md#part-of-them"), ("file", "docs/config.py")):
        broken = built(tmp_path / name, f"# Top\n\n[dead]({link})\n")
        assert broken.returncode != 0 and link.partition("#")[2] in broken.stderr, name
