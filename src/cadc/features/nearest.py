"""Assign each pool row the meta-task of its nearest probe row."""

from __future__ import annotations

import numpy as np

from cadc import artifacts
from cadc.config.params import Params
from cadc.data.probe import load_probe
from cadc.features.embeddings import (
    Tower,
    load_sentence_encoder,
    row_text,
    sentence_embeddings,
    tower_embeddings,
)

_BLOCK = 4096  # rows per block


def probe_views(params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Concatenated image and question embeddings of pool rows and of probe rows, and the probe rows' subtasks and
    meta-tasks.

    Answers are not read. Without a tower only questions are compared.
    """
    table, subtasks, known = load_probe(artifacts.PROBE, params.capture.targets)
    records = table.to_pylist()
    encoder = load_sentence_encoder(params.embed.sentences)
    texts = [row_text(record["turns"], answers=False) for record in records]
    probe = {"sentence": sentence_embeddings(encoder, texts)}
    if params.embed.tower:
        probe["image"] = tower_embeddings(Tower(params.embed.tower), records)["image"]
    pool = [np.asarray(artifacts.load_array(artifacts.EMBEDDINGS / f"{name}.npy")) for name in probe]
    meta = np.array([known[name]["meta_task"] for name in subtasks])
    return np.concatenate(pool, 1), np.concatenate(list(probe.values()), 1), np.array(subtasks), meta


def nearest_meta_task(params: Params) -> np.ndarray:
    """The meta-task of each pool row's nearest probe row, by cosine: str [n_rows], '' if there are no targets."""
    if not params.capture.targets:
        return np.full(artifacts.load_pool().num_rows, "")
    features, probe, _, meta_task = probe_views(params)
    unit = probe / np.maximum(np.linalg.norm(probe, axis=1, keepdims=True), 1e-12)
    blocks = [features[at : at + _BLOCK] @ unit.T for at in range(0, len(features), _BLOCK)]
    return meta_task[np.concatenate([block.argmax(1) for block in blocks])]
