"""What other processes have had of the processor."""

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of one process so far; 0 where it is gone."""
    return sum(_times(pid)[:2])


def cpu_seconds_of_all(pid: int) -> float:
    """Of a process and its children so far, those that have ended as well."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(sum(_times(each)) for each in (pid, *map(int, children)))


def _times(pid: int) -> list[float]:
    """Seconds: its own, and those of its children that have ended; each in the program and in the kernel."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return [0.0] * 4
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]
