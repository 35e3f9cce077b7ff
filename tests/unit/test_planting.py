"""Faults planted in a pool of one's own: known shares, no row twice, and labels that say which."""

from collections import Counter

import pyarrow as pa
import pytest

from cadc.config.data import Planted
from cadc.config.errors import InputError
from cadc.data.lineage import answers_of
from cadc.data.planting import plant
from cadc.data.reader import POOL_FEATURES

SCHEMA = POOL_FEATURES.arrow_schema


def made(n: int, answer: str = "answer {}", pictured: float = 0.8, turns: int = 2) -> pa.Table:
    """n rows with two exchanges each; of the first `pictured` share every third has two pictures, the others one."""
    rows = []
    for i in range(n):
        images = [{"bytes": None, "path": f"{i}_{k}.png"} for k in range(1 + (i % 3 == 0))] if i < pictured * n else []
        said = [
            turn
            for k in range(turns)
            for turn in ({"role": "user", "text": f"q{k}"}, {"role": "assistant", "text": f"{answer.format(i)} {k}"})
        ]
        rows.append({"id": f"r{i:03}", "source": "s", "images": images, "turns": said})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def settings(answers: float, pictures: float, seed: int = 0) -> Planted:
    return Planted(answers=answers, pictures=pictures, seed=seed)


def test_each_row_differs_from_what_it_was_in_the_one_way_that_its_label_says():
    before = made(100)
    after, labels = plant(before, settings(0.1, 0.05))
    assert Counter(label["noise"] for label in labels) == {"clean": 85, "wrong": 10, "mismatch": 5}
    assert (
        after.schema.equals(before.schema, check_metadata=True)
        and [x["id"] for x in labels] == before["id"].to_pylist()
    )
    for old, new, label in zip(before.to_pylist(), after.to_pylist(), labels, strict=True):
        (first, second), (now, then) = answers_of(old["turns"]), answers_of(new["turns"])
        assert (first != now) == (label["noise"] == "wrong") and second == then
        assert [turn for turn in old["turns"] if turn["role"] == "user"] == new["turns"][::2]
        assert (old["images"] != new["images"]) == (label["noise"] == "mismatch")
        assert len(old["images"]) == len(new["images"])  # as many as the question has <image>
    given = {answers_of(row["turns"])[0] for row in after.to_pylist()}
    assert given <= {answers_of(row["turns"])[0] for row in before.to_pylist()}


def test_the_seed_alone_decides_and_shares_of_zero_change_nothing():
    pool = made(60)
    assert plant(pool, settings(0.2, 0.1)) == plant(pool, settings(0.2, 0.1)) != plant(pool, settings(0.2, 0.1, 1))
    same, labels = plant(pool, settings(0, 0))
    assert same == pool and {label["noise"] for label in labels} == {"clean"}


def test_an_answer_that_all_rows_give_can_not_be_planted_wrong():
    with pytest.raises(InputError, match=r"no row can give row id r\d+ another answer, .* plant fewer"):
        plant(made(20, answer="yes", turns=1), settings(0.2, 0))


def test_more_pictures_than_there_are_is_refused():
    with pytest.raises(InputError, match="pool.planted.pictures: 8 rows are needed but only 2 have an image"):
        plant(made(20, pictured=0.1), settings(0, 0.4))
