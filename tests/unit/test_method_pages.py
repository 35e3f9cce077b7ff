"""docs/methods: what the files say and what is written by hand in docs/method_notes, and nothing else."""

import re

import pytest

from cadc.config.errors import InputError
from cadc.report import methods
from cadc.selectors.loading import METHODS

ORDER = [
    "Formula",
    "What it reads",
    "What it chooses",
    "What it ranks by",
    "What it needs",
    "Cost",
    "Parameters",
    "Paper and released code",
    "Against its authors' code",
    "Known failures",
    "On the generated world",
    "Run it",
]


@pytest.fixture(scope="module")
def made():
    return methods.pages()


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A folder of notes of one's own in place of docs/method_notes, as they stand there."""
    for path in methods.NOTES.glob("*.md"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(methods, "NOTES", tmp_path)
    return tmp_path


def test_every_method_has_its_page_as_its_file_says_it(made):
    there = {path: path.read_text() for path in methods.PAGES.glob("*.md")}
    assert there.keys() == made.keys() and {path.stem for path in made} == {*METHODS, "README"}
    assert [path.name for path in made if there[path] != made[path]] == [], "make readme writes them"


def test_a_page_holds_parameters_with_their_sources_and_the_golden_test(made):
    page = made[methods.PAGES / "coincide.md"]
    assert "| `temperature` | `0.1` | COINCIDE |" in page and "| `variant` | `paper` | paper \\| released |" in page
    assert "test_coincide.py](../../tests/golden/test_coincide.py)" in page
    assert "| `q` | `0.001` | released; " in made[methods.PAGES / "tive.md"]  # on the line of its whole `select`
    assert "There is no golden test of this method." in made[methods.PAGES / "random.md"]
    assert "--target target.json" in made[methods.PAGES / "less.md"] and "--target" not in page


@pytest.mark.parametrize("name", METHODS)
def test_a_page_holds_what_is_written_by_hand_in_the_order_of_all_pages(made, name):
    page, by_hand = made[methods.PAGES / f"{name}.md"], methods.notes(name)
    sections = re.split(r"^## ", page, flags=re.M)
    headings = [part.partition("\n")[0] for part in sections[1:]]
    assert headings == [heading for heading in ORDER if heading in headings] and {*by_hand} <= {*headings}
    for heading, text in by_hand.items():
        assert f"## {heading}\n\n{text}\n" in page
    assert f"{methods.NOTES}/{name}.md" in sections[0] and "```text\n" in by_hand["Formula"]


@pytest.mark.parametrize("name", METHODS)
def test_notes_are_short_and_their_links_lead_somewhere_from_both_folders(name):
    path = methods.NOTES / f"{name}.md"
    lines = path.read_text().splitlines()
    assert 8 <= len(lines) <= 40
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []
    for link in re.findall(r"\]\((?!http)([^)#]+)", path.read_text()):
        assert (methods.NOTES / link).exists() and (methods.PAGES / link).exists(), link


def test_the_readme_s_table_names_what_a_method_needs_its_paper_and_its_golden_test():
    rows = {re.match(r"\| \[(\w+)\]", row)[1]: row for row in methods.overview().splitlines()[2:]}
    assert rows.keys() == {*METHODS}
    assert "gradients of every row; a target | [arXiv 2402.04333](" in rows["less"] and "test_less.py)" in rows["less"]
    assert rows["random"].endswith("| nothing |  |  |")


def test_the_list_of_pages_says_where_the_hand_written_part_lies(made):
    told = made[methods.PAGES / "README.md"]
    assert f"[{methods.NOTES}](../method_notes)" in told and "Edit none of these pages by hand" in told


def test_notes_that_are_complete_are_taken(written):
    assert list(methods.notes("less")) == list(methods.SECTIONS)
    assert methods.pages().keys() == {methods.PAGES / f"{name}.md" for name in (*METHODS, "README")}


@pytest.mark.parametrize("section", methods.SECTIONS)
def test_a_section_that_is_missing_empty_or_misplaced_is_refused(written, section):
    path = written / "less.md"
    text = path.read_text()
    one = re.search(rf"^## {section}\n.*?(?=^## |\Z)", text, flags=re.M | re.S)[0]
    for wrong, said in (
        (text.replace(one, ""), "its sections are"),
        (text.replace(one, f"## {section}\n\n"), f"the section ## {section} is empty;"),
        (text.replace(f"## {section}\n", f"## {section} (old)\n"), rf"## {section} \(old\)"),
        (text.rstrip() + "\n\n" + one, "its sections are"),
        (text.replace(f"## {section}\n", f"# {section}\n"), "comes before|its sections are"),
    ):
        path.write_text(wrong)
        with pytest.raises(InputError, match=rf"less\.md: .*{said}"):
            methods.pages()


def test_sections_in_another_order_or_one_more_are_refused(written):
    path, found = written / "less.md", methods.notes("less")
    for sections in (list(reversed(methods.SECTIONS)), [*methods.SECTIONS, "History"]):
        path.write_text("\n\n".join(f"## {section}\n\n{found.get(section, 'old')}" for section in sections))
        with pytest.raises(InputError, match=r"less\.md: its sections are .*; write ## Formula, ## Cost, "):
            methods.pages()


def test_a_method_without_notes_and_notes_without_a_method_are_refused(written):
    (written / "less.md").rename(written / "lesss.md")
    with pytest.raises(InputError, match=r"lesss\.md: no method has this name; rename it to one of .*less, "):
        methods.pages()
    (written / "lesss.md").unlink()
    before = {path: path.read_bytes() for path in methods.PAGES.glob("*.md")}
    with pytest.raises(SystemExit, match=r"methods: .*less\.md: no such file; write it, with the sections ## Formula"):
        methods.main()
    assert {path: path.read_bytes() for path in methods.PAGES.glob("*.md")} == before  # all pages or none
