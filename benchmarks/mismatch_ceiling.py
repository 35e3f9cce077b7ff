"""How many planted mismatches are detectable at all?

`python benchmarks/mismatch_ceiling.py` writes reports/benchmarks/mismatch_ceiling.md.

An oracle that knows the shown scene checks every original row with an image: can its questions be asked about that
scene, and are its answers right? A question that can't be asked (its object is missing, or occurs twice) reveals a
wrong image. If a question can be asked and its answer is wrong, the answer itself may be the fault.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from commits import measured_at

from cadc.config.params import load_params
from cadc.report.text import markdown
from cadc.world.mini_world import draw_rows
from cadc.world.rows import Row
from cadc.world.scene import Scene
from cadc.world.subtasks import SUBTASKS, draw_question

REPORT = Path("reports/benchmarks/mismatch_ceiling.md")
#: Questions drawn per subtask and scene; at most 9 things can be asked about, in 3 wordings.
DRAWS = 40
STATES = ("described in a caption", "can't be asked", "answers wrong", "answers right")


def askable(scene: Scene, kind: str, wordings: list[int], rng: np.random.Generator) -> dict[str, set[str]]:
    """All questions, and all claims to affirm or deny, that fit a scene, with their right answers."""
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
    """How an oracle that sees the shown scene classifies a row."""
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
    REPORT.write_text(f"""# How many mismatched images are detectable at all?

Made by `python benchmarks/mismatch_ceiling.py`: how an oracle that knows the shown scene classifies the mini world's \
original rows with planted noise.

{measured_at()}

{markdown(["planted", *STATES, "rows"], body)}
{100 * sure / counts["mismatch"].total():.0f}% of mismatched rows are detectable, by a caption or by a question that \
can't be asked about their image. Among the rows where only the answer is wrong
for the shown image, {counts["wrong"]["answers wrong"]} have a wrong answer and \
{counts["mismatch"]["answers wrong"]} a wrong image: no method can distinguish these.
""")
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
