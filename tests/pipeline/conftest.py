"""One miniature run, which the files of tests/pipeline share: each test leaves it as it was, or only adds to it."""

import pytest
from miniature import METHODS_YAML, clone, rows_of_table, run


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A miniature whose root pipeline has run once, with a record of every connection."""
    folder = clone(tmp_path_factory.mktemp("clone"))
    run(folder, "dvc", "repro", CADC_SOCKETS=str(folder / "sockets.log"))
    return folder


@pytest.fixture(scope="session")
def another_model(repository):
    """The arm of a table that has been made: random's rows tune another model, which is scored on the probe split."""
    run(repository, "dvc", "repro", f"{METHODS_YAML}:table_another_model")
    return rows_of_table(repository, "methods", "another_model")[0]["arm"]
