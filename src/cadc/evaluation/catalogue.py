"""Every benchmark that `evaluate.tasks` can name, as data: how it is asked, read, scored and downloaded.

Names, data sets, splits and prompts come from the yaml files that lmms-eval ships. This module adds what they lack. It
does not import lmms-eval, which takes 20 seconds.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import yaml

from cadc import artifacts
from cadc.config.errors import InputError

#: Tasks that `cadc` ships itself, next to lmms-eval's.
OWN = Path(__file__).parent / "tasks"


@dataclass(frozen=True)
class Benchmark:
    """`title` in tables; `kind` of question: yesno | choice | open | judged; `figure`: the scoring rule in
    `statistics.measure`.
    """

    title: str
    kind: str
    figure: str = "accuracy"


@dataclass(frozen=True)
class Task:
    """One task of lmms-eval, in `folder` of its tasks.

    `score`: path of the task's own score in a sample (dots separate names), or a rule of `benchmarks.sample_rows`.
    `rows`: number of rows in the published split. `columns`: those that its functions read. `options(doc)`: number of
    answers to guess from (0: open). `subtask` and `meta`: columns. `judge`: may (used if evaluate.judge.url is set),
    must (that judge, or the built-in one), real (only that judge). `like`: the lmms-eval task to start from, if
    lmms-eval has no such task itself; `metrics`: the task whose metrics to use then. `image`: the column that
    identifies a document's image in all splits, if there is one: questions on one image are resampled together.
    """

    folder: str
    benchmark: str
    score: str
    rows: int | None
    columns: tuple[str, ...]
    options: Callable[[dict], int] = lambda doc: 0
    subtask: str | None = None
    meta: str | None = None
    judge: str | None = None
    images: tuple[str, str, int] | None = None  # config, split and rows of the images, if separate
    like: str | None = None
    metrics: str | None = None
    image: str | None = None


@dataclass(frozen=True)
class DataSet:
    """One split of a hub repository that a task reads, and its number of rows (None: our own, any number)."""

    repository: str
    config: str | None
    split: str
    rows: int | None

    def folder(self, root: Path) -> Path:
        return root / self.repository

    def fetch(self, root: Path) -> str:
        """The command that downloads it to `root`."""
        if self.repository.startswith("cadc/"):
            made = "the mini world's own: `dvc repro prepare` makes it"
            return f"({made}; remove it from evaluate.tasks for your own root)"
        return f"hf download --repo-type dataset {self.repository} --local-dir {self.folder(root)}"

    def again(self, root: Path) -> str:
        """What to do if it is incomplete under `root`."""
        origin, words = _origin(root)
        return f"fetch it again into {words}: {self.fetch(origin)}"


def _origin(root: Path) -> tuple[Path, str]:
    """Where users put the data sets of `root`, as a path and in words: `prepare` copies data.probe and data.score."""
    if root in (artifacts.PROBE, artifacts.SCORE):
        key = f"data.{root.name}"
        return Path(f"${key}"), f"{key} ({root} is a copy) and run `dvc repro prepare`"
    return root, str(root)


#: Headline metrics in table order: those of the mini world, PROGRESS (arXiv 2506.01085) and HallusionBench.
BENCHMARKS = {
    "pope_f1": Benchmark("POPE F1", "yesno", "pope"),
    "mmt_accuracy": Benchmark("MMT-Bench", "choice", "mmt"),
    "llava_wild": Benchmark("LLaVA-Wild", "judged", "ratio"),
    "vqa_accuracy": Benchmark("mini VQA", "open"),
    "vqav2": Benchmark("VQAv2", "open"),
    "gqa": Benchmark("GQA", "open"),
    "vizwiz": Benchmark("VizWiz", "open"),
    "scienceqa": Benchmark("ScienceQA-IMG", "choice"),
    "textvqa": Benchmark("TextVQA", "open"),
    "mme": Benchmark("MME", "yesno", "mme"),
    "mmbench_en": Benchmark("MMBench-EN", "choice", "circular"),
    "mmbench_cn": Benchmark("MMBench-CN", "choice", "circular"),
    "seedbench": Benchmark("SEED-Bench", "choice"),
    "ai2d": Benchmark("AI2D", "choice"),
    "chartqa": Benchmark("ChartQA", "open"),
    "cmmmu": Benchmark("CMMMU", "choice"),
    "hallusion": Benchmark("HallusionBench", "yesno"),
}


def _letters(doc: dict) -> int:
    return sum(bool(doc.get(letter)) and doc[letter] != "nan" for letter in "ABCDEFGHI")


def _cmmmu_options(doc: dict) -> int:
    return {"选择": 4, "判断": 2}.get(doc["type"], 0)


_VQA = ("question_id", "question", "answers", "image")
_YESNO = ("question_id", "question", "answer", "image")
_POPE = ("pope", "pope_f1", "pope_accuracy.score", 3000, (*_YESNO, "image_source"), lambda doc: 2)
_MMBENCH = ("index", "question", "hint", "answer", *"ABCD", "category", "L2-category", "source", "split", "image")
_MMBENCH_EN = ("mmbench", "mmbench_en", "mmbench", 4329, _MMBENCH, _letters, "category", "L2-category")
_MMBENCH_CN = ("mmbench", "mmbench_cn", *_MMBENCH_EN[2:])

TASKS = {
    "pope": Task(*_POPE[:3], 9000, *_POPE[4:], image="image_source"),
    "pope_adv": Task(*_POPE, image="image_source"),
    "pope_pop": Task(*_POPE, image="image_source"),
    "pope_random": Task(*_POPE, image="image_source"),
    "mmt_val": Task(
        "mmt", "mmt_accuracy", "accuracy.overall", 3127, ("question", "answer", "category", "l2-category", "image"),
        _letters, "category", "l2-category",
    ),
    "llava_in_the_wild": Task(
        "llava-in-the-wild", "llava_wild", "llava", 60,
        ("question_id", "question", "category", "gpt_answer", "caption", "image_id", "image"),
        subtask="category", judge="must", image="image_id",
    ),
    "mini_vqa": Task(
        "mini_vqa", "vqa_accuracy", "exact_match", None, ("question", "answer", "category", "l2-category", "image"),
        subtask="category", meta="l2-category",
    ),
    "vqav2_val": Task(
        "vqav2", "vqav2", "exact_match", 214354, (*_VQA, "image_id"), subtask="answer_type", image="image_id",
    ),
    "gqa": Task(
        "gqa", "gqa", "exact_match", 12578, ("imageId", "question", "answer"),
        images=("testdev_balanced_images", "testdev", 398), image="imageId",
    ),
    "vizwiz_vqa_val": Task("vizwiz_vqa", "vizwiz", "exact_match", 4319, _VQA, subtask="category"),
    "scienceqa_img": Task(
        "scienceqa", "scienceqa", "exact_match", 2017, ("question", "choices", "hint", "answer", "image"),
        lambda doc: len(doc["choices"]), "topic", "subject",
    ),
    "textvqa_val": Task("textvqa", "textvqa", "exact_match", 5000, (*_VQA, "image_id"), image="image_id"),
    "mme": Task("mme", "mme", "mme", 2374, (*_YESNO, "category"), lambda doc: 2, "category"),
    "mmbench_en_dev": Task(*_MMBENCH_EN, judge="real"),
    "mmbench_en_dev_static": Task(*_MMBENCH_EN),
    "mmbench_cn_dev": Task(*_MMBENCH_CN, judge="real"),
    "mmbench_cn_dev_static": Task(*_MMBENCH_CN, like="mmbench_cn_dev", metrics="mmbench_en_dev_static"),
    "seedbench": Task(
        "seedbench", "seedbench", "seedbench", 17990,
        ("question_id", "question", *(f"choice_{x}" for x in "abcd"), "answer", "data_type", "image"),
        lambda doc: 4, "question_type_id", "data_type",
    ),
    "ai2d": Task(
        "ai2d", "ai2d", "exact_match", 3088, ("question", "options", "answer", "image"),
        lambda doc: len(doc["options"]),
    ),
    "chartqa": Task(
        "chartqa", "chartqa", "relaxed_overall", 2500, ("type", "question", "answer", "image"), subtask="type",
    ),
    "cmmmu_val": Task(
        "cmmmu", "cmmmu", "cmmmu", 900,
        ("id", "type", "question", "answer", "subcategory", *(f"option{i}" for i in range(1, 5)),
         *(f"image_{i}{x}" for i in range(1, 6) for x in ("", "_filename"))),
        _cmmmu_options, "subcategory", "category",
    ),
    "hallusion_bench_image": Task(
        "hallusion_bench", "hallusion", "hallusion", 951,
        ("category", "subcategory", "set_id", "figure_id", "question_id", "visual_input", "question", "gt_answer",
         "gt_answer_details", "image"),
        lambda doc: 2, "subcategory", "category", judge="may",
    ),
}  # fmt: skip


class _Yaml(yaml.SafeLoader):
    """YAML without lmms-eval's functions."""


_Yaml.add_constructor("!function", lambda loader, node: None)


def tasks_folder(task: Task) -> Path:
    """The folder with the yaml files of `task`: in the installed lmms-eval, or our own."""
    own = OWN / task.folder
    return (
        own
        if own.is_dir()
        else Path(importlib.util.find_spec("lmms_eval").submodule_search_locations[0]) / "tasks" / task.folder
    )


@cache
def shipped(name: str) -> dict:
    """lmms-eval's yaml of task `name`, with included files and without functions."""
    task = TASKS[name]
    wanted, folder = task.like or name, tasks_folder(task)
    for path in sorted(folder.glob("*.yaml")):
        config = yaml.load(path.read_text(encoding="utf-8"), _Yaml)
        if config.get("task") == wanted:
            included = folder / config["include"] if "include" in config else None
            return {**(yaml.load(included.read_text(encoding="utf-8"), _Yaml) if included else {}), **config}
    raise InputError(f"{name}: no yaml under {folder} describes it; install lmms-eval 0.7.3")


def needs(name: str) -> list[DataSet]:
    """The data sets that task `name` reads: its questions and, if separate, its images."""
    config, task = shipped(name), TASKS[name]
    made = [DataSet(config["dataset_path"], config.get("dataset_name"), config["test_split"], task.rows)]
    return made + ([DataSet(config["dataset_path"], *task.images)] if task.images else [])


def repositories(names: list[str]) -> list[str]:
    """The hub repositories that tasks `names` read, sorted; their folders share one root."""
    return sorted({data.repository for name in names for data in needs(name)})


def check_names(names: Sequence[str], judged: bool, key: str = "evaluate.tasks") -> None:
    """Raise InputError naming all tasks that are unknown, listed twice, or need a judge.

    `judged`: evaluate.judge.url is set. `key`: the key of params.yaml that holds the names.
    """
    faults = []
    for name in names:
        if name not in TASKS:
            near = get_close_matches(name, TASKS, 3, 0.4)
            faults.append(
                f"{key}: no task {name!r}; "
                + (f"did you mean {', '.join(near)}?" if near else f"known tasks: {', '.join(TASKS)}")
            )
        elif names.count(name) > 1 or any(other == f"{name}_static" for other in names):
            faults.append(f"{key}: {name} is listed twice, or both with a judge and static; list it once")
        elif TASKS[name].judge == "real" and not judged:
            faults.append(
                f"{name} asks a language model about answers that it can't parse; set evaluate.judge.url, "
                f"or use {name}_static, which needs no judge"
            )
    if faults:
        raise InputError("\n".join(dict.fromkeys(faults)))


def check(root: Path, names: Sequence[str], judged: bool) -> None:
    """Check the names of tasks (as `check_names`), then that their data sets are under `root`.

    Raises InputError naming all data sets that `root` lacks.
    """
    check_names(names, judged)
    lacking: dict[str, tuple[DataSet, list[str]]] = {}
    for name in names:
        data = needs(name)[0]  # separate images are in the same repository
        if not data.folder(root).is_dir():
            lacking.setdefault(data.repository, (data, []))[1].append(name)
    if lacking:
        origin, words = _origin(root)
        found = lacking.values()
        lines = [f"  {data.folder(root)} ({', '.join(users)}): {data.fetch(origin)}" for data, users in found]
        raise InputError(
            "\n".join(
                [
                    f"{len(lacking)} data sets that evaluate.tasks needs are missing; download each to its folder in "
                    f"{words}:",
                    *lines,
                ]
            )
        )
