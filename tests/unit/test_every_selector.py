"""What holds for every method: exact budgets, no row twice, the same result again, no harm from degenerate signals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadc.config.errors import InputError
from cadc.selectors.loading import METHODS, load_selector
from cadc.selectors.signal import Signal

KMEANS = {"clusters": 7, "iterations": 20, "seed": 0, "points_per_cluster": 256}
COINCIDE = {"neighbor_threshold": 0.9, "gamma": 1.0}
NEIGHBOURS = {"variant": "paper", "exact_rows": 1000}
#: An arm's `select` for every method: a new method needs a line here and is tried like the others.
SELECT = {
    "cadc": {"delta": 0.0},
    "clip_score": {},
    "coincide": {**KMEANS, **COINCIDE, "temperature": 0.1, "variant": "paper"},
    "d2_pruning": {**NEIGHBOURS, "neighbors": 5, "gamma": 0.4, "important": "easy", "unit_rows": True},
    "el2n": {"snapshot": -1, "band": "middle"},
    "entropy_coverage": KMEANS,
    "full": {},
    "icons": {"snapshot": 0},
    "influence_coverage": {"delta": 0.0, "budget_rule": "targets", "pick": "diverse", "keep": 0.25},
    "length": {},
    "less": {"variant": "paper"},
    "perplexity": {"snapshot": -1, "band": "middle"},
    "predictive_entropy": {"snapshot": -1},
    "presel": {"clusters": 0.2, "neighbors": 5, "seed": 0, "variant": "paper"},
    "progress": {
        **KMEANS,
        **COINCIDE,
        "variant": "paper",
        "objective": "loss",
        "order": "change",
        "gap": 0.056,
        "temperature": 1.0,
        "exploration": 0.1,
        "rows_per_cluster": 6,
        "measure_share": 0.1,
        "epsilon": 1e-3,
        "passes": "first",
        "shuffled": False,
        "warm_up": 0.45,
        "warm_up_clusters": 9,
        "warm_up_temperature": 0.1,
    },
    "random": {},
    "scalselect": {"energy": 0.9, "standardise": False, "unit_rows": False},
    "self_filter": {**NEIGHBOURS, "neighbors": 10, "gamma": 1.0},
    "self_sup": KMEANS,
    "semdedup": {**KMEANS, "view": "both", "keep": "hard"},
    "targeted": {"view": "auto", "targets": ["mmt_val", "mini_vqa"], "lower": "concept"},
    "task_budget_random": {},
    "tive": {"q": 0.001},
    "visnec": {"clusters": 7, "seed": 0, "variant": "paper"},
    "xmas": {**KMEANS, "variant": "paper"},
}
#: Every method, and each view of `targeted` as `targeted:VIEW`.
CASES = [*SELECT, *(f"targeted:{view}" for view in ("concept", "skill", "sum", "max", "split"))]
TARGETED = [case for case in CASES if case.startswith("targeted")]
DETERMINISTIC = [  # no draw, no k-means
    "length", "clip_score", "el2n", "perplexity", "predictive_entropy", "d2_pruning", "self_filter", "less", "icons",
    "cadc", "influence_coverage", "scalselect", *TARGETED,
]  # fmt: skip
N, M, S = 60, 2, 5
KINDS = ("generic", "constant", "duplicates", "zero", "text_only")


def unit(rows):
    return (rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


def make_signal(kind: str, seed: int = 0, n: int = N) -> Signal:
    """Every array that any method asks for; by `kind` all rows alike, in copies, zero, or without images."""
    rng = np.random.default_rng(seed)
    by_row = {
        name: rng.normal(size=(n, width))
        for name, width in {
            "hidden": 6,
            "features": 6,
            "image": 4,
            "text": 4,
            "sentence": 5,
            "gradient": 8,
            "affinity": S,
            "purity": S,
            "concept": 4,
            "skill": 5,
            "attended": 7,
        }.items()
    }
    by_row |= {
        "difficulty": rng.normal(size=n),
        "nll_shown": rng.uniform(0, 1, n),
        "nll_blind": rng.uniform(1, 2, n),
        "kept_norm": rng.uniform(1, 2, n),
        "words": rng.integers(1, 99, n).astype(float),
        "influence": rng.normal(size=(n, 2)),
    }
    by_snapshot = {
        name: rng.normal(size=(M, n, S)) for name in ("update_on_mean", "update_on_units", "gradient_on_units")
    }
    by_snapshot |= {
        name: rng.uniform(size=(M, n))
        for name in ("nll", "el2n", "margin", "entropy", "update_norm", "gradient_norm", "self_influence")
    }
    by_snapshot["singular"] = rng.uniform(size=(M, n, 5))
    by_row["activations"] = rng.normal(size=(n, 3, 2, 4))
    source = {"constant": np.zeros(n, int), "duplicates": np.arange(n) % 4}.get(kind, np.arange(n))
    scale = 0.0 if kind == "zero" else 1.0
    arrays = {name: scale * array[source] for name, array in by_row.items()} | {
        name: scale * array[:, source] for name, array in by_snapshot.items()
    }
    if kind == "text_only":
        arrays["image"][:], arrays["concept"][:], arrays["activations"][:, :, 0] = 0, 0, 0
    arrays |= {
        name: unit(arrays[name])
        for name in ("image", "text", "sentence", "gradient", "activations", "concept", "skill")
    }
    arrays = {
        name: array.astype(
            np.float16 if name in ("activations", "gradient") else np.int64 if name == "words" else np.float32
        )
        for name, array in arrays.items()
    }
    subtasks = {
        "capability": np.array([0, 0, 1, 1, 1], np.int32),
        "weight": np.ones(S),
        "mean_norm": np.ones((M, S)),
        "benchmark": np.array([0, 0, 1, 1, 1], np.int32),
    }
    subtasks |= {"probe_rows": np.array([3, 1, 2, 2, 2]), "rate": np.array([2e-3, 1e-3])}
    shows, ratio = arrays["image"].any(1), np.zeros(n, np.float32)
    ratio[::15] = rng.uniform(0.5, 1, len(ratio[::15]))
    contrast = {"shows": shows, "ratio": ratio * shows}
    probe = {"probe_concept": unit(rng.normal(size=(5, 4))), "probe_skill": unit(rng.normal(size=(5, 5)))}
    probe["probe_target"] = np.array(
        ["mmt_val/counting", "mmt_val/ocr", "mini_vqa/ocr", "pope/pope", "llava_in_the_wild/wild"]
    )
    return Signal(n, np.array(["a", "b", "c"])[source % 3], arrays | subtasks | contrast | probe)


def selector_of(case: str, **changes):
    method, _, view = case.partition(":")
    return load_selector(method, SELECT[method] | ({"view": view} if view else {}) | changes, "arms.x")


def budget(case: str, n: int) -> int:
    """How many of `n` rows are chosen before training: all, or the warm-up of a method that goes on in training."""
    module, params = selector_of(case)
    return round(params.warm_up * n) if hasattr(module, "plan") else n


def choose(case: str, signal: Signal, n: int, seed: int = 0, **changes):
    module, params = selector_of(case, **changes)
    measured = module.measure(signal, params) if hasattr(module, "measure") else signal
    return module.select(measured, n, params, np.random.default_rng(seed))


def test_every_method_is_tried():
    assert set(SELECT) == set(METHODS)


def test_a_method_or_a_parameter_that_is_none_is_named():
    with pytest.raises(InputError, match=r"params.yaml: arms.x.method: no file src/cadc/selectors/lesss.py; .*less, "):
        load_selector("lesss", {}, "params.yaml: arms.x")
    for change, said in (
        ({"keep": 7}, r"arms.x.select.keep = 7: Input should be less than or equal to 1"),
        ({"kept": 1}, r"arms.x.select.kept = 1: Extra inputs are not permitted"),
        ({"delta": -1, "keep": 0}, r"arms.x.select.delta = -1: .*\narms.x.select.keep = 0: "),
    ):
        with pytest.raises(InputError, match=said):
            load_selector("influence_coverage", SELECT["influence_coverage"] | change, "arms.x")
    with pytest.raises(InputError, match="arms.x.select.delta: Field required"):
        load_selector("cadc", {}, "arms.x")
    with pytest.raises(
        InputError, match=r"arms.x.select.targets: pope/a is part of pope, .* its rows would count twice"
    ):
        load_selector("targeted", SELECT["targeted"] | {"targets": ["pope", "pope/a"]}, "arms.x")


@pytest.mark.parametrize("method", CASES)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.one_of(st.sampled_from([0, 1, N]), st.integers(0, N)), kind=st.sampled_from(KINDS), seed=st.integers(0, 3))
def test_budgets_are_exact_and_results_repeat(method, n, kind, seed):
    with np.errstate(invalid="raise", divide="raise"):
        made, again = (choose(method, make_signal(kind, seed), n, seed) for _ in range(2))
    assert len(made) == made.n_unique == budget(method, n) and (
        len(made) == 0 or 0 <= made.row.min() <= made.row.max() < N
    )
    assert all(np.array_equal(getattr(made, f), getattr(again, f)) for f in ("row", "weight", "capability", "stage"))
    assert np.isfinite(made.weight).all() and (np.diff(made.stage) >= 0).all()


@pytest.mark.parametrize("method", CASES)
def test_a_pool_of_one_row_and_one_cluster(method):
    assert choose(method, make_signal("generic", n=1), 1).row.tolist() == [0] * budget(method, 1)
    one = {"clusters": 1} if "clusters" in SELECT.get(method, {}) else {}
    assert choose(method, make_signal("generic"), 20, **one).n_unique == budget(method, 20)


@pytest.mark.parametrize("method", DETERMINISTIC)
@pytest.mark.parametrize("n", [1, 8, 20])
def test_permuting_the_pool_permutes_the_selection(method, n):
    signal, order = make_signal("generic", 7), np.random.default_rng(1).permutation(N)
    moved = {}
    for name, array in signal.arrays.items():
        axis = next((axis for axis in (0, 1) if array.ndim > axis and array.shape[axis] == N), None)
        moved[name] = array if axis is None else np.take(array, order, axis)
    rows = set(choose(method, signal, n).row.tolist())
    again = set(order[choose(method, Signal(N, signal.task[order], moved), n).row].tolist())
    if method == "length":  # whole numbers tie
        assert sorted(signal["words"][list(rows)]) == sorted(signal["words"][list(again)])
    else:
        assert rows == again


@pytest.mark.parametrize(
    "method",
    [
        "length",
        "clip_score",
        "less",
        "icons",
        "self_sup",
        "d2_pruning",
        "self_filter",
        "predictive_entropy",
        "cadc",
        "influence_coverage",
        "presel",
        "scalselect",
        "visnec",
        "xmas",
        *TARGETED,
    ],
)
def test_a_small_selection_is_not_what_any_rows_would_be(method):
    """A method reads its signal: other arrays, other rows."""
    first, second = (set(choose(method, make_signal("generic", seed), 15).row.tolist()) for seed in (1, 2))
    assert first != second and set(choose(method, make_signal("generic", 1), 15, seed=9).row.tolist()) == first


@pytest.mark.parametrize("extreme", [1e-12, 1e12])
def test_temperatures_at_their_ends(extreme):
    assert choose("coincide", make_signal("generic"), 20, temperature=extreme).n_unique == 20
    assert choose("tive", make_signal("generic"), 20, q=extreme).n_unique == 20


def test_an_array_that_the_signal_lacks_is_named():
    with pytest.raises(InputError, match=r"needs the array hidden, but its signal has words: .* `signal`"):
        choose("self_sup", Signal(3, np.array(["a"] * 3), {"words": np.ones(3)}), 1)


@pytest.mark.parametrize("method", CASES)
def test_rows_are_trained_on_in_random_order(method):
    first, second = (choose(method, make_signal("generic"), 40, seed).row.tolist() for seed in (0, 1))
    assert first != second and first != sorted(first)


def test_task_budgets_are_equal_and_a_small_task_passes_its_share_on():
    given = Signal(100, np.array(["a"] * 90 + ["b"] * 8 + ["c"] * 2))
    rows = choose("task_budget_random", given, 30).row
    assert np.unique(given.task[rows], return_counts=True)[1].tolist() == [20, 8, 2]


@pytest.mark.parametrize("method", [case for case in CASES if case != "length"])
def test_no_method_but_length_reads_the_number_of_answer_words(method):
    """A method that unlocks answers as it goes must not have seen them."""
    given, reads = make_signal("generic"), []

    def read():
        reads.append(method)
        return given["words"]

    choose(method, Signal(N, given.task, {**given.arrays, "words": read}), 20)
    assert not reads, "answers were read"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", [case for case in CASES if case not in ("full", "random", "task_budget_random")])
def test_an_array_that_is_not_finite_is_named_with_its_row(method, value):
    given, read = make_signal("generic"), set()

    def spied(name, array):
        return lambda: (read.add(name), array)[1]

    choose(method, Signal(N, given.task, {name: spied(name, a) for name, a in given.arrays.items()}), 20)
    fractions = [name for name in sorted(read) if np.issubdtype(given.arrays[name].dtype, np.floating)]
    assert fractions or method == "length"
    for name in fractions:
        array = given.arrays[name].copy()
        by_row = next((axis for axis in (0, 1) if array.ndim > axis and array.shape[axis] == N), None)
        array[(slice(None),) * (by_row or 0) + (3 if by_row is not None else 0,)] = value
        ids = [f"id {row}" for row in range(N)]
        said = rf"array {name} is not finite .* in {'place 0' if by_row is None else 'row id 3'};"
        with pytest.raises(InputError, match=said):
            choose(method, Signal(N, given.task, {**given.arrays, name: array}, ids), 20)
