"""How many planted mismatches can be told at all?

`python benchmarks/mismatch_ceiling.py` writes reports/benchmarks/mismatch_ceiling.md.

An oracle that knows the shown scene itself asks of every original row with a picture: can its questions be asked of
that scene, and are its answers right there? A question that can't (its object is missing, or stands there twice)
betrays a wrong picture. A wrong answer to a question that can may as well be a wrong answer.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from cadc.config.params import load_params
from cadc.report.text import markdown
from cadc.world.mini_world import draw_rows
from cadc.world.rows import Row
from cadc.world.scene import Scene
from cadc.world.subtasks import SUBTASKS, draw_question

REPORT = Path("reports/benchmarks/mismatch_ceiling.md")
#: Questions of each subtask that are drawn of a scene: there are at most 9 things to ask about, in 3 wordings.
DRAWS = 40
STATES = ("described in a caption", "can't be asked", "answers wrong", "answers right")


def askable(scene: Scene, kind: str, wordings: list[int], rng: np.random.Generator) -> dict[str, set[str]]:
    """Every question, and every claim to be affirmed or denied, that can be put to a scene, with its right answers."""
    out: dict[str, set[str]] = {}
    for name, subtask in SUBTASKS.items():
        for _ in range(DRAWS if subtask.scene == kind else 0):
            question = draw_question(name, scene, rng, wordings)
            if question is None:
                break
            out.setdefault(question.text, set()).add(question.answer)
            if set(subtask.answers) != {"yes", "no"}:
                for answer in subtask.answers:
                    out.setdefault(question.claim(answer), set()).add("yes" if answer == question.answer else "no")
    return out


def state_of(row: Row, wordings: list[int], rng: np.random.Generator) -> str:
    """What an oracle that sees the shown scene makes of a row."""
    if row.form == "caption":
        return "described in a caption"
    known, state = askable(row.image_of or row.scene, SUBTASKS[row.subtask].scene, wordings, rng), "answers right"
    for turn in row.turns:
        question, *lines = turn.human.split("\n")
        options = dict(line.split(": ", 1) for line in lines if line[1:3] == ": ")
        said = turn.answer.removeprefix("it is ").removesuffix(" .")
        right = known.get(question.removeprefix("Question: "))
        if right is None:
            return "can't be asked"
        if options.get(said, said) not in right:
            state = "answers wrong"
    return state


def main() -> None:
    world, rng = load_params().world, np.random.default_rng(0)
    rows = [
        row for row in draw_rows(world, np.random.default_rng(world.seed)) if row.scene is not None and row.copy_of < 0
    ]
    counts = {
        noise: Counter(state_of(row, world.wordings, rng) for row in rows if row.noise == noise)
        for noise in ("mismatch", "wrong")
    }
    body = [[noise, *(str(of[state]) for state in STATES), str(of.total())] for noise, of in counts.items()]
    sure = sum(counts["mismatch"][state] for state in STATES[:2])
    REPORT.write_text(f"""# How many mismatched images can be told at all?

Made by `python benchmarks/mismatch_ceiling.py`: what an oracle that knows the shown scene makes of the mini world's \
original rows with planted noise.

{markdown(["planted", *STATES, "rows"], body)}
{100 * sure / counts["mismatch"].total():.0f}% of mismatched rows betray themselves, by a caption or a question that \
can't be asked of their picture. Of the rows whose answers are merely wrong
there, {counts["wrong"]["answers wrong"]} have a wrong answer and {counts["mismatch"]["answers wrong"]} a wrong \
picture: nobody can tell these apart.
""")
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
