"""A control group that limits the memory of its processes, below the group of this process."""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """For both versions of cgroups. Raises OSError if no group can be created."""

    def __init__(self):
        own = {line.split(":")[1]: line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines()}
        first = "memory" in own
        above = ROOT / "memory" if first else ROOT
        above /= own["memory" if first else ""].lstrip("/")
        self.limit, self.peak = (
            ("memory.limit_in_bytes", "memory.max_usage_in_bytes") if first else ("memory.max", "memory.peak")
        )
        self.folder = above / f"drill-{os.getpid()}"
        self.folder.mkdir()
        try:
            (self.folder / self.limit).read_text()  # it exists if the parent group delegates memory
        except OSError:
            self.close()
            raise

    def limited(self, megabytes: int, command: list[str]) -> list[str]:
        """`command` as it runs in the group, whose processes together may use this much memory."""
        (self.folder / self.limit).write_text(str(megabytes << 20))
        return ["sh", "-c", f'echo $$ > {self.folder / "cgroup.procs"} && exec "$@"', "sh", *command]

    def close(self) -> None:
        self.folder.rmdir()
