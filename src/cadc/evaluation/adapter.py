"""lmms-eval's chat interface to any image-text-to-text model with a LoRA adapter, and to stored answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from datasets import Dataset
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.api.task import ConfigurableMessagesTask
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from cadc.config.errors import InputError
from cadc.config.params import Params
from cadc.data.pictures import Rule, Size
from cadc.evaluation.benchmarks import blank_pictures
from cadc.evaluation.questions import shown
from cadc.model.counting import Counting
from cadc.model.encode import KEPT_BYTES, bytes_of, picture_rule, prompt
from cadc.model.generate import by_length, generate_batch

#: Questions that are sorted into batches by length at a time. Only their lengths are held in memory.
PORTION = 4096
_GREY = (128, 128, 128)


class Question(NamedTuple):
    """Document number `doc` of `docs`, asked by `task`; `settings` are the task's generation settings (lmms-eval's)."""

    task: str
    doc: int
    docs: Dataset
    to_messages: Callable[[dict], list[dict]]
    settings: dict[str, Any]

    def shown(self, rule: Rule) -> tuple[str, list[Image.Image]]:
        """The text and images shown to a model; files are opened by `rule`. Raises InputError as `questions.shown`."""
        return shown(self.task, self.doc, self.to_messages(self.docs[self.doc]), rule)


def questions_of(tasks: Sequence[ConfigurableMessagesTask]) -> list[Question]:
    """Every question of `tasks`, in lmms-eval's order."""
    return [
        Question(task.config.task, doc, docs, task.doc_to_messages, task.config.generation_kwargs)
        for task in tasks
        for docs in [task.eval_docs]
        for doc in range(len(docs))
    ]


def portions(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    """Split `questions` into portions that are batched separately."""
    for start in range(0, len(questions), PORTION):
        yield questions[start : start + PORTION]


class Words(lmms):
    """An lmms-eval model that only generates text."""

    is_simple = False

    def clean(self) -> None:
        """Do nothing: lmms-eval would delete the model's modules after each run, but it is reused."""

    def loglikelihood(self, requests: list[Instance]):
        raise InputError(
            f"evaluate.tasks: {requests[0].task_name} needs likelihoods; use a task with generated answers"
        )

    def generate_until_multi_round(self, requests: list[Instance]):
        raise InputError(
            f"evaluate.tasks: {requests[0].task_name} has several rounds; use a task with a single question"
        )


class ChatModel(Words):
    """Answers questions with any number of images.

    Encoded prompts are cached up to KEPT_BYTES, so that several adapters share them. Beyond that, at most one batch is
    held.
    """

    def __init__(self, processor: ProcessorMixin, batch_size: int, max_new_tokens: int):
        super().__init__()
        self.processor, self.batch_size, self.max_new_tokens = processor, batch_size, max_new_tokens
        self.model: PreTrainedModel | None = None
        self._counting = Counting(processor)
        self._lengths: dict[tuple[str, int], int] = {}
        self._prompts: dict[tuple[str, int], dict[str, Any]] = {}
        self._bytes = 0

    def generate_until(self, requests: list[Instance]) -> list[str]:
        questions, answers = [self._question(request) for request in requests], []
        for portion in portions(questions):
            made = [""] * len(portion)
            for at in self.batches(portion):
                for i, text in zip(at, self.answers([portion[i] for i in at]), strict=True):
                    made[i] = text
            answers += made
        return answers

    def batches(self, portion: Sequence[Question]) -> list[list[int]]:
        """The batches of one portion, as positions in it. All answers of a batch have the same length limit, and its
        prompts have similar lengths. Batches depend only on the questions, not on who asks them. No image is decoded.
        """
        limits = [self._limit(question) for question in portion]
        made = []
        for limit in sorted(set(limits)):
            at = [i for i, other in enumerate(limits) if other == limit]
            for batch in by_length([self._length(portion[i]) for i in at], self.batch_size):
                made.append([at[k] for k in batch])
        return made

    def answers(self, batch: Sequence[Question]) -> list[str]:
        """The answers to one of the `batches`."""
        limit, encoded = self._limit(batch[0]), [self.prompt(question) for question in batch]
        made = generate_batch(self.model, self.processor, encoded, limit)
        for i, question in enumerate(batch):
            for stop in question.settings.get("until") or ():
                made[i] = made[i].split(stop)[0].strip() if stop else made[i]
        return made

    def prompt(self, question: Question) -> dict[str, Any]:
        """A question as input tensors for generation."""
        key = (question.task, question.doc)
        if key in self._prompts:
            return self._prompts[key]
        encoded = prompt(self.processor, *question.shown(picture_rule(self.processor)))
        if self._bytes < KEPT_BYTES:
            self._prompts[key] = encoded
            self._bytes += bytes_of(encoded)
        return encoded

    def _question(self, request: Instance) -> Question:
        _, to_messages, settings, doc, task, split = request.args
        return Question(task, doc, self.task_dict[task][split], to_messages, settings)

    def _limit(self, question: Question) -> int:
        return min(int(question.settings.get("max_new_tokens") or self.max_new_tokens), self.max_new_tokens)

    def _length(self, question: Question) -> int:
        key = (question.task, question.doc)
        if key not in self._lengths:
            with blank_pictures():
                text, images = question.shown(picture_rule(self.processor))
            sizes = [Size(*image.size) for image in images]
            self._lengths[key] = len(prompt(self._counting, text, sizes)["input_ids"])
        return self._lengths[key]


class BlankPictures:
    """A processor that replaces every image by a grey one, so that the model answers without the image."""

    def __init__(self, processor: ProcessorMixin):
        self._processor = processor

    def __getattr__(self, name: str):
        return getattr(self._processor, name)

    def __call__(self, *args, images=None, **rest):
        return self._processor(
            *args, images=images and [Image.new("RGB", image.size, _GREY) for image in images], **rest
        )


def chat_of(params: Params, processor: ProcessorMixin, blank: bool = False) -> ChatModel:
    """A chat interface without a model. Use one per set of tasks, because it caches their prompts.

    `blank`: replace all images by grey ones.
    """
    return ChatModel(
        BlankPictures(processor) if blank else processor, params.evaluate.batch_size, params.evaluate.max_new_tokens
    )


class Answered(Words):
    """Returns stored answers, by task and document number."""

    def __init__(self, answers: dict[tuple[str, int], str]):
        super().__init__()
        self._answers = answers

    def generate_until(self, requests: list[Instance]) -> list[str]:
        return [self._answers[request.args[4], request.args[3]] for request in requests]
