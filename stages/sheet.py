"""sheet: one picture of the mini world per subtask, with question and answer (testbed/dvc.yaml)."""

import numpy as np

from cadc.params import Params
from cadc.pool.mini_world import find_question
from cadc.pool.scene import draw_scene
from cadc.pool.subtasks import SUBTASKS
from cadc.report import testbed
from cadc.stage import run_stage


def main(params: Params) -> None:
    rng = np.random.default_rng(params.world.seed)
    entries = []
    for name in SUBTASKS:
        scene, question = find_question(name, rng, paraphrases=1)
        entries.append((name, question.text, question.answer, draw_scene(scene, rng)))
    testbed.write_sheet(entries)


if __name__ == "__main__":
    run_stage("sheet", main)
