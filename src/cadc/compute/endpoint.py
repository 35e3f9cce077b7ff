"""One client for every question to an OpenAI-compatible endpoint: replies are kept, with their cost, and not asked for
again.

`python -m cadc.compute.endpoint` shows what has been spent so far, by model. Replies lie in `.endpoint/`
(CADC_ENDPOINT_CACHE names another folder). They are no stage's output, and `make clean` leaves them alone, for they
cost money.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import openai
from PIL import Image

from cadc import artifacts
from cadc.compute import console
from cadc.config.errors import InputError

T = TypeVar("T")
_COUNTS = ("requests", "refused", "prompt_tokens", "completion_tokens")


def cache_folder() -> Path:
    return Path(os.environ.get("CADC_ENDPOINT_CACHE") or ".endpoint")


class EndpointError(InputError):
    """No usable reply; the message names the prompt, how often it was tried and what came back. All other replies are
    kept.
    """


class Prompt(NamedTuple):
    """What is asked: a text and, before a model that sees, an image file's bytes."""

    text: str
    image: bytes | None = None

    @property
    def message(self) -> dict:
        if self.image is None:
            return {"role": "user", "content": self.text}
        kind = Image.open(io.BytesIO(self.image)).get_format_mimetype()
        url = f"data:{kind};base64,{base64.b64encode(self.image).decode()}"
        return {
            "role": "user",
            "content": [{"type": "text", "text": self.text}, {"type": "image_url", "image_url": {"url": url}}],
        }

    @property
    def record(self) -> dict:
        """What is kept of it beside the reply: of an image, its digest."""
        return {"prompt": self.text} | (
            {"image": hashlib.blake2b(self.image, digest_size=16).hexdigest()} if self.image is not None else {}
        )


def summary(spent: Counter) -> str:
    """What was spent, in words: requests, those with unusable replies, tokens, and replies kept from before."""
    tokens = f"{spent['prompt_tokens']} tokens in, {spent['completion_tokens']} out"
    requests = f"{spent['requests']} requests ({spent['refused']} with unusable replies)"
    return f"{requests}, {tokens}; {spent['cached']} replies were kept from before"


@dataclass
class Endpoint:
    """`model` at base URL `url`. Replies lie under `cache`, one file a prompt and model, written whole as they come.

    The key is read from OPENAI_API_KEY and from nowhere else; it is neither logged nor kept. Lost connections,
    time-outs, rate limits and errors of the server are retried `retries` times, at growing intervals or as the server
    says. An unusable reply is sent back with the reason, up to `attempts` requests in all. `workers` requests run side
    by side; a prompt that another process is asking is waited for. `spent` counts this object's requests, tokens and
    replies kept from before.
    """

    url: str
    model: str
    cache: Path = field(default_factory=cache_folder)
    workers: int = 8
    retries: int = 6
    attempts: int = 3
    timeout: float = 120.0
    max_tokens: int = 256
    spent: Counter = field(default_factory=Counter)

    def __post_init__(self):
        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            raise EndpointError(
                f"{self.url}: OPENAI_API_KEY is not set; export it (any value if the endpoint takes none)"
            )
        self._client = openai.OpenAI(base_url=self.url, api_key=key, timeout=self.timeout, max_retries=self.retries)
        self._lock = threading.Lock()

    def ask(self, prompts: Sequence[str | Prompt], read: Callable[[str], T]) -> list[T]:
        """`read(reply)` of each prompt, in order; equal prompts are asked once. `read` raises ValueError at a bad one.

        Raises EndpointError naming the first prompt without a usable reply, after all others have been asked and kept.
        """
        prompts = [Prompt(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
        different = list(dict.fromkeys(prompts))
        with ThreadPoolExecutor(self.workers) as pool:
            jobs = {prompt: pool.submit(self._reply, prompt, read) for prompt in different}
        failed = [job.exception() for job in jobs.values() if job.exception()]
        if failed:
            raise EndpointError(
                f"{len(failed)} of {len(different)} prompts got no usable reply: {failed[0]}"
            ) from failed[0]
        return [self._read(prompt, jobs[prompt].result(), read) for prompt in prompts]

    def _read(self, prompt: Prompt, reply: str, read: Callable[[str], T]) -> T:
        """`read(reply)`. A reply kept from before may have been usable to another reader alone: then raises
        EndpointError."""
        try:
            return read(reply)
        except ValueError as error:
            raise EndpointError(
                f"{self._path(prompt)}: the reply kept from before can't be used ({error}); remove it to ask again"
            ) from None

    def _path(self, prompt: Prompt) -> Path:
        name = hashlib.blake2b(
            json.dumps([self.model, self.max_tokens, *prompt.record.values()]).encode(), digest_size=16
        ).hexdigest()
        return self.cache / name[:2] / f"{name}.json"

    def _reply(self, prompt: Prompt, read: Callable[[str], T]) -> str:
        path = self._path(prompt)
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / "lock").open("w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # of the prompts whose names begin alike: one process asks, others then find the reply
            record = (
                _kept(path)
                if path.exists()
                else {"model": self.model, **prompt.record, "reply": None} | dict.fromkeys(_COUNTS, 0)
            )
            if record["reply"] is not None:
                self._count({"cached": 1})
                return record["reply"]
            try:
                return self._ask_until_usable(prompt, read, record)
            finally:
                partial = path.with_suffix(".new")
                artifacts.write_json(partial, record)
                partial.replace(path)

    def _ask_until_usable(self, prompt: Prompt, read: Callable[[str], T], record: dict) -> str:
        """The first usable reply; `record` gets the cost of every request, and the reply."""
        messages, said = [prompt.message], ""
        for _ in range(self.attempts):
            said, cost = self._request(messages, prompt.text)
            try:
                read(said)
                record["reply"] = said
            except ValueError as error:
                cost["refused"] = 1
                again = f"That reply can't be used ({error}). Reply again, exactly as asked."
                messages = [*messages[:1], {"role": "assistant", "content": said}, {"role": "user", "content": again}]
            for name, count in cost.items():
                record[name] += count
            self._count(cost)
            if record["reply"] is not None:
                return said
        raise EndpointError(
            f"{self.model} at {self.url} gave {self.attempts} unusable replies to {prompt.text[:80]!r}, "
            f"the last {said[:80]!r}"
        )

    def _request(self, messages: list[dict], prompt: str) -> tuple[str, dict[str, int]]:
        try:
            made = self._client.chat.completions.create(
                model=self.model, messages=messages, temperature=0.0, max_tokens=self.max_tokens
            )
            said, usage = (made.choices[0].message.content or "") if made.choices else "", made.usage
        except (json.JSONDecodeError, AttributeError, TypeError):
            raise EndpointError(
                f"{self.url} gave no chat completion to {prompt[:80]!r}; is it the base URL, which mostly ends in /v1?"
            ) from None
        except openai.APIStatusError as error:
            again = (
                f", tried {self.retries + 1} times"
                if error.status_code in (408, 409, 429) or error.status_code >= 500
                else ""
            )
            raise EndpointError(
                f"{self.url} answered HTTP {error.status_code} ({type(error).__name__}) to {prompt[:80]!r}{again}"
            ) from None
        except openai.APIError as error:
            raise EndpointError(
                f"{self.url} can't be reached ({type(error).__name__}) with {prompt[:80]!r}, "
                f"tried {self.retries + 1} times"
            ) from None
        return said, {
            "requests": 1,
            "prompt_tokens": usage.prompt_tokens if usage else 0,
            "completion_tokens": usage.completion_tokens if usage else 0,
        }

    def _count(self, cost: dict[str, int]) -> None:
        with self._lock:
            self.spent.update(cost)


def _kept(path: Path) -> dict:
    """A reply's file. Raises EndpointError where it is broken."""
    try:
        return artifacts.read_json(path)
    except ValueError as error:
        raise EndpointError(f"{path}: not JSON ({error}); remove the file, and the prompt is asked again") from None


def spent_so_far(cache: Path) -> dict[str, Counter]:
    """What all replies under `cache` have cost, by model."""
    total: dict[str, Counter] = {}
    for path in sorted(cache.glob("*/*.json")):
        record = _kept(path)
        total.setdefault(record["model"], Counter()).update({name: record[name] for name in _COUNTS})
    return total


if __name__ == "__main__":
    for name, spent in spent_so_far(cache_folder()).items() or [(f"{cache_folder()}", Counter())]:
        console.line(f"{name}: {summary(spent)}")
