"""After a run: whose output each file here holds the project to."""

from pathlib import Path

from cadc.report.methods import docstrings


def pytest_terminal_summary(terminalreporter):
    found = {}
    for outcome, says in {"passed": "passed", "failed": "FAILED", "error": "FAILED"}.items():
        for report in terminalreporter.stats.get(outcome, ()):
            path = terminalreporter.config.rootpath / report.nodeid.partition("::")[0]
            if path.parent == Path(__file__).parent:
                found[path] = says
    if found:
        terminalreporter.section("held to the authors' output")
    for path, says in sorted(found.items()):
        terminalreporter.line(f"{says} {docstrings(path)[''].splitlines()[0]}")
