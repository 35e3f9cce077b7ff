"""What each capability is: its subtasks, the words its rows are asked in, and the rows that serve it most, as pictures."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pyarrow as pa
from matplotlib import pyplot as plt

from cadc.model.encode import IMAGE_TOKEN, open_image
from cadc.report.figures import STYLE, save
from cadc.report.leaderboard import markdown

_PRIOR = 0.01  # weight of the background in the log-odds, per word of the pool (Monroe et al. 2008, informative Dirichlet prior)


def first_exchange(row: dict) -> tuple[str, str]:
    """A row's first question and answer, without image marks."""
    question, answer = (turn["text"].replace(IMAGE_TOKEN, " ").strip() for turn in row["turns"][:2])
    return question, answer


def telling_words(texts: list[str], group: np.ndarray, n_groups: int, n: int) -> list[list[str]]:
    """For each group the `n` words that set its texts apart: largest z of the log-odds ratio with a Dirichlet prior.

    group int [len(texts)] in 0 .. n_groups - 1. A word counts once a text; a group without texts has none.
    """
    counts = [Counter() for _ in range(n_groups)]
    for text, g in zip(texts, group, strict=True):
        counts[g].update(set(re.findall(r"[^\W_]+", text.lower())))
    everything = sum(counts, Counter())
    words = sorted(everything)
    prior = _PRIOR * np.array([everything[word] for word in words], float)
    own = np.array([[count[word] for word in words] for count in counts], float)
    out = []
    for mine in own:
        other = own.sum(0) - mine
        odds = [np.log((x + prior) / np.maximum(x.sum() + prior.sum() - x - prior, 1e-9)) for x in (mine, other)]
        z = (odds[0] - odds[1]) / np.sqrt(1 / (mine + prior) + 1 / (other + prior))
        out.append([words[i] for i in np.argsort(-z, kind="stable")[:n] if mine[i]])
    return out


def most_influential(influence: np.ndarray, questions: list[str], n: int) -> list[list[int]]:
    """For each capability the `n` rows of highest influence that are asked differently, ties by row."""
    chosen = []
    for column in influence.T:
        seen: dict[str, int] = {}
        for row in np.argsort(-column, kind="stable"):
            seen.setdefault(questions[row], int(row))
            if len(seen) == n:
                break
        chosen.append(list(seen.values()))
    return chosen


def describe(
    named: list[dict], influence: np.ndarray, stability: list[dict], pool: pa.Table
) -> tuple[str, list[list[dict]]]:
    """The report's text, and each capability's most influential rows.

    named: subtasks with their capability; influence float32 [n_rows, n_capabilities]; stability as discover writes it.
    """
    exchanges = [first_exchange(row) for row in pool.select(["turns"]).to_pylist()]
    questions = [question for question, _ in exchanges]
    member = influence.argmax(1)
    words = telling_words(questions, member, influence.shape[1], 10)
    body = []
    for c in range(influence.shape[1]):
        own = sorted(
            (entry for entry in named if entry["capability"] == c),
            key=lambda entry: (entry["meta_task"], entry["name"]),
        )
        share = f"{100 * np.mean(member == c):.0f}%"
        body.append([str(c), share, ", ".join(entry["name"] for entry in own), " ".join(words[c])])
    rows = [
        [{**pool.slice(row, 1).to_pylist()[0], "influence": float(influence[row, c])} for row in chosen]
        for c, chosen in enumerate(most_influential(influence, questions, 6))
    ]
    chosen = [
        [
            f"{s['tau']:g}",
            f"{s['resolution']:g}",
            str(s["capabilities"]),
            f"{s['ari']:.2f}",
            str(s["runs"]),
            "yes" if s["chosen"] else "",
        ]
        for s in stability
    ]
    text = "\n".join(
        [
            "# Capabilities\n",
            "Communities of subtasks whose probe rows would move the model alike (Leiden on the trajectories' cosines). *Rows* is the share of the pool",
            "that serves a capability best; *words* set these rows' questions apart (log-odds with a Dirichlet prior). Made by `dvc repro`.\n",
            markdown(["capability", "rows", "subtasks", "words"], body),
            "How stable: partitions of bootstrap draws of the probe rows in all proxy runs (`replicate.seeds`), mean pairwise adjusted Rand index (1: always the same).",
            "The capabilities above are the consensus of these draws at the chosen tau and resolution. Whether other proxy runs find the same ones:",
            "[benchmarks/stability.md](benchmarks/stability.md).\n",
            markdown(["tau", "resolution", "capabilities", "ARI", "proxy runs", "chosen"], chosen),
            "The rows of highest influence on each, no question twice:\n",
            "![most influential rows](plots/capabilities.png)\n",
        ]
    )
    return text, rows


@matplotlib.rc_context(STYLE)
def draw(path: Path, rows: list[list[dict]]) -> None:
    """One line of pictures with question and answer per capability."""
    columns = max(len(line) for line in rows)
    figure, axes = plt.subplots(len(rows), columns, figsize=(2.1 * columns, 2.3 * len(rows)), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for c, line in enumerate(rows):
        for axis, row in zip(axes[c], line, strict=False):
            if row["images"]:
                axis.imshow(np.asarray(open_image(row["images"][0])), interpolation="nearest")
            question, answer = first_exchange(row)
            said = [*textwrap.wrap(question, 34)[:4], f"> {textwrap.shorten(answer, 32)}"]
            axis.text(0.5, -0.04, "\n".join(said), transform=axis.transAxes, ha="center", va="top", fontsize=6)
            axis.set_title(f"capability {c}: {row['influence']:.2g}", fontsize=6.5)
    figure.tight_layout(h_pad=2.5)
    save(figure, path)
