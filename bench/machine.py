"""machine: the processes that a bench starts, the memory they take, and whether all is quiet."""
from __future__ import annotations

import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

QUIET_SHARE = 0.2  # of one processor, used by whatever runs beside the bench
QUIET_WAIT_S = 30
STOP_WAIT_S = 20
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None, use_errno=True)


class CannotStart(Exception):
    """A server that the bench would have liked to measure does not run here, and why."""


def prepare() -> None:
    """Makes orphans of our servers our own children, and allows many open connections."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for want in (65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (want, want))
            break
        except (ValueError, OSError):
            continue


def die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path("/proc", name, "stat").read_text()
            except OSError:
                continue
            found[int(name)] = int(stat.rsplit(")", 1)[1].split()[1])
    return found


def tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def started_at(pid: int) -> str:
    """Tells a process from a later one of the same number; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(ready: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


class Process:
    """A server in the foreground, ended with all its descendants by their ids."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as out:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with_parent,
                env={**os.environ, **(env or {})})
        self.pid = self.popen.pid

    def running(self) -> bool:
        return self.popen.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def last_words(self) -> str:
        return " / ".join(self.said().strip().splitlines()[-2:]) or "no reason given"

    def stop(self) -> None:
        family = {pid: started_at(pid) for pid in tree(self.pid)}
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        del family[self.pid]
        end_all([pid for pid, at in family.items() if started_at(pid) == at])


def end_all(pids: list[int]) -> None:
    """Politely, then not; and buries those that had become our own children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [pid for pid in pids if alive(pid)]
        for pid in left:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        wait_for(lambda: not any(alive(pid) for pid in left), 5)
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def end_descendants() -> None:
    """Ends what a server left behind: orphans of our servers are our children (prepare())."""
    end_all(tree(os.getpid())[1:])


GIVEN_PORTS: set[int] = set()


def free_port() -> int:
    """A port below the range that outgoing connections use, so that they never take it from us."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in GIVEN_PORTS:
            GIVEN_PORTS.add(port)
            return port


def listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def wait_listening(process: Process, name: str, ports: list[int], seconds: float = 20) -> None:
    wait_for(lambda: not process.running() or all(map(listening, ports)), seconds)
    if not process.running() or not all(map(listening, ports)):
        raise CannotStart(f"{name}: {process.last_words()}")


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
