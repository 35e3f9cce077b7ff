"""reports/cleaning.md: what each check flagged, its precision and recall on planted noise, and ten example rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from cadc import artifacts
from cadc.cleaning.asked import INSTRUCTION
from cadc.cleaning.duplicates import Copies
from cadc.cleaning.findings import Findings, questions_and_answers, shown
from cadc.config.cleaning import Clean
from cadc.data.pictures import open_image
from cadc.report.figures import save
from cadc.report.text import markdown

EXAMPLES, SIDE = 10, 96  # example rows per check; side of their images, in pixels
#: The planted faults that each check should find.
PLANTED = {
    "repetition": ("repetition",),
    "abnormal": ("refusal", "echo", "truncation", "meta"),
    "answer_format": ("format",),
    "objects": ("hallucination",),
    "mismatch": ("mismatch",),
    "hallucination": ("hallucination",),
    "wrong_answer": ("wrong",),
}


def planted_copies(labels: pa.Table, copies: Copies) -> np.ndarray:
    """The duplicate group of each row, int64 [n].

    A group holds an original with its planted copies, and exact duplicates (text-only rows repeat by chance).
    """
    place = {name: i for i, name in enumerate(labels["id"].to_pylist())}
    root = np.array([place[name] if name else i for i, name in enumerate(labels["duplicate_of"].to_pylist())])
    for row in np.flatnonzero(copies.exact):
        a, b = root[row], root[copies.keeper[row]]
        if a != b:
            root[root == a] = b
    return root


def figures_of(name: str, found: Findings, labels: pa.Table, copies: Copies) -> dict[str, float]:
    """Precision, recall and, if scores rank rows, AUC against the planted faults that a check targets.

    {} if no such fault was planted. A flagged copy is correct if the row kept in its place is in its planted group.
    Recall is over all rows beyond the first of each group.
    """
    if name == "duplicates":
        root = planted_copies(labels, copies)
        right, planted = int((found.flag & (root[copies.keeper] == root)).sum()), len(root) - len(np.unique(root))
        return {"planted": planted, "precision": right / max(1, found.flag.sum()), "recall": right / max(1, planted)}
    noise = np.array(labels["noise"].to_pylist())
    truth, known = np.isin(noise, PLANTED[name]), np.isfinite(found.score)
    if not truth.any():
        return {}
    right = int((truth & found.flag).sum())
    return {
        "planted": int(truth.sum()),
        "precision": right / max(1, found.flag.sum()),
        "recall": right / max(1, truth.sum()),
        "noisy": float((noise[found.flag] != "clean").mean()) if found.flag.any() else 0.0,
        **({"auc": roc_auc_score(truth[known], found.score[known])} if 0 < truth[known].sum() < known.sum() else {}),
    }


def sheet(path: Path, images: list[list[dict]]) -> None:
    """Draw the first image of each row side by side, left to right; a grey field for a row without an image."""
    out = Image.new("RGB", (len(images) * (SIDE + 4), SIDE), "white")
    for k, own in enumerate(images):
        picture = open_image(own[0]) if own else Image.new("RGB", (SIDE, SIDE), (225, 225, 225))
        scale = SIDE / max(picture.size)
        picture = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
            Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS,
        )
        out.paste(picture, (k * (SIDE + 4), 0))
    with artifacts.whole(path) as part:
        out.save(part, "PNG", optimize=True)


def summary(turns: list[dict[str, str]]) -> str:
    """A row's first question and answer, and how many more turns it has."""
    (question, answer), *more = questions_and_answers(turns)
    return f"{shown(INSTRUCTION.sub(' ', question))} → {shown(answer)}" + (f" (and {len(more)} more)" if more else "")


def examples(folder: Path, name: str, pool: pa.Table, found: Findings, copies: Copies) -> list[str]:
    """A sheet of images and a table of the flagged rows with the highest scores, one row per duplicate group.

    For duplicates, each copy is followed by the row that is kept.
    """
    flagged = np.flatnonzero(found.flag)
    worst = flagged[np.argsort(-found.score[flagged], kind="stable")]
    if name == "duplicates":  # show the least similar copies: these are the likely mistakes
        worst = np.array(
            [row for copy in worst[::-1][: EXAMPLES // 2] for row in (copy, copies.keeper[copy])], np.int64
        )
    else:
        _, first = np.unique(copies.keeper[worst], return_index=True)
        worst = worst[np.sort(first)][:EXAMPLES]
    if not len(worst):
        return []
    rows = pool.take(worst).to_pylist()
    lines = []
    if any(row["images"] for row in rows):
        sheet(folder / f"{name}.png", [row["images"] for row in rows])
        lines = [f"![the rows below, from the left](cleaning/{name}.png)", ""]
    body = [
        [
            str(k),
            row["id"],
            *(text.replace("|", "\\|") for text in (summary(row["turns"]), found.evidence[number] or "kept instead")),
        ]
        for k, (row, number) in enumerate(zip(rows, worst, strict=True), 1)
    ]
    return [*lines, markdown(["", "id", "row", "evidence"], body), ""]


def roc(path: Path, found: dict[str, Findings], labels: pa.Table) -> None:
    """Plot ROC curves of the checks with planted faults, and mark their operating points."""
    noise = np.array(labels["noise"].to_pylist())
    figure, axis = plt.subplots(figsize=(4, 3.4))
    for k, name in enumerate(name for name in PLANTED if name in found):
        known = np.isfinite(found[name].score)
        truth, flag = np.isin(noise[known], PLANTED[name]), found[name].flag[known]
        if truth.all() or not truth.any():
            continue
        x, y, _ = roc_curve(truth, found[name].score[known])
        axis.plot(x, y, color=f"C{k}", label=name)
        axis.plot(flag[~truth].mean(), flag[truth].mean(), "o", color=f"C{k}")
    axis.set_xlabel("share of other rows flagged")
    axis.set_ylabel("share of planted rows flagged")
    axis.legend(frameon=False)
    save(figure, path)


def write(
    folder: Path,
    pool: pa.Table,
    found: dict[str, Findings],
    copies: Copies,
    labels: pa.Table,
    settings: Clean,
    n_dropped: int,
    n_rewritten: int,
) -> None:
    """Write `folder`/cleaning.md and the images in `folder`/cleaning/. `labels` are used only to score the checks."""
    pictures = artifacts.fresh(folder / "cleaning")
    planted = {name: figures_of(name, f, labels, copies) if labels.num_rows else {} for name, f in found.items()}
    body = [
        [name, getattr(settings, name).action, str(int(np.isfinite(f.score).sum()))]
        + [str(int(f.flag.sum())), f"{100 * f.flag.mean():.2f}"]
        + [
            f"{planted[name][key]:.{digits}f}" if key in planted[name] else ""
            for key, digits in (("planted", 0), ("precision", 3), ("recall", 3), ("noisy", 3), ("auc", 3))
        ]
        for name, f in found.items()
    ]
    header = [
        "check",
        "action",
        "rows judged",
        "rows flagged",
        "%",
        "planted",
        "precision",
        "recall",
        "flagged rows with any planted noise",
        "ROC AUC",
    ]
    lines = [
        "# Cleaning",
        "",
        f"The pool had {pool.num_rows} rows; the actions in params.yaml (`clean`) dropped {n_dropped} and rewrote "
        f"{n_rewritten}. "
        + (
            "Right half: comparison with the planted noise. The checks don't see these labels."
            if labels.num_rows
            else "The pool has no noise labels to compare with."
        ),
        "",
        markdown(header, body),
        "",
    ]
    if labels.num_rows and any(name in found for name in PLANTED):
        roc(pictures / "roc.png", found, labels)
        lines += ["![ROC of the checks whose faults are planted; dots: where they flag](cleaning/roc.png)", ""]
    for name, f in found.items():
        lines += [f"## {name}", "", *(examples(pictures, name, pool, f, copies) or ["No row is flagged.", ""])]
    artifacts.write_text(folder / "cleaning.md", "\n".join(lines))
