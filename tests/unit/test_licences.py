"""docs/licences.md says of every package of the lock under which licence it comes."""

from importlib.metadata import version
from pathlib import Path

import pytest

from cadc.report.licences import NOT_HERE, licence_of, page, pinned

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")


def test_every_package_of_the_lock_stands_in_the_table():
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| ") and "| package" not in line]
    assert {name.strip(): number.strip() for name, number in rows} == pinned(LOCK), "python -m cadc.report.licences"


def test_the_table_is_what_the_metadata_say():
    if NOT_HERE in page(LOCK) or any(version(name) != number for name, number in pinned(LOCK).items()):
        pytest.skip("the lock's packages are not all installed here")
    assert page(LOCK) == PAGE, "python -m cadc.report.licences"


def test_a_licence_is_what_a_package_says():
    assert licence_of("numpy").startswith("BSD-3-Clause")
    assert licence_of("datasets") == "Apache Software License"
    assert licence_of("no-such-package") == NOT_HERE


def test_a_lock_is_read():
    assert pinned("a-b==1.2 \\\n    --hash=sha256:0\nc.d==3 ; python_version < '4' \\\n") == {"a-b": "1.2", "c.d": "3"}
