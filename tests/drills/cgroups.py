"""A group of processes whose memory the kernel limits, inside the group that this process is in."""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """Raises OSError where none can be made. Both versions of cgroups."""

    def __init__(self):
        own = {line.split(":")[1]: line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines()}
        first = "memory" in own
        above = ROOT / "memory" if first else ROOT
        above /= own["memory" if first else ""].lstrip("/")
        self.limit, self.most = (
            ("memory.limit_in_bytes", "memory.max_usage_in_bytes") if first else ("memory.max", "memory.peak")
        )
        self.folder = above / f"drill-{os.getpid()}"
        self.folder.mkdir()
        try:
            (self.folder / self.limit).read_text()  # a group whose parent hands memory on has it
        except OSError:
            self.close()
            raise

    def limited(self, megabytes: int, command: list[str]) -> list[str]:
        """The command, to be run in the group, all of whose processes may have so much together."""
        (self.folder / self.limit).write_text(str(megabytes << 20))
        return ["sh", "-c", f'echo $$ > {self.folder / "cgroup.procs"} && exec "$@"', "sh", *command]

    def close(self) -> None:
        self.folder.rmdir()
