"""LLaVA-1.5's batches by modality and length against haotian-liu/LLaVA c121f04.

grouping.npz: lengths of 1,000 rows (below zero: text alone), and the order of llava/train/llava_trainer.py,
get_modality_length_grouped_indices, for 8 GPUs with 16 rows each, torch.manual_seed(0).
"""

from pathlib import Path

import numpy as np
import torch

from cadc.training.grouping import grouped

GOLDEN = np.load(Path(__file__).parent / "llava/grouping.npz")


def order_of(lengths, n_parts=8, batch_size=128):
    return grouped(lengths, batch_size, n_parts, torch.Generator().manual_seed(0))


def test_the_order_is_llava_s():
    assert (int(GOLDEN["world_size"]), int(GOLDEN["batch_size"]), int(GOLDEN["seed"])) == (8, 16, 0)
    np.testing.assert_array_equal(order_of(GOLDEN["lengths"]), GOLDEN["indices"])


def test_a_batch_is_of_one_modality_and_its_parts_are_of_even_length():
    lengths = GOLDEN["lengths"]
    batches = lengths[order_of(lengths)].reshape(-1)[: 128 * 6].reshape(6, 8, 16)
    assert all(len({*np.sign(batch).ravel()}) == 1 for batch in batches)
    assert (np.abs(np.abs(batches).sum(2) / np.abs(batches).sum(2).mean(1, keepdims=True) - 1) < 0.05).all()


def test_rows_of_one_modality_and_few_rows_are_ordered_too():
    for lengths in (GOLDEN["lengths"][:37], np.abs(GOLDEN["lengths"][:300]), np.array([5]), np.array([-5, 7])):
        assert sorted(order_of(lengths).tolist()) == list(range(len(lengths)))
