"""A primary and a synchronous standby: 250 is said for what both have, whatever becomes of the wait for the standby."""
import signal, subprocess, threading

import pytest

import pg
from pairing import PairServer, message, where
from server import Smtp, wait_until

REPLICATING = """
wal_level = replica
max_wal_senders = 4
hot_standby = on
wal_receiver_status_interval = 1s
wal_receiver_timeout = 5s
synchronous_commit = on
"""


class Replicated:
    """A primary that waits for its standby."""

    def __init__(self):
        self.primary = pg.Server(REPLICATING)
        self.primary.create()
        self.primary.start()
        self.standby = pg.Server(REPLICATING)
        base = self.standby.run(self.standby.bin / "pg_basebackup", "-h", self.primary.dir, "-U", "postgres", "-R", "-c",
                                "fast", "--no-sync", "-D", self.standby.data, stdout=subprocess.DEVNULL)
        assert base.wait() == 0
        with open(self.standby.data / "postgresql.conf", "a") as conf:
            conf.write(f"unix_socket_directories = '{self.standby.dir}'\n")
        self.standby.start()
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.sql("SELECT sync_state FROM pg_stat_replication") == "sync")

    def sql(self, statement):
        return subprocess.run(["psql", "-XAtq", "-h", str(self.primary.dir), "-U", "postgres", "-c", statement], check=True,
                              capture_output=True, text=True, cwd="/",
                              env={"PGOPTIONS": "-c synchronous_commit=local", "PATH": "/usr/bin:/bin"}).stdout.strip()

    def waiting(self):
        """Our backends that wait for the standby: process id and since when."""
        return self.sql("SELECT pid, query_start FROM pg_stat_activity WHERE wait_event = 'SyncRep' "
                        "AND application_name = 'posthorse'").splitlines()

    def remove(self):
        for node in (self.standby, self.primary):
            node.stop(signal.SIGQUIT)
            node.remove()


@pytest.fixture
def replicated():
    both = Replicated()
    yield both
    both.remove()


@pytest.fixture
def server(replicated):
    server = PairServer("a.test", where(replicated.primary), spool="no")    # it waits for the database
    server.start()
    server.add_users(["user0"])
    yield server
    server.kill()


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
def test_250_waits_for_the_standby_though_the_wait_was_ended_by_hand(replicated, server, end):
    codes = []
    with Smtp(server.port("smtp")) as smtp:
        assert smtp.mail("", ["user0@example.test"], message(0))[-1] == 250
        replicated.standby.stop()
        sender = threading.Thread(daemon=True, target=lambda: codes.extend(smtp.mail("", ["user0@example.test"], message(1))))
        sender.start()
        for _ in range(2):      # it tries anew, and waits again
            waits = wait_until(replicated.waiting, what="a commit that waits for the standby")[0]
            replicated.sql(f"SELECT {end}({waits.split('|')[0]})")
            wait_until(lambda: waits not in replicated.waiting())
        wait_until(lambda: replicated.waiting() or codes)
        assert codes == [], "250 was said for what only the primary has"
        replicated.standby.start()
        sender.join(60)
    assert codes[-1] == 250
    server.stop()
    server.start()
    assert replicated.sql("SELECT COUNT(*) FROM message") == "2"
