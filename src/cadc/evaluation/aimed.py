"""Target rows built from lmms-eval's own tasks: its prompts, with answers in the form that it scores."""

from __future__ import annotations

import copy
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lmms_eval.tasks import TaskManager

from cadc.config.errors import InputError
from cadc.data.probe import Probe, probe_row
from cadc.data.reasons import fail, shown
from cadc.data.wording import question_alone
from cadc.evaluation.aims import aims
from cadc.evaluation.benchmarks import MirrorTask, ShownImage, mirror_task
from cadc.evaluation.catalogue import TASKS, tasks_folder

#: Columns that split a benchmark into subtasks and are not in the catalogue: GQA's question types (query, verify, ...).
_SUBTASK = {"gqa": "types.structural"}
_YESNO = {"0": "No", "1": "Yes"}
#: Cells that must not be empty if a benchmark's task reads them. Hints and the last options may be missing, and which
#: of its images CMMMU shows depends on the question.
_ASKED = ("question", "image", "choices", "options", "choice_a", "choice_b", "choice_c", "choice_d")
_ANSWERED = ("answer", "answers", "gt_answer")


@dataclass(frozen=True)
class Cell:
    """An undecoded image {bytes, path} that passes through a task."""

    value: dict

    def convert(self, mode: str) -> Cell:
        """Tasks call this before they show an image; it stays undecoded."""
        return self


class CellImage(ShownImage):
    """A column of images that are not decoded."""

    def decode_example(self, value: dict, token_per_repo_id=None) -> Cell:
        return Cell(value)


class AimedRows:
    """The rows of benchmark `name` under `root` (a mirror of the hub), by number."""

    def __init__(self, root: Path, name: str):
        """Raises InputError if the mirror lacks the split or a column that the task reads."""
        questions = aims(name)[0]
        if not questions.folder(root).is_dir():
            raise InputError(
                f"{questions.folder(root)} does not exist; the target {name} needs it: {questions.fetch(root)}"
            )
        self.name, self.place = name, questions.folder(root)
        self._cache = tempfile.TemporaryDirectory(prefix="cadc-datasets-")
        manager = TaskManager(include_path=[str(tasks_folder(TASKS[name]))], include_defaults=False, model_name="cadc")
        self._task = mirror_task(manager, name, aims(name), root, self._cache.name, False, CellImage)

    def __len__(self) -> int:
        return len(self._task.eval_docs)

    def __getitem__(self, number: int) -> Probe:
        """One target row with its subtask and meta-task. Raises InputError if a needed cell is empty or no answer
        scores."""
        doc, known = self._task.eval_docs[number], TASKS[self.name]
        try:
            _check(self.name, doc)
            answer = answer_of(self.name, self._task, doc)
        except InputError as error:
            where = f"{self.place}, split {aims(self.name)[0].split}, row {number}"
            raise InputError(
                f"{where}: {error}; repair the row, fetch the data set again, or aim at another benchmark"
            ) from None
        part, meta = (_column(doc, column) for column in (_SUBTASK.get(self.name, known.subtask), known.meta))
        return probe_row(
            f"{self.name} {number}",
            question_alone(self._task.doc_to_text(doc)),
            answer,
            [cell.value for cell in self._task.doc_to_visual(doc)],
            self.name if part is None else f"{part} ({self.name})",
            self.name if meta is None else meta,
        )


def _check(task: str, doc: dict) -> None:
    """Raise InputError if a cell that the question or answer needs is empty."""
    for name in TASKS[task].columns:
        cell = doc.get(name)
        said = [part for part in (cell if isinstance(cell, list) else [cell]) if part is not None]
        if name in (*_ASKED, *_ANSWERED) and not any(not isinstance(part, str) or part.strip() for part in said):
            fail(f"{name} is {shown(cell)}, which is empty")
        if (task, name) == ("scienceqa_img", "hint") and cell is None:
            fail("hint is None, which would be shown as the word None; set it to an empty string")


def _column(doc: dict, name: str | None) -> str | None:
    """A column of a document as text (dots separate struct fields); None if it is missing or empty."""
    value: object = doc
    for part in name.split(".") if name else [""]:
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)


def answer_of(name: str, task: MirrorTask, doc: dict) -> str:
    """The reference answer to a document of task `name`.

    With answers by several people: the one that scores highest, then the most frequent, then the first. HallusionBench
    scores yes or no, although lmms-eval's target is a sentence. Raises InputError if there is no answer.
    """
    given = doc.get("answers")
    if given is not None:
        said = [answer["answer"] if isinstance(answer, dict) else answer for answer in given]
        counts = Counter(text for text in said if text.strip())
        # a copy, because the task changes the document
        score = {text: task.process_results(copy.deepcopy(doc), [text])["exact_match"] for text in counts}
        answer = max(counts, key=lambda text: (score[text], counts[text]), default="")
    elif name == "hallusion_bench_image":
        answer = _YESNO.get(str(doc["gt_answer"]), "")
    else:
        answer = str(task.doc_to_target(doc) or "")
    if not answer.strip():
        raise InputError(f"all its answers are empty: {shown(given if given is not None else doc.get('answer'))}")
    return answer
