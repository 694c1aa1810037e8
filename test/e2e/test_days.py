"""Days when something breaks, is missing or is replaced."""
import base64, contextlib, os, re, signal, socket, ssl, subprocess, time

import pytest

from server import Closed, Imap, Server, Smtp, alive, free_base_port, make_dir, wait_until

MESSAGE = b"Subject: x\r\n\r\nx\r\n"
EX_UNAVAILABLE, EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 69, 73, 74, 75, 77, 78


def deliver(server, rcpt="bob", data=MESSAGE):
    with Smtp(server.port("smtp")) as smtp:
        return smtp.mail("", [f"{rcpt}@example.test"], data)[-1]


def count(server, user="bob", folder="INBOX"):
    with Imap(server.port("imap"), user) as imap:
        return int(re.search(r"MESSAGES (\d+)", imap.ok(f"STATUS {folder} (MESSAGES)")[0])[1])


def make_certificate(folder, name, days=30):
    """Writes into the files that are there, so that they keep their owner."""
    made = make_dir()
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", made / "key", "-out", made / "csr", "-subj", f"/CN={name}"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-days", str(days), "-in", made / "csr", "-signkey", made / "key",
                    "-out", made / "cert"], check=True, capture_output=True)
    (folder / "cert.pem").write_text((made / "cert").read_text())
    (folder / "key.pem").write_text((made / "key").read_text())


def certificate_of(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


# --- restricted ---

def restrict(server, value):
    server.settings.write_text(f"server_restricted = {value}\n")  # the sandbox's file is made anew at each start
    server.set(server_restricted=value)


def logs_in(server, user):
    with Imap(server.port("imap")) as imap:
        answer, _ = imap.command(f"LOGIN {user} horse")
        assert answer.startswith("OK") or answer.startswith("NO [UNAVAILABLE]"), answer
        return answer.startswith("OK")


def auth_code(server, user):
    plain = base64.b64encode(f"\0{user}\0horse".encode()).decode()
    with Smtp(server.port("submission")) as smtp:
        return smtp.command(f"AUTH PLAIN {plain}")[0]


@pytest.mark.parametrize("value,mail,lasts", [(1, 250, False), (2, 250, True), (3, 451, False), (4, 451, True)])
def test_a_restricted_server_takes_no_new_sessions_but_of_administrators(sqlite, value, mail, lasts):
    sqlite.start()
    with Imap(sqlite.port("imap"), "bob") as before:
        restrict(sqlite, value)
        before.ok("SELECT INBOX")  # goes on
    assert not logs_in(sqlite, "bob") and logs_in(sqlite, "alice")
    assert (auth_code(sqlite, "bob"), auth_code(sqlite, "alice")) == (454, 235)
    assert deliver_code(sqlite) == mail
    sqlite.stop()
    sqlite.start()
    assert logs_in(sqlite, "bob") != lasts
    assert bool(sqlite.seen("event=restriction_ended")) != lasts
    restrict(sqlite, 0)
    assert logs_in(sqlite, "bob") and deliver_code(sqlite) == 250
    restrict(sqlite, value)
    assert not logs_in(sqlite, "bob")


def deliver_code(server):
    with Smtp(server.port("smtp")) as smtp:
        code = smtp.command("MAIL FROM:<>")[0]
        return deliver(server) if code == 250 else code


def test_server_max_users_leaves_room_for_administrators(sqlite):
    sqlite.start()
    sqlite.set(server_max_users=2)
    with Imap(sqlite.port("imap"), "bob"), Imap(sqlite.port("imap"), "bob"):
        assert not logs_in(sqlite, "bob") and logs_in(sqlite, "alice")
        assert auth_code(sqlite, "bob") == 454
    wait_until(lambda: logs_in(sqlite, "bob"), 10, "a log-in when one has left")


# --- reload ---

def test_a_new_certificate_drops_no_session(sqlite):
    sqlite.start()
    with Imap(sqlite.port("imaps"), "bob", tls=True) as imap:
        before = certificate_of(sqlite.port("imaps"))
        make_certificate(sqlite.dir, "new.example.test")
        assert "config_reloaded" in sqlite.reload()
        after = certificate_of(sqlite.port("imaps"))
        assert before != after and after.split() == (sqlite.dir / "cert.pem").read_text().split()
        imap.ok("SELECT INBOX")
        deliver(sqlite)
        assert "* 1 EXISTS" in imap.ok("NOOP")


def test_a_certificate_that_cannot_be_read_leaves_the_old_one(sqlite):
    sqlite.start()
    before = certificate_of(sqlite.port("imaps"))
    (sqlite.dir / "cert.pem").write_text("no certificate\n")
    sqlite.reload()
    sqlite.await_line("event=tls_refused")
    assert certificate_of(sqlite.port("imaps")) == before


def test_settings_are_reloaded_and_bad_ones_refused(sqlite):
    sqlite.start()
    assert "config_reloaded" in sqlite.set(smtp_errors_max=3, message_bytes_max="64 KiB")
    with Smtp(sqlite.port("smtp")) as smtp:
        assert "SIZE 65536" in smtp.extensions
    line = sqlite.set(smtp_rcpt_count_max=1)
    assert "config_refused" in line and "smtp_rcpt_count_max" in line
    with Smtp(sqlite.port("smtp")) as smtp:
        assert "SIZE 65536" in smtp.extensions
    line = sqlite.set(smtp_rcpt_count_max=1000, mesage_bytes_max=70000)
    assert "config_refused" in line and "message_bytes_max" in line  # the nearest name is told
    assert count(sqlite) == 0


# --- what keeps it from starting: one sentence, the right code ---

def refused(command):
    """Exit code and the one sentence."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=30)
    said = [l for l in (done.stdout + done.stderr).splitlines() if l and not l.startswith("ts=")]
    assert len(said) == 1, said
    assert said[0].startswith("posthorse")
    return done.returncode, said[0]


def prepared(server, **settings):
    """A sandbox's folder with settings of its own, the server stopped."""
    server.base_port = free_base_port()
    server.start()
    server.stop()
    path = server.dir / "posthorse.ini"
    lines = [l for l in path.read_text().splitlines() if l.split(" ")[0] not in settings]
    path.write_text("\n".join(lines + [f"{k} = {v}" for k, v in settings.items()]) + "\n")
    return [server.command()[0], "serve", "-c", path]


def test_port_in_use(sqlite):
    command = prepared(sqlite)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", sqlite.base_port))
        sock.listen()
        code, said = refused(command)
    assert code == EX_UNAVAILABLE and f"127.0.0.1:{sqlite.base_port}" in said


def test_second_server_on_one_folder(sqlite):
    sqlite.start()
    text = (sqlite.dir / "posthorse.ini").read_text()
    other = sqlite.dir / "other.ini"
    other.write_text(re.sub(r"listen_\w+ = .*\n", "", text) + f"listen_smtp = 127.0.0.1:{free_base_port()}\n")
    code, said = refused([sqlite.command()[0], "serve", "-c", other])
    assert code in (EX_UNAVAILABLE, EX_TEMPFAIL) and str(sqlite.dir / "data") in said
    assert deliver(sqlite) == 250  # the first is unharmed


def test_expired_certificate(sqlite):
    command = prepared(sqlite)
    make_certificate(sqlite.dir, "old.example.test", days=-1)
    code, said = refused(command)
    assert code == EX_CONFIG and "expired" in said and "cert.pem" in said


def test_store_of_a_newer_version(sqlite):
    command = prepared(sqlite)
    sqlite.sql("UPDATE meta SET value = '999' WHERE name = 'schema_version'")
    code, said = refused(command)
    assert code in (EX_CONFIG, EX_UNAVAILABLE) and "999" in said


def test_bad_settings(sqlite):
    command = prepared(sqlite, smtp_errors_max="many")
    code, said = refused(command)
    assert code == EX_CONFIG and "smtp_errors_max" in said and "many" in said and re.search(r"posthorse\.ini:\d+", said)


@contextlib.contextmanager
def small_disk(path, megabytes):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "none", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_read_only_folder(sqlite):
    place = sqlite.dir / "ro"
    with small_disk(place, 8):
        command = prepared(sqlite, data_dir=place / "data")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        code, said = refused(command)
    assert code == EX_CANTCREAT and str(place / "data") in said


# --- kills and ends ---

def test_worker_killed_and_no_connection_refused(own):
    own.start()
    worst, ready_ms = [], []
    for _ in range(3):
        since = len(own.lines)
        worker = own.worker()
        begun = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        while True:  # no connect may be refused; the first to be greeted is served by the new worker
            sock = socket.create_connection(("127.0.0.1", own.port("smtp")), 5)
            try:
                if sock.recv(100).startswith(b"220"):
                    break
            except OSError:
                pass  # taken by the old worker in its last moment
            finally:
                sock.close()
        worst.append(1000 * (time.monotonic() - begun))
        assert deliver(own) == 250
        wait_until(lambda: own.worker() not in (None, worker), what="a new worker")
        ready_ms.append(int(re.search(r" ms=(\d+)", own.await_line("event=worker_ready", since=since))[1]))
    print(f"{own.store}: worker killed, greeted again after {', '.join(f'{ms:.0f}' for ms in worst)} ms")
    assert count(own) == 3
    # Seen at once, and nothing waited for: what a start of the worker takes on this machine now, and no more.
    assert min(took - 3 * ready for took, ready in zip(worst, ready_ms)) < 100


def test_worker_ends_with_its_supervisor(sqlite):
    sqlite.start()
    worker = sqlite.worker()
    os.kill(sqlite.process.pid, signal.SIGKILL)
    try:
        wait_until(lambda: not alive(worker), 10, "the worker's end")
    finally:
        if alive(worker):
            os.kill(worker, signal.SIGKILL)
    sqlite.wait()


def test_sigterm_finishes_what_is_under_way(own):
    own.start()
    big = ("z" * 998 + "\r\n").encode() * 20_000
    assert deliver(own, data=b"Subject: big\r\n\r\n" + big) == 250
    with Imap(own.port("imap"), "bob") as imap, Smtp(own.port("smtp")) as smtp, Imap(own.port("imap"), "carol") as idle:
        imap.ok("SELECT INBOX")
        idle.ok("SELECT INBOX")
        tag = imap.begin("FETCH 1 BODY.PEEK[]")
        first = imap.line()
        smtp.send(200 * b"MAIL FROM:<>\r\nRCPT TO:<carol@example.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
        own.signal(signal.SIGTERM)
        text = imap.read(int(re.search(r"\{(\d+)\}", first)[1]))
        assert text.endswith(big)
        assert imap.end(tag)[0].startswith("OK")
        told = 0
        with contextlib.suppress(Closed):
            while True:
                code, lines = smtp.reply()
                told += lines[0].endswith("Accepted")
                assert code in (250, 354, 421)
        with contextlib.suppress(Closed):
            while not idle.line().startswith("* BYE"):
                pass
    assert own.wait() == 0
    own.start()
    assert count(own, "carol") == told
    print(f"{own.store}: {told} of 200 pipelined messages answered before the end, all there")


def test_systemd_is_told(sqlite):
    path = sqlite.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(10)
        sqlite.env = {"NOTIFY_SOCKET": str(path)}
        sqlite.start()
        assert b"READY=1" in sock.recv(1000)
        sqlite.signal(signal.SIGTERM)
        assert b"STOPPING=1" in sock.recv(1000)
        assert sqlite.wait() == 0


# --- a full disk ---

def fill_up(path):
    """Takes the last byte of the disk."""
    with open(path, "wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))


def test_full_disk():
    """452 and NO [UNAVAILABLE], every message that was answered with 250 is there, and it recovers."""
    place = make_dir()
    filler = place / "filler"
    with small_disk(place, 24):
        server = Server("sqlite", dir=place).start()
        try:
            accepted = 0
            assert deliver(server) == 250
            accepted += 1
            codes = []
            for number in range(400):
                code = deliver(server, data=b"Subject: %d\r\n\r\n" % number + os.urandom(50_000).hex().encode() + b"\r\n")
                accepted += code == 250
                codes.append(code)
                if codes[-3:] == [452] * 3:
                    break
            assert codes[-1] == 452, codes[-5:]
            fill_up(filler)
            # The log keeps room that it has already: what still fits there is taken, durably.
            for number in range(100):
                code = deliver(server, data=b"Subject: late %d\r\n\r\n" % number + os.urandom(50_000).hex().encode() + b"\r\n")
                accepted += code == 250
                if code == 452:
                    break
            assert code == 452
            with Imap(server.port("imap"), "bob") as imap:
                answer, _ = imap.append("INBOX", b"Subject: append\r\n\r\n" + os.urandom(200_000).hex().encode())
                assert answer.startswith("NO [UNAVAILABLE]"), answer
                imap.ok("SELECT INBOX")  # what is there can be read
                assert len([l for l in imap.ok("FETCH 1:* (UID)") if "FETCH" in l]) == accepted
            assert server.worker() and not server.seen("worker_died")
            filler.unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
            assert deliver(server) == 250
            accepted += 1
            with Imap(server.port("imap"), "bob") as imap:
                assert imap.append("INBOX", MESSAGE)[0].startswith("OK")
            accepted += 1
            assert server.stop() == 0
            server.start()
            assert count(server) == accepted
        finally:
            server.stop()


def test_full_disk_postgres():
    """The database's disk: nothing answered with 250 is lost, and it goes on when there is room again."""
    place = make_dir()
    with small_disk(place, 200):
        server = Server("postgres", dir=place).start()
        try:
            server.set(store_retry_ms=1000)
            assert deliver(server) == 250
            accepted = 1
            used = os.statvfs(place)
            (place / "filler").write_bytes(b"x" * (used.f_bavail * used.f_frsize - 6_000_000))
            codes = []
            for number in range(200):
                code = deliver(server, data=b"Subject: %d\r\n\r\n" % number + os.urandom(100_000).hex().encode() + b"\r\n")
                accepted += code == 250
                codes.append(code)
                if codes[-3:] in ([452] * 3, [451] * 3):
                    break
            assert codes[-1] in (451, 452), codes[-5:]
            assert not server.seen("worker_died")
            (place / "filler").unlink()
            wait_until(lambda: deliver(server) == 250, 60, "mail taken again")
            assert count(server) == accepted + 1
        finally:
            server.stop()


# --- limits ---

def test_connections_from_one_address_are_limited(sqlite):
    sqlite.start()
    sqlite.stop()
    with open(sqlite.dir / "posthorse.ini", "a") as ini:
        ini.write("smtp_connections_per_address_max = 5\n")
    sqlite.base_port = free_base_port()
    text = (sqlite.dir / "posthorse.ini").read_text()
    for n, kind in enumerate(("smtp", "submission", "lmtp", "imap", "imaps", "admin")):
        text = text.replace(f"listen_{kind} = 127.0.0.1:0", f"listen_{kind} = 127.0.0.1:{sqlite.base_port + n}")
    (sqlite.dir / "posthorse.ini").write_text(text)
    served = Server("sqlite", dir=sqlite.dir, config=sqlite.dir / "posthorse.ini").start()
    try:
        taken = [Smtp(sqlite.base_port) for _ in range(5)]
        with Smtp(sqlite.base_port, greet=None) as more:
            assert more.greeting[0] == 421
        with Imap(sqlite.base_port + 3, "bob"):
            pass  # the limit is for mail
        taken[0].command("QUIT")
        wait_until(lambda: Smtp(sqlite.base_port, greet=None).greeting[0] == 220, 5, "a place")
        assert served.seen("session_refused")
    finally:
        assert served.stop() == 0


def test_silence_ends_a_session_with_a_word(sqlite):
    sqlite.start()
    sqlite.set(smtp_timeout_ms="1 s", imap_login_timeout_ms="1 s")
    with Smtp(sqlite.port("smtp")) as smtp, Imap(sqlite.port("imap")) as imap:
        assert smtp.reply()[0] == 421
        assert imap.line().startswith("* BYE")


# --- two servers, one PostgreSQL ---

@pytest.fixture(scope="module")
def pair():
    """Two servers on one PostgreSQL; yields them."""
    first = Server("postgres").start()
    ports = free_base_port()
    config = first.dir / "second.ini"
    text = re.sub(r"listen_\w+ = .*\n", "", (first.dir / "posthorse.ini").read_text())
    text = re.sub(r"data_dir = .*", f"data_dir = {first.dir}/second", text)
    config.write_text(text + "".join(f"listen_{k} = 127.0.0.1:{ports + n}\n" for n, k in
                                     enumerate(("smtp", "lmtp", "imap"))))
    second = Server("postgres", dir=first.dir, config=config).start()
    second.ports = {k: f"127.0.0.1:{ports + n}" for n, k in enumerate(("smtp", "lmtp", "imap"))}
    yield first, second
    second.process.terminate()
    code = second.wait()
    assert (code, first.remove()) == (0, 0)


def test_two_servers_postgres_see_each_other_at_once(pair):
    for here, there in (pair, pair[::-1]):
        with Imap(there.port("imap"), "bob") as idle, Imap(here.port("imap"), "bob") as busy:
            start = count(here)
            idle.ok("ENABLE CONDSTORE")
            idle.ok("SELECT INBOX")
            busy.ok("SELECT INBOX")
            tag = idle.begin("IDLE")
            assert idle.line().startswith("+")
            begun = time.monotonic()
            assert deliver(here) == 250
            assert idle.line(5) == f"* {start + 1} EXISTS"
            arrived = time.monotonic() - begun
            busy.ok("NOOP")
            begun = time.monotonic()
            busy.ok(f"STORE {start + 1} +FLAGS (\\Flagged shared)")
            while not re.match(rf"\* {start + 1} FETCH .*\\Flagged.* shared", line := idle.line(5)):
                assert line.startswith("* "), line
            print(f"delivery seen by the other server's IDLE after {1000 * arrived:.1f} ms, "
                  f"flags after {1000 * (time.monotonic() - begun):.1f} ms")
            idle.send("DONE\r\n")
            assert idle.end(tag)[0].startswith("OK")


def test_two_servers_postgres_give_the_same_numbers(pair):
    facts = []
    deliver(pair[0]), deliver(pair[1])
    for server in pair:
        with Imap(server.port("imap"), "bob") as imap:
            imap.ok("ENABLE CONDSTORE")
            lines = imap.ok("EXAMINE INBOX") + imap.ok("UID FETCH 1:* (FLAGS MODSEQ EMAILID)")
            facts.append([l for l in lines if re.search("UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ|MAILBOXID|FETCH|EXISTS", l)])
    assert facts[0] == facts[1] and len(facts[0]) > 6


def test_two_servers_postgres_expunge(pair):
    with Imap(pair[0].port("imap"), "carol") as one, Imap(pair[1].port("imap"), "carol") as other:
        assert deliver(pair[1], "carol") == 250
        one.ok("SELECT INBOX")
        other.ok("SELECT INBOX")
        one.ok("STORE 1 +FLAGS (\\Deleted)")
        one.ok("EXPUNGE")
        wait_until(lambda: "* 1 EXPUNGE" in other.ok("NOOP"), 5, "the other's expunge")
