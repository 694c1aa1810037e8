"""Servers of a domain hand mail to each other: who may, what is kept of a message, and that it is taken once."""
import json, re, secrets, socket, ssl, time

import pytest

from server import Closed, Line, wait_until
from sink import Sink
from test_cluster import Member, await_all_up, make_domain

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
            while lines[-1][3:4] == b"-":
                lines.append(self.line())
        except OSError as why:
            raise Closed(str(why))
        return b"\n".join(lines).decode()

    def say(self, text, code=250):
        self.send(text + "\r\n")
        reply = self.reply()
        assert reply.startswith(str(code)), f"{text}: {reply}"
        return reply

    def hello(self):
        assert self.reply().startswith("220 ")
        return self.say("EHLO peer.test").replace("\r", "").split("\n")

    def mail(self, rcpts, ident, params="", rcpt_params="", sender="s@example.test"):
        self.say(f"MAIL FROM:<{sender}>{params}")
        for rcpt in rcpts:
            self.say(f"RCPT TO:<{rcpt}>{rcpt_params}")
        self.say("DATA", 354)
        return self.say(f"Message-ID: <{ident}@e2e>\r\nSubject: over\r\n\r\nHello.\r\n.")


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


SETTINGS = {"listen_transfer": "127.0.0.1:0", "listen_submission": "127.0.0.1:0", "auth_plain_without_tls": "yes"}


@pytest.fixture(scope="module")
def sink():
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def pair(sink):
    members = make_domain(("a.test", "b.test"), SETTINGS)
    a, b = members
    add_account(a, "ann")
    put(a, "connection", "out", f"domain = example.net\nhost = 127.0.0.1:{sink.port}\ntls = none\n")
    wait_until(lambda: all(document(m, n.name) for m in members for n in members))
    yield members
    for member in members:
        member.remove()


@pytest.fixture
def both(pair):
    for member in pair:
        if member.process.poll() is not None:
            member.start()
    await_all_up(pair)
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
        params = " ".join(entry["params"]).upper()
        assert "RET=HDRS" in params and "ENVID=ABC+2BD" in params
        assert any("NOTIFY=SUCCESS,FAILURE" in p.upper() for p in entry["rcpts"][0][1])
        assert any(f"ORCPT=RFC822;FIRST+2B{ident}@EXAMPLE.ORG".upper() == p.upper() for p in entry["rcpts"][0][1])


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

def test_mail_goes_to_the_server_that_holds_the_account(both):
    a, b = both
    name = "bea" + new_id()
    add_account(b, name)
    status, answer = b.api(f"/v1/directory/show?kind=person&name={name}")
    assert status == 200, answer
    put(b, "person", name, answer["text"] + "server = b.test\n")
    wait_until(lambda: "server = b.test" in a.api(f"/v1/directory/show?kind=person&name={name}")[1].get("text", ""))
    ident = new_id()
    hand_over(a, b, [f"{name}@example.test"], ident)
    sent = wait_until(lambda: next((l for l in a.lines if "event=sent" in l and name in l), None))
    assert "250" in sent
    wait_until(lambda: inbox(b, name) == 1)
    came = next(l for l in b.lines if "event=smtp_accepted" in l and f"{ident}@e2e" in l)
    guid = re.search(r" guid=(\w+)", next(l for l in a.lines if "smtp_accepted" in l and f"{ident}@e2e" in l))[1]
    assert f"xguid={guid}" in came and 'origin="transfer a.test"' in came
    assert "delivered to " + name in b.run("trace", guid).stdout
