"""Replies of language models behind endpoints, kept with what they cost: one file a prompt and model.

`python -m cadc.compute.replies` shows what has been spent so far, by model. Replies lie in `.endpoint/`
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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from cadc import artifacts
from cadc.compute import console
from cadc.config.errors import InputError

COUNTS = ("requests", "refused", "prompt_tokens", "completion_tokens")


class EndpointError(InputError):
    """No usable reply; the message names the prompt, how often it was tried and what came back. All other replies are
    kept.
    """


class Unusable(EndpointError):
    """The endpoint answered, but not with what the prompt asks for: asked again, it would hardly say otherwise."""


class Refused(EndpointError):
    """What stands in the way of every prompt alike: nothing more is asked."""


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


def cache_folder() -> Path:
    return Path(os.environ.get("CADC_ENDPOINT_CACHE") or ".endpoint")


def path_of(cache: Path, model: str, max_tokens: int, prompt: Prompt) -> Path:
    """The file of `model`'s reply, of at most `max_tokens`, to a prompt."""
    asked = json.dumps([model, max_tokens, *prompt.record.values()])
    name = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    return cache / name[:2] / f"{name}.json"


@contextmanager
def _kept_in(cache: Path) -> Iterator[None]:
    """Raises Refused, naming the file, where a file under `cache` can't be read or written."""
    try:
        yield
    except OSError as error:
        raise Refused(
            f"{error.filename or cache}: {error.strerror or error}; replies are kept under {cache}: "
            "mend it, or export CADC_ENDPOINT_CACHE as a folder that can be written"
        ) from None


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Hold all replies whose names begin as that of `path`: of several processes one asks, others find the reply."""
    with _kept_in(path.parent.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / "lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def record_at(path: Path) -> dict | None:
    """What is kept at `path`: `model`, `prompt`, `reply` (None where there was no usable one) and `COUNTS`.

    None where there is no such file. Raises EndpointError naming a file that is broken or holds something else.
    """
    again = "remove the file, and the prompt is asked again"
    with _kept_in(path.parent.parent):
        if not path.exists():
            return None
        content = path.read_bytes()
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EndpointError(f"{path}: not JSON ({error}); {again}") from None
    wanted = {"model": str, "reply": str | None, **dict.fromkeys(COUNTS, int)}
    if not isinstance(record, dict):
        raise EndpointError(f"{path}: a kept reply is a JSON object, this is {str(record)[:40]!r}; {again}")
    for name, kind in wanted.items():
        if name not in record or not isinstance(record[name], kind) or isinstance(record[name], bool):
            said = repr(record[name])[:40] if name in record else "lacking"
            raise EndpointError(f"{path}: no kept reply, its {name!r} is {said}; {again}")
    return record


def keep(path: Path, record: dict) -> None:
    """Write `record` to `path`, whole or not at all."""
    with _kept_in(path.parent.parent):
        artifacts.write_json(path, record)


def summary(spent: Counter) -> str:
    """What was spent, in words: requests, those with unusable replies, tokens, and replies kept from before."""
    tokens = f"{spent['prompt_tokens']} tokens in, {spent['completion_tokens']} out"
    requests = f"{spent['requests']} requests ({spent['refused']} with unusable replies)"
    return f"{requests}, {tokens}; {spent['cached']} replies were kept from before"


def spent_so_far(cache: Path) -> dict[str, Counter]:
    """What all replies under `cache` have cost, by model. Raises EndpointError as `record_at` does."""
    total: dict[str, Counter] = {}
    with _kept_in(cache):
        folders = sorted(cache.iterdir()) if cache.exists() else []
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        record = record_at(path)
        if record is not None:  # else it went meanwhile
            total.setdefault(record["model"], Counter()).update({name: record[name] for name in COUNTS})
    return total


def main() -> None:
    cache = cache_folder()
    try:
        spent = spent_so_far(cache)
    except EndpointError as error:
        raise SystemExit(str(error)) from None
    for name, cost in spent.items() or [(f"{cache}", Counter())]:
        console.line(f"{name}: {summary(cost)}")


if __name__ == "__main__":
    main()
