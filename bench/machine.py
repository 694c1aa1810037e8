"""machine: the memory that processes take, and whether all is quiet."""
from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

sys.path.append(str(Path(__file__).resolve().parent.parent / "test"))
from processes import tree

QUIET_SHARE = 0.2  # of one processor, used by whatever runs beside the bench
QUIET_WAIT_S = 30


@dataclass(frozen=True)
class Memory:
    """Of a family of processes, in KB."""
    pss: int = 0
    rss: int = 0
    processes: int = 0


def fields(path: str) -> dict[str, int]:
    """The `Name: number kB` lines of a file in /proc; none when the process is gone."""
    try:
        words = [line.split() for line in Path(path).read_text().splitlines()]
    except OSError:
        return {}
    return {w[0].rstrip(":"): int(w[1]) for w in words if len(w) == 3 and w[2] == "kB"}


def family(roots: list[int], skip: str = "") -> Iterator[int]:
    """All processes under the roots, without those whose name begins with `skip`."""
    for pid in sorted({pid for root in roots for pid in tree(root)}):
        try:
            name = Path(f"/proc/{pid}/comm").read_text()
        except OSError:
            continue
        if not skip or not name.startswith(skip):
            yield pid


def memory(roots: list[int], skip: str = "") -> Memory:
    total = Memory()
    for pid in family(roots, skip):
        f = fields(f"/proc/{pid}/smaps_rollup")
        if f:
            total = Memory(total.pss + f["Pss"], total.rss + f["Rss"], total.processes + 1)
    return total


def rss_now(pids: list[int]) -> int:
    return sum(fields(f"/proc/{pid}/status").get("VmRSS", 0) for pid in pids)


def peak_reset(roots: list[int], skip: str = "") -> None:
    """Sets VmHWM of every process back to what it holds now (proc(5), clear_refs)."""
    for pid in family(roots, skip):
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        except OSError:
            pass


def peak_rss(roots: list[int], skip: str = "") -> int:
    return sum(fields(f"/proc/{pid}/status").get("VmHWM", 0) for pid in family(roots, skip))


class PeakSampler:
    """The highest sum of RSS seen, in KB; for families whose processes come and go."""

    def __init__(self, roots: list[int], skip: str = "") -> None:
        self.roots, self.skip, self.peak = roots, skip, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def look(self) -> None:
        self.peak = max(self.peak, rss_now(list(family(self.roots, self.skip))))

    def watch(self) -> None:
        self.look()
        while not self.over.wait(0.01):
            self.look()

    def __enter__(self) -> PeakSampler:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def processor_ticks() -> tuple[int, int]:
    ticks = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def quiet() -> bool:
    """Waits until little else runs; false when it never became so."""
    for _ in range(QUIET_WAIT_S * 2):
        busy, total = processor_ticks()
        time.sleep(0.5)
        busy_then, total_then = processor_ticks()
        share = (busy_then - busy) / max(1, total_then - total) * (os.cpu_count() or 1)
        if share < QUIET_SHARE:
            return True
    return False
