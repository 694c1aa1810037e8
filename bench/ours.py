"""ours: Posthorse, as `posthorse sandbox` starts it."""
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from processes import CannotStart, Process, wait_for

USERS = 600
EXTRA_USERS = ("big", "bulk")
READY_WAIT_S = 60


def account_names() -> list[str]:
    return [f"u{i}" for i in range(1, USERS + 1)] + list(EXTRA_USERS)


class Posthorse:
    side = "posthorse"
    calendar = "/dav/calendars/{}/calendar/"
    skip = "postgres"  # with --store postgres the database's own memory is not ours

    def __init__(self, folder: Path, binary: Path, store: str, names: list[str] | None = None,
                 settings: dict[str, str] | None = None, next_hop: int = 0) -> None:
        """The names are its accounts; next_hop is the port for all that is not its own."""
        self.folder, self.binary, self.store = folder / "posthorse", binary, store
        self.names, self.settings, self.next_hop = names or account_names(), settings or {}, next_hop
        self.ports: dict[str, int] = {}
        self.process: Process | None = None

    def start(self) -> None:
        if not self.binary.exists():
            raise CannotStart(f"{self.binary} is not built")
        self.folder.mkdir()
        accounts = self.folder / "accounts"
        accounts.write_text("".join(f"{name} pass\n" for name in self.names))
        settings = self.folder / "settings"
        settings.write_text("".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        self.process = Process(
            [str(self.binary), "sandbox", "--dir", str(self.folder / "data"), "--base-port", "0",
             "--store", self.store, "--accounts", str(accounts), "--settings", str(settings)],
            self.folder / "log")
        self.ports = self.read_ports(self.process)
        if self.next_hop:
            self.connect()

    def connect(self) -> None:
        """Sends everything else to the next hop."""
        document = self.folder / "everything.ini"
        document.write_text(f"domain = *\nhost = 127.0.0.1:{self.next_hop}\n")
        done = subprocess.run(
            [str(self.binary), "directory", "edit", "connection", "everything", "--file",
             str(document), "--dir", str(self.folder / "data")], capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotStart(f"it does not relay yet: {done.stderr.strip()}")

    def read_ports(self, process: Process) -> dict[str, int]:
        def line() -> re.Match[str] | None:
            return re.search(r"^ready (.*)$", process.said(), re.M)

        wait_for(lambda: line() is not None or not process.running(), READY_WAIT_S)
        ready = line()
        if ready is None:
            raise CannotStart(f"posthorse sandbox: {process.last_words()}")
        ports = {name: int(port) for name, port in re.findall(r"(\w+)=[^ ]*:(\d+)", ready[1])}
        if not {"smtp", "lmtp", "imap", "imaps"} <= set(ports):
            raise CannotStart(f"posthorse sandbox: no port for all protocols in: {ready[0]}")
        return ports

    def roots(self) -> list[int]:
        return [self.process.pid] if self.process else []

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
