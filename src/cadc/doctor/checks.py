"""Checks that data, models, packages and keys for a run are present. Each finding says what to do."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from cadc.config.arms import Arm
from cadc.config.data import Data
from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.config.targets import is_file
from cadc.data.own_questions import own_repositories
from cadc.data.records import PoolError, read_records
from cadc.doctor.published import Size
from cadc.evaluation.aims import aims
from cadc.evaluation.catalogue import TASKS, DataSet, needs
from cadc.model.load import load_processor
from cadc.model.processors import check_shapes, class_name
from cadc.model.unknown import SAMPLE_ROWS

_GB = 1e9


@dataclass(frozen=True)
class Finding:
    """`what` was checked, whether it is `there`, and `text`: details, or what to do."""

    what: str
    there: bool
    text: str


def _files(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.is_file() for entry in entries)


@dataclass(frozen=True)
class Annotations:
    """A pool's number of rows, the mean characters in a row's turns, and turns sampled evenly over the file; `fault` if
    the file can't be read."""

    rows: int = 0
    characters: float = 0.0
    fault: str | None = None
    texts: tuple[str, ...] = ()


def annotations_of(data: Data) -> Annotations | None:
    """Read the pool's annotations; None for the mini world."""
    if data.path is None:
        return None
    rows, characters, kept, step = 0, 0, [], 1
    try:
        for record in read_records(data.inside(data.annotations)):
            turns = record.get("conversations") if isinstance(record, dict) else None
            said = [str(turn.get("value")) for turn in turns or () if isinstance(turn, dict)]
            characters += sum(map(len, said))
            if rows % step == 0:
                kept.append(said)
            if len(kept) == 2 * SAMPLE_ROWS:  # thin the sample to every second row and halve the rate
                kept, step = kept[::2], 2 * step
            rows += 1
    except PoolError as error:
        return Annotations(fault=str(error))
    return Annotations(rows, characters / max(rows, 1), texts=tuple(text for said in kept for text in said))


def data_findings(data: Data, annotations: Annotations | None) -> list[Finding]:
    """Findings on the annotations, their number of rows, the image folders and their files."""
    if annotations is None:
        return [Finding("data", True, "the mini world, made by `prepare`")]
    path, expected, rows = data.inside(data.annotations), data.expected, annotations.rows
    if annotations.fault:
        found = [Finding("annotations", False, annotations.fault)]
    else:
        right = expected.rows in (None, rows)
        found = [
            Finding(
                "annotations",
                right,
                f"{path}: {rows:,} rows" + ("" if right else f" but {expected.rows:,} expected: fetch it again"),
            )
        ]
    for name, count in expected.images.items() or [("", 1)]:
        folder = data.inside(data.images) / name
        files = _files(folder) if folder.is_dir() else 0
        if name == "":  # of a user's own folder, nothing else is expected
            found.append(
                Finding(
                    "images",
                    folder.is_dir(),
                    str(folder) if folder.is_dir() else f"no folder {folder}; set data.images",
                )
            )
        else:
            found.append(
                Finding(
                    f"images {name}",
                    files >= count,
                    f"{folder}: {files:,} files" + ("" if files >= count else f", {count:,} expected"),
                )
            )
    for name, kind in ((data.choice, "multiple choice"), (data.yesno, "yes/no")):
        if name:
            there = data.inside(name).is_file()
            found.append(
                Finding(
                    f"questions, {kind}",
                    there,
                    str(data.inside(name))
                    if there
                    else f"no {data.inside(name)}; write it, "
                    f"or set data.{'choice' if kind[0] == 'm' else 'yesno'} to null",
                )
            )
    return found


def benchmark_findings(params: Params) -> list[Finding]:
    """Findings on the target and scoring data sets in their mirrors; your own questions need none."""
    if params.data.path is None:
        return []
    wanted: dict[tuple[str, str | None], tuple[DataSet, list[str]]] = {}
    for target in (target for target in params.capture.targets if not is_file(target)):
        data = aims(target)[0]
        wanted.setdefault((data.repository, params.data.probe), (data, []))[1].append(f"{target} (target)")
    for task in params.evaluate.tasks:
        for data in needs(task)[:1]:
            rows = f"{data.rows:,} rows" if data.rows else "any number of rows"
            wanted.setdefault((data.repository, params.data.score), (data, []))[1].append(f"{task} ({rows})")
    found, own = [], own_repositories(params.data)
    for (repository, mirror), (data, users) in wanted.items():
        if repository in own:
            continue
        what = f"{repository}: {', '.join(users)}"
        if mirror is None:
            found.append(Finding(what, False, "set data.probe and data.score to folders in the hub's layout"))
        else:
            there = data.folder(Path(mirror)).is_dir()
            found.append(Finding(what, there, str(data.folder(Path(mirror))) if there else data.fetch(Path(mirror))))
    return found


def is_hub_id(path: str) -> bool:
    """Whether this can be a model id on the hub, rather than a path in this repository."""
    try:
        validate_repo_id(path)
    except HFValidationError:
        return False
    return path.count("/") == 1 and not path.startswith("models/")


def model_there(path: str) -> str | None:
    """The local path of a model given by folder or hub id; None if it is not on this machine."""
    if Path(path).is_dir():
        return path
    cached = try_to_load_from_cache(path, "config.json") if is_hub_id(path) else None
    return str(Path(cached).parent) if isinstance(cached, str) else None


def model_findings(params: Params, size: Size | None) -> list[Finding]:
    """Whether model, tower and sentence encoder are present, with readable weights."""
    weights = f" ({2 * size.parameters / _GB:.1f} GB)" if size else ""
    wanted = {"model": params.model.path, "tower": params.embed.tower}
    if importlib.util.find_spec(params.embed.sentences) is None:
        wanted["sentence encoder"] = params.embed.sentences
    found = []
    for what, path in wanted.items():
        if path is not None:
            where = model_there(path)
            if where and not any(Path(where).glob("*.safetensors")):
                text = (
                    f"{where} has no safetensors, and pickled weights are not loaded: save it again with "
                    "save_pretrained, or fetch the complete model"
                )
                found.append(Finding(what, False, text))
                continue
            fetch = (
                f"hf download {path}{weights if what == 'model' else ''}" if is_hub_id(path) else f"no folder {path}"
            )
            found.append(Finding(what, where is not None, where or fetch))
    return found


def processor_findings(params: Params) -> list[Finding]:
    """Whether the processor fits the model and accepts every image size that `prepare` admits; [] without a
    model."""
    if model_there(params.model.path) is None:
        return []
    try:
        processor = load_processor(params.model)
        check_shapes(processor, params.pool.min_image_side, params.pool.max_image_ratio)
    except InputError as error:
        return [Finding("processor", False, str(error))]
    return [Finding("processor", True, class_name(processor))]


def key_findings(params: Params, arms: dict[str, Arm]) -> list[Finding]:
    """Findings on API keys, from environment variables only. Their values are never printed."""
    asked = {
        "evaluate.judge.url": params.evaluate.judge.url,
        "views.url": params.views.url,
        "clean.url": params.clean.url,
        **{
            f"arms.{name}.select.judge_url": arm.select["judge_url"]
            for name, arm in arms.items()
            if "judge_url" in arm.select
        },
    }
    used = [name for name, url in asked.items() if url]
    there = bool(os.environ.get("OPENAI_API_KEY"))
    found = (
        [Finding("OPENAI_API_KEY", there, f"{'set' if there else 'not set, export it'}: {', '.join(used)}")]
        if used
        else []
    )
    unjudged = [task for task in params.evaluate.tasks if TASKS[task].judge and params.evaluate.judge.url is None]
    if unjudged and params.data.path is not None:
        found.append(
            Finding(
                "judge",
                False,
                f"{', '.join(unjudged)}: set evaluate.judge.url and .model; without them the small "
                "deterministic judge compares words",
            )
        )
    return found
