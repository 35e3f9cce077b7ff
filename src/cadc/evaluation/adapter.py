"""lmms-eval's chat interface over any image-text-to-text model and its LoRA adapter."""

from __future__ import annotations

from typing import Any

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from cadc.config.errors import InputError
from cadc.data.pictures import open_image
from cadc.data.pixels import upright_rgb
from cadc.data.wording import question_alone
from cadc.model.generate import generate, prompt

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
            parts = [
                part for message in to_messages(self.task_dict[task][split][doc_id]) for part in message["content"]
            ]
            other = sorted({part["type"] for part in parts} - {"text", "image"})
            if other:
                raise InputError(
                    f"{task}, document {doc_id}: shows {', '.join(other)}; models here are shown images and text alone"
                )
            images = [
                upright_rgb(part["url"])
                if isinstance(part["url"], Image.Image)
                else open_image({"bytes": None, "path": part["url"]})
                for part in parts
                if part["type"] == "image"
            ]
            text = question_alone("".join(part["text"] for part in parts if part["type"] == "text"))
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
