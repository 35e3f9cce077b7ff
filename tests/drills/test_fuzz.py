"""The project's readers get damaged and malicious files: a tenth of them in `make test`, all in `make drills`."""

import json

import pytest
from fuzzed_outputs import OUTPUTS
from fuzzed_pictures import PICTURES
from fuzzed_rows import ROWS, pictures
from fuzzed_weights import WEIGHTS
from fuzzing import fuzzed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadc.config.errors import InputError
from cadc.data.reader import read_pool

READERS = ROWS | OUTPUTS | PICTURES | WEIGHTS
FEW = 40  # number of models, which take a second each


def _checked(name, n, folder):
    make, read, _ = READERS[name]
    came = fuzzed(make, read, n, folder, name)
    assert not came.faults, str(came)
    assert came.read and came.refused, str(came)  # the reader neither refuses nor accepts everything


@pytest.mark.parametrize("name", READERS)
def test_a_tenth(name, tmp_path):
    """A damaged file is read or refused with one message: no traceback, no hang, at most 1 GB, no file outside its
    folder, no code of its own, no network access."""
    n = READERS[name][2]
    _checked(name, max(n // 10, FEW) if name not in ("models", "processors") else FEW, tmp_path)


@pytest.mark.drill
@pytest.mark.parametrize("name", READERS)
def test_all(name, tmp_path):
    """The same holds for all damaged files, 10,000 or more."""
    _checked(name, READERS[name][2], tmp_path)


def test_there_are_ten_thousand():
    """At least 10,000 damaged files are generated."""
    assert sum(n for *_, n in READERS.values()) >= 10_000


_TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    ["<image>", "human", "gpt", "a.png", "nan", "../x"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_TURN = st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]) | _VALUES, "value": _TEXTS | _VALUES})
_ROW = st.fixed_dictionaries(
    {"id": _TEXTS | _VALUES, "conversations": st.lists(_TURN, max_size=4) | _VALUES},
    optional={"image": _TEXTS | _VALUES, "images": st.lists(_TEXTS) | _VALUES, "source": _VALUES},
)


@settings(max_examples=300, derandomize=True, deadline=10_000, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(_ROW | _VALUES, max_size=3), how=st.sampled_from(["fail", "skip", "llava"]))
def test_any_rows_are_read_or_refused(rows, how, tmp_path_factory):
    """Rows of any JSON values are read or refused with a message of one line."""
    folder = tmp_path_factory.mktemp("case")
    pictures(folder, str(folder))
    (folder / "rows.json").write_bytes(json.dumps(rows, ensure_ascii=False).encode(errors="surrogatepass"))
    try:
        table, skipped = read_pool(folder / "rows.json", folder / "images", on_bad_row=how)
        assert len(table) + len(skipped) == len(rows)
    except InputError as error:
        assert str(error).isprintable() and str(folder / "rows.json") in str(error)
