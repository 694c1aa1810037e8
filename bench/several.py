"""several: servers of one domain, each with a store of its own, on one machine and one disk."""
from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

from processes import CannotStart, Process, free_port, tree, wait_for

READY_WAIT_S = 60


class Several:
    """`posthorse serve` for each name; what is told to be listened to beside the cluster gets ports, by server."""
    skip = ""

    def __init__(self, folder: Path, binary: Path, side: str, names: tuple[str, ...], listen: tuple[str, ...] = ("smtp",),
                 settings: dict[str, str] | None = None) -> None:
        self.folder, self.binary, self.side, self.names = folder, binary, side, names
        self.settings = {"domains": "example.test", **(settings or {})}
        self.at = {name: {kind: free_port() for kind in ("cluster", *listen)} for name in names}
        self.ports: dict[str, int] = {kind: self.at[names[0]][kind] for kind in listen}
        self.processes: dict[str, Process] = {}

    def config(self, name: str) -> Path:
        return self.folder / f"{name}.ini"

    def run(self, name: str, *words: str, text: str = "") -> str:
        done = subprocess.run([str(self.binary), *words, "-c", str(self.config(name))], input=text,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotStart(f"posthorse {' '.join(words[:2])}: {done.stderr.strip()}")
        return done.stdout.strip()

    def write(self, name: str) -> None:
        data = self.folder / name
        data.mkdir()
        user = "nobody" if os.getuid() == 0 else ""
        if user:
            shutil.chown(data, user)
        settings = {"server_name": name, "data_dir": data, "user": user, "listen_smtp": "127.0.0.1:0", **self.settings,
                    **{f"listen_{kind}": f"127.0.0.1:{port}" for kind, port in self.at[name].items()}}
        self.config(name).write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))

    def serve(self, name: str) -> Process:
        process = Process([str(self.binary), "serve", "-c", str(self.config(name))], self.folder / f"{name}.log")
        self.processes[name] = process
        self.await_event(process, "worker_ready")
        return process

    def await_event(self, process: Process, event: str) -> None:
        if not wait_for(lambda: f"event={event}" in process.said(), READY_WAIT_S):
            raise CannotStart(f"no {event}: {process.last_words()}")

    def start(self) -> None:
        self.folder.mkdir()
        first = self.names[0]
        for name in self.names:
            self.write(name)
        self.run(first, "domain", "init")
        self.serve(first)
        for name in self.names[1:]:
            self.run(name, "domain", "join", f"127.0.0.1:{self.at[first]['cluster']}", self.run(first, "domain", "invite", name))
            self.serve(name)

    def edit(self, kind: str, name: str, text: str) -> None:
        document = self.folder / "document.txt"
        document.write_text(text)
        self.run(self.names[0], "directory", "edit", kind, name, "--file", str(document))

    def add(self, names: list[str], server: str) -> None:
        """Accounts on a server, with the password that all of the bench have."""
        for name in names:
            self.run(self.names[0], "account", "add", name, "--server", server, "--password-stdin", text="pass\n")

    def signal(self, name: str, number: int) -> None:
        """To all of its processes, the supervisor's first: it starts no worker anew."""
        for pid in tree(self.processes[name].pid):
            os.kill(pid, number)

    def kill(self, name: str) -> None:
        """Returns when its processes are dead, their connections with them."""
        ends = [os.pidfd_open(pid) for pid in tree(self.processes[name].pid)]
        self.signal(name, signal.SIGKILL)
        for end in ends:
            select.select([end], [], [])
            os.close(end)
        self.processes[name].popen.wait()

    def roots(self) -> list[int]:
        return [process.pid for process in self.processes.values()]

    def stop(self) -> None:
        for process in self.processes.values():
            if process.running():
                for pid in tree(process.pid):
                    os.kill(pid, signal.SIGCONT)
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
