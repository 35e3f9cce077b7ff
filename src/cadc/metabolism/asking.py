"""Ask the models of a version's trials further questions, one exchange each, about pool rows or newly built questions.

Each model may get other questions. Answers are stored as shards, so that a killed loop asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from transformers import ProcessorMixin

from cadc import artifacts
from cadc.compute import shards
from cadc.config.params import Params, load_params
from cadc.data.pictures import open_image
from cadc.data.reader import POOL_FEATURES
from cadc.metabolism.index import FOLDER
from cadc.metabolism.trials import Trial
from cadc.model.adapters import load_adapter
from cadc.model.conversation import to_messages
from cadc.model.counting import Counting, size_of
from cadc.model.encode import encode_prompt, picture_rule, text_rule
from cadc.model.generate import generate_each
from cadc.model.load import load_base, load_processor, release

ASKED = FOLDER / "asked"  # questions of each model: KEY.parquet, a pool table; KEY.json, its adapter and `longest`


def questions(texts: list[str], images: list[list[dict]]) -> pa.Table:
    """Build a pool table from questions. images: the images {bytes, path} for the `<image>` tokens of each text."""
    rows = [
        {"id": str(i), "source": "", "images": shown, "turns": [{"role": "user", "text": text}]}
        for i, (text, shown) in enumerate(zip(texts, images, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=POOL_FEATURES.arrow_schema)


def answering() -> shards.Task:
    """A task: one model's answers to the first questions of its rows, written as said.json to a folder."""
    torch.set_num_threads(1)
    params = load_params()
    processor = load_processor(params.model)
    counting = Counting(processor)

    def answer(key: str, folder: Path) -> None:
        rows, plan = (
            artifacts.read_table(ASKED / f"{key}.parquet", memory_map=True),
            artifacts.read_json(ASKED / f"{key}.json"),
        )

        def asked(i: int, by: ProcessorMixin = processor, opened: Callable = open_image) -> dict:
            (row,) = rows.slice(i, 1).to_pylist()
            images = [opened(image, picture_rule(by)) for image in row["images"]]
            return encode_prompt(to_messages(row["turns"][:1], text_rule(by), bool(images)), images, by)

        said = []
        if rows.num_rows:
            release()
            model = load_adapter(load_base(params.model), Path(plan["adapter"]))
            lengths = [len(asked(i, counting, size_of)["input_ids"]) for i in range(rows.num_rows)]
            said = generate_each(model, processor, asked, lengths, plan["longest"], params.evaluate.batch_size)
        artifacts.write_json(folder / "said.json", said)

    return answer


def ask(
    params: Params, name: str, trials: list[Trial], purpose: str, tables: list[pa.Table], longest: int
) -> list[list[str]]:
    """The answers of each of a version's models to the first questions of its own table, in order.

    purpose: identifies these questions within a round; longest: maximum answer length in tokens.
    """
    keys = [f"{purpose}_{name}_s{seed}" for seed in params.metabolize.seeds]
    ASKED.mkdir(parents=True, exist_ok=True)
    for key, trial, table in zip(keys, trials, tables, strict=True):
        artifacts.write_table(ASKED / f"{key}.parquet", table.replace_schema_metadata(None))
        artifacts.write_json(ASKED / f"{key}.json", {"adapter": str(trial.folder), "longest": longest})
    inputs = [params.model.model_dump(), longest, *params.model.sources, *(trial.folder for trial in trials)]
    inputs += [ASKED / f"{key}.parquet" for key in keys]
    made = shards.run(answering, keys, f"metabolize/{purpose}/{name}", inputs, f"{purpose} {name}")
    return [artifacts.read_json(made[key] / "said.json") for key in keys]


def ask_again(params: Params, name: str, trials: list[Trial], rows: np.ndarray) -> list[list[str]]:
    """Answers of each trial's model to the questions of a version's `rows`, one exchange each:
    [n_trials][len(rows)]."""
    table = artifacts.read_table(FOLDER / "versions" / name / "rows.parquet", memory_map=True).take(rows)
    return ask(params, name, trials, "ask", [table] * len(trials), params.evaluate.max_new_tokens)
