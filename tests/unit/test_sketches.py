"""Sketches: unbiased, pinned, keyed by names; the fused pass of AdamW's direction and its sketch."""

import shutil

import numpy as np
import pytest
import torch
from test_gradients import CPU, snapshot

from cadc.gradients.adamw import Direction
from cadc.gradients.sketch import CountSketch, make_sketch


def sketched(sketch: CountSketch, values: dict[str, torch.Tensor]) -> torch.Tensor:
    out = sketch.zeros(len(next(iter(values.values()))))
    for name, value in values.items():
        sketch.add(name, value, out)
    return out


def test_the_fused_pass_is_direction_then_sketch():
    parameters = {"w": torch.zeros(700)}
    gradients, sketch = torch.randn(5, 700), CountSketch(["w"], [700], 64, 1, CPU)
    gradients[2] = 0
    for update in ("adamw", "adamw_own", "sgd"):
        direction = Direction(snapshot(parameters), update, CPU)
        fused = sketch.zeros(5)
        sketch.add_direction("w", gradients, direction, fused)
        apart = sketched(sketch, {"w": direction("w", gradients)})
        assert torch.allclose(fused, apart, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPU")
def test_the_compiled_pass_for_gpus_is_the_fused_one():
    """On the CPU, for want of a GPU: what is compiled for one gives what numba gives here."""
    from cadc.gradients.sketch import _adamw_sketch, _compiled

    sketch, direction = (
        CountSketch(["w"], [700], 64, 1, CPU),
        Direction(snapshot({"w": torch.zeros(700)}), "adamw", CPU),
    )
    state = (torch.from_numpy(sketch.shift["w"]), sketch.sign["w"], direction.momentum["w"], direction.variance["w"])
    for n in (5, 3):
        gradients, fused = torch.randn(n, 700), sketch.zeros(n)
        sketch.add_direction("w", gradients, direction, fused)
        for way in (_adamw_sketch, _compiled()):
            made = way(gradients, *state, direction.own("w"), direction.square, direction.epsilon, 64)
            assert torch.allclose(made, fused, rtol=1e-4, atol=1e-4)


def test_without_a_compiler_the_pass_for_gpus_is_made_step_by_step_and_that_is_said(monkeypatch, capsys, tmp_path):
    from cadc.gradients.sketch import _adamw_sketch, _compiled

    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "none"),))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    _compiled.cache_clear()
    torch._dynamo.reset()
    try:
        gradients, state = torch.randn(3, 100), [torch.rand(100) for _ in range(3)]
        args = (gradients, torch.tensor([5, 2]), *state, 0.1, 0.001, 1e-8, 64)
        for _ in range(2):
            assert torch.equal(_compiled()(*args), _adamw_sketch(*args))
    finally:
        _compiled.cache_clear()
        torch._dynamo.reset()
    assert capsys.readouterr().out.count("torch.compile fails here") == 1


@pytest.mark.parametrize("kind", ["count", "rademacher"])
def test_a_sketch_is_unbiased_and_no_wider_than_its_bound(kind):
    torch.manual_seed(1)
    x, y = torch.randn(2, 3000)
    y = x + y
    products = []
    for seed in range(80):
        sketch = make_sketch(kind, ["a", "b"], [1000, 2000], 256, seed, CPU)
        px, py = sketched(sketch, {"a": torch.stack([x[:1000], y[:1000]]), "b": torch.stack([x[1000:], y[1000:]])})
        products.append(float(px @ py))
    bound = np.sqrt(float(x @ x * (y @ y) + (x @ y) ** 2) / 256)
    assert abs(np.mean(products) - float(x @ y)) < 4 * bound / np.sqrt(len(products))
    assert 0.7 * bound < np.std(products) < 1.3 * bound


@pytest.mark.parametrize("kind", ["count", "rademacher"])
def test_a_sketch_is_keyed_by_the_name_of_the_parameter_alone(kind):
    values = torch.randn(3, 2000)
    both, alone = make_sketch(kind, ["a", "b"], [1000, 2000], 64, 3, CPU), make_sketch(kind, ["b"], [2000], 64, 3, CPU)
    assert torch.equal(sketched(both, {"b": values}), sketched(alone, {"b": values}))
    assert not torch.equal(
        sketched(alone, {"b": values}), sketched(make_sketch(kind, ["b"], [2000], 64, 4, CPU), {"b": values})
    )
    assert torch.equal(sketched(make_sketch(kind, ["a"], [2000], 0, 0, CPU), {"a": values}), values)


def test_each_coordinate_of_a_count_sketch_has_one_bucket_shared_evenly():
    made = sketched(CountSketch(["w"], [1000], 64, 5, CPU), {"w": torch.eye(1000)})
    assert (made.abs().sum(1) == 1).all() and (made.abs().max(1).values == 1).all()
    assert made.abs().sum(0).max() <= 16 and -120 < made.sum() < 120


def test_sketch_entries_are_pinned():
    """The same matrices on every machine and version: a change here changes every stored influence."""
    for kind, pinned in PINNED.items():
        made = sketched(
            make_sketch(kind, ["layer.lora_A.weight"], [6], 4, 0, CPU), {"layer.lora_A.weight": torch.eye(6)}
        )
        assert (made * (2 if kind == "rademacher" else 1)).to(int).tolist() == pinned


PINNED = {
    "count": [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0]],
    "rademacher": [[1, 1, 1, 1], [-1, 1, -1, -1], [1, -1, 1, 1], [1, 1, -1, 1], [-1, 1, 1, 1], [-1, -1, 1, 1]],
}
