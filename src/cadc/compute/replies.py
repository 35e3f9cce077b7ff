"""Cache of endpoint replies with their cost: one file per prompt and model.

`python -m cadc.compute.replies` prints the cost so far, by model. The cache is `.endpoint/`, or the folder in
CADC_ENDPOINT_CACHE. It is not a stage's output, and `make clean` keeps it, because replies cost money.
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
    """No usable reply. The message names the prompt, the number of attempts and the last reply. All other replies stay
    cached.
    """


class Unusable(EndpointError):
    """The endpoint answered, but not as the prompt asks; asking again would hardly help."""


class Refused(EndpointError):
    """An error that affects every prompt, so nothing more is sent."""


class Prompt(NamedTuple):
    """A prompt: a text and, for a model with vision, the bytes of an image file."""

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
        """What the cache stores of the prompt; of an image, only its digest."""
        return {"prompt": self.text} | (
            {"image": hashlib.blake2b(self.image, digest_size=16).hexdigest()} if self.image is not None else {}
        )


def cache_folder() -> Path:
    return Path(os.environ.get("CADC_ENDPOINT_CACHE") or ".endpoint")


def path_of(cache: Path, model: str, max_tokens: int, prompt: Prompt) -> Path:
    """The cache file of `model`'s reply to a prompt, with at most `max_tokens` tokens."""
    asked = json.dumps([model, max_tokens, *prompt.record.values()])
    name = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    return cache / name[:2] / f"{name}.json"


@contextmanager
def _kept_in(cache: Path) -> Iterator[None]:
    """Raise Refused, naming the file, if a file under `cache` can't be read or written."""
    try:
        yield
    except OSError as error:
        raise Refused(
            f"{error.filename or cache}: {error.strerror or error}; replies are kept under {cache}: "
            "fix that, or set CADC_ENDPOINT_CACHE to a writable folder"
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
    """The cached record at `path`: `model`, `prompt`, `reply` (None if there was no usable one) and `COUNTS`.

    None if there is no such file. Raises EndpointError naming a file that is broken or holds something else.
    """
    again = "remove the file to ask the prompt again"
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
        raise EndpointError(f"{path}: a cached reply is a JSON object, but this is {str(record)[:40]!r}; {again}")
    for name, kind in wanted.items():
        if name not in record or not isinstance(record[name], kind) or isinstance(record[name], bool):
            said = repr(record[name])[:40] if name in record else "missing"
            raise EndpointError(f"{path}: not a cached reply, its {name!r} is {said}; {again}")
    return record


def keep(path: Path, record: dict) -> None:
    """Write `record` to `path`, whole or not at all."""
    with _kept_in(path.parent.parent):
        artifacts.write_json(path, record)


def summary(spent: Counter) -> str:
    """The cost in words: requests, unusable replies, tokens, and replies from the cache."""
    tokens = f"{spent['prompt_tokens']} tokens in, {spent['completion_tokens']} out"
    requests = f"{spent['requests']} requests ({spent['refused']} with unusable replies)"
    return f"{requests}, {tokens}; {spent['cached']} replies came from the cache"


def spent_so_far(cache: Path) -> dict[str, Counter]:
    """The cost of all replies under `cache`, by model. Raises EndpointError as `record_at` does."""
    total: dict[str, Counter] = {}
    with _kept_in(cache):
        folders = sorted(cache.iterdir()) if cache.exists() else []
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        record = record_at(path)
        if record is not None:  # it may have been removed meanwhile
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
