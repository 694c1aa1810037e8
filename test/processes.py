"""processes: the servers that tests and benches start, ended by their ids with all that they started."""
from __future__ import annotations

import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

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
