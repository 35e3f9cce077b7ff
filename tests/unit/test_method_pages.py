"""docs/methods: what the files say, and nothing else."""

import pytest

from cadc.report import methods
from cadc.selectors.loading import METHODS


@pytest.fixture(scope="module")
def made():
    return methods.pages()


def test_every_method_has_its_page_as_its_file_says_it(made):
    there = {path: path.read_text() for path in methods.PAGES.glob("*.md")}
    assert there.keys() == made.keys() and {path.stem for path in made} == {*METHODS, "README"}
    assert [path.name for path in made if there[path] != made[path]] == [], "make readme writes them"


def test_a_page_holds_parameters_with_their_sources_and_the_golden_test(made):
    page = made[methods.PAGES / "coincide.md"]
    assert "| `temperature` | `0.1` | COINCIDE |" in page and "| `variant` | `paper` | paper \\| released |" in page
    assert "test_coincide.py](../../tests/golden/test_coincide.py)" in page
    assert "Nothing of its authors' is compared." in made[methods.PAGES / "random.md"]
    assert "--target target.json" in made[methods.PAGES / "less.md"] and "--target" not in page
