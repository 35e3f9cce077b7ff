"""Writers of damaged versions of the row files that users provide, and the readers of these files."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
from functools import cache
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from fuzzing import Make, Read
from made_pictures import file_of
from mutating import of_bytes, of_value
from PIL import Image

from cadc.config.params import load_params
from cadc.data.checks import Checker, check_benchmark
from cadc.data.hub_copy import copy_data_sets
from cadc.data.hub_layout import MMT_COLUMNS, pictures_in, split_files, write_card, write_split
from cadc.data.own_questions import read_choice, read_yesno
from cadc.data.probe import MMT, probe_rows
from cadc.data.reader import read_pool
from cadc.data.target_files import file_rows

RULES = {"min_side": 8, "max_pixels": 1 << 24, "max_ratio": 200}


@cache
def png(shade: int = 90) -> bytes:
    return file_of(Image.new("RGB", (20, 20), (shade, 20, 200)))


def records(rng: random.Random, n: int = 3) -> list[dict]:
    """Rows in LLaVA's format: with one image, with two, with none."""
    talk = [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}]
    two = [{"from": "human", "value": "<image><image> alike?"}, {"from": "gpt", "value": "no"}]
    plain = [{"from": "human", "value": "what comes after 3?"}, {"from": "gpt", "value": "4"}]
    rows = [
        {"id": "r0", "image": "a.png", "conversations": talk},
        {"id": "r1", "images": ["a.png", "sub/b.png"], "conversations": two},
        {"id": 2, "source": "text", "conversations": plain},
    ]
    return [json.loads(json.dumps(row)) for row in rows[:n]]


def pictures(folder: Path, outside: str) -> Path:
    """A folder of images with links that point outside."""
    made = folder / "images"
    (made / "sub").mkdir(parents=True)
    (made / "a.png").write_bytes(png())
    (made / "sub/b.png").write_bytes(png(10))
    secret = Path(outside) / "secret.png"
    if not secret.exists():
        secret.write_bytes(png(200))
    (made / "link.png").symlink_to(secret)
    (made / "link").symlink_to(outside)
    return made


def text_of(value) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def json_file(rng: random.Random, folder: Path, outside: str) -> None:
    pictures(folder, outside)
    rows, lines = records(rng), rng.random() < 0.5
    if rng.random() < 0.6:
        rows = of_value(rng, rows, outside)
    written = [text_of(row) for row in rows] if isinstance(rows, list) else [text_of(rows)]
    data = b"\n".join(written) if lines else b"[" + b",\n".join(written) + b"]"
    if rng.random() < 0.6:
        data = of_bytes(rng, data, written or [b"{}"])
    (folder / f"rows.json{'l' if lines else ''}").write_bytes(data)


def _rows_file(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.name.startswith("rows"))


def read_rows(folder: Path) -> None:
    """Read as `prepare` does. The file's size decides how bad rows and repeated ids are handled."""
    file = _rows_file(folder)
    size = file.stat().st_size if file.is_file() else 0
    how = ("fail", "skip", "llava")[size % 3]
    read_pool(file, folder / "images", on_bad_row=how, repeated_ids=("fail", "number")[size // 3 % 2], **RULES)


_params = cache(load_params)


def target_file(folder: Path) -> None:
    params = _params()
    capture = params.capture.model_copy(update={"target_images": folder / "images"})
    file_rows(params.model_copy(update={"capture": capture}), str(_rows_file(folder)))


def table_of(rows, rng: random.Random) -> pa.Table:
    """Rows as a table with the types of their values; values that Arrow can't store are stored as text."""
    rows = [row if isinstance(row, dict) else {"id": row} for row in (rows if isinstance(rows, list) else [rows])]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["id"]
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            made = pa.array(values)
            pq.write_table(pa.table({"x": made}), io.BytesIO())
            columns.append(made)
        except (pa.ArrowException, OverflowError, UnicodeError, ValueError, TypeError, RecursionError):
            columns.append(pa.array([ascii(value)[:1000] for value in values]))
    names = [name.encode(errors="replace").decode() for name in names]
    if rng.random() < 0.1:
        columns.append(columns[0])
        names.append(names[0])
    return pa.table(columns, names=names)


def _embedded(row: dict, outside: str, rng: random.Random) -> dict:
    """A row whose images are stored in the table or named by path."""
    paths = ("a.png", None, f"{outside}/secret.png", "../../outside/secret.png")
    cells = [{"bytes": rng.choice((png(), png(), None, b"")), "path": rng.choice(paths)} for _ in range(2)]
    named = {key: value for key, value in row.items() if key not in ("image", "images")}
    if isinstance(row.get("images"), list):
        return named | {"images": cells}
    return named | ({"image": cells[0]} if "image" in row else {})


def parquet_file(rng: random.Random, folder: Path, outside: str) -> None:
    pictures(folder, outside)
    rows = records(rng)
    if rng.random() < 0.5:
        rows = [_embedded(row, outside, rng) for row in rows]
    if rng.random() < 0.6:
        rows = of_value(rng, rows, outside)
    out = io.BytesIO()
    how = rng.choice(("snappy", "gzip", "zstd", "none", "lz4", "brotli"))
    pq.write_table(table_of(rows, rng), out, compression=how, use_dictionary=rng.random() < 0.5)
    data = out.getvalue()
    (folder / "rows.parquet").write_bytes(_of_parquet(rng, data) if rng.random() < 0.7 else data)


def _of_parquet(rng: random.Random, data: bytes) -> bytes:
    """Change the footer, which states where the data are, as often as the pages."""
    if rng.random() < 0.5 and len(data) > 12:
        length = int.from_bytes(data[-8:-4], "little")
        foot = of_bytes(rng, data[-8 - length : -8], [data])
        return data[: -8 - length] + foot + len(foot).to_bytes(4, "little") + b"PAR1"
    return of_bytes(rng, data, [data])


def saved_folder(rng: random.Random, folder: Path, outside: str) -> None:
    """Write a folder as `save_to_disk` does, then damage a file of it."""
    pictures(folder, outside)
    rows = [row | {"source": "own"} for row in records(rng)[:2:2]]
    datasets.Dataset.from_list(rows).save_to_disk(str(folder / "rows"))
    change_a_file(rng, folder / "rows", outside)


def change_a_file(rng: random.Random, folder: Path, outside: str) -> None:
    file = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    data = file.read_bytes()
    if file.suffix == ".json" and rng.random() < 0.7:
        file.write_bytes(text_of(of_value(rng, json.loads(data), outside)))
    elif file.suffix == ".parquet":
        file.write_bytes(_of_parquet(rng, data))
    else:
        file.write_bytes(of_bytes(rng, data, [data]))


def tsv_file(rng: random.Random, folder: Path, outside: str) -> None:
    pictures(folder, outside)
    encoded = base64.b64encode(png()).decode()
    rows = [
        {"index": str(i), "question": "which?", "A": "cat", "B": "dog", "C": "", "answer": "AB"[i % 2], "category": "c",
         "l2-category": "m", "split": ("VAL", "TEST")[i % 2], "image_path": ("a.png", "sub/b.png")[i % 2],
         "image": encoded if i == 2 else ""}
        for i in range(4)
    ]  # fmt: skip
    if rng.random() < 0.6:
        rows = of_value(rng, rows, outside)
        rows = [row for row in (rows if isinstance(rows, list) else [rows]) if isinstance(row, dict)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t", lineterminator=rng.choice(("\n", "\r\n")))
    names = list(rows[0]) if rows else []
    writer.writerow(names)
    for row in rows:
        writer.writerow([row.get(name, "") if not isinstance(row.get(name), int) or abs(row[name]) < 1e9 else "9" * 400
                         for name in names])  # fmt: skip
    data = out.getvalue().encode(errors="surrogatepass")
    (folder / "rows.tsv").write_bytes(of_bytes(rng, data, [data]) if rng.random() < 0.6 else data)


def _checker(folder: Path) -> Checker:
    return Checker(folder / "images", **RULES)


def yesno_file(rng: random.Random, folder: Path, outside: str) -> None:
    pictures(folder, outside)
    rows = [
        {"question_id": i, "image": ("a.png", "sub/b.png")[i % 2], "text": "is it?", "label": "yes"} for i in range(4)
    ]
    if rng.random() < 0.6:
        rows = of_value(rng, rows, outside)
    data = b"\n".join(text_of(row) for row in (rows if isinstance(rows, list) else [rows]))
    (folder / "rows.jsonl").write_bytes(of_bytes(rng, data, [data or b"{}"]) if rng.random() < 0.6 else data)


def hub_folder(rng: random.Random, folder: Path, outside: str) -> None:
    """MMT-Bench in the hub's layout, with a dataset card."""
    pictures(folder, outside)
    repository = folder / MMT
    rows = [
        {"index": i, "question": "which?", "A": "cat", "B": "dog", "answer": "A", "category": "c", "l2-category": "m",
         "split": "VAL", "image": {"bytes": png(), "path": None}}
        for i in range(3)
    ]  # fmt: skip
    if rng.random() < 0.3:
        rows[1]["image"] = {"bytes": None, "path": f"{outside}/secret.png"}
    write_split(repository, "default", "val", rows, MMT_COLUMNS)
    write_card(repository, {"default": ["val"]})
    if rng.random() < 0.4:
        card, head = repository / "README.md", {"configs": [{"config_name": "default", "data_files": [
            {"split": "val", "path": "data/val-*"}]}]}  # fmt: skip
        card.write_bytes(b"---\n" + text_of(of_value(rng, head, outside)) + b"\n---\n")
    if rng.random() < 0.3:
        file = next(repository.rglob("*.parquet"))
        table = table_of(of_value(rng, pq.read_table(file).to_pylist(), outside), rng)
        pq.write_table(table, file)
    change_a_file(rng, repository, outside)


def read_hub(folder: Path) -> None:
    copied = folder / "copied"
    copy_data_sets(folder, copied, [MMT], {MMT: [(None, "val")]})
    check_benchmark(pictures_in(split_files(copied / MMT, None, "val")), **RULES)
    list(probe_rows(copied, "mmt_val"))


ROWS: dict[str, tuple[Make, Read, int]] = {  # name -> writer, reader, number of files (all readers: 10,000 or more)
    "JSON and JSONL": (json_file, read_rows, 2200),
    "rows to aim at": (json_file, target_file, 300),
    "parquet": (parquet_file, read_rows, 1500),
    "saved data sets": (saved_folder, read_rows, 400),
    "TSV": (tsv_file, lambda folder: read_choice(folder / "rows.tsv", _checker(folder)), 1200),
    "yes/no questions": (yesno_file, lambda folder: read_yesno(folder / "rows.jsonl", _checker(folder)), 500),
    "benchmarks of the hub": (hub_folder, read_hub, 600),
}
