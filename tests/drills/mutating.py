"""Damaged bytes and unexpected or malicious values for fuzzing the readers, generated from seeds."""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Callable
from typing import Any

#: Bytes that decoders, parsers and terminals may fail on.
BYTES = (
    b"\0", b"\0" * 64, b"\xff", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\t", b'"',
    b'\\"', b"\\u", b"\\ud800", b"NaN", b"1e999", b"-Infinity", b"9" * 5000, b"[" * 2000, b'{"a":' * 2000, b"../" * 9,
    b"\x1b[2J", b"<image>", b"---\n", b"%s%n", b"IEND", b"\xff\xd9", b"\xff\xda", b"!!python/object/apply:os.system",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def nested(depth: int) -> Any:
    """Lists nested to a depth."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def hostile(outside: str) -> list[Any]:
    """Values for any place of a record; `outside` is a folder that no reader may open."""
    paths = [f"{outside}/secret.png", "../outside/secret.png", "../../outside/secret.png", "link/secret.png",
             f"file://{outside}/secret.png", "link.png", "a/../../outside/secret.png", "", ".", "..", "/", "a\nb.png",
             "a\rb", "a\0b", "\x1b]0;x\x07", "http://127.0.0.1:9/x.png", "~", "CON", "a" * 5000,
             "\\\\host\\share\\x.png", "💥.png"]  # fmt: skip
    texts = ["\ud800", "\udfff", " ", "\u200b", "\u202e", "\u2028", "nan", "null", "=1+1", "<image>",
             "<image>" * 500, "human", "gpt", "x" * 100_000, "__class__", "{0.__class__}", "$(id)"]  # fmt: skip
    numbers = [None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, 1e308, float("nan"),
               float("inf"), -0.0]  # fmt: skip
    trees = [[], {}, [[]], [{}], {"": None}, {"id": {}}, [None] * 100, nested(50), nested(400), {"from": "human"},
             {"bytes": None, "path": None}, {"bytes": "", "path": f"{outside}/secret.png"},
             {"bytes": [0], "path": 0}]  # fmt: skip
    return [*paths, *texts, *numbers, *trees]


def of_bytes(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A file changed in one to four places, as by faulty transfers, disks and users."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_WAYS)(rng, data, others)
    return data


def _place(rng: random.Random, data: bytes) -> int:
    """A random place; most are near the start or the end, where a file states its format."""
    n = len(data)
    return (
        rng.choice((rng.randrange(n + 1), rng.randrange(min(n, 200) + 1), max(0, n - rng.randrange(200)))) if n else 0
    )


def _flip(rng, data, others):
    made = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = _place(rng, data)
        if at < len(made):
            made[at] ^= 1 << rng.randrange(8)
    return bytes(made)


def _number(rng, data, others):
    form, value = rng.choice("BHIQ"), rng.choice(_NUMBERS)
    at, packed = _place(rng, data), struct.pack(rng.choice("<>") + "Q", value)
    size = struct.calcsize(form)
    return data[:at] + (packed[:size] if rng.random() < 0.5 else packed[-size:]) + data[at + size :]


def _insert(rng, data, others):
    at, more = _place(rng, data), rng.choice(BYTES)
    return data[:at] + more + data[at + rng.choice((0, len(more))) :]


def _cut(rng, data, others):
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 64, 1000)) :]


def _truncate(rng, data, others):
    return data[: _place(rng, data)]


def _repeat(rng, data, others):
    at, n = _place(rng, data), rng.choice((1, 4, 16, 64, 1000))
    return data[:at] + data[at : at + n] * rng.choice((2, 2, 50)) + data[at + n :]


def _splice(rng, data, others):
    other = rng.choice(others)
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def _noise(rng, data, others):
    at = _place(rng, data)
    return data[:at] + rng.randbytes(rng.choice((1, 8, 64))) + data[at:]


_WAYS: tuple[Callable[[random.Random, bytes, list[bytes]], bytes], ...] = (
    _flip, _flip, _number, _number, _insert, _insert, _cut, _truncate, _repeat, _splice, _noise,
)  # fmt: skip


def of_value(rng: random.Random, value: Any, outside: str) -> Any:
    """A tree of lists and objects with one to three nodes replaced, duplicated, renamed, moved or removed."""
    value, values = copy.deepcopy(value), hostile(outside)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder = rng.choice(_holders(value))
        if isinstance(holder, dict) and holder:
            key = rng.choice(list(holder))
            way = rng.randrange(6)
            if way == 0:
                del holder[key]
            elif way == 1:
                holder[
                    rng.choice(("id", "image", "images", "conversations", "from", "value", "source", key + "s", ""))
                ] = holder[key]
            else:
                holder[key] = _other(rng, holder[key], values)
        elif isinstance(holder, list) and holder:
            at, way = rng.randrange(len(holder)), rng.randrange(6)
            if way == 0:
                del holder[at]
            elif way == 1:
                holder.insert(at, copy.deepcopy(rng.choice(holder)))
            elif way == 2:
                rng.shuffle(holder)
            else:
                holder[at] = _other(rng, holder[at], values)
    return value


def _other(rng: random.Random, value: Any, values: list[Any]) -> Any:
    """Another value: an arbitrary one, or a variant of this one."""
    same = [str(value), [value], {"value": value}, None]
    if isinstance(value, str):
        same += [value + rng.choice(("\0", "\n", "\ud800", " ", "#2")), value.upper(), value[::-1], value * 50]
    if isinstance(value, int | float):
        same += [-value, value + 1, value * 10**9, value * 10**30]
    return copy.deepcopy(rng.choice(values if rng.random() < 0.6 else same))


def _holders(value: Any) -> list[Any]:
    found = [value] if isinstance(value, list | dict) else []
    for at, each in enumerate(found):
        if at > 500:
            break
        children = each.values() if isinstance(each, dict) else each
        found += [child for child in children if isinstance(child, list | dict)]
    return found or [value]
