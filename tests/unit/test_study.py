"""Studies: variants are changed parameters, and tables compare them seed by seed."""

import pytest
import yaml
from pydantic import ValidationError

from cadc.study import Question, Study, Variant, changed, named, rows_of, tabulated

TABLE = Question(
    title="t", about="a", split="probe", seeds=[1, 2], set={"a.b": 1},
    variants=[Variant(label="first"), Variant(label="second", set={"a.b": 2}), Variant(label="all", method="full")],
)  # fmt: skip


def figures(corrected, wild=50.0):
    return {f"s{i}": {"corrected_mean": value, "llava_wild": wild, "pope_f1": value} for i, value in enumerate(corrected)}


def made():
    cells = [named(v.method, TABLE.changes(v)) for v in TABLE.variants]
    return dict(zip(cells, [{"b05": figures([10, 14])}, {"b05": figures([30, 34]), "b100": figures([40, 40])}, {"b100": figures([60, 60], 100)}], strict=True))


def test_a_change_replaces_one_value_and_a_typo_is_named():
    params = {"select": {"cadc": {"pick": "top"}}, "seeds": [0]}
    assert changed(params, {"select.cadc.pick": "diverse", "seeds": [1]}) == {"select": {"cadc": {"pick": "diverse"}}, "seeds": [1]}
    for key in ("select.cadc.pik", "selct.cadc.pick", "seed"):
        with pytest.raises(KeyError, match=key):
            changed(params, {key: 1})


def test_a_variant_outranks_its_table_and_both_name_the_split_and_the_seeds():
    assert TABLE.changes(TABLE.variants[1]) == {"evaluate.split": "probe", "seeds": [1, 2], "a.b": 2}
    assert named("cadc", {"b": 2, "a": 1}) == named("cadc", {"a": 1, "b": 2}) != named("cadc", {"a": 1, "b": 3})


def test_a_table_has_a_row_a_budget_and_says_what_full_data_makes_of_it():
    rows = dict(rows_of(TABLE, made()))
    assert list(rows) == ["first", "second 5%", "second 100%", "all"]
    assert rows["first"]["relative"] == pytest.approx([100 * (10 / 60 + 0.5) / 2, 100 * (14 / 60 + 0.5) / 2])
    assert rows["all"]["relative"] == [100, 100]


def test_differences_are_to_the_first_row_beside_two_standard_deviations():
    text = tabulated(TABLE.model_copy(update={"variants": TABLE.variants[:2]}), made())
    lines = text.splitlines()
    assert lines[2].startswith("| first | 12.0 ± 2.8 |") and lines[2].endswith("|  |")
    assert lines[3].endswith("| +20.0 (8.0) |")  # sqrt(8 + 8) * 2
    assert tabulated(TABLE, {}) == "Not run yet.\n"


def test_the_committed_studies_name_parameters_that_there_are():
    study = Study.model_validate(yaml.safe_load(open("studies/cadc.yaml")))
    for table in study.tables:
        for variant in table.variants:
            changed(yaml.safe_load(open("params.yaml")), table.changes(variant))
    with pytest.raises(ValidationError, match="splt"):
        Question.model_validate({**TABLE.model_dump(), "splt": "probe"})
