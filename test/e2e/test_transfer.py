"""Servers of a domain hand mail to each other: who may, what is kept of a message, and that it is taken once."""
import json, re, secrets, socket, ssl, threading, time

import pytest

from server import Closed, Line, wait_until
from sink import Sink
from test_cluster import Member, await_all_up, make_domain, revive_all

GUID = "0123456789abcdef0123456789abcdef"


def document(member, name):
    status, answer = member.api(f"/v1/directory/show?kind=server&name={name}")
    return answer["text"] if status == 200 else ""


def transfer_port(member):
    """As the others read it in its document."""
    found = re.search(r"^smtp = 127\.0\.0\.1:(\d+)$", document(member, member.name), re.M)
    return int(found[1]) if found else None


class Transfer(Line):
    """A client of the transfer port that shows the certificate in the file."""

    def __init__(self, member, cert):
        super().__init__(transfer_port(member))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(member.data / "domain" / "authority.pem")
        context.check_hostname = False
        if cert:
            context.load_cert_chain(cert)
        try:
            self.sock = context.wrap_socket(self.sock)
        except OSError as why:
            raise Closed(str(why))

    def reply(self):
        try:
            lines = [self.line()]
            while lines[-1][3:4] == "-":
                lines.append(self.line())
        except OSError as why:
            raise Closed(str(why))
        return "\n".join(lines)

    def say(self, text, code=250):
        self.send(text + "\r\n")
        reply = self.reply()
        assert reply.startswith(str(code)), f"{text}: {reply}"
        return reply

    def hello(self):
        assert self.reply().startswith("220 ")
        return self.say("EHLO peer.test").replace("\r", "").split("\n")

    def mail(self, rcpts, ident, params="", rcpt_params="", sender="s@example.test", lines=1):
        self.say(f"MAIL FROM:<{sender}>{params}")
        for rcpt in rcpts:
            self.say(f"RCPT TO:<{rcpt}>{rcpt_params}")
        self.say("DATA", 354)
        return self.say(f"Message-ID: <{ident}@e2e>\r\nSubject: over\r\n\r\n" + "Hello.\r\n" * lines + ".")


def new_id():
    return secrets.token_hex(8)


def put(member, kind, name, text):
    status, answer = member.api("/v1/directory/edit", {"kind": kind, "name": name, "text": text})
    assert status == 200, answer


def add_account(member, name):
    status, answer = member.api("/v1/account/add", {"name": name, "password": "horse"})
    assert status == 200, answer


def inbox(member, name):
    status, answer = member.api(f"/v1/account/show?name={name}")
    assert status == 200, answer
    return next((f["messages"] for f in answer["folders"] if f["name"] == "INBOX"), 0)


def cert_of(member):
    return member.data / "domain" / "member.pem"


def hand_over(to, by, *args, **more):
    """One connection to `to` that shows the certificate of `by`, one message."""
    line = Transfer(to, cert_of(by))
    line.hello()
    line.mail(*args, **more)
    line.say("QUIT", 221)


SETTINGS = {"listen_transfer": "127.0.0.1:0", "listen_submission": "127.0.0.1:0", "auth_plain_without_tls": "yes",
            "queue_retry_min_ms": "1 s", "queue_probe_ms": "1 s",
            "smtp_out_cache_ms": 0,    # a kept connection would go past what stands before a port
            "cluster_steady_ms": "100 ms"}    # of servers that are killed again and again


@pytest.fixture(scope="module")
def sink():
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def pair(sink):
    members = make_domain(("a.test", "b.test"), SETTINGS)
    a, b = members
    add_account(a, "ann")
    for name in ("a.test", "b.test"):
        put(a, "foreign-domain", name, f"domain = example.net\nmail_server = {name}\nhost = 127.0.0.1:{sink.port}\ntls = none\n")
    wait_until(lambda: all(document(m, n.name) for m in members for n in members))
    yield members
    for member in members:
        member.remove()


@pytest.fixture
def both(pair):
    revive_all(pair)
    return pair


def test_a_server_tells_the_others_where_it_takes_mail(both):
    a, b = both
    assert transfer_port(a) and transfer_port(b) and transfer_port(a) != transfer_port(b)
    assert document(a, "b.test") == document(b, "b.test")


def test_what_is_offered(both):
    offered = Transfer(both[0], cert_of(both[1])).hello()
    words = {line[4:].split(" ")[0] for line in offered[1:]}
    assert {"XPOSTHORSE", "PIPELINING", "CHUNKING", "DSN", "SIZE", "8BITMIME", "SMTPUTF8"} <= words
    assert not words & {"AUTH", "STARTTLS"}


def test_mail_is_taken_from_a_server_of_the_domain_and_the_log_names_it(both):
    a, b = both
    ident, guid, before = new_id(), secrets.token_hex(16), inbox(a, "ann")
    hand_over(a, b, ["ann@example.test"], ident, f" XGUID={guid}")
    assert inbox(a, "ann") == before + 1
    line = wait_until(lambda: next((l for l in a.lines if f"{ident}@e2e" in l), None))
    assert "event=smtp_accepted" in line and f"xguid={guid}" in line and 'origin="transfer b.test"' in line
    for what in (guid, f"{ident}@e2e"):
        told = a.run("trace", what).stdout
        assert guid in told and "transfer b.test" in told and "delivered to ann" in told


def test_mail_for_others_is_relayed_with_its_dsn_parameters(both, sink):
    for to, by in (both, both[::-1]):
        ident = new_id()
        hand_over(to, by, [f"{ident}@example.net"], ident, " RET=HDRS ENVID=abc+2Bd SIZE=100",
                  f" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2B{ident}@example.org")
        entry = sink.wait_accepted(id=f"<{ident}@e2e>")[0]
        assert entry["params"]["RET"] == "HDRS" and entry["params"]["ENVID"] == "abc+2Bd"
        assert entry["rcpts"] == [[f"{ident}@example.net", {"NOTIFY": "SUCCESS,FAILURE",
                                                            "ORCPT": f"rfc822;first+2B{ident}@example.org"}]]


# --- once ---

def test_what_is_handed_over_twice_is_there_once(both, sink):
    a, b = both
    ident, guid, before = new_id(), secrets.token_hex(16), inbox(a, "ann")
    for _ in range(3):
        hand_over(a, b, ["ann@example.test", f"{ident}@example.net"], ident, f" XGUID={guid}")
    hand_over(a, b, ["ann@example.test", f"{ident}-2@example.net"], ident, f" XGUID={guid}")
    sink.wait_accepted(2, id=f"<{ident}@e2e>")
    wait_until(lambda: ident not in a.run("queue", "list").stdout)
    entries = sink.messages(id=f"<{ident}@e2e>")
    assert sorted(e["rcpts"][0][0] for e in entries) == [f"{ident}-2@example.net", f"{ident}@example.net"]
    assert inbox(a, "ann") == before + 1
    assert sum("event=smtp_known" in l and guid in l for l in a.lines) == 3


def test_another_name_for_the_message_is_another_message(both):
    a, b = both
    before = inbox(a, "ann")
    for params in (" XGUID=" + secrets.token_hex(16), " XGUID=" + secrets.token_hex(16), "", ""):
        hand_over(a, b, ["ann@example.test"], new_id(), params)
    assert inbox(a, "ann") == before + 4


def test_once_also_where_the_server_is_killed_between(both):
    a, b = both
    ident, guid, before = new_id(), secrets.token_hex(16), inbox(a, "ann")
    line = Transfer(a, cert_of(b))
    line.hello()
    line.send(f"MAIL FROM:<s@example.test> XGUID={guid}\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
    assert [line.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    line.send(f"Message-ID: <{ident}@e2e>\r\n\r\nHello.\r\n.\r\n")
    a.await_line(f"{ident}@e2e")    # durable; whether its 250 was heard, nobody says
    a.kill()
    a.start()
    hand_over(a, b, ["ann@example.test"], ident, f" XGUID={guid}")
    assert inbox(a, "ann") == before + 1


@pytest.mark.parametrize("params", [" XGUID=" + GUID[1:], " XGUID=" + "G" * 32, f" XGUID={GUID} XGUID={GUID}", " XGUID"])
def test_a_bad_name_for_a_message_is_refused(both, params):
    line = Transfer(both[0], cert_of(both[1]))
    line.hello()
    line.say(f"MAIL FROM:<s@example.test>{params}", 501)
    line.say(f"MAIL FROM:<s@example.test> XGUID={GUID}")


# --- who is refused ---

def refusals(member):
    return member.count("transfer_refused") + member.count("tls_failed")


def is_refused(member, cert):
    before = refusals(member)
    with pytest.raises(Closed):
        line = Transfer(member, cert)
        line.send("EHLO evil.test\r\nMAIL FROM:<evil@example.test>\r\n")
        raise AssertionError(line.reply())
    wait_until(lambda: refusals(member) > before, what="a line in the log")


def test_who_shows_no_certificate_gets_no_session(both):
    is_refused(both[0], None)
    assert "shows no certificate" in "".join(both[0].lines)


def test_who_shows_this_servers_own_certificate_gets_no_session(both):
    is_refused(both[0], cert_of(both[0]))


def test_a_certificate_of_another_domain_gets_no_session(both):
    foreign = Member("b.test", 1)
    try:
        foreign.run("domain", "init")
        is_refused(both[0], cert_of(foreign))
    finally:
        foreign.remove()


def test_what_is_not_tls_gets_no_session(both):
    before = refusals(both[0])
    with socket.create_connection(("127.0.0.1", transfer_port(both[0])), 20) as sock:
        sock.sendall(b"EHLO evil.test\r\nMAIL FROM:<evil@example.test>\r\n" * 10)
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
    wait_until(lambda: refusals(both[0]) > before)


def test_a_revoked_server_is_cut_off_and_gets_no_session_any_more():
    members = make_domain(("a.test", "b.test"), SETTINGS)
    a, b = members
    try:
        add_account(a, "ann")
        line = Transfer(a, cert_of(b))
        line.hello()
        line.mail(["ann@example.test"], new_id())
        a.run("domain", "revoke", "b.test", "--yes")
        wait_until(lambda: a.count("cluster_refused") > 0, what="the revocation")
        line.say("MAIL FROM:<s@example.test>", 421)
        is_refused(a, cert_of(b))
        a.kill()
        a.start()
        is_refused(a, cert_of(b))    # from the first moment on
        assert inbox(a, "ann") == 1
    finally:
        for member in members:
            member.remove()


def test_an_ended_certificate_gets_no_session():
    members = make_domain(("a.test", "b.test"), {**SETTINGS, "cluster_certificate_ms": "6 s"})
    a, b = members
    try:
        old = b.dir / "old.pem"
        old.write_bytes(cert_of(b).read_bytes())
        ends_ms = json.loads(b.run("domain", "show", "--json").stdout)["ends_ms"]
        Transfer(a, old).hello()
        wait_until(lambda: time.time() * 1000 > ends_ms)
        is_refused(a, old)
        wait_until(lambda: b.count("domain_renewed") > 0)
        Transfer(a, cert_of(b)).hello()
    finally:
        for member in members:
            member.remove()


# --- the whole way ---

def place(on, name, others):
    """Gives the person's account to the server; all know."""
    text = on.api(f"/v1/directory/show?kind=person&name={name}")[1]["text"]
    if f"server = {on.name}\n" not in text:
        put(on, "person", name, text + f"server = {on.name}\n")
    for member in others:
        wait_until(lambda: f"server = {on.name}" in
                   member.api(f"/v1/directory/show?kind=person&name={name}")[1].get("text", ""))


@pytest.fixture(scope="module")
def bea(pair):
    """Her account is on b alone; ann's on a alone."""
    a, b = pair
    name = "bea"
    add_account(b, name)
    place(b, name, [a])
    place(a, "ann", [b])
    return f"{name}@example.test"


def test_mail_goes_to_the_server_that_holds_the_account(both, bea):
    a, b = both
    ident, before, at_a, at_b = new_id(), inbox(b, "bea"), len(a.lines), len(b.lines)
    hand_over(a, b, [bea], ident)
    wait_until(lambda: inbox(b, "bea") == before + 1)
    guid = re.search(r" guid=(\w+)", a.await_line(f"message_id=<{ident}@e2e>", since=at_a))[1]
    came = b.await_line(f"message_id=<{ident}@e2e>", since=at_b)
    wait_until(lambda: any("event=sent" in l and guid in l for l in a.lines))
    assert f"xguid={guid}" in came and 'origin="transfer a.test"' in came
    assert "delivered to bea" in b.run("trace", guid).stdout


def test_the_report_of_a_delivery_comes_back_from_the_other_server(both, bea):
    a, b = both
    before = inbox(a, "ann")
    hand_over(a, b, [bea], new_id(), " ENVID=xyz", " NOTIFY=SUCCESS", sender="ann@example.test")
    wait_until(lambda: inbox(a, "ann") == before + 1)
    assert any("event=reported" in l for l in b.lines) and not any("event=reported" in l for l in a.lines)


def test_mail_waits_where_somebody_else_answers_and_health_learns_of_it(both, bea):
    a, b = both
    text, before, since = document(a, "b.test"), inbox(b, "bea"), len(a.lines)
    put(a, "server", "b.test", re.sub(r"^smtp = .*$", f"smtp = 127.0.0.1:{transfer_port(a)}", text, flags=re.M))
    try:
        ident = new_id()
        hand_over(a, b, [bea], ident)
        down = a.await_line("event=destination_down", since=since)
        assert "b.test is meant" in down
        told = a.await_line("event=server_state", since=since)
        assert "server=b.test" in told and "state=suspect" in told
        assert inbox(b, "bea") == before
    finally:
        put(a, "server", "b.test", text)
    wait_until(lambda: inbox(b, "bea") == before + 1)
    await_all_up(both)


class Swallower:
    """Stands before a port: where much is sent on a connection, the answers to it are lost."""

    def __init__(self, port):
        self.port, self.swallowing, self.socks = port, True, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.run, daemon=True).start()

    def port_here(self):
        return self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                return
            self.socks += [here, there]
            held = threading.Event()
            threading.Thread(target=self.pass_on, args=(here, there, held, self.swallowing), daemon=True).start()
            threading.Thread(target=self.pass_back, args=(there, here, held), daemon=True).start()

    def pass_on(self, here, there, held, swallowing):
        count = 0
        try:
            while data := here.recv(65536):
                count += len(data)
                if swallowing and count > 20000:
                    held.set()
                there.sendall(data)
        except OSError:
            pass

    def pass_back(self, there, here, held):
        try:
            while data := there.recv(65536):
                if not held.is_set():
                    here.sendall(data)
        except OSError:
            pass

    def cut(self):
        """From now on all is passed on as it should be."""
        self.swallowing = False
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("killed", ["nobody", "the sender", "the receiver"])
def test_a_swallowed_answer_makes_no_second_copy(both, bea, killed):
    a, b = both
    text, ident, before, since = document(a, "b.test"), new_id(), inbox(b, "bea"), len(b.lines)
    at_a = len(a.lines)
    swallower = Swallower(transfer_port(b))
    put(a, "server", "b.test", re.sub(r"^smtp = .*$", f"smtp = 127.0.0.1:{swallower.port_here()}", text, flags=re.M))
    wait_until(lambda: document(b, "b.test") == document(a, "b.test"))
    try:
        hand_over(a, b, [bea], ident, lines=10000)
        b.await_line(f"{ident}@e2e", since=since)    # durable there; nobody here knows
        assert not any("event=sent" in l and bea in l for l in a.lines[at_a:])
        member = {"the sender": a, "the receiver": b}.get(killed)
        if member:
            member.kill()
        swallower.cut()
        if member:
            since = 0 if member is b else since
            member.start()
        if member is not b:    # which says by itself where it listens now
            put(a, "server", "b.test", text)
        b.await_line("event=smtp_known", 30, since=since)
        wait_until(lambda: "bea" not in a.run("queue", "list").stdout)
        assert inbox(b, "bea") == before + 1
    finally:
        swallower.close()


def test_what_a_server_handed_over_before_it_died_is_not_delivered_from_its_copy_too(both, bea):
    """b took it and a never heard so; then a dies, and b, who has the copy of it, takes over."""
    a, b = both
    for member in both:
        member.set_conf(shadow_takeover_ms=1500)
    marks = [len(member.lines) for member in both]
    put(a, "cluster", "pair", "member = a.test\nmember = b.test\n")
    for member, mark in zip(both, marks):
        member.await_line("event=shadow_settled", since=mark)
    text, ident, before, since = document(a, "b.test"), new_id(), inbox(b, "bea"), len(b.lines)
    swallower = Swallower(transfer_port(b))
    put(a, "server", "b.test", re.sub(r"^smtp = .*$", f"smtp = 127.0.0.1:{swallower.port_here()}", text, flags=re.M))
    wait_until(lambda: document(b, "b.test") == document(a, "b.test"))
    try:
        hand_over(a, b, [bea], ident, lines=10000)
        b.await_line(f"{ident}@e2e", since=since)
        a.kill()
        assert not any("event=sent" in l and bea in l for l in a.lines[marks[0]:])
        b.await_line("event=shadow_takeover", 30, since=since)
        wait_until(lambda: b.api("/v1/status")[1]["queue"]["recipients"] == 0, what="an empty queue")
        assert inbox(b, "bea") == before + 1
    finally:
        swallower.close()
        if a.process.poll() is not None:
            a.start()
        put(a, "server", "b.test", text)
        assert a.api("/v1/directory/remove", {"kind": "cluster", "name": "pair"})[0] == 200
    await_all_up(both)
    assert inbox(b, "bea") == before + 1
