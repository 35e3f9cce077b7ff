"""What each method's rows are: of which sources, how clean, how much of the pool's clusters they cover."""

from __future__ import annotations

import numpy as np

from cadc import artifacts
from cadc.config.params import Params
from cadc.config.runs import runs_of
from cadc.data.labels import load_labels
from cadc.report.leaderboard import markdown


def composition(params: Params) -> str:
    """What each method's rows are: clusters covered, shares of noise and duplicates (labels no method has seen)."""
    clusters = artifacts.load_array(artifacts.CLUSTERS / "assignment.npy")
    labels = load_labels()
    noise, form = (np.array(labels[name].to_pylist()) for name in ("noise", "form"))
    copies = np.array([bool(x) for x in labels["duplicate_of"].to_pylist()])
    body = []
    for method in params.methods:
        for key in sorted({run.key for run in runs_of(method, params)}):
            shares = []
            for run in (run for run in runs_of(method, params) if run.key == key):
                rows = np.unique(artifacts.realised_selection(method, run.name).row)
                share = [len(np.unique(clusters[rows])) / (clusters.max() + 1)]
                share += (
                    [np.mean(noise[rows] == kind) for kind in ("wrong", "mismatch")]
                    + [np.mean(copies[rows]), np.mean(form[rows] == "choice")]
                    if len(noise)
                    else []
                )
                shares.append(share)
            body.append([f"{method} {key}", *(f"{100 * x:.1f}" for x in np.mean(shares, axis=0))])
    header = [
        "selection",
        "clusters covered %",
        *(
            ["wrong answers %", "mismatched images %", "copies of another row %", "multiple choice %"]
            if len(noise)
            else []
        ),
    ]
    return markdown(header, body)


def task_shares(params: Params) -> str:
    """The share of every source of the pool in each method's rows, mean over seeds."""
    source = np.array(artifacts.load_pool()["source"].to_pylist())
    names = sorted(set(source))
    body = [["pool", *(f"{100 * np.mean(source == name):.1f}" for name in names)]]
    for method in params.methods:
        for key in sorted({run.key for run in runs_of(method, params)}):
            rows = [
                source[np.unique(artifacts.realised_selection(method, run.name).row)]
                for run in runs_of(method, params)
                if run.key == key
            ]
            body.append(
                [f"{method} {key}", *(f"{100 * np.mean([np.mean(own == name) for own in rows]):.1f}" for name in names)]
            )
    return markdown(["selection, % of its rows", *names], body)
