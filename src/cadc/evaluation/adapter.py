"""lmms-eval's chat interface over any image-text-to-text model and its LoRA adapter."""

from __future__ import annotations

from typing import Any

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from transformers import PreTrainedModel, ProcessorMixin

from cadc.config.errors import InputError
from cadc.evaluation.questions import shown
from cadc.model.encode import picture_rule, prompt
from cadc.model.generate import generate

#: Requests that are encoded at once, and kept if there are no more: at 336 pixels a side, VQAv2's would take 290 GB.
PORTION = 4096


class ChatModel(lmms):
    """Answers lmms-eval's requests with any number of images. Encoded prompts are kept, so that several adapters share
    them.
    """

    is_simple = False

    def __init__(self, processor: ProcessorMixin, batch_size: int, max_new_tokens: int):
        super().__init__()
        self.processor, self.batch_size, self.max_new_tokens = processor, batch_size, max_new_tokens
        self.model: PreTrainedModel | None = None
        self._prompts: dict[tuple[str, str, int], dict[str, Any]] = {}

    def clean(self) -> None:
        """lmms-eval deletes a model's modules after each run; ours is used again."""

    def _prompt(self, request: Instance) -> tuple[dict[str, Any], int]:
        _, to_messages, settings, doc_id, task, split = request.args
        key = (task, split, doc_id)
        if key not in self._prompts:
            messages = to_messages(self.task_dict[task][split][doc_id])
            text, images = shown(task, doc_id, messages, picture_rule(self.processor))
            self._prompts[key] = prompt(self.processor, text, images)
        return self._prompts[key], min(int(settings.get("max_new_tokens") or self.max_new_tokens), self.max_new_tokens)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        if len(requests) <= PORTION:
            return self._generate(requests)
        answers: list[str] = []
        for start in range(0, len(requests), PORTION):
            answers += self._generate(requests[start : start + PORTION])
            self._prompts.clear()
        return answers

    def _generate(self, requests: list[Instance]) -> list[str]:
        asked = [self._prompt(request) for request in requests]
        answers = [""] * len(requests)
        for limit in sorted({limit for _, limit in asked}):
            at = [i for i, (_, other) in enumerate(asked) if other == limit]
            texts = generate(self.model, self.processor, [asked[i][0] for i in at], limit, self.batch_size)
            for i, text in zip(at, texts, strict=True):
                for stop in requests[i].args[2].get("until") or ():
                    text = text.split(stop)[0].strip() if stop else text
                answers[i] = text
        return answers

    def loglikelihood(self, requests: list[Instance]):
        raise InputError(f"evaluate.tasks: {requests[0].task_name} asks for likelihoods; take one answered in words")

    def generate_until_multi_round(self, requests: list[Instance]):
        raise InputError(f"evaluate.tasks: {requests[0].task_name} has several rounds; take one of a single question")
