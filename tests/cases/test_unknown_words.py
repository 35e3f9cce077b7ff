"""Text whose words the tokenizer does not know is refused before any model runs: it would be learnt as one token."""

import pyarrow as pa
import pytest
from architectures import FAMILIES

from cadc.config.errors import InputError
from cadc.data.reader import POOL_FEATURES
from cadc.model import unknown
from cadc.model.load import load_processor
from cadc.model.unknown import refuse_unknown, unknown_of

KNOWN = "<image>\nwhat color is the star ?"
FOREIGN = "quetzal is zygomorphic"  # two of three words that the mini world does not have


def row(name, answer):
    turns = [{"role": "user", "text": KNOWN}, {"role": "assistant", "text": answer}]
    return {"id": name, "source": "t", "images": [], "turns": turns}


def table(*answers):
    rows = [row(str(k), answer) for k, answer in enumerate(answers)]
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema)


def test_unknown_words_are_counted_and_marks_of_pictures_are_no_words(params):
    tokenizer = load_processor(params.model).tokenizer
    assert unknown_of(tokenizer, [KNOWN]).unknown == 0
    found = unknown_of(tokenizer, [KNOWN, FOREIGN])
    assert (found.unknown, found.word) == (2, "quetzal")
    assert found.tokens == len(tokenizer.tokenize(KNOWN.replace("<image>", ""))) + 3
    assert unknown_of(tokenizer, []).share == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_tokenizers_that_know_every_byte_know_every_word(family):
    _, processor = FAMILIES[family].build()
    assert unknown_of(processor.tokenizer, [FOREIGN, "日本語 ☃"]).unknown == 0


def test_more_than_the_allowed_share_is_refused_with_what_to_do(params, tmp_path):
    place, pool = tmp_path / "rows.parquet", table("red", FOREIGN)
    share = unknown_of(load_processor(params.model).tokenizer, [KNOWN, "red", KNOWN, FOREIGN]).share
    with pytest.raises(InputError) as error:
        refuse_unknown(params.model, pool, params.pool.unknown_tokens, place)
    for words in (str(place), f"{share:.1%}", "'quetzal'", "pool.unknown_tokens=0.02", "docs/new_model.md"):
        assert words in str(error.value)
    assert refuse_unknown(params.model, pool, share, place).share == share  # allowed: no more than asked for


def test_of_a_large_pool_rows_from_all_over_are_looked_at(params, tmp_path, monkeypatch):
    monkeypatch.setattr(unknown, "SAMPLE_ROWS", 4)
    pool = table(*["red"] * 8, *[FOREIGN] * 8)
    whole = unknown_of(load_processor(params.model).tokenizer, [KNOWN, "red", KNOWN, FOREIGN])
    assert refuse_unknown(params.model, pool, 1.0, tmp_path).share == whole.share


def test_the_embedded_world_is_known(params, pool, tmp_path):
    assert refuse_unknown(params.model, pool, 0.0, tmp_path).tokens > 1000
