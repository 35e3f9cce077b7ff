"""A generated world's pool: LLaVA-format JSON and PNG files with the faults of real instruction data (ours).

Rows resemble LLaVA-665K: several named sources, long-tailed shares of subtasks, three answer forms and chat,
multi-turn and text-only rows, exact and near duplicates, and the faults of `world/faults.py`. A separate table of
labels records the faults; only reports and the oracle read it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cadc.artifacts import write_text
from cadc.config.world import World
from cadc.data.wording import IMAGE_TOKEN, SHORT_ANSWER
from cadc.world.faults import plant
from cadc.world.rows import FORMS, Row, Turn, ask, find_question
from cadc.world.scene import draw_scene, sample_scene
from cadc.world.subtasks import REQUESTS, SUBTASKS, draw_question


def long_tail(n: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Shares of `n` kinds by Zipf's law, in random order: float [n], summing to 1."""
    shares = 1.0 / np.arange(1, n + 1) ** exponent
    return rng.permutation(shares / shares.sum())


def _question_row(subtask: str, form: str, params: World, rng: np.random.Generator) -> Row:
    scene, question = find_question(subtask, rng, params.wordings)
    turns = [ask(question, form, rng)]
    if rng.random() < params.multi_turn_share or form == "chat":
        same_scene = [
            name for name, other in SUBTASKS.items() if other.scene == SUBTASKS[subtask].scene and name != subtask
        ]
        for name in rng.permutation(same_scene)[: int(rng.integers(1, 3))]:
            follow_up = draw_question(str(name), scene, rng, params.wordings)
            if follow_up is not None:
                turn = ask(follow_up, form, rng)
                human = turn.human.removesuffix(f"\n{SHORT_ANSWER}")  # stated once per row, as in LLaVA-665K
                turns.append(replace(turn, human=human))
    source = getattr(params.sources, form)
    return Row(source if form == "chat" else source[SUBTASKS[subtask].group], subtask, form, tuple(turns), scene)


def _caption_row(source: str, rng: np.random.Generator) -> Row:
    scene = sample_scene(rng, "objects")
    prompt = REQUESTS[int(rng.integers(len(REQUESTS)))]
    turn = Turn(prompt, f"{scene.caption()} .", "it is empty .")
    return Row(source, "image_captioning", "caption", (turn,), scene)


def _text_row(source: str, rng: np.random.Generator) -> Row:
    n = int(rng.integers(1, 9))
    word = ("star", "circle", "heart", "square")[int(rng.integers(4))]
    turns = (
        Turn(f"what comes after {n} ?", str(n + 1), str(n - 1)),
        Turn(f"what comes before {n} ?", str(n - 1), str(n + 1)),
        Turn(f"repeat the word {word} .", word, "hello"),
        Turn("hello ! how are you ?", "i am fine . thank you .", "no"),
        Turn("who are you ?", "i am a small model .", "no"),
    )
    return Row(source, "text_chat", "text", (turns[int(rng.integers(len(turns)))],), None)


def _near_copy(row: Row, rng: np.random.Generator) -> tuple[Turn, ...]:
    """The same row in slightly different words: LLaVA's suffix may be dropped, as crowd workers and templates do.

    An answer that breaks its format keeps the suffix, so that it still breaks it.
    """
    first = row.turns[0]
    dropped = rng.random() < 0.3 and row.noise != "format"
    return (replace(first, human=first.human.replace(f"\n{SHORT_ANSWER}", "")) if dropped else first,)


def draw_rows(params: World, rng: np.random.Generator) -> list[Row]:
    """The whole pool with faults and copies: originals, then exact copies, then near copies."""
    names, forms = list(SUBTASKS), list(FORMS)
    shares = long_tail(len(names), params.long_tail_exponent, rng)
    form_shares = np.array([params.form_shares[form] for form in forms])
    rows: list[Row] = []
    n_copies = round((params.exact_duplicate_share + params.near_duplicate_share) * params.rows)
    while len(rows) < params.rows - n_copies:
        u = rng.random()
        if u < params.text_only_share:
            rows.append(_text_row(params.sources.text, rng))
        elif u < params.text_only_share + params.caption_share:
            rows.append(_caption_row(params.sources.caption, rng))
        else:
            rows.append(
                _question_row(
                    names[rng.choice(len(names), p=shares)], forms[rng.choice(len(forms), p=form_shares)], params, rng
                )
            )
    rows = plant(rows, params.faults, rng)
    originals = len(rows)
    n_exact = round(params.exact_duplicate_share * params.rows)
    for k in range(n_copies):
        source = int(rng.integers(originals))
        row = replace(rows[source], copy_of=source)
        exact = k < n_exact or row.scene is None
        rows.append(row if exact else replace(row, turns=_near_copy(row, rng)))
    return rows


def write_pool(folder: Path, params: World, rng: np.random.Generator) -> list[dict]:
    """Write `pool.json` and `images/` in LLaVA's format under `folder`.

    Returns the labels, one dict per row in file order: id, subtask, meta_task, form, noise (clean or a fault) and
    duplicate_of (an id or ''). Exact duplicates share their original's image file; near duplicates are drawn again.
    """
    rows = draw_rows(params, rng)
    order = rng.permutation(len(rows))
    place = {int(source): i for i, source in enumerate(order)}
    n_exact_from = params.rows - round((params.exact_duplicate_share + params.near_duplicate_share) * params.rows)
    n_exact = round(params.exact_duplicate_share * params.rows)
    records, labels, sources = [], [], set()
    for i, source in enumerate(order):
        row = rows[source]
        record: dict[str, Any] = {"id": f"{i:06d}"}
        exact = n_exact_from <= source < n_exact_from + n_exact
        if row.scene is not None:
            name = f"{row.source}/{place[row.copy_of] if exact else i:06d}.png"
            record["image"] = name
            if not exact:
                path = folder / "images" / name
                if row.source not in sources:
                    path.parent.mkdir(parents=True)
                    sources.add(row.source)
                draw_scene(row.image_of or row.scene, rng).save(
                    path, compress_level=1
                )  # flat images compress well even at level 1, which is twice as fast
        record["conversations"] = [
            {"from": speaker, "value": text}
            for k, turn in enumerate(row.turns)
            for speaker, text in (
                ("human", (f"{IMAGE_TOKEN}\n" if k == 0 and row.scene else "") + turn.human),
                ("gpt", turn.answer),
            )
        ]
        records.append(record)
        labels.append(
            {
                "id": record["id"],
                "subtask": row.subtask,
                "meta_task": SUBTASKS[row.subtask].meta if row.subtask in SUBTASKS else row.subtask,
                "form": row.form,
                "noise": row.noise,
                "duplicate_of": f"{place[row.copy_of]:06d}" if row.copy_of >= 0 else "",
            }
        )
    write_text(folder / "pool.json", "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
    return labels
