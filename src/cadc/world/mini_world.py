"""The mini world's pool: LLaVA-format JSON and PNG files with the faults of real instruction data (ours).

Rows resemble LLaVA-665K: several named sources, long-tailed shares of subtasks, three answer forms and chat,
multi-turn and text-only rows, exact and near duplicates, wrong answers and mismatched images. What is wrong with a
row is written to a separate table of labels, for reports and the oracle alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cadc.config.params import World
from cadc.data.probe import MMT_LETTER
from cadc.world.dialect import OPTION_LETTERS
from cadc.world.scene import Scene, draw_scene, sample_scene
from cadc.world.subtasks import PERCEPTION, STRUCTURE, SUBTASKS, Question, draw_question

FORMS = ("open", "yesno", "choice", "chat")
SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
_SOURCES = {
    ("open", PERCEPTION): "vqav2",
    ("open", STRUCTURE): "gqa",
    ("yesno", PERCEPTION): "vqav2",
    ("yesno", STRUCTURE): "vg",
    ("choice", PERCEPTION): "aokvqa",
    ("choice", STRUCTURE): "aokvqa",
}


@dataclass(frozen=True)
class Turn:
    """One exchange: what the human says, what the model should answer, and a wrong answer to swap in."""

    human: str
    answer: str
    wrong: str


@dataclass(frozen=True)
class Row:
    """One training row before it is written: `scene` is None for text-only rows."""

    source: str
    subtask: str
    form: str
    turns: tuple[Turn, ...]
    scene: Scene | None
    noise: str = "clean"
    image_of: Scene | None = None  # the scene shown, where it is not the one asked about
    copy_of: int = -1


def ask(question: Question, form: str, rng: np.random.Generator) -> Turn:
    """Put a question into one form, with the wording that LLaVA's data and lmms-eval's tasks use."""
    if form == "open":
        return Turn(f"{question.text}\n{SHORT}", question.answer, question.distractors(rng, 1)[0])
    if form == "chat":
        return Turn(question.text, f"it is {question.answer} .", f"it is {question.distractors(rng, 1)[0]} .")
    if form == "yesno":
        if set(SUBTASKS[question.subtask].answers) == {"yes", "no"}:
            text, answer = question.text, question.answer
        else:
            holds = rng.random() < 0.5
            text = question.claim(question.answer if holds else question.distractors(rng, 1)[0])
            answer = "yes" if holds else "no"
        return Turn(f"{text}\n{SHORT}", answer, "no" if answer == "yes" else "yes")
    options, letter = choices(question, rng)
    wrong = [other for other in OPTION_LETTERS[: len(options)] if other != letter]
    listed = "\n".join(f"{name}: {option}" for name, option in zip(OPTION_LETTERS, options, strict=False))
    swap = wrong[int(rng.integers(len(wrong)))]
    if rng.random() < 0.5:
        return Turn(f"Question: {question.text}\n{listed}\n{MMT_LETTER}", letter, swap)
    return Turn(f"{question.text}\n{listed}\n{LETTER}", letter, swap)


def choices(question: Question, rng: np.random.Generator) -> tuple[list[str], str]:
    """Up to four options in random order, and the letter of the right one."""
    options = [question.answer, *question.distractors(rng, 3)]
    order = rng.permutation(len(options))
    return [options[i] for i in order], OPTION_LETTERS[int(np.flatnonzero(order == 0)[0])]


def find_question(subtask: str, rng: np.random.Generator, paraphrases: int = 3) -> tuple[Scene, Question]:
    """A scene that fits a subtask, and a question about it."""
    while True:
        scene = sample_scene(rng, SUBTASKS[subtask].scene)
        question = draw_question(subtask, scene, rng, paraphrases)
        if question is not None:
            return scene, question


def long_tail(n: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Shares of `n` kinds by Zipf's law, in random order: float [n], sums to 1."""
    shares = 1.0 / np.arange(1, n + 1) ** exponent
    return rng.permutation(shares / shares.sum())


def _question_row(subtask: str, form: str, params: World, rng: np.random.Generator) -> Row:
    scene, question = find_question(subtask, rng, params.paraphrases)
    turns = [ask(question, form, rng)]
    if rng.random() < params.multi_turn_share or form == "chat":
        same_scene = [
            name for name, other in SUBTASKS.items() if other.scene == SUBTASKS[subtask].scene and name != subtask
        ]
        for name in rng.permutation(same_scene)[: int(rng.integers(1, 3))]:
            follow_up = draw_question(str(name), scene, rng, params.paraphrases)
            if follow_up is not None:
                turn = ask(follow_up, form, rng)
                turns.append(replace(turn, human=turn.human.removesuffix(f"\n{SHORT}")))  # as in LLaVA-665K: said once
    source = (
        "llava_instruct"
        if form == "chat"
        else _SOURCES.get((form, SUBTASKS[subtask].group), "textvqa" if form == "open" else "scienceqa")
    )
    return Row(source, subtask, form, tuple(turns), scene)


_CAPTION_PROMPTS = (
    "describe the image .",
    "what do you see ?",
    "give a short caption .",
    "tell me about the picture in detail .",
)


def _caption_row(rng: np.random.Generator) -> Row:
    scene = sample_scene(rng, "objects")
    prompt = _CAPTION_PROMPTS[int(rng.integers(len(_CAPTION_PROMPTS)))]
    return Row(
        "llava_instruct", "image_captioning", "caption", (Turn(prompt, f"{scene.caption()} .", "it is empty ."),), scene
    )


def _text_row(rng: np.random.Generator) -> Row:
    n = int(rng.integers(1, 9))
    word = ("star", "circle", "heart", "square")[int(rng.integers(4))]
    turns = (
        Turn(f"what comes after {n} ?", str(n + 1), str(n - 1)),
        Turn(f"what comes before {n} ?", str(n - 1), str(n + 1)),
        Turn(f"repeat the word {word} .", word, "hello"),
        Turn("hello ! how are you ?", "i am fine . thank you .", "no"),
        Turn("who are you ?", "i am a small model .", "no"),
    )
    return Row("sharegpt", "text_chat", "text", (turns[int(rng.integers(len(turns)))],), None)


def _near_copy(row: Row, params: World, rng: np.random.Generator) -> tuple[Turn, ...]:
    """The same row said a little differently: LLaVA's suffix dropped or kept, as crowds and templates do."""
    first = row.turns[0]
    human = first.human.replace(f"\n{SHORT}", "") if rng.random() < 0.3 else first.human
    return (replace(first, human=human),)


def draw_rows(params: World, rng: np.random.Generator) -> list[Row]:
    """The whole pool, noise included, in file order."""
    names, forms = list(SUBTASKS), list(FORMS)
    shares = long_tail(len(names), params.long_tail_exponent, rng)
    form_shares = np.array([params.form_shares[form] for form in forms])
    rows: list[Row] = []
    n_copies = round((params.exact_duplicate_share + params.near_duplicate_share) * params.rows)
    while len(rows) < params.rows - n_copies:
        u = rng.random()
        if u < params.text_only_share:
            rows.append(_text_row(rng))
        elif u < params.text_only_share + params.caption_share:
            rows.append(_caption_row(rng))
        else:
            rows.append(
                _question_row(
                    names[rng.choice(len(names), p=shares)], forms[rng.choice(len(forms), p=form_shares)], params, rng
                )
            )
    for i in rng.permutation(len(rows)):
        row, u = rows[i], rng.random()
        if row.form in FORMS and u < params.wrong_answer_share:
            turns = tuple(replace(turn, answer=turn.wrong) for turn in row.turns)
            rows[i] = replace(row, turns=turns, noise="wrong")
        elif row.scene and u < params.wrong_answer_share + params.mismatched_image_share:
            kind = SUBTASKS[row.subtask].scene if row.subtask in SUBTASKS else "objects"
            rows[i] = replace(row, noise="mismatch", image_of=sample_scene(rng, kind))
    originals = len(rows)
    n_exact = round(params.exact_duplicate_share * params.rows)
    for k in range(n_copies):
        source = int(rng.integers(originals))
        row = replace(rows[source], copy_of=source)
        rows.append(
            row
            if k < n_exact or row.scene is None
            else replace(row, turns=_near_copy(row, params, rng), noise=row.noise)
        )
    return rows


def write_pool(folder: Path, params: World, rng: np.random.Generator) -> list[dict]:
    """Write `pool.json` and `images/` in LLaVA's format under `folder`.

    Returns the labels, one dict a row in file order: id, subtask, meta_task, form, noise (clean, wrong, mismatch) and
    duplicate_of (an id, or ''). Exact duplicates share their original's image file, near duplicates are drawn anew.
    """
    rows = draw_rows(params, rng)
    order = rng.permutation(len(rows))
    place = {int(source): i for i, source in enumerate(order)}
    n_exact_from = params.rows - round((params.exact_duplicate_share + params.near_duplicate_share) * params.rows)
    n_exact = round(params.exact_duplicate_share * params.rows)
    records, labels, sources = [], [], set()
    for i, source in enumerate(order):
        row, record = rows[source], {"id": f"{i:06d}"}
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
                )  # flat pictures: small enough, and twice as fast
        record["conversations"] = [
            {"from": speaker, "value": text}
            for k, turn in enumerate(row.turns)
            for speaker, text in (
                ("human", ("<image>\n" if k == 0 and row.scene else "") + turn.human),
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
    (folder / "pool.json").write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
    return labels
