"""What a method that chooses while the model learns chose when, and what came of it: the analyses of PROGRESS's paper."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from wordcloud import STOPWORDS, WordCloud

from cadc import artifacts
from cadc.artifacts import Selection
from cadc.config.params import Params
from cadc.config.runs import runs_of
from cadc.data.probe import load_probe
from cadc.evaluation.statistics import Samples, group_means
from cadc.features.embeddings import (
    ContrastiveTower,
    load_sentence_encoder,
    row_text,
    sentence_embeddings,
    tower_embeddings,
)
from cadc.capabilities.description import first_exchange, telling_words
from cadc.report.figures import STYLE, save
from cadc.report.leaderboard import REPORTS, markdown

LEVELS = ("easy", "medium", "hard")


def abilities(features: np.ndarray, probe: np.ndarray, meta_task: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """What each cluster is about: every row votes for the meta-task of its nearest benchmark row; the majority, str [n_clusters].

    features float32 [n_rows, d] and probe float32 [n_probe, d] compared by cosine; meta_task str [n_probe]; ties by name. A
    cluster without rows is ''.
    """
    unit = probe / np.maximum(np.linalg.norm(probe, axis=1, keepdims=True), 1e-12)
    nearest = np.concatenate([(features[at : at + 4096] @ unit.T).argmax(1) for at in range(0, len(features), 4096)])
    votes = [Counter(meta_task[nearest[cluster == k]].tolist()) for k in range(cluster.max() + 1)]
    return np.array([min(vote, key=lambda name, vote=vote: (-vote[name], name)) if vote else "" for vote in votes])


def shares_by_round(selection: Selection, group: np.ndarray, names: list[str]) -> np.ndarray:
    """Share of each round's rows that is of each group: group str [n_rows] -> float64 [n_rounds, len(names)], zero for a round without rows."""
    of = group[selection.row]
    rounds = [of[selection.stage == stage] for stage in range(selection.stage.max() + 1)]
    return np.array([[np.mean(own == name) if len(own) else 0.0 for name in names] for own in rounds])


def terciles(history: np.ndarray) -> np.ndarray:
    """Mean loss and accuracy of the clusters that were easy, medium and hard at first: float64 [n_marks, 3, 2].

    history float64 [n_marks, n_clusters, 6] as `Adaptive.history` gives it, from the first measurement on that knows a cluster. Easy is
    what has a low loss then; only clusters measured from there to the last count. Empty where nothing was measured.
    """
    known = np.isfinite(history[:, :, 0])
    history = history[known.any(1).argmax() :] if known.any() else history[:0]
    scores = history[:, np.isfinite(history[:, :, 0]).all(0), :2]
    if not scores.size:
        return np.empty((0, 3, 2))
    groups = np.array_split(np.argsort(scores[0, :, 0], kind="stable"), 3)
    return np.stack(
        [scores[:, group].mean(1) if len(group) else np.full((len(scores), 2), np.nan) for group in groups], 1
    )


def gaussian_assignment(features: np.ndarray, cluster: np.ndarray, probe: np.ndarray) -> np.ndarray:
    """The cluster under whose Gaussian each benchmark row is likeliest: int64 [n_probe].

    Diagonal covariances of the clusters' rows, with a tenth of the pool's own added, for a cluster may have few rows (ours).
    """
    width = features.var(0) + 1e-6
    likelihood = np.full((len(probe), cluster.max() + 1), -np.inf)
    for k in np.unique(cluster):
        own = features[cluster == k]
        variance = own.var(0) + 0.1 * width
        likelihood[:, k] = -0.5 * (((probe - own.mean(0)) ** 2 / variance) + np.log(variance)).sum(1)
    return likelihood.argmax(1)


def rarity(features: np.ndarray, cluster: np.ndarray, probe: np.ndarray) -> np.ndarray:
    """How rare what a benchmark row asks is in the pool: -log of the share of its cluster, float64 [n_probe]."""
    share = np.bincount(cluster, minlength=cluster.max() + 1) / len(cluster)
    return -np.log(share[gaussian_assignment(features, cluster, probe)])


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one is constant."""
    ranks = [np.array([(np.sum(v < a) + np.sum(v <= a) - 1) / 2 for a in v]) for v in (x, y)]
    if min(np.std(r) for r in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def improvements(
    own: list[Samples], others: list[Samples], rare: dict[str, float]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Points of every MMT-Bench and mini_vqa subtask over random rows, float64 [n_subtasks], and what each is like.

    own, others: samples by seed; rare: mean rarity of a subtask's benchmark rows, by the names of the probe set. Difficulty is what
    random rows leave unanswered, in percent.
    """

    def accuracy(runs: list[Samples]) -> dict[str, float]:
        names = np.char.add(runs[0].subtask, np.where(runs[0].task == "mini_vqa", " (open)", ""))
        asked = np.isin(runs[0].task, ("mmt_val", "mini_vqa"))
        return group_means(
            100 * np.mean([run.score for run in runs], axis=0)[asked], names[asked], np.ones(asked.sum())
        )

    mine, theirs = accuracy(own), accuracy(others)
    names = sorted(name for name in mine if name in rare)
    difficulty = np.array([100 - theirs[name] for name in names])
    return np.array([mine[name] - theirs[name] for name in names]), {
        "difficulty: random rows' misses, %": difficulty,
        "rarity in the pool, -log share": np.array([rare[name] for name in names]),
    }


def page(
    method: str,
    selection: Selection,
    history: np.ndarray,
    cluster: np.ndarray,
    names: list[str],
    pictures: dict[str, str],
) -> str:
    """A method's section: what it bought and measured, its clusters, and those of its pictures that there are, by what they show."""
    said = {
        "rounds": "What each round bought, by what its clusters are about (the meta-task of most rows' nearest benchmark row):",
        "terciles": "Clusters that were easy, medium and hard at first:",
        "improvement": "Where it helps, by subtask of MMT-Bench and mini VQA, mean over seeds; rarity by the cluster under whose Gaussian a benchmark row is likeliest:",
        "words": "The clusters from which rounds bought most, in the words that set their questions apart:",
    }
    n_warm_up, n_rounds = int(np.sum(selection.stage == 0)), int(selection.stage.max())
    bought, size = (
        np.bincount(cluster[rows], minlength=len(names))
        for rows in (selection.row[selection.stage > 0], np.arange(len(cluster)))
    )
    body = [
        [str(k), names[k], str(size[k]), str(bought[k]), f"{100 * bought[k] / max(size[k], 1):.1f}"]
        for k in np.argsort(-bought, kind="stable")
    ]
    parts = [
        f"## {method}\n",
        f"Its first run: {len(selection)} answers bought, {n_warm_up} of them in the warm-up and the others in {n_rounds} rounds; {len(history)} measurements of "
        f"{history[:, :, 4].sum():.0f} rows in all.\n",
    ]
    parts += [f"{text}\n\n![{name}]({pictures[name]})\n" for name, text in said.items() if name in pictures]
    if bought.any():
        parts.append(
            markdown(
                ["cluster", "about", "rows", "bought in rounds", "% of them"], [row for row in body if row[3] != "0"]
            )
        )
    return "\n".join(parts)


@matplotlib.rc_context(STYLE)
def draw_rounds(path: Path, shares: np.ndarray, names: list[str]) -> None:
    """What each round bought, by ability: stacked bars, the warm-up first."""
    figure, axis = plt.subplots(figsize=(7, 3.2))
    colours, low = plt.get_cmap("tab20").colors, np.zeros(len(shares))
    for i, name in enumerate(names):
        axis.bar(range(len(shares)), shares[:, i], bottom=low, label=name, color=colours[i % 20], width=0.9)
        low += shares[:, i]
    axis.set_xticks(range(len(shares)), ["warm-up", *(str(k) for k in range(1, len(shares)))])
    axis.set_xlabel("round")
    axis.set_ylabel("share of its rows")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def draw_terciles(path: Path, scores: np.ndarray) -> None:
    """Loss and accuracy of the three groups of clusters over the measurements: float64 [n_marks, 3, 2]."""
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.8))
    for column, (axis, title) in enumerate(zip(axes, ("loss", "accuracy"), strict=True)):
        for i, name in enumerate(LEVELS):
            axis.plot(scores[:, i, column], "o-", label=f"{name} at first")
        axis.set_xlabel("measurement")
        axis.set_ylabel(title)
    axes[0].legend(frameon=False)
    save(figure, path)


@matplotlib.rc_context(STYLE)
def draw_improvement(path: Path, improvement: np.ndarray, against: dict[str, np.ndarray]) -> None:
    """Points over random rows of every benchmark subtask against what it is like, with rank correlations."""
    figure, axes = plt.subplots(1, len(against), figsize=(3.6 * len(against), 3), sharey=True)
    for axis, (title, values) in zip(np.atleast_1d(axes), against.items(), strict=True):
        axis.axhline(0, color="0.8", lw=1)
        axis.plot(values, improvement, "o", ms=4)
        axis.set_xlabel(title)
        axis.set_title(f"rank correlation {rank_correlation(values, improvement):+.2f}")
    np.atleast_1d(axes)[0].set_ylabel("points over random rows")
    save(figure, path)


@matplotlib.rc_context(STYLE)
def draw_clouds(path: Path, questions: list[str], cluster: np.ndarray, which: list[int], names: list[str]) -> None:
    """The words in which the clusters `which` are asked, those that set them apart largest."""
    words = telling_words(questions, cluster, int(cluster.max()) + 1, 40)
    columns = 4
    figure, axes = plt.subplots(-(-len(which) // columns), columns, figsize=(11, 2.4 * -(-len(which) // columns)))
    for axis in np.ravel(axes):
        axis.axis("off")
    for axis, k, name in zip(np.ravel(axes), which, names, strict=False):
        sizes = {word: 1 / (place + 1) ** 0.5 for place, word in enumerate(words[k]) if word not in STOPWORDS}
        if sizes:
            cloud = WordCloud(
                width=520, height=340, background_color="white", random_state=0, colormap="viridis"
            ).generate_from_frequencies(sizes)
            axis.imshow(cloud.to_array(), interpolation="bilinear")
        axis.set_title(name, fontsize=8)
    save(figure, path)


def label_free_views(params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Image and question embeddings side by side of pool rows and of probe rows, and the probe rows' subtasks and meta-tasks.

    Without a tower questions alone are compared.
    """
    table, subtasks, known = load_probe(artifacts.PROBE, params.capture.targets)
    records = table.to_pylist()
    encoder = load_sentence_encoder(params.embed.sentences)
    probe = {"sentence": sentence_embeddings(encoder, [row_text(record["turns"], answers=False) for record in records])}
    if params.embed.tower:
        probe["image"] = tower_embeddings(ContrastiveTower(params.embed.tower), records)["image"]
    pool = [np.asarray(artifacts.load_array(artifacts.EMBEDDINGS / f"{name}.npy")) for name in probe]
    meta = np.array([known[name]["meta_task"] for name in subtasks])
    return np.concatenate(pool, 1), np.concatenate(list(probe.values()), 1), np.array(subtasks), meta


def write(params: Params, cells: dict[tuple[str, str], list[Samples]], plots: Path) -> None:
    """reports/rounds.md and its pictures: of every method that chooses while the model learns, what it chose when."""
    parts = [
        "# Chosen while the model learns\n",
        "Made by `dvc repro`; with and without its parts: [progress.md](progress.md).\n",
    ]
    adaptive = [method for method in params.methods if (artifacts.SELECTIONS / method / "plan.json").exists()]
    if adaptive:
        features, probe, subtasks, meta = label_free_views(params)
        questions = [first_exchange(row)[0] for row in artifacts.load_pool().select(["turns"]).to_pylist()]
    else:
        parts.append("None of the methods in params.yaml does.\n")
    for method in adaptive:
        run = runs_of(method, params)[0]
        cluster, selection = (
            artifacts.load_array(artifacts.SELECTIONS / method / "cluster.npy"),
            artifacts.realised_selection(method, run.name),
        )
        history = artifacts.load_array(artifacts.ADAPTERS / method / run.name / "rounds.npy")
        names = abilities(features, probe, meta, cluster)
        pictures = {name: f"{method}_{name}.png" for name in ("rounds", "terciles", "improvement", "words")}
        if ("random", run.key) in cells:
            rare = group_means(rarity(features, cluster, probe), subtasks, np.ones(len(subtasks)))
            draw_improvement(
                plots / pictures["improvement"], *improvements(cells[method, run.key], cells["random", run.key], rare)
            )
        if (scores := terciles(history)).size:
            draw_terciles(plots / pictures["terciles"], scores)
        if selection.stage.any():
            groups = sorted(set(names) - {""})
            draw_rounds(plots / pictures["rounds"], shares_by_round(selection, names[cluster], groups), groups)
            most = np.argsort(
                -np.bincount(cluster[selection.row[selection.stage > 0]], minlength=len(names)), kind="stable"
            )[:8].tolist()
            draw_clouds(plots / pictures["words"], questions, cluster, most, [f"{k}: {names[k]}" for k in most])
        there = {name: f"plots/{file}" for name, file in pictures.items() if (plots / file).exists()}
        parts.append(page(method, selection, history, cluster, names.tolist(), there))
    (REPORTS / "rounds.md").write_text("\n".join(parts))
