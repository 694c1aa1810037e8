"""pair: two servers of one cluster, each with a store of its own, on one machine and one disk: what
copies on a second server (`shadow`) cost."""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator

from cases import OURS, Case
from processes import CannotStart, Process, free_port, wait_for
from work import KIB, RCPTS, Plan, counted, interleave, plural, serving, sized

NAMES = ("a.test", "b.test")
READY_WAIT_S = 60
SINGLE = "shadow = off"


class Pair:
    """The first one takes the mail."""
    skip = ""

    def __init__(self, folder: Path, binary: Path, side: str, shadow: str) -> None:
        self.folder, self.binary, self.side, self.shadow = folder / shadow, binary, side, shadow
        self.ports: dict[str, int] = {}
        self.processes: list[Process] = []

    def config(self, name: str) -> Path:
        return self.folder / f"{name}.ini"

    def run(self, name: str, *words: str, text: str = "") -> str:
        done = subprocess.run([str(self.binary), *words, "-c", str(self.config(name))], input=text,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotStart(f"posthorse {' '.join(words[:2])}: {done.stderr.strip()}")
        return done.stdout.strip()

    def write(self, name: str, cluster_port: int, smtp_port: int) -> None:
        data = self.folder / name
        data.mkdir()
        user = "nobody" if os.getuid() == 0 else ""
        if user:
            shutil.chown(data, user)
        settings = {"server_name": name, "domains": "example.test", "data_dir": data, "user": user,
                    "listen_cluster": f"127.0.0.1:{cluster_port}", "shadow": self.shadow,
                    "listen_smtp": f"127.0.0.1:{smtp_port}"}
        self.config(name).write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))

    def serve(self, name: str) -> Process:
        process = Process([str(self.binary), "serve", "-c", str(self.config(name))],
                          self.folder / f"{name}.log")
        self.processes.append(process)
        self.await_event(process, "worker_ready")
        return process

    def await_event(self, process: Process, event: str) -> None:
        if not wait_for(lambda: f"event={event}" in process.said(), READY_WAIT_S):
            raise CannotStart(f"no {event}: {process.last_words()}")

    def start(self) -> None:
        self.folder.mkdir()
        cluster = free_port()
        self.ports = {"smtp": free_port()}
        for name, ports in zip(NAMES, ((cluster, self.ports["smtp"]), (free_port(), free_port()))):
            self.write(name, *ports)
        first, second = NAMES
        self.run(first, "domain", "init")
        process = self.serve(first)
        self.run(second, "domain", "join", f"127.0.0.1:{cluster}",
                 self.run(first, "domain", "invite", second))
        self.serve(second)
        document = self.folder / "pair.txt"
        document.write_text("".join(f"member = {name}\n" for name in NAMES))
        self.run(first, "directory", "edit", "cluster", "pair", "--file", str(document))
        self.await_event(process, "shadow_settled")
        for n in range(RCPTS):
            self.run(first, "account", "add", f"u{n + 1}", "--server", first, "--password-stdin",
                     text="pass\n")

    def roots(self) -> list[int]:
        return [process.pid for process in self.processes]

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def pair_side(plan: Plan, pair: Pair, sessions: int) -> Callable[[], float]:
    rate: list[float] = []

    def send(count: int) -> float:
        return plan.load("smtp", pair.ports["smtp"], sessions=sessions, count=count, size=10 * KIB,
                         users=RCPTS)["rate"]

    def run() -> float:
        if not rate:
            rate.append(send(200))
        return send(counted(plan, rate[0]))

    return run


def bench_shadow(plan: Plan) -> Iterator[Case]:
    if "ours" not in plan.sides:
        return
    lost: dict[str, str] = {}
    binary = plan.build / "posthorse"
    pairs = [Pair(plan.folder, binary, SINGLE, "off"), Pair(plan.folder, binary, OURS, "required")]
    with serving(pairs, lost) as up:  # type: ignore[arg-type]
        for sessions in plan.pick([1, 10, 100], [10]):
            case = Case("shadow", f"{sized(10 * KIB)}, {plural(sessions)}", "msg/s", goal_ratio=0.6,
                        beside=(SINGLE,), notes=dict(lost))
            yield interleave(plan, case, {
                side: pair_side(plan, pair, sessions) for side, pair in up.items()})
