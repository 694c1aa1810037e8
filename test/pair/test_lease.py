"""What a server has queued goes on when it dies or stops: another one on the same store takes it over, and nothing is sent twice."""
import collections, json, os, signal, subprocess, time

import pytest

from pairing import PairServer, message, new_postgres, where
from server import Smtp, wait_until
from sink import EXTENSIONS, Sink

LEASE_S = 5
SETTINGS = {"queue_lease_ms": LEASE_S * 1000, "relay_networks": "127.0.0.0/8", "queue_retry_min_ms": 100,
            "queue_retry_max_ms": 500, "queue_probe_ms": 100}


@pytest.fixture
def sink():
    with Sink(log=False, bodies=False, tls=False, extensions=[e for e in EXTENSIONS if e != "CHUNKING"]) as sink:
        yield sink


@pytest.fixture
def leasing(sink):
    """Two servers whose mail for others goes to the sink."""
    database = new_postgres()
    pair = [PairServer(name, where(database), **SETTINGS) for name in ("a.test", "b.test")]
    for server in pair:
        server.start()
    way = pair[0].dir / "way.ini"
    way.write_text(f"domain = *\nhost = 127.0.0.1:{sink.port}\n")
    pair[0].run("directory", "edit", "connection", "way", "--file", str(way))
    pair[0].database = database
    yield pair
    assert "no faults" in pair[1].run("store", "check")
    for server in pair:
        server.remove()
    database.remove()


def send(server, numbers):
    """Each is answered with 250."""
    with Smtp(server.port("smtp")) as smtp:
        for n in numbers:
            assert smtp.mail("a@example.net", [f"r{n}@far.example"], message(n))[-1] == 250


def await_accepted(sink, count, seconds):
    """Each came, and came once."""
    wait_until(lambda: len({e["id"] for e in sink.accepted}) == count, seconds, f"{count} messages at the other server")
    twice = [i for i, times in collections.Counter(e["id"] for e in sink.accepted).items() if times > 1]
    assert not twice, twice


def queued(server):
    return json.loads(server.run("queue", "list", "--json"))["summary"]["recipients"]


def test_a_dead_servers_queue_is_taken_over_and_nothing_is_sent_twice_when_it_returns(leasing, sink):
    a, b = leasing
    send(b, [1000])     # the destination is at work here too
    await_accepted(sink, 1, 10)
    sink.down()
    send(a, range(100))
    a.kill()
    begun = time.monotonic()
    sink.up()
    await_accepted(sink, 101, 3 * LEASE_S)
    print(f"kill -9 until the last of 100 was sent on by the other server: {time.monotonic() - begun:.1f} s, "
          f"the lease is {LEASE_S} s")
    a.start()
    send(a, range(100, 110))
    await_accepted(sink, 111, 20)
    wait_until(lambda: queued(a) == queued(b) == 0)


def transactions(database):
    done = subprocess.run(["psql", "-XAtq", "-h", str(database.dir), "-U", "postgres", "-c", "SELECT COUNT(*) FROM pg_stat_activity "
                           "WHERE state LIKE 'idle in transaction%'"], check=True, capture_output=True, text=True, cwd="/")
    return int(done.stdout)


def stop_between_transactions(worker, database):
    """Whoever is stopped within one holds its locks until PostgreSQL ends it, after ten minutes."""
    for _ in range(50):
        os.kill(worker, signal.SIGSTOP)
        if not all(transactions(database) for _ in range(3)):
            return
        os.kill(worker, signal.SIGCONT)
    raise AssertionError("always in a transaction")


def test_a_server_that_was_stopped_for_longer_than_its_lease_learns_that_its_queue_is_anothers(leasing, sink):
    a, b = leasing
    send(b, [1000])
    await_accepted(sink, 1, 10)
    sink.fault("rcpt", "wait 2000")    # most of A's window is still to be sent when it is stopped
    send(a, range(200))
    wait_until(lambda: len(sink.accepted) > 10)
    worker = a.worker()
    stop_between_transactions(worker, a.database)
    try:
        b.await_line("event=queue_taken_over", 3 * LEASE_S)
        sink.clear()
        wait_until(lambda: queued(b) == 0, 30)
    finally:
        os.kill(worker, signal.SIGCONT)
    sink.down()
    send(a, range(200, 220))    # its destinations have other numbers now; a process that comes after it finds them
    a.kill()
    a.start()
    sink.up()
    wait_until(lambda: len({e["id"] for e in sink.accepted}) == 221, 30, "all messages at the other server")
    twice = [i for i, times in collections.Counter(e["id"] for e in sink.accepted).items() if times > 1]
    print(f"sent twice: {len(twice)}, which A was sending when it was stopped")
    connections = 20    # smtp_out_per_destination_max: what was under way, one message each
    assert len(twice) <= connections
    wait_until(lambda: queued(a) == queued(b) == 0)
