"""The client for all requests to OpenAI-compatible endpoints. Replies are cached with their cost and never requested
twice (`replies.py`)."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import openai

from cadc.compute import replies, watch
from cadc.compute.replies import COUNTS, EndpointError, Prompt, Refused, Unusable
from cadc.compute.sending import LARGEST, NOT_REACHED, Late, Sender, Stopped, TooLarge

T = TypeVar("T")
#: Errors that affect every prompt, and what to do: by HTTP status or error code.
_FOR_ALL = {
    401: "the key is rejected; export OPENAI_API_KEY with a valid one",
    402: "the account has no credit; add some, or export OPENAI_API_KEY of another",
    403: "the key lacks permission; export OPENAI_API_KEY with one that has it",
    404: "there is no such address or model; correct the URL, which usually ends in /v1, or the model's name",
    "insufficient_quota": "the account has no credit; add some, or export OPENAI_API_KEY of another",
}
_PATIENCE = 15.0  # seconds for a connection


@dataclass
class Endpoint:
    """`model` at base URL `url`. Replies are cached under `cache`, one file per prompt and model, as they arrive.

    The key is only read from OPENAI_API_KEY; it is neither logged nor stored. Lost connections, time-outs, rate limits
    and server errors are retried `retries` times, at growing intervals or as the server says, unless the host is
    unreachable from the start. A reply must be complete within `timeout` seconds, and within `patience` seconds
    including retries; a reply above 1 MiB is unusable. An unusable reply is sent back with the reason, up to `attempts`
    requests in all. `workers` requests run in parallel once the endpoint has accepted the first one; a prompt that
    another process is asking is waited for. `spent` counts this object's requests, tokens and cached replies. Raises
    EndpointError if there is no key, if it can't be sent, or if `url` is not a URL.
    """

    url: str
    model: str
    cache: Path = field(default_factory=replies.cache_folder)
    workers: int = 8
    retries: int = 6
    attempts: int = 3
    timeout: float = 120.0
    patience: float = 300.0
    max_tokens: int = 256
    spent: Counter = field(default_factory=Counter)

    def __post_init__(self):
        key = os.environ.get("OPENAI_API_KEY")
        if not key:
            raise EndpointError(
                f"{self.url}: OPENAI_API_KEY is not set; export it (any value if the endpoint takes none)"
            )
        if not (key.isascii() and key.isprintable() and key == key.strip()):
            raise EndpointError(
                f"{self.url}: OPENAI_API_KEY holds a line break, a trailing space or a non-ASCII character, "
                "so it can't be sent; export it again, without typographic quotation marks"
            )
        self._lock, self._first, self._refusal = threading.Lock(), threading.Lock(), None
        self._stop, self._tried = threading.Event(), threading.Event()
        self._sender = Sender(self._stop, self._tried, self.timeout, self.patience)
        try:
            self._client = openai.OpenAI(
                base_url=self.url,
                api_key=key,
                timeout=openai.Timeout(self.timeout, connect=min(self.timeout, _PATIENCE)),
                max_retries=self.retries,
                http_client=self._sender,
            )
        except httpx2.InvalidURL as error:
            raise EndpointError(f"{self.url}: not a URL ({error}); give one like https://HOST/v1") from None

    def ask(self, prompts: Sequence[str | Prompt], read: Callable[[str], T]) -> list[T]:
        """`read(reply)` of each prompt, in order; equal prompts are asked once. `read` raises ValueError for a bad
        reply.

        Raises EndpointError naming the first prompt without a usable reply, after all others were asked and cached, and
        as `ask_each` does.
        """
        made = self.ask_each(prompts, read)
        failed = {id(answer): answer for answer in made if isinstance(answer, EndpointError)}
        if failed:
            first = next(iter(failed.values()))
            raise EndpointError(f"{len(failed)} of {len(set(prompts))} prompts got no usable reply: {first}") from first
        return [answer for answer in made if not isinstance(answer, EndpointError)]

    def ask_each(self, prompts: Sequence[str | Prompt], read: Callable[[str], T]) -> list[T | EndpointError]:
        """Like `ask`, with an EndpointError in place of each missing reply: an Unusable if the prompt is the cause.

        Raises Refused at once if the endpoint would reject every prompt. After that, and after Ctrl-C, nothing more is
        sent; replies under way are still cached.
        """
        asked = [Prompt(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
        self._stop.clear()
        pool = ThreadPoolExecutor(self.workers)
        try:
            jobs = {prompt: pool.submit(self._reply, prompt, read) for prompt in dict.fromkeys(asked)}
            for job in as_completed(jobs.values()):
                if isinstance(job.exception(), Refused):
                    raise job.exception()
        except BaseException:
            self._stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        made = {prompt: self._read(prompt, job, read) for prompt, job in jobs.items()}
        return [made[prompt] for prompt in asked]

    def _read(self, prompt: Prompt, job: Future, read: Callable[[str], T]) -> T | EndpointError:
        """`read(reply)`. A cached reply may have been usable only for another reader."""
        try:
            return read(job.result())
        except EndpointError as error:
            return error
        except ValueError as error:
            return EndpointError(
                f"{self._path(prompt)}: the cached reply can't be used ({error}); remove it to ask again"
            )

    def _path(self, prompt: Prompt) -> Path:
        return replies.path_of(self.cache, self.model, self.max_tokens, prompt)

    def _reply(self, prompt: Prompt, read: Callable[[str], T]) -> str:
        path = self._path(prompt)
        with replies.alone_with(path):
            record = replies.record_at(path)
            if record is None:
                record = {"model": self.model, **prompt.record, "reply": None} | dict.fromkeys(COUNTS, 0)
            if record["reply"] is not None:
                self._count({"cached": 1})
                return record["reply"]
            try:
                return self._ask_until_usable(prompt, read, record)
            finally:
                if record["requests"]:
                    replies.keep(path, record)

    def _ask_until_usable(self, prompt: Prompt, read: Callable[[str], T], record: dict) -> str:
        """The first usable reply; the reply and the cost of all requests are added to `record`."""
        messages, said = [prompt.message], ""
        self._sender.begin()
        for _ in range(self.attempts):
            said, cost = self._send(messages, prompt.text)
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
        raise Unusable(
            f"{self.model} at {self.url} gave {self.attempts} unusable replies to {prompt.text[:80]!r}, "
            f"the last {said[:80]!r}"
        )

    def _send(self, messages: list[dict], prompt: str) -> tuple[str, dict[str, int]]:
        """A reply and its cost. Others wait for the first request, so that a general error occurs only once."""
        with self._first:
            if not self._tried.is_set():
                try:
                    return self._request(messages, prompt)
                finally:
                    self._tried.set()
        return self._request(messages, prompt)

    def _request(self, messages: list[dict], prompt: str) -> tuple[str, dict[str, int]]:
        watch.beat()
        if self._refusal is not None:
            raise self._refusal
        try:
            made = self._client.chat.completions.create(
                model=self.model, messages=list[Any](messages), temperature=0.0, max_tokens=self.max_tokens
            )
            return _text_of(made), {"requests": 1} | _tokens_of(made)
        except (json.JSONDecodeError, AttributeError, TypeError, LookupError):
            said = f"{self.url} gave no chat completion to {prompt[:80]!r}"
            error = EndpointError(f"{said}; is it the base URL, which usually ends in /v1?")
            if not self._tried.is_set():  # it never replied
                error = self._refusal = Refused(str(error))
            raise error from None
        except openai.APIStatusError as error:
            raise self._status(error, prompt) from None
        except TooLarge:
            raise Unusable(f"{self.url} sent more than {LARGEST >> 10} KiB in reply to {prompt[:80]!r}") from None
        except Late:
            raise self._late(prompt) from None
        except (openai.APIError, Stopped) as error:
            if isinstance(error.__cause__, NOT_REACHED):
                self._refusal = Refused(
                    f"{self.url} can't be reached ({error.__cause__}); check that its server runs, or correct the URL"
                )
                raise self._refusal from None
            if isinstance(error, Stopped):
                raise
            raise EndpointError(
                f"{self.url} can't be reached ({type(error).__name__}) with {prompt[:80]!r}, "
                f"tried {self.retries + 1} times"
            ) from None

    def _late(self, prompt: str) -> EndpointError:
        """The error for a silent server; it applies to all prompts if the server never replied."""
        said = f"{self.url} gave no complete reply within {self.patience:g} s"
        if self._tried.is_set():
            return EndpointError(f"{said} to {prompt[:80]!r}")
        self._refusal = Refused(f"{said}; check that its model is loaded, and run this again")
        return self._refusal

    def _status(self, error: openai.APIStatusError, prompt: str) -> EndpointError:
        """The error for an HTTP status: for all prompts, for this one, or temporary; with the server's message."""
        what = f"{self.url} answered HTTP {error.status_code} ({type(error).__name__}) to"
        reason = _reason_of(error, self._client.api_key)
        why = _FOR_ALL.get(error.code) or _FOR_ALL.get(error.status_code)
        if 300 <= error.status_code < 400:
            to = error.response.headers.get("Location", "nowhere")[:200]
            why = f"it redirects to {to}, where neither prompts nor key are sent; give that URL if it is right"
        if why:
            self._refusal = Refused(f"{what} {self.model}{reason}: {why}")
            return self._refusal
        if error.status_code in (408, 409, 429) or error.status_code >= 500:
            return EndpointError(f"{what} {prompt[:80]!r}, tried {self.retries + 1} times{reason}")
        return Unusable(f"{what} {prompt[:80]!r}{reason}")

    def _count(self, cost: dict[str, int]) -> None:
        with self._lock:
            self.spent.update(cost)


def _text_of(made: Any) -> str:
    """A chat completion's text, empty if it has none. Raises lookup errors if it is not a chat completion."""
    said = made.choices[0].message.content if made.choices else None
    if not isinstance(said, str | None):
        raise TypeError(type(said))
    return said or ""


def _tokens_of(made: Any) -> dict[str, int]:
    """The tokens that a chat completion reports; 0 if it reports none."""
    said = {name: getattr(made.usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
    return {name: count if isinstance(count, int) else 0 for name, count in said.items()}


def _reason_of(error: openai.APIStatusError, key: str) -> str:
    """The server's message for an error, quoted on one line, without the key; empty if there is none."""
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    words = " ".join((body if isinstance(body, str) else json.dumps(body)).split()) if body else ""
    words = words.replace(key, "[the key]") if len(key) > 7 else words  # shorter keys are placeholders, not secrets
    return f", with the message {words[:200]!r}" if words and not words.startswith("<") else ""  # `<` is an HTML page
