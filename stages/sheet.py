"""sheet: one image of the mini world per subtask, with question and answer (testbed/dvc.yaml)."""

import numpy as np

from cadc.compute.stage import run_stage
from cadc.config.params import Params
from cadc.report import testbed
from cadc.world.rows import find_question
from cadc.world.scene import draw_scene
from cadc.world.subtasks import SUBTASKS


def main(params: Params) -> None:
    rng = np.random.default_rng(params.world.seed)
    entries = []
    for name in SUBTASKS:
        scene, question = find_question(name, rng, params.world.wordings)
        entries.append((name, question.text, question.answer, draw_scene(scene, rng)))
    testbed.write_sheet(entries)


if __name__ == "__main__":
    run_stage("sheet", main)
