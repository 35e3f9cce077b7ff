"""Pools of a few rows in LLaVA's format, as the tests of its readers write them."""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cadc.data.reader import read_pool


def talk(*said, **of_last):
    turns = [{"from": ("human", "gpt")[k % 2], "value": text} for k, text in enumerate(said)]
    turns[-1] |= of_last
    return turns


GOOD = {"id": "good", "conversations": talk("hi", "hello")}
ASKED = talk("what ?", "red")


def write(folder, rows, form):
    if form == "json":
        (folder / "pool.json").write_text(json.dumps(rows))
    elif form == "jsonl":
        (folder / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        table = pa.Table.from_pylist([{key: row.get(key) for key in {**rows[0], **rows[-1]}} for row in rows])
        if form == "parquet":
            pq.write_table(table, folder / "pool.parquet")
        else:
            datasets.Dataset(table).save_to_disk(folder / "pool.saved")
    return folder / f"pool.{form}"


def read(folder, rows, form="json", **rules):
    return read_pool(write(folder, rows, form), folder, embed_images=False, **rules)
