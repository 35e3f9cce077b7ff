"""Rows as a user may have them, beside those of the mini world."""

from pathlib import Path

import numpy as np
from PIL import Image

from cadc.world.scene import draw_scene, sample_scene


def own_rows(folder: Path, n: int, rng: np.random.Generator) -> list[dict]:
    """`n` rows of LLaVA's format as a user may have them, by fours: no image, one, two and three of them,
    wide and tall, in one turn and in several."""
    (folder / "images/own").mkdir(parents=True)

    def picture(k: int, width: int, height: int) -> str:
        draw_scene(sample_scene(rng, "objects"), rng).resize((width, height), Image.Resampling.NEAREST).save(
            folder / f"images/own/{k}.png"
        )
        return f"own/{k}.png"

    records = []
    for k in range(0, n, 4):
        wide, tall = picture(2 * k, 96 + k, 40), picture(2 * k + 1, 33, 80 + k)
        said = [
            (
                [wide, tall],
                "<image>\n<image>\nis there a star in the image ?",
                "no",
                "what do you see ?",
                "it is empty .",
            ),
            ([tall], "hello !", "yes", "<image>\nwhat do you see ?", "it is empty ."),
            ([wide, wide, tall], "is <image> like <image> and <image> ?", "yes"),
            ([], "what comes after 3 ?", "4", "what comes before 3 ?", "2"),
        ]
        for images, *texts in said:
            turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]
            records.append(
                {"id": f"own{len(records)}", "conversations": turns, **({"image": images} if images else {})}
            )
    return records
