"""kills: what the fault tests do to a running server."""
import os, pathlib, signal, time

from server import alive, children, wait_until


class Kills:
    """For who has a server, its store's name, a random.Random and a list restarts_ms."""

    def kill_worker(self):
        worker = self.server.worker()
        if worker is None:
            return
        since = len(self.server.lines)
        begun = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        self.server.await_line("event=worker_ready", 60, since)
        self.restarts_ms.append(int((time.monotonic() - begun) * 1000))

    def kill_server(self):
        self.server.kill()
        self.server.start()

    def kill_supervisor(self):
        """Its worker ends by itself: nobody would start another."""
        worker = self.server.worker()
        self.server.process.kill()
        self.server.process.wait()
        if worker:
            wait_until(lambda: not alive(worker), 30, "the end of a worker without supervisor")
        self.server.stop_postgres()
        self.server.start()

    def kill_database(self):
        postmaster = self.server.postmaster()
        backends = [p for p in children(postmaster)
                    if b"posthorse" in pathlib.Path(f"/proc/{p}/cmdline").read_bytes()]
        os.kill(self.random.choice(backends or [children(postmaster)[0]]), signal.SIGKILL)

    def restart_database(self):
        self.server.pg_ctl("restart", "-m", "immediate")

    def faults(self):
        faults = [self.kill_worker, self.kill_server, self.kill_supervisor]
        return faults + [self.kill_database, self.restart_database] if self.store == "postgres" else faults
