"""D2-Pruning against its authors' sampler (adymaharana/d2pruning bf1ea46) and COINCIDE's copy of their script."""

from pathlib import Path

import numpy as np
import pytest

from cadc.selectors.d2_pruning import forward, neighbour_graph, pick_order, queue_order

FOLDER = Path(__file__).parent / "d2_pruning"


@pytest.fixture(scope="module")
def sampler():
    golden = np.load(FOLDER / "graph_k5_g0.1_sum_weighted.npz")
    return golden, neighbour_graph(golden["features"], int(golden["n_neighbor"]), "paper", exact_rows=1000)


@pytest.fixture(scope="module")
def script():
    golden = np.load(FOLDER / "coincide_variant_k5_g0.4_f0.2.npz")
    return golden, neighbour_graph(golden["features"], int(golden["n_neighbors"]), "released", exact_rows=1000)


def test_the_authors_graph(sampler):
    golden, graph = sampler
    assert np.repeat(np.arange(1000), np.diff(graph.start)).tolist() == golden["connect_row"].tolist()
    assert graph.neighbour.tolist() == golden["connect_col"].tolist()
    message = np.exp(-graph.distance) * np.maximum(golden["importance"], golden["eps"])[graph.neighbour]
    np.testing.assert_allclose(message, golden["connect_val"], rtol=1e-4)


def test_the_authors_order(sampler):
    golden, graph = sampler
    score = forward(graph, golden["importance"].astype(np.float64), "paper")
    np.testing.assert_allclose(score, golden["starting_density"], rtol=1e-4)
    order = pick_order(
        score, graph.start, graph.neighbour, np.exp(-golden["gamma"] * graph.distance), int(golden["budget"])
    )
    assert order.tolist() == golden["pick_order"].tolist()
    left = np.setdiff1d(np.arange(1000), order)
    np.testing.assert_allclose(score[left], golden["final_density"][left], rtol=1e-4, atol=1e-5)


def test_the_script_s_graph(script):
    golden, graph = script
    assert graph.neighbour.reshape(1000, -1).tolist() == golden["neighbors"].tolist()
    np.testing.assert_allclose(graph.distance.reshape(1000, -1), golden["sq_distances"], rtol=1e-4)


def test_the_script_s_order(script):
    golden, graph = script
    score = forward(graph, golden["scores"].astype(np.float64), "released")
    np.testing.assert_allclose(score, golden["initial_graph_scores"], rtol=1e-4)
    n = int(golden["fraction"] * 1000)
    order = queue_order(score, graph.start, graph.neighbour, np.exp(-golden["gamma"] * graph.distance), n)
    assert order.tolist() == golden["selected_in_pick_order"].tolist()
    np.testing.assert_allclose(score, golden["final_graph_scores"], rtol=1e-4, atol=1e-5)


def test_the_script_s_queue_is_not_the_highest_score(script):
    golden, graph = script
    score = forward(graph, golden["scores"].astype(np.float64), "released")
    order = pick_order(score, graph.start, graph.neighbour, np.exp(-golden["gamma"] * graph.distance), 200)
    assert order.tolist() != golden["selected_in_pick_order"].tolist()
