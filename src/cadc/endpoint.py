"""One client for every question to an OpenAI-compatible endpoint: what was answered is kept, and never asked or paid for again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import openai

from cadc import artifacts

T = TypeVar("T")


class EndpointError(ValueError):
    """No usable reply; the message says to what, how often it was tried, and what came back. All other replies are kept."""


@dataclass
class Spent:
    """What was asked and what it cost: requests answered, replies refused as unusable, tokens in and out, replies found in the cache."""

    requests: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0

    def __str__(self) -> str:
        return f"{self.requests} requests ({self.refused} with unusable replies), {self.prompt_tokens} tokens in, {self.completion_tokens} out; {self.cached} cached"


@dataclass
class Endpoint:
    """`model` at base URL `url`. Replies lie under `cache`, one file a prompt and model, written whole as they come.

    The key is read from OPENAI_API_KEY and from nowhere else; it is neither logged nor kept. Lost connections, time-outs, rate limits
    and errors of the server are tried again `retries` times, at growing intervals or as the server says; an unusable reply is
    asked for anew up to `attempts` times in all. `workers` requests run side by side.
    """

    url: str
    model: str
    cache: Path = artifacts.ROOT / "endpoint"
    workers: int = 8
    retries: int = 6
    attempts: int = 3
    timeout: float = 120.0
    max_tokens: int = 256
    spent: Spent = field(default_factory=Spent)

    def __post_init__(self):
        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            raise EndpointError(f"{self.url} is to be asked but OPENAI_API_KEY is not set; export it (any value if the endpoint takes none)")
        self._client = openai.OpenAI(base_url=self.url, api_key=key, timeout=self.timeout, max_retries=self.retries)
        self._lock = threading.Lock()

    def ask(self, prompts: list[str], read: Callable[[str], T]) -> list[T]:
        """`read(reply)` to each prompt, in order; equal prompts are asked once. `read` raises ValueError at an unusable reply.

        Raises EndpointError naming the first prompt without a usable reply, after all others have been asked and kept.
        """
        different = list(dict.fromkeys(prompts))
        with ThreadPoolExecutor(self.workers) as pool:
            jobs = {prompt: pool.submit(self._reply, prompt, read) for prompt in different}
        failed = [job.exception() for job in jobs.values() if job.exception()]
        if failed:
            raise EndpointError(f"{len(failed)} of {len(different)} prompts got no usable reply: {failed[0]}") from failed[0]
        return [read(jobs[prompt].result()) for prompt in prompts]

    def _path(self, prompt: str) -> Path:
        name = hashlib.blake2b(json.dumps([self.model, self.max_tokens, prompt]).encode(), digest_size=16).hexdigest()
        return self.cache / name[:2] / f"{name}.json"

    def _reply(self, prompt: str, read: Callable[[str], T]) -> str:
        path = self._path(prompt)
        if path.exists():
            with self._lock:
                self.spent.cached += 1
            return artifacts.read_json(path)["reply"]
        said = ""
        for _ in range(self.attempts):
            try:
                made = self._client.chat.completions.create(
                    model=self.model, messages=[{"role": "user", "content": prompt}], temperature=0.0, max_tokens=self.max_tokens
                )
            except json.JSONDecodeError:
                said = "(no JSON)"
                with self._lock:
                    self.spent.refused += 1
                continue
            except openai.APIError as error:
                raise EndpointError(f"{self.url} answered {type(error).__name__} ({error}) to {prompt[:80]!r}, tried {self.retries + 1} times") from error
            said = (made.choices[0].message.content or "") if made.choices else ""
            usage = made.usage
            with self._lock:
                self.spent.requests += 1
                self.spent.prompt_tokens += usage.prompt_tokens if usage else 0
                self.spent.completion_tokens += usage.completion_tokens if usage else 0
            try:
                read(said)
            except ValueError:
                with self._lock:
                    self.spent.refused += 1
                continue
            partial = path.with_name(f"{path.name}.{threading.get_ident()}")
            artifacts.write_json(partial, {"model": self.model, "prompt": prompt, "reply": said})
            partial.replace(path)
            return said
        raise EndpointError(f"{self.model} at {self.url} gave {self.attempts} unusable replies to {prompt[:80]!r}, the last {said[:80]!r}")
