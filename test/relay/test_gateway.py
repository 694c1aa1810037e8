"""A gateway: mail to a foreign system and from it, its addresses rewritten both ways."""
import email, re, subprocess

import pytest

from relaying import HOME, Relay, message, new_id, status_of, wait_report
from server import Closed, Imap, Smtp, wait_until
from sink import Sink

US = "mail.example.test"  # the sandbox's server
THEIRS, OTHERS = "127.0.0.2", "127.0.0.3"
SIGNED = "DKIM-Signature: v=1; d=exchange.example\r\n"


@pytest.fixture(scope="module")
def exchange():
    with Sink(host=THEIRS, name="mx.exchange.example") as sink:
        yield sink


@pytest.fixture(scope="module")
def gateway(home, exchange):
    relay = Relay(settings={"queue_timeout_ms": "2 min"}).start()    # nothing here times out
    relay.connection("home", HOME, f"127.0.0.1:{home.port}")
    document(relay, "btex", "BTEx", f"{THEIRS}:{exchange.port}", "*@BTEx *@exchange.example",
             "alice@example.test alice@us.exchange.example", network="127.0.0.8/29")
    document(relay, "open", "OPEN", "mx.open.example", "*@OPEN *@open.example")
    yield relay
    assert relay.remove() == 0


def document(relay, name, domain, host, *rules, **more):
    path = relay.dir / f"{name}.ini"
    path.write_text(f"domain = {domain}\nmail_server = {US}\nhost = {host}\n" + "".join(f"rewrite = {r}\n" for r in rules) +
                    "".join(f"{k} = {v}\n" for k, v in more.items()))
    relay.ctl("directory", "edit", "foreign-domain", name, "--file", path)


def text(ident, sender, to, more=""):
    return (f"{more}Message-ID: {ident}\r\nFrom: \"A, {sender}\" <{sender}> (c)\r\nTo: {to},\r\n\tx . y@BTEx\r\n"
            f"Subject: {sender} {to}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n{sender} {to}\r\n").encode()


def give(relay, peer, sender, rcpt, data):
    """From the address peer; gives the codes."""
    import socket
    with Smtp(relay.port("smtp"), greet="") as smtp:
        smtp.close()
        smtp.sock = socket.create_connection(("127.0.0.1", relay.port("smtp")), 30, (peer, 0))
        smtp.rest = b""
        smtp.reply()
        smtp.extensions = smtp.command("EHLO test.example")[1]
        return smtp.mail(sender, [rcpt], data)


def read(relay, user, ident):
    """The message in the user's INBOX, byte for byte."""
    with Imap(relay.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        found = imap.ok(f"SEARCH HEADER Message-ID {ident}")[0].split()[2:]
        assert len(found) == 1, found
        return imap.ok(f"FETCH {found[0]} BODY.PEEK[]")[0]


def test_what_goes_there_is_as_they_write_it_and_its_size_is_told_right(gateway, exchange):
    ident = new_id()
    data = text(ident, "alice@example.test", "Carl <carl@BTEx>, dora@else.example", SIGNED)
    since = len(gateway.lines)
    gateway.send("carl@BTEx", ident, sender="alice@example.test", data=data)
    got = exchange.wait_accepted(to="carl@exchange.example", id=ident)[0]
    whole = exchange.text(got)
    assert got["from"] == "alice@us.exchange.example"
    assert data.replace(b"<alice@example.test> (c)", b"<alice@us.exchange.example> (c)").replace(
        b"<carl@BTEx>", b"<carl@exchange.example>", 1).replace(b"x . y@BTEx", b"x.y@exchange.example") in whole
    size = [int(re.search(r"SIZE=(\d+)", c["line"])[1]) for c in exchange.commands("MAIL", "alice@us")]
    assert size[-1] == len(whole)
    assert "ORCPT=rfc822;carl@btex" in exchange.commands("RCPT", "carl@exchange.example")[-1]["line"]
    line = gateway.await_line("way=out", since=since)
    assert "document=btex" in line and "addresses=3" in line and "signed=1" in line


def test_a_kept_connection_rewrites_as_a_new_one(gateway, exchange):
    idents = [gateway.send("keep@BTEx", sender=f"s@{HOME}") for _ in range(3)]
    for ident in idents:
        exchange.wait_accepted(to="keep@exchange.example", id=ident)


def test_a_report_names_the_address_that_was_written_here(gateway, home):
    ident = gateway.send("5yz-rcpt-9.carl@BTEx", sender=f"s@{HOME}")
    report = wait_report(home, ident)[0]
    assert status_of(report, "5yz-rcpt-9.carl@btex") == "5.1.1"


@pytest.mark.parametrize("peer", [THEIRS, "127.0.0.9"])
def test_what_comes_from_there_is_as_we_write_it(gateway, exchange, peer):
    ident = new_id()
    data = text(ident, "carl@exchange.example", "alice@us.exchange.example", SIGNED)
    assert give(gateway, peer, "carl@exchange.example", "alice@us.exchange.example", data) == [250, 250, 354, 250]
    got = read(gateway, "alice", ident)
    assert "Return-Path: <carl@btex>" in got
    assert data.decode().replace("<carl@exchange.example>", "<carl@btex>").replace(
        "To: alice@us.exchange.example", "To: alice@example.test") in got
    line = gateway.worker_log("way=in")[-1]
    assert "from=carl@exchange.example" in line and "as=carl@btex" in line and "signed=1" in line
    # ... and the reply goes the way back.
    reply = gateway.send("carl@btex", sender="alice@example.test")
    exchange.wait_accepted(to="carl@exchange.example", id=reply)


def test_a_report_from_there_is_rewritten_too(gateway):
    ident = new_id()
    assert give(gateway, THEIRS, "", "alice@example.test", text(ident, "carl@exchange.example", "alice@example.test"))[-1] == 250
    got = read(gateway, "alice", ident)
    assert "Return-Path: <>" in got and "<carl@btex>" in got


def test_who_is_not_of_the_documents_networks_is_left_as_is(gateway):
    ident = new_id()
    data = text(ident, "carl@exchange.example", "alice@example.test")
    assert give(gateway, OTHERS, "carl@exchange.example", "alice@example.test", data)[-1] == 250
    assert data.decode() in read(gateway, "alice", ident)


def test_without_networks_the_sender_tells(gateway):
    ident, other = new_id(), new_id()
    for i, sender in ((ident, "dan@open.example"), (other, f"s@{HOME}")):
        data = text(i, "dan@open.example", "alice@example.test")
        assert give(gateway, OTHERS, sender, "alice@example.test", data)[-1] == 250
    assert "<dan@open>" in read(gateway, "alice", ident)
    assert "<dan@open.example>" in read(gateway, "alice", other)


def test_what_they_send_to_themselves_does_not_go_round(gateway, exchange):
    ident = new_id()
    gateway.connection("exchange", "exchange.example", f"{THEIRS}:{exchange.port}")
    assert give(gateway, THEIRS, "carl@exchange.example", "dora@exchange.example", message(ident))[-1] == 250
    got = exchange.wait_accepted(to="dora@exchange.example", id=ident)[0]  # as given: no rule was applied on the way
    assert got["from"] == "carl@btex"
