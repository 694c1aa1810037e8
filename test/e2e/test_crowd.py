"""Ten thousand idle IMAP connections on default settings."""
import pathlib, resource, select, socket, time

from server import Smtp, wait_until
from conftest import CROWD

CONNECTIONS = 10_000
THREADS_MAX = 64  # idle connections hold none


def threads(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("Threads:")[1].split()[0])


def memory_kb(pid):
    return int(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0])


def collect(poll, socks, word, seconds):
    """Reads until each socket has brought the word; the seconds that took."""
    begun = time.monotonic()
    wanted = dict(socks)
    text = {}
    while wanted:
        left = seconds - (time.monotonic() - begun)
        assert left > 0, f"{len(wanted)} of {len(socks)} got no {word!r} in {seconds} s"
        for fd, _ in poll.poll(left):
            data = socks[fd].recv(65536)
            assert data, "the server hung up"
            text[fd] = text.get(fd, b"") + data
            if word in text[fd]:
                wanted.pop(fd, None)
    return time.monotonic() - begun


def test_ten_thousand_idle_connections(shared):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    worker = shared.worker()
    before = memory_kb(worker)
    poll = select.epoll()
    socks = {}
    begun = time.monotonic()
    for start in range(0, CONNECTIONS, 500):
        batch = {}
        for n in range(start, start + 500):
            sock = socket.create_connection(("127.0.0.1", shared.port("imap")), 30)
            sock.sendall(b"a LOGIN %s horse\r\nb SELECT INBOX\r\nc IDLE\r\n" % CROWD[n % len(CROWD)].encode())
            batch[sock.fileno()] = sock
            poll.register(sock, select.EPOLLIN)
        socks.update(batch)
        collect(poll, batch, b"\r\n+ ", 60)
    opened = time.monotonic() - begun
    wait_until(lambda: threads(worker) <= THREADS_MAX, 30, "a small number of threads")
    idle = threads(worker)
    each = (memory_kb(worker) - before) / CONNECTIONS
    with Smtp(shared.port("lmtp"), greet="LHLO") as smtp:
        begun = time.monotonic()
        codes = smtp.mail("", [f"{u}@example.test" for u in CROWD], b"Subject: all\r\n\r\nx\r\n", lmtp=True)
        assert codes[-len(CROWD):] == [250] * len(CROWD)
    delivered = time.monotonic() - begun
    pushed = collect(poll, socks, b" EXISTS\r\n", 30)
    print(f"{CONNECTIONS} connections opened in {opened:.1f} s, {each:.1f} KB each, {idle} threads; one message to "
          f"{len(CROWD)} accounts answered in {1000 * delivered:.0f} ms, told to all in {1000 * pushed:.0f} ms more")
    assert threads(worker) <= THREADS_MAX
    for sock in socks.values():
        sock.close()
