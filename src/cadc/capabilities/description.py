"""Short description of each capability: its subtasks, typical words of its questions, and its most influential
rows."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from cadc import artifacts
from cadc.data.pictures import image_file
from cadc.data.wording import IMAGE_TOKEN

_PRIOR = 0.01  # prior weight per word of the pool in the log-odds (Monroe et al. 2008, Dirichlet prior)
_WORDS, _ROWS = 10, 6
_PROMPTED = 20  # a last line shared by this many questions is an answer instruction
_OPTION, _OPENING = re.compile(r"(?m)^\s*[A-Z][:.)]\s"), re.compile(r"(?i)^\s*question\s*:\s*")


def first_exchange(row: dict) -> tuple[str, str]:
    """A row's first question and answer, without image tokens."""
    question, answer = (turn["text"].replace(IMAGE_TOKEN, " ").strip() for turn in row["turns"][:2])
    return question, answer


def without_prompts(questions: list[str]) -> list[str]:
    """Questions without answer instructions: drops `Question:`, option letters, and a last line that ends many
    different questions, such as "Answer the question using a single word or phrase."."""
    parts = [question.rstrip().rpartition("\n")[::2] for question in questions]
    ended: dict[str, set[str]] = {}
    for before, last in parts:
        ended.setdefault(last, set()).update([before] if before else [])
    asked = [
        before if len(ended[last]) >= _PROMPTED and before else f"{before}\n{last}".strip() for before, last in parts
    ]
    return [_OPTION.sub("", _OPENING.sub("", text)) for text in asked]


def telling_words(texts: list[str], group: np.ndarray, n_groups: int, n: int) -> list[list[str]]:
    """The `n` words that best distinguish each group's texts: largest z of the log-odds with a Dirichlet prior.

    group int [len(texts)] in 0 .. n_groups - 1. A word counts once per text. A group without texts has no words.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(n_groups)]
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
    """The `n` rows of highest influence on each capability with distinct questions, ties broken by row."""
    chosen = []
    for column in influence.T:
        seen: dict[str, int] = {}
        for row in np.argsort(-column, kind="stable"):
            seen.setdefault(questions[row], int(row))
            if len(seen) == n:
                break
        chosen.append(list(seen.values()))
    return chosen


def write_description(
    folder: Path,
    named: list[dict],
    stability: list[dict],
    arrays: dict[str, np.ndarray],
    steps: list[int],
    pool: pa.Table,
) -> None:
    """Write `folder`/facts.json and rows.parquet (a few KB): all that reports need about the capabilities.

    named: subtasks with their capability. arrays: those of the artifact `capabilities`. steps: of the proxy's
    snapshots. rows.parquet holds capability, influence, question, answer and the first image's bytes of each
    capability's most influential rows.
    """
    artifacts.fresh(folder)
    influence = np.asarray(arrays["influence"])
    exchanges = [first_exchange(row) for row in pool.select(["turns"]).to_pylist()]
    questions = [question for question, _ in exchanges]
    member, n = influence.argmax(1), influence.shape[1]
    own = np.asarray(arrays["self_influence"], np.float64)
    trends = [
        [float(own[t, member == c].mean()) if (member == c).any() else 0.0 for c in range(n)] for t in range(len(own))
    ]
    facts = {
        "subtasks": named,
        "stability": stability,
        "cosine": np.round(arrays["cosine"], 4).tolist(),
        "steps": steps,
        "self_influence": [[float(f"{value:.4g}") for value in line] for line in trends],
        "share": [round(float(np.mean(member == c)), 4) for c in range(n)],
        "words": telling_words(without_prompts(questions), member, n, _WORDS),
    }
    artifacts.write_json(folder / "facts.json", facts)
    rows = []
    for c, chosen in enumerate(most_influential(influence, questions, _ROWS)):
        for row in chosen:
            images = pool.slice(row, 1)["images"].to_pylist()[0]
            picture = image_file(images[0]) if images else None
            question, answer = exchanges[row]
            rows.append(
                {
                    "capability": c,
                    "influence": float(influence[row, c]),
                    "question": question,
                    "answer": answer,
                    "image": picture,
                }
            )
    artifacts.write_table(folder / "rows.parquet", pa.Table.from_pylist(rows), compression="zstd")
