"""A cheap copy of a folder: an overlay whose changes are on a small disk of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_ROOM = 2000  # MB of the disk, enough for any stage


def _mount(*words: str | Path) -> str:
    """The error message of `mount`, "" if it succeeds."""
    return subprocess.run(["mount", *words], capture_output=True, text=True).stderr.strip()


class Layer:
    """`folder` shows the files of `below`; changes there leave `below` unchanged. Raises OSError if nothing can be
    mounted."""

    def __init__(self, below: Path, place: Path):
        self.below, self.disk, self.folder = below, place / "disk", place / "layer"
        for made in (self.disk, self.folder):
            made.mkdir(parents=True)
        if failed := _mount("-t", "tmpfs", "-o", f"size={_ROOM}m", "tmpfs", self.disk):
            raise OSError(failed)
        parts = [self.disk / name for name in ("changes", "work")]
        for part in parts:
            part.mkdir()
        named = f"lowerdir={below},upperdir={parts[0]},workdir={parts[1]}"
        if failed := _mount("-t", "overlay", "-o", named, "overlay", self.folder):
            subprocess.run(["umount", "-l", self.disk], check=True)
            raise OSError(failed)

    def leave(self, kilobytes: int) -> None:
        """Fill the disk except for this much."""
        disk = os.statvfs(self.disk)
        with (self.disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - kilobytes * 1024))

    def make_room(self) -> None:
        (self.disk / "filler").unlink()

    def close_to_writing(self) -> None:
        assert not _mount("-o", "remount,ro", self.folder)

    def remove(self, name: str) -> None:
        path = self.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self) -> None:
        for mounted in (self.folder, self.disk):
            subprocess.run(["umount", "-l", mounted], check=True)
            mounted.rmdir()
        self.disk.parent.rmdir()


def files(folder: Path, names: list[str]) -> dict[str, bytes]:
    """The bytes of every file of some outputs, by path."""
    found = {}
    for out in (folder / name for name in names):
        for path in out.rglob("*") if out.is_dir() else [out]:
            if path.is_file():
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found
