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
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
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
#: What no other prompt would be spared, and what to do: by HTTP status or the error's code.
_FOR_ALL = {
    401: "the key is refused; export OPENAI_API_KEY with one that it takes",
    402: "the account has no credit; add some, or export OPENAI_API_KEY of another",
    403: "the key may not do this; export OPENAI_API_KEY with one that may",
    404: "there is no such address or model; mend the URL, which mostly ends in /v1, or the model's name",
    "insufficient_quota": "the account has no credit; add some, or export OPENAI_API_KEY of another",
}


def cache_folder() -> Path:
    return Path(os.environ.get("CADC_ENDPOINT_CACHE") or ".endpoint")


class EndpointError(InputError):
    """No usable reply; the message names the prompt, how often it was tried and what came back. All other replies are
    kept.
    """


class Refused(EndpointError):
    """What an endpoint refuses to every prompt alike: nothing more is asked."""


class _Stopped(BaseException):
    """Ends a thread before it sends: the client would try again after any `Exception`."""


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
    by side, once the endpoint has not refused the first one's key; a prompt that another process is asking is waited
    for. `spent` counts this object's requests, tokens and replies kept from before.
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
        self._lock, self._first, self._stop = threading.Lock(), threading.Lock(), threading.Event()
        self._tried, self._refusal = False, None
        sends = openai.DefaultHttpxClient(event_hooks={"request": [self._unless_stopped]})
        self._client = openai.OpenAI(
            base_url=self.url, api_key=key, timeout=self.timeout, max_retries=self.retries, http_client=sends
        )

    def ask(self, prompts: Sequence[str | Prompt], read: Callable[[str], T]) -> list[T]:
        """`read(reply)` of each prompt, in order; equal prompts are asked once. `read` raises ValueError at a bad one.

        Raises EndpointError naming the first prompt without a usable reply, after all others have been asked and kept,
        and as `ask_each` does.
        """
        made = self.ask_each(prompts, read)
        failed = {id(answer): answer for answer in made if isinstance(answer, EndpointError)}
        if failed:
            first = next(iter(failed.values()))
            raise EndpointError(f"{len(failed)} of {len(set(prompts))} prompts got no usable reply: {first}") from first
        return made

    def ask_each(self, prompts: Sequence[str | Prompt], read: Callable[[str], T]) -> list[T | EndpointError]:
        """As `ask`, with an EndpointError in place of each reply that can't be used.

        Raises Refused at once where the endpoint would take no other prompt either. After that, and after Ctrl-C,
        nothing more is sent; replies that are under way are still kept.
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
        """`read(reply)`. A reply kept from before may have been usable to another reader alone."""
        try:
            return read(job.result())
        except EndpointError as error:
            return error
        except ValueError as error:
            return EndpointError(
                f"{self._path(prompt)}: the reply kept from before can't be used ({error}); remove it to ask again"
            )

    def _unless_stopped(self, _) -> None:
        """Called with each request as it is to be sent, the client's own repetitions included."""
        if self._stop.is_set():
            raise _Stopped

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
        raise EndpointError(
            f"{self.model} at {self.url} gave {self.attempts} unusable replies to {prompt.text[:80]!r}, "
            f"the last {said[:80]!r}"
        )

    def _send(self, messages: list[dict], prompt: str) -> tuple[str, dict[str, int]]:
        """A reply and its cost. Until one request has come back the others wait: what is refused to all is asked once."""
        with self._first:
            if not self._tried:
                try:
                    return self._request(messages, prompt)
                finally:
                    self._tried = True
        return self._request(messages, prompt)

    def _request(self, messages: list[dict], prompt: str) -> tuple[str, dict[str, int]]:
        if self._refusal is not None:
            raise self._refusal
        try:
            made = self._client.chat.completions.create(
                model=self.model, messages=messages, temperature=0.0, max_tokens=self.max_tokens
            )
            said, usage = (made.choices[0].message.content or "") if made.choices else "", made.usage
        except (json.JSONDecodeError, AttributeError, TypeError):
            said = f"{self.url} gave no chat completion to {prompt[:80]!r}"
            error = EndpointError(f"{said}; is it the base URL, which mostly ends in /v1?")
            if not self._tried:  # it never gave one
                error = self._refusal = Refused(str(error))
            raise error from None
        except openai.APIStatusError as error:
            why = _FOR_ALL.get(error.code) or _FOR_ALL.get(error.status_code)
            if why:
                self._refusal = Refused(
                    f"{self.url} answered HTTP {error.status_code} ({type(error).__name__}) to {self.model}: {why}"
                )
                raise self._refusal from None
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
