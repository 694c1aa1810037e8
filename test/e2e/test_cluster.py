"""A domain of three servers: joining, health, documents that reach all, and who is refused."""
import http.client, json, os, re, signal, socket, ssl, statistics, struct, subprocess, time, urllib.request

import pytest

import server as servers
from server import wait_until

NAMES = ("a.test", "b.test", "c.test")
HELLO, PING, PONG, DOCUMENT, SEEN, VIEW, RENEW, JOIN, MEMBER, REFUSED = range(1, 11)


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Member(servers.Server):
    """`posthorse serve` with settings of its own, and its commands."""

    def __init__(self, name, port, settings=None):
        super().__init__()
        self.name, self.cluster_port = name, port
        self.data = self.dir / "data"
        self.config = self.dir / "posthorse.ini"
        self.data.mkdir()
        user = "nobody" if os.getuid() == 0 else ""
        if user:
            subprocess.run(["chown", "nobody", str(self.data)], check=True)
        lines = {"server_name": name, "domains": "example.test", "data_dir": self.data, "user": user,
                 "listen_cluster": f"127.0.0.1:{port}", "listen_smtp": "127.0.0.1:0", **(settings or {})}
        self.config.write_text("".join(f"{k} = {v}\n" for k, v in lines.items()))

    def run(self, *words, check=True):
        done = subprocess.run([servers.BINARY, *words, "-c", str(self.config)], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(f"{words}: {done.returncode} {done.stderr}")
        return done

    def set_conf(self, **settings):
        """Changes settings and has them read."""
        lines = [l for l in self.config.read_text().splitlines() if l.split(" =")[0] not in settings]
        self.config.write_text("\n".join(lines + [f"{k} = {v}" for k, v in settings.items()]) + "\n")
        self.reload()

    def api(self, path, args=None):
        connection = Unix(self.data / "admin.sock")
        try:
            connection.request("POST" if args is not None else "GET", path,
                               json.dumps(args) if args is not None else None)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def edit(self, name, full_name):
        status, answer = self.api("/v1/directory/edit", {"kind": "group", "name": name,
                                                          "text": f"full_name = {full_name}\n"})
        assert status == 200, answer

    def text(self, name):
        status, answer = self.api(f"/v1/directory/show?kind=group&name={name}")
        return answer["text"] if status == 200 else None

    def states(self):
        """What it thinks of the others."""
        status, answer = self.api("/v1/cluster/show")
        assert status == 200, answer
        return {s["name"]: s["state"] for s in answer["servers"]}

    def invite(self, name, *more):
        return self.run("domain", "invite", name, *more).stdout.strip()

    def join(self, token, port):
        return self.run("domain", "join", f"127.0.0.1:{port}", token, check=False)

    def count(self, event):
        return sum(f"event={event} " in line for line in self.lines)


def make_domain(names=NAMES, settings=None, listen=(), of=None):
    """listen: kinds of ports that each gets besides, for member.port(kind). of: settings of one alone, by its name."""
    base = servers.free_base_port(len(names) * (1 + len(listen)))
    members = []
    for n, name in enumerate(names):
        ports = {kind: f"127.0.0.1:{base + len(names) * (1 + k) + n}" for k, kind in enumerate(listen)}
        members.append(Member(name, base + n, {**(settings or {}), **(of or {}).get(name, {}),
                                                 **{f"listen_{k}": at for k, at in ports.items()}}))
        members[-1].ports = ports
    members[0].run("domain", "init")
    members[0].start()
    for member in members[1:]:
        done = member.join(members[0].invite(member.name), base)
        assert done.returncode == 0, done.stderr
        member.start()
    await_all_up(members)
    return members


def await_all_up(members):
    for member in members:
        others = {m.name: "up" for m in members if m is not member}
        wait_until(lambda: member.states() == others, 30, f"{member.name} seeing {others}")


def revive_all(members):
    """All run and see each other."""
    for member in members:
        if member.process.poll() is not None:
            member.start()
    await_all_up(members)


@pytest.fixture(scope="module")
def domain():
    members = make_domain()
    yield members
    for member in members:
        member.remove()


@pytest.fixture
def ready(domain):
    revive_all(domain)
    return domain


@pytest.fixture
def two():
    members = make_domain(("a.test", "b.test"), listen=("admin",))
    yield members
    for member in members:
        member.remove()


# --- documents ---

def test_an_edit_reaches_all_servers_within_a_second(ready):
    took = []
    for n in range(20):
        begun = time.monotonic()
        ready[n % 3].edit("quick", f"number {n}")
        wait_until(lambda: all(m.text("quick") == f"full_name = number {n}\n" for m in ready), 20)
        took.append(time.monotonic() - begun)
    print(f"an edit on all of 3: median {statistics.median(took) * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms")
    assert statistics.median(took) < 1


def test_a_removed_document_goes_everywhere(ready):
    ready[0].edit("going", "soon gone")
    wait_until(lambda: all(m.text("going") for m in ready))
    status, answer = ready[2].api("/v1/directory/remove", {"kind": "group", "name": "going"})
    assert status == 200, answer
    wait_until(lambda: not any(m.text("going") for m in ready))


def test_after_a_partition_the_newest_wins_and_the_loser_is_reported(ready):
    a, b, c = ready
    a.edit("torn", "whole")
    wait_until(lambda: all(m.text("torn") for m in ready))
    b.stop()
    c.stop()
    a.edit("torn", "as A has it")
    a.edit("only-a", "made while alone")
    a.stop()
    b.start()
    b.edit("torn", "as B has it")
    b.edit("only-b", "made while alone")
    a.start()
    c.start()
    wait_until(lambda: all(m.text("torn") == "full_name = as B has it\n" and m.text("only-a") and m.text("only-b")
                           for m in ready), 30)
    assert any("event=document_conflict" in line and "it=won" in line and "name=torn" in line for line in a.lines)
    wait_until(lambda: any("event=document_conflict" in line and "it=lost" in line for line in b.lines))
    history = a.run("store", "check")
    assert "no faults" in history.stdout


def sent(member):
    with urllib.request.urlopen(f"http://{member.ports['admin']}/metrics", timeout=20) as answer:
        return int(re.search(r"^posthorse_documents_sent (\d+)", answer.read().decode(), re.M)[1])


def test_after_a_restart_only_what_is_new_is_told(two):
    a, b = two
    for n in range(30):
        a.edit(f"many{n}", "x")
    wait_until(lambda: all(b.text(f"many{n}") for n in range(30)))
    before = sent(a)
    b.stop()
    a.edit("new", "made while b was away")
    b.start()
    wait_until(lambda: b.text("new"))
    await_all_up(two)
    assert sent(a) - before < 10  # its own document, and the new one
    a.stop()
    b.edit("newer", "made while a was away")
    a.start()
    wait_until(lambda: a.text("newer"))
    await_all_up(two)
    assert sent(a) < 10


def test_a_store_that_was_put_back_gets_what_it_had_told_and_tells_what_is_new(two):
    a, b = two
    a.edit("old", "x")
    a.stop()
    kept = {path: path.read_bytes() for path in a.data.glob("*") if path.is_file()}
    a.start()
    for n in range(5):
        a.edit(f"lost{n}", "x")
    wait_until(lambda: b.text("lost4"))
    a.stop()
    for path in a.data.glob("*"):
        if path.is_file() and path not in kept:
            path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    a.start()
    a.edit("after", "made by the one that was put back")
    wait_until(lambda: b.text("after"))
    wait_until(lambda: all(a.text(f"lost{n}") for n in range(5)))


def test_a_removed_document_is_forgotten_when_all_have_seen_it(two):
    a, b = two
    a.edit("brief", "x")
    wait_until(lambda: b.text("brief"))
    b.stop()
    assert a.api("/v1/directory/remove", {"kind": "group", "name": "brief"})[0] == 200
    for member in two:
        member.config.write_text(member.config.read_text() + "directory_tombstone_ms = 1 s\n")
    a.reload()
    since = time.monotonic()
    wait_until(lambda: time.monotonic() > since + 2.5, what="more than two looks")
    assert a.count("tombstones_purged") == 0 and a.run("directory", "history", "group", "brief").returncode == 0
    b.start()
    for member in two:
        wait_until(lambda: member.run("directory", "history", "group", "brief", check=False).returncode != 0, 30,
                   f"{member.name} forgetting it")
    assert a.text("brief") is None and b.text("brief") is None
    for member in two:
        member.stop()
        assert "no faults" in member.run("store", "check").stdout


# --- health ---

def await_state(member, name, want, seconds=20):
    begun = time.monotonic()
    wait_until(lambda: member.states()[name] == want, seconds, f"{member.name} seeing {name} {want}")
    return time.monotonic() - begun


def test_a_killed_server_is_down_in_less_than_a_second(ready):
    a, b, c = ready
    c.kill()
    took = [await_state(a, "c.test", "down"), await_state(b, "c.test", "down")]
    print(f"kill -9 until down: {took[0] * 1000:.0f} ms, then {took[1] * 1000:.0f} ms")
    assert took[0] < 5 and took[1] < 5
    c.start()
    for member in (a, b):
        await_state(member, "c.test", "up")
    assert c.states() == {"a.test": "up", "b.test": "up"}


def test_a_hanging_server_is_suspect_then_down_and_up_when_it_goes_on(ready):
    a, _, c = ready
    since = len(a.lines)
    pid = c.worker()
    os.kill(pid, signal.SIGSTOP)
    try:
        took = await_state(a, "c.test", "down")
        print(f"SIGSTOP until down: {took * 1000:.0f} ms")
        def told():
            return [line for line in a.lines[since:] if "event=server_state" in line and "server=c.test" in line]
        lines = wait_until(lambda: told() if len(told()) > 1 else None)
        assert "state=suspect" in lines[0] and "state=down" in lines[1]
    finally:
        os.kill(pid, signal.SIGCONT)
    await_state(a, "c.test", "up")


def test_a_killed_worker_is_replaced_and_nobody_is_down_for_long(ready):
    a, b, _ = ready
    worker = b.worker()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: b.worker() not in (None, worker))
    await_state(a, "b.test", "up")
    wait_until(lambda: b.states() == {"a.test": "up", "c.test": "up"})


def test_busy_and_restricted_are_told_to_the_others(ready):
    a, b, _ = ready
    b.set(server_availability_threshold=100)
    await_state(a, "b.test", "busy")
    b.set(server_restricted=2)
    await_state(a, "b.test", "restricted")
    b.set(server_availability_threshold=0, server_restricted=0)
    await_state(a, "b.test", "up")


def test_cluster_show_tells_each_ones_view(ready):
    shown = wait_until(lambda: (lambda t: t if t.count("in the eyes of") == 2 else None)(
        ready[0].run("cluster", "show", "--all").stdout))
    assert "b.test" in shown and "c.test" in shown and "up" in shown
    status, answer = ready[0].api("/v1/cluster/show?views=yes")
    assert status == 200 and {v["name"] for v in answer["servers"][0]["view"]} == {"a.test", "c.test"}


# --- who is refused ---

def frame(kind, *fields):
    body = bytes([kind])
    for field in fields:
        body += struct.pack(">Q", field) if isinstance(field, int) else struct.pack(">I", len(field)) + field
    return struct.pack(">I", len(body)) + body


def dial(port, cert=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert)
    raw = socket.create_connection(("127.0.0.1", port), 20)
    return context.wrap_socket(raw)


def ends(port, data, cert=None):
    """What it says until it hangs up."""
    said = b""
    try:
        with dial(port, cert) as sock:
            sock.sendall(data)
            while True:
                more = sock.recv(65536)
                if not more:
                    break
                said += more
    except TimeoutError:
        raise AssertionError(f"it does not hang up, and said {said!r}")
    except (ssl.SSLError, ConnectionError, BrokenPipeError):
        pass
    return said


HELLO_FRAME = frame(HELLO, 1, 5, 0, 0, 0, 0, b"b.test", b"0")
EVIL = frame(DOCUMENT, 1, 10**15, 0, 0, b"group", b"evil", b"b.test", b"", b"", b"full_name = evil\n")


def refusals(member):
    return member.count("cluster_refused") + member.count("tls_failed")


@pytest.mark.parametrize("what, data", [
    ("a document without a certificate", HELLO_FRAME + EVIL),
    ("a frame over the limit", struct.pack(">I", 1 << 30) + b"\x01"),
    ("a frame of no known type", struct.pack(">I", 5) + b"\xee1234"),
    ("an empty frame", struct.pack(">I", 0)),
    ("a join whose fields do not fit", struct.pack(">I", 9) + bytes([JOIN]) + b"\xff" * 8),
    ("garbage", os.urandom(3) + b"\xff" * 4000),
], ids=lambda value: value if isinstance(value, str) else "")
def test_strangers_are_refused_and_logged(ready, what, data):
    before = refusals(ready[0])
    said = ends(ready[0].cluster_port, data)
    assert said == b"" or said[4] == REFUSED
    wait_until(lambda: refusals(ready[0]) > before, what="a line in the log")
    assert ready[0].text("evil") is None


def test_what_is_not_tls_is_refused(ready):
    before = refusals(ready[0])
    with socket.create_connection(("127.0.0.1", ready[0].cluster_port), 20) as sock:
        try:
            sock.sendall(HELLO_FRAME + EVIL)
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
    wait_until(lambda: refusals(ready[0]) > before)
    assert ready[0].text("evil") is None


def test_a_certificate_of_another_domain_is_refused(ready):
    foreign = Member("b.test", 1)
    try:
        foreign.run("domain", "init")
        before = refusals(ready[0])
        assert ends(ready[0].cluster_port, HELLO_FRAME + EVIL, foreign.data / "domain" / "member.pem") == b""
        wait_until(lambda: refusals(ready[0]) > before)
        assert ready[0].text("evil") is None
    finally:
        foreign.remove()


@pytest.mark.parametrize("what, data", [
    ("another name than the certificate's", frame(HELLO, 1, 5, 0, 0, 0, 0, b"c.test", b"0") + EVIL),
    ("a document before a greeting", EVIL),
    ("a pong that nobody asked for", HELLO_FRAME + frame(PONG, 1, 5, 100, 0, 0, 9)),
    ("a certificate that nobody asked for", HELLO_FRAME + frame(MEMBER, b"x")),
    ("a frame over the limit", HELLO_FRAME + struct.pack(">I", 1 << 24) + b"\x04"),
    ("garbage", HELLO_FRAME + b"\xff" * 100),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_member_that_talks_nonsense_is_cut_off(ready, what, data):
    before = ready[0].count("cluster_refused")
    ends(ready[0].cluster_port, data, ready[1].data / "domain" / "member.pem")
    wait_until(lambda: ready[0].count("cluster_refused") > before, what="a line in the log")
    assert ready[0].text("evil") is None
    await_all_up(ready)


def test_a_document_that_is_none_is_left_out_and_what_comes_with_it_is_taken(ready):
    a, b, _ = ready
    before = a.count("document_refused")
    good = frame(DOCUMENT, 2, 10**12, 0, 0, b"group", b"beside", b"b.test", b"", b"", b"full_name = good\n")
    bad = frame(DOCUMENT, 1, 10**12, 0, 0, b"group", b"evil", b"b.test", b"", b"", b"\xff\xfe")
    with dial(a.cluster_port, b.data / "domain" / "member.pem") as sock:
        sock.sendall(HELLO_FRAME + bad + good)
        wait_until(lambda: a.text("beside"), what="the good one")
    assert a.count("document_refused") == before + 1 and a.text("evil") is None
    wait_until(lambda: b.text("beside"))


def test_an_ended_certificate_is_refused():
    members = make_domain(("a.test", "b.test"), {"cluster_certificate_ms": "6 s"})
    a, b = members
    try:
        old = b.dir / "old.pem"
        old.write_bytes((b.data / "domain" / "member.pem").read_bytes())
        ends_ms = json.loads(b.run("domain", "show", "--json").stdout)["ends_ms"]
        # Good to the end of its last second, by time(), which is up to a tick of the kernel's behind the clock read here.
        wait_until(lambda: time.time() * 1000 > ends_ms + 1050)
        before = refusals(a)
        assert ends(a.cluster_port, HELLO_FRAME + EVIL, old) == b""
        wait_until(lambda: refusals(a) > before)
        assert a.text("evil") is None
    finally:
        for member in members:
            member.remove()


def test_a_document_that_names_itself_a_reader_is_refused_and_nothing_changes(ready):
    """A server that the readers keep out cannot write itself in."""
    a, b, _ = ready
    def put(member, kind, name, text):
        return member.api("/v1/directory/edit", {"kind": kind, "name": name, "text": text})
    secret = "full_name = secret\nreader = a.test\nreader = chosen\nreader = [keepers]\n"
    assert put(a, "group", "chosen", "member = a.test\n")[0] == 200
    assert put(a, "group", "secret", secret)[0] == 200
    show = "/v1/directory/show?kind=group&name=secret"
    wait_until(lambda: b.api(show)[0] == 200 and b.api("/v1/directory/show?kind=group&name=chosen")[0] == 200)
    for text in (secret + "reader = b.test\n", secret + "author = b.test\n", "full_name = secret\n"):
        status, answer = put(b, "group", "secret", text)
        assert status >= 400 and "may see" in json.dumps(answer), (text, status, answer)
    assert b.api(show)[1]["text"] == a.api(show)[1]["text"] == secret


def test_a_flood_of_strangers_does_not_make_a_server_down(ready):
    since = len(ready[1].lines)
    waiting = []
    try:
        for _ in range(100):
            waiting.append(socket.create_connection(("127.0.0.1", ready[0].cluster_port), 20))
        for _ in range(50):
            ends(ready[0].cluster_port, b"\xff" * 5000)
        assert ready[1].states()["a.test"] != "down"
    finally:
        for sock in waiting:
            sock.close()
    assert not any("state=down" in line for line in ready[1].lines[since:])
    await_all_up(ready)


# --- joining ---

@pytest.fixture
def lone():
    """A server that is of no domain."""
    member = Member("d.test", servers.free_base_port(1))
    yield member
    member.remove()


def test_a_token_opens_once_for_one_name_in_its_time(ready, lone):
    a = ready[0]
    port = a.cluster_port
    good = a.invite("d.test")
    guessed = good[:20] + ("0" if good[20] != "0" else "1") + good[21:]
    assert lone.join(guessed, port).returncode != 0
    assert lone.join(a.invite("e.test"), port).returncode != 0
    short = a.invite("d.test", "--expires", "1 ms")
    made = time.time()
    wait_until(lambda: time.time() > made + 0.01)
    assert lone.join(short, port).returncode != 0
    assert lone.join("nonsense", port).returncode != 0
    assert not (lone.data / "domain" / "member.pem").exists()
    assert lone.join(good, port).returncode == 0
    again = Member("d.test", 1)
    assert again.join(good, port).returncode != 0
    again.remove()
    for reason in ("is not the invitation's", "is for another name", "has expired", "was used"):
        wait_until(lambda: any("event=cluster_refused" in l and reason in l for l in a.lines), what=reason)


def test_a_token_is_told_to_no_other_domain(ready, lone):
    other = Member("x.test", servers.free_base_port(1))
    try:
        other.run("domain", "init")
        other.start()
        done = lone.join(ready[0].invite("d.test"), other.cluster_port)
        assert done.returncode != 0 and "nothing was told to it" in done.stderr
    finally:
        other.remove()


def test_init_and_join_refuse_where_there_is_a_domain(ready, lone):
    done = ready[0].run("domain", "init", check=False)
    assert done.returncode != 0 and "is of a domain already" in done.stderr
    assert lone.join(ready[0].invite("d.test"), ready[0].cluster_port).returncode == 0
    done = lone.join(ready[0].invite("d.test"), ready[0].cluster_port)
    assert done.returncode != 0 and "already" in done.stderr
    assert ready[1].run("domain", "invite", "z.test", check=False).returncode != 0
    shown = json.loads(lone.run("domain", "show", "--json").stdout)
    assert shown["domain"] == "example.test" and shown["server"] == "d.test" and not shown["authority"]


def test_guessing_is_slowed_down():
    a = make_domain(("a.test",))[0]
    lone = Member("d.test", 1)
    try:
        good = a.invite("d.test")
        guessed = good[:20] + ("0" if good[20] != "0" else "1") + good[21:]
        said = [lone.join(guessed, a.cluster_port).stderr for _ in range(12)]
        assert "too many tries" in said[-1]
        assert "too many tries" in lone.join(good, a.cluster_port).stderr
    finally:
        lone.remove()
        a.remove()


def test_a_revoked_server_is_out_on_every_server_until_it_joins_anew():
    members = make_domain()
    a, b, c = members
    try:
        assert b.run("domain", "revoke", "c.test", "--yes").returncode == 0
        for member in (a, b):
            await_state(member, "c.test", "down")
        wait_until(lambda: a.count("cluster_refused") > 0 and b.count("cluster_refused") > 0)
        c.edit("evil", "by one who is out")
        b.edit("good", "by one who is in")
        wait_until(lambda: a.text("good"))
        assert a.text("evil") is None and b.text("evil") is None
        assert "c.test" in a.run("domain", "show").stdout
        c.stop()
        for path in (c.data / "domain").glob("*.pem"):
            path.unlink()
        done = c.join(a.invite("c.test"), a.cluster_port)
        assert done.returncode == 0, done.stderr
        c.start()
        await_all_up(members)
        wait_until(lambda: a.text("evil") and b.text("evil") and c.text("good"))
    finally:
        for member in members:
            member.remove()


def test_certificates_are_renewed_before_they_end():
    members = make_domain(("a.test", "b.test"), {"cluster_certificate_ms": "9 s"})
    try:
        ends_ms = [json.loads(m.run("domain", "show", "--json").stdout)["ends_ms"] for m in members]
        for member in members:
            wait_until(lambda: member.count("domain_renewed") > 1, 40, "two renewals")
        later_ms = [json.loads(m.run("domain", "show", "--json").stdout)["ends_ms"] for m in members]
        assert all(later > before for later, before in zip(later_ms, ends_ms))
        for member in members:
            member.process.terminate()
        for member in members:
            member.wait()
            member.start()
        await_all_up(members)
    finally:
        for member in members:
            member.remove()
