"""Runs a reader over many files in a process of its own, and watches what it does: what it raises, how long it takes,
what memory it holds, which files it opens, whether it goes to the network or starts something."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import random
import resource
import shutil
import struct
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cadc.config.errors import InputError

LONGEST, LARGEST = 10.0, 1 << 30  # CPU seconds and bytes that a file may take
_HANGS = 90.0  # seconds: a machine may have more to do
_LONG = 4000  # characters of a sentence
_FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system", "os.exec",
              "os.posix_spawn", "os.spawn", "pickle.find_class", "webbrowser.open")  # fmt: skip
_IN_OPEN = 0x20


@dataclass
class Came:
    """What came of a run: how many files were read, how many refused, and what should not have been: file -> why."""

    read: int = 0
    refused: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0
    largest: int = 0

    def __str__(self) -> str:
        kinds = Counter(fault.strip().splitlines()[-1][:300] for fault in self.faults.values())
        first = {fault.strip().splitlines()[-1][:300]: at for at, fault in reversed(self.faults.items())}
        said = "\n".join(f"{n} x (file {first[kind]}) {kind}" for kind, n in kinds.most_common(40))
        return (
            f"{self.read} read, {self.refused} refused, {len(self.faults)} fell; at most {self.slowest:.1f} s and "
            f"{self.largest >> 20} MB\n{said}"
        )


Make = Callable[[random.Random, Path, str], None]  # writes a case into a folder; the last is the forbidden folder
Read = Callable[[Path], object]


def fuzzed(make: Make, read: Read, n: int, folder: Path, name: str, first: int = 0) -> Came:
    """What comes of `n` files that `make` writes and `read` reads, by their numbers; each is drawn from its number.

    A process that hangs or dies is started again behind the file at which it did.
    """
    came, at = Came(), first
    outside = folder / "outside"
    outside.mkdir(exist_ok=True)
    while at < first + n:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.get_context("fork").Process(
            target=_work, args=(theirs, make, read, range(at, first + n), folder, outside, name), daemon=True
        )
        worker.start()
        theirs.close()
        try:
            while at < first + n:
                if not ours.poll(_HANGS):
                    came.faults[at] = f"no answer after {_HANGS:g} s"
                    worker.kill()
                    break
                said, seconds, held = ours.recv()
                came.slowest, came.largest = max(came.slowest, seconds), max(came.largest, held)
                if said is None:
                    came.read += 1
                elif said == "":
                    came.refused += 1
                else:
                    came.faults[at] = said
                at += 1
        except EOFError:
            worker.join()
            came.faults[at] = f"the process ended with {worker.exitcode}"
        if at in came.faults:
            at += 1
        worker.join()
    return came


def _work(pipe, make: Make, read: Read, numbers: range, folder: Path, outside: Path, name: str) -> None:
    watch, happened = _Watch(outside), []
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    warnings.simplefilter("ignore")

    def hook(event: str, args: tuple) -> None:
        if event in _FORBIDDEN and armed:
            happened.append(f"{event} {str(args)[:200]}")

    armed = False
    sys.addaudithook(hook)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 6 * LARGEST, -1))  # the machine goes on living
    for number in numbers:
        case = folder / f"case{os.getpid()}"
        case.mkdir()
        try:
            make(random.Random(f"{name} {number}"), case, str(outside))
        except BaseException:
            pipe.send((f"the file was not made: {traceback.format_exc()}", 0.0, 0))
            raise
        watch.seen()
        happened.clear()
        before, started, armed = _held(reset=True), time.process_time(), True
        said = _said(read, case)
        armed, seconds, held = False, time.process_time() - started, _held() - before
        opened = watch.seen()
        faults = [*happened, *(f"opened {each} outside" for each in opened)]
        if seconds > LONGEST:
            faults.append(f"took {seconds:.1f} s")
        if held > LARGEST:
            faults.append(f"held {held >> 20} MB")
        if (case / "ran").exists():
            faults.append("ran code of the folder")
        pipe.send((("\n".join(faults) if faults else said), seconds, held))
        shutil.rmtree(case, ignore_errors=True)


def _said(read: Read, case: Path) -> str | None:
    """None where the file was read, '' where it was refused in a sentence, else what is wrong with how it was."""
    try:
        read(case)
        return None
    except InputError as error:
        text = str(error)
        odd = [letter for letter in text if not letter.isprintable() and not 0xD800 <= ord(letter) < 0xE000]
        if odd:
            where = text.index(odd[0])
            return f"InputError holds {odd[0]!r}: {text[max(0, where - 150) : where + 40]!r}"
        if len(text) > _LONG or not text.strip():
            return f"InputError of {len(text)} characters: {text[:200]!r}"
        return ""
    except BaseException as error:
        calls = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        text = " ".join(str(error).split())[:150]
        return f"{type(error).__name__}: {text} at {' '.join(calls[-4:])} ({[c for c in calls][1:4]})"


def _held(reset: bool = False) -> int:
    """Bytes that this process has held at most since the last reset; of a reset, those that it holds now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


class _Watch:
    """Whether any file of a folder is opened, by whichever library (Linux's inotify)."""

    def __init__(self, folder: Path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            if libc.inotify_add_watch(self.fd, os.fsencode(each), _IN_OPEN) < 0:
                raise OSError(ctypes.get_errno(), f"inotify {each}")

    def seen(self) -> list[str]:
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return []
        names, at = [], 0
        while at < len(data):
            length = struct.unpack_from("iIII", data, at)[3]
            names.append(data[at + 16 : at + 16 + length].rstrip(b"\0").decode(errors="replace") or ".")
            at += 16 + length
        return names
