"""A generated world's benchmarks, in the hub layout and schema of lmms-eval's own tasks (ours).

Methods and our own choices may read `probe`; only evaluation reads `score`. Both hold independent draws of POPE,
MMT-Bench, mini_vqa and LLaVA-in-the-Wild (which has no such split on the hub: for real models, use 60 own images).
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from cadc.config.world import Benchmarks, World
from cadc.data.hub_layout import MMT_COLUMNS, OPTIONS, POPE_COLUMNS, write_card, write_split
from cadc.data.probe import LLAVA_W, MINI_VQA, MMT, POPE
from cadc.world.rows import choices, find_question
from cadc.world.scene import OBJECT_NOUNS, Scene, draw_scene, sample_scene
from cadc.world.subtasks import SUBTASKS, draw_question


def _png(image: Image.Image) -> dict:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def write_mmt(root: Path, per_subtask: int, wordings: Sequence[int], rng: np.random.Generator) -> None:
    """MMT-Bench: `per_subtask` multiple-choice questions per subtask, in the split that `mmt_val` reads."""
    rows = []
    for name, subtask in SUBTASKS.items():
        for _ in range(per_subtask):
            scene, question = find_question(name, rng, wordings)
            options, letter = choices(question, rng)
            rows.append(
                {"index": len(rows), "question": question.text, "answer": letter, "image": _png(draw_scene(scene, rng)),
                 **dict(zip(OPTIONS, options + [None] * (9 - len(options)), strict=True)),
                 "category": name, "l2-category": subtask.meta, "split": "VAL"}
            )  # fmt: skip
    write_split(root / MMT, "default", "val", rows, MMT_COLUMNS)
    write_card(root / MMT, {"default": ["val"]})


def write_mini_vqa(root: Path, per_subtask: int, wordings: Sequence[int], rng: np.random.Generator) -> None:
    """Open short-answer questions for every subtask, in the style of VQAv2 and GQA."""
    rows = []
    for name, subtask in SUBTASKS.items():
        for _ in range(per_subtask):
            scene, question = find_question(name, rng, wordings)
            row = {"question_id": str(len(rows)), "question": question.text, "answer": question.answer}
            rows.append(row | {"category": name, "l2-category": subtask.meta, "image": _png(draw_scene(scene, rng))})
    types = {
        **dict.fromkeys(("question_id", "question", "answer", "category", "l2-category"), "string"),
        "image": "image",
    }
    write_split(root / MINI_VQA, "default", "test", rows, types)
    write_card(root / MINI_VQA, {"default": ["test"]})


def absent_nouns(scene: Scene, mode: str, statistics: tuple[Counter, Counter], rng: np.random.Generator) -> list[str]:
    """Absent objects in the order in which to ask about them: POPE's three negative samplings (Li et al. 2023, section
    4.1).
    """
    frequency, together = statistics
    present = {item.noun for item in scene.items}
    absent = [noun for noun in OBJECT_NOUNS if noun not in present]
    absent = [absent[i] for i in rng.permutation(len(absent))]
    if mode == "popular":
        absent.sort(key=lambda noun: -frequency[noun])
    elif mode == "adversarial":
        absent.sort(key=lambda noun: -sum(together[tuple(sorted((noun, other)))] for other in present))
    return absent


def write_pope(root: Path, n_images: int, wordings: Sequence[int], rng: np.random.Generator) -> None:
    """POPE: two present and two absent objects per image, the absent ones sampled in three ways."""
    questions = SUBTASKS["exist_hallucination"].questions
    frequency, together = Counter(), Counter()
    for _ in range(2000):
        nouns = sorted({item.noun for item in sample_scene(rng, "objects").items})
        frequency.update(nouns)
        together.update(combinations(nouns, 2))
    scenes = []
    while len(scenes) < n_images:
        scene = sample_scene(rng, "objects")
        if len({item.noun for item in scene.items}) >= 2:
            scenes.append((scene, _png(draw_scene(scene, rng))))
    modes = ("adversarial", "popular", "random")
    for mode in modes:
        rows = []
        for i, (scene, image) in enumerate(scenes):
            nouns = sorted({item.noun for item in scene.items})
            asked = [(nouns[k], "yes") for k in rng.permutation(len(nouns))[:2]]
            asked += [(noun, "no") for noun in absent_nouns(scene, mode, (frequency, together), rng)[:2]]
            for noun, answer in asked:
                question = questions[wordings[int(rng.integers(len(wordings)))]].format(noun=noun)
                row = {"id": str(len(rows)), "question_id": str(len(rows) + 1), "question": question, "answer": answer}
                rows.append(row | {"image_source": f"mini_{i:06d}", "category": mode, "image": image})
        write_split(root / POPE, "Full", mode, rows, POPE_COLUMNS)
    write_card(root / POPE, {"Full": list(modes)})


def write_llava_wild(root: Path, n_images: int, wordings: Sequence[int], rng: np.random.Generator) -> None:
    """LLaVA-in-the-Wild: a conversation, a detail and a complex question per image, with captions for the judge."""
    rows = []
    simple = ("color_recognition", "referring_detection", "scene_recognition")
    complex_ = ("crowd_counting", "object_detection", "attribute_hallucination")
    for i in range(n_images):
        while True:
            scene = sample_scene(rng, "objects")
            first, second = (
                draw_question(str(rng.choice(names)), scene, rng, wordings) for names in (simple, complex_)
            )
            if first and second:
                break
        image = _png(draw_scene(scene, rng))
        for category, text, answer in (
            ("conv", first.text, f"it is {first.answer} ."),
            ("detail", "describe the image .", f"{scene.caption()} ."),
            ("complex", second.text, f"it is {second.answer} ."),
        ):
            rows.append({"question_id": len(rows), "question": text, "category": category, "gpt_answer": answer,
                         "caption": f"{scene.caption()} .", "image_id": f"{i:03d}.png", "image": image})  # fmt: skip
    types = {
        "question_id": "int32",
        **dict.fromkeys(("question", "category", "gpt_answer", "caption", "image_id"), "string"),
        "image": "image",
    }
    write_split(root / LLAVA_W, "default", "train", rows, types)
    write_card(root / LLAVA_W, {"default": ["train"]})


def write_benchmarks(probe: Path, score: Path, sizes: Benchmarks, world: World) -> None:
    """Write a world's probe and scoring roots, in the wordings of its pool, each benchmark from its own generator."""
    rngs = [np.random.default_rng(seed) for seed in np.random.SeedSequence(world.questions_seed).spawn(8)]
    for root, per_subtask, pope_images, wild_images, own in (
        (probe, sizes.probe_per_subtask, sizes.probe_pope_images, sizes.probe_llava_wild_images, rngs[:4]),
        (score, sizes.score_per_subtask, sizes.pope_images, sizes.llava_wild_images, rngs[4:]),
    ):
        write_mmt(root, per_subtask, world.wordings, own[0])
        write_mini_vqa(root, per_subtask, world.wordings, own[1])
        write_pope(root, pope_images, world.wordings, own[2])
        write_llava_wild(root, wild_images, world.wordings, own[3])
