"""Debian's Postfix, OpenSMTPD and Exim on both sides of the relay."""
import re, subprocess

import pytest

import mta
from processes import listening
from relaying import HOME, Relay, message, new_id, stuffed, wait_report
from server import Smtp, make_dir, wait_until
from sink import Sink

SENDER = f"s@{HOME}"
EIGHT_BIT = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
BIG = b"0123456789012345678901234567890123456789012345678901234567890123456789 234567\r\n" * 13500  # 1 MB
DOTS = b".\r\n..\r\n.leading\r\nin.the.middle\r\n\r\n.\r\n end"


@pytest.fixture(scope="module")
def plain_relay(home):
    """With a document for each peer and each sink; their ports are only known once they run."""
    relay = Relay(settings={"smtp_out_timeout_ms": "20 s", "queue_timeout_ms": "2 min"}).start()    # nothing here times out
    relay.connection("home", HOME, f"127.0.0.1:{home.port}")
    yield relay
    assert relay.remove() == 0


@pytest.fixture(scope="module", params=list(mta.MTAS))
def peer(request, plain_relay):
    """A peer that takes mail for its own domain and gives everything else to the relay."""
    peer = mta.MTAS[request.param](make_dir(), next_hop=plain_relay.port("smtp"), tls=True, retry_s=2)
    peer.start()
    plain_relay.connection(request.param, peer.domain, f"127.0.0.1:{peer.port}")
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def far(plain_relay):
    """What is not for a peer goes here."""
    with Sink(name="mx.far.example") as sink:
        plain_relay.connection("far", "far.example", f"127.0.0.1:{sink.port}")
        yield sink


def arrived(peer, ident, count=1):
    """The copies of a message in the peer's mailbox."""
    def found():
        return [m for m in peer.messages() if m["message-id"] == ident]
    try:
        wait_until(lambda: len(found()) >= count, 30, f"{count} of {ident} at {peer.side}")
    except TimeoutError as why:
        raise AssertionError(f"{why}\n{peer.log()[-3000:]}")
    assert len(found()) == count
    return found()


def body(found):
    return found.get_payload(decode=True)


def same_lines(a, b):
    return a.replace(b"\r\n", b"\n").rstrip(b"\n") == b.replace(b"\r\n", b"\n").rstrip(b"\n")


# --- the relay in front of the peer ---

@pytest.mark.parametrize("text", [b"Hello.\r\n", DOTS, b"", BIG], ids=["small", "dots", "empty", "1MB"])
def test_a_message_arrives_as_it_was(plain_relay, peer, text):
    ident = new_id()
    plain_relay.send(f"x@{peer.domain}", ident, data=message(ident, text))
    found = arrived(peer, ident)[0]
    assert same_lines(body(found), text)
    assert found["return-path"].strip("<>") == SENDER
    received = found.get_all("received")
    assert "mail.example.test" in received[0] and "by mail.example.test" in received[1]


def test_eight_bits_arrive(plain_relay, peer):
    ident = new_id()
    plain_relay.send(f"x@{peer.domain}", ident, data=message(ident, "Grüße, 你好\r\n".encode(), EIGHT_BIT), params="BODY=8BITMIME")
    assert body(arrived(peer, ident)[0]).decode().rstrip() == "Grüße, 你好"


def test_several_recipients_are_one_transaction(plain_relay, peer):
    ident = plain_relay.send([f"r{n}@{peer.domain}" for n in range(20)])
    found = arrived(peer, ident, 20)
    ids = {re.search(r"\sid ([^\s;]+)", m.get_all("received")[0])[1] for m in found}
    assert len(ids) == 1   # that of the one message at the peer


def test_tls_is_used_where_it_works(plain_relay, peer):
    """OpenSMTPD offers it and cannot do it: its mail comes in clear, in the same attempt."""
    ident = plain_relay.send(f"x@{peer.domain}")
    received = arrived(peer, ident)[0].get_all("received")[0].upper()
    assert ("TLS" in received or "ESMTPS" in received) == (peer.side != "opensmtpd")


def test_international_addresses(plain_relay, peer, home):
    """Passed on where the peer takes them, otherwise sent back."""
    ident = plain_relay.send(f"grüße@{peer.domain}", params="SMTPUTF8")
    if "SMTPUTF8" in peer.extensions:
        arrived(peer, ident)
    else:
        report = wait_report(home, ident)[0]
        assert report.rcpts[0]["status"].startswith("5.6.")


def test_a_recipient_that_the_peer_refuses_is_reported(plain_relay, peer, home):
    """A peer without a next hop takes mail for its own domain only."""
    refusing = mta.MTAS[peer.side](make_dir())
    refusing.start()
    try:
        plain_relay.connection("wrong", f"wrong-{peer.side}.example", f"127.0.0.1:{refusing.port}")
        address = f"x@wrong-{peer.side}.example"
        ident = plain_relay.send(address)
        report = wait_report(home, ident)[0]
        assert report.actions() == {address: "failed"}
        assert report.rcpt(address)["diagnostic-code"].startswith("smtp; 5")
    finally:
        refusing.stop()


def test_notify_success_is_passed_on(plain_relay, peer, home):
    """All three offer DSN: the report comes from the peer, with the sender's ENVID and ORCPT."""
    ident = plain_relay.send(f"x@{peer.domain}", params="RET=HDRS ENVID=horse+2B1",
                             rcpt_params=f"NOTIFY=SUCCESS ORCPT=rfc822;first@{peer.domain}")
    if peer.side == "opensmtpd":  # its reports of success are words only
        found = home.wait(lambda: [m for m in home.messages(**{"from": ""}) if ident.encode() in home.text(m)], 30)
        assert len(found) == 1 and b"mx.opensmtpd.example" in home.text(found[0])
        return
    report = wait_report(home, ident)[0]
    rcpt = report.rcpts[0]
    assert rcpt["action"] == "delivered" and peer.domain in report.about["reporting-mta"]
    assert rcpt["original-recipient"].replace(" ", "") == f"rfc822;first@{peer.domain}"
    # Exim gives it back as it came; RFC 3464, 2.2.1 wants it decoded.
    assert report.about["original-envelope-id"] == ("horse+2B1" if peer.side == "exim" else "horse+1")


def test_notify_never_is_passed_on(plain_relay, peer, home):
    ident = plain_relay.send(f"x@{peer.domain}", rcpt_params="NOTIFY=NEVER")
    arrived(peer, ident)
    assert not [m for m in home.messages(**{"from": ""}) if ident.encode() in home.text(m)]


def test_success_is_reported_as_relayed_where_the_next_hop_knows_no_dsn(plain_relay, home):
    with Sink(extensions=["PIPELINING"], tls=False) as old:
        plain_relay.connection("old", "old.example", f"127.0.0.1:{old.port}")
        ident = plain_relay.send("x@old.example", params="ENVID=e1", rcpt_params="NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;y@old.example")
        found = old.wait_accepted(1, 20, id=ident)[0]
        assert found["rcpts"] == [["x@old.example", {}]] and "ENVID" not in found["params"]
        report = wait_report(home, ident)[0]
        rcpt = report.rcpt("x@old.example")
        assert rcpt["action"] == "relayed" and rcpt["status"].startswith("2.")
        assert "mail.example.test" in report.about["reporting-mta"]
        assert report.about["original-envelope-id"] == "e1"
        assert rcpt["original-recipient"].replace(" ", "") == "rfc822;y@old.example"


def test_dsn_parameters_reach_a_next_hop_that_knows_them(plain_relay, far, home):
    ident = plain_relay.send("x@far.example", params="RET=HDRS ENVID=e+2B2",
                             rcpt_params="NOTIFY=SUCCESS,DELAY ORCPT=rfc822;y+2B@far.example")
    found = far.wait_accepted(1, 20, id=ident)[0]
    assert found["params"]["RET"] == "HDRS" and found["params"]["ENVID"] == "e+2B2"
    assert set(found["rcpts"][0][1]["NOTIFY"].split(",")) == {"SUCCESS", "DELAY"}
    assert found["rcpts"][0][1]["ORCPT"] == "rfc822;y+2B@far.example"


def test_a_peer_that_was_away_gets_its_mail(plain_relay, peer):
    """The second peer of its kind is started after the mail was taken."""
    late = mta.MTAS[peer.side](make_dir(), domain=f"late-{peer.side}.example")
    with Sink() as placeholder:
        port = placeholder.port
    plain_relay.connection("late", late.domain, f"127.0.0.1:{port}")
    ident = plain_relay.send(f"x@{late.domain}")
    wait_until(lambda: plain_relay.is_queued(ident), what="the message in the queue")
    late.start()
    try:
        plain_relay.connection("late", late.domain, f"127.0.0.1:{late.port}")
        arrived(late, ident)
    finally:
        late.stop()


# --- the relay behind the peer ---

def give(peer, rcpts, data, params="", rcpt_params=""):
    with Smtp(peer.port) as smtp:
        codes = smtp.mail(SENDER, rcpts, stuffed(data), params=params, rcpt_params=rcpt_params)
    assert set(codes) <= {250, 354}, codes


@pytest.mark.parametrize("text", [b"Hello.\r\n", DOTS, BIG], ids=["small", "dots", "1MB"])
def test_what_a_peer_sends_goes_on(plain_relay, peer, far, text):
    ident = new_id()
    give(peer, ["x@far.example"], message(ident, text))
    found = far.wait_accepted(1, 30, id=ident)[0]
    assert same_lines(far.text(found).split(b"\r\n\r\n", 1)[1], text)
    assert found["from"] == SENDER and len(far.messages(id=ident)) == 1


def test_eight_bits_of_a_peer_go_on(plain_relay, peer, far):
    ident = new_id()
    give(peer, ["x@far.example"], message(ident, "Grüße\r\n".encode(), EIGHT_BIT), params="BODY=8BITMIME")
    found = far.wait_accepted(1, 30, id=ident)[0]
    assert "Grüße".encode() in far.text(found)
    if peer.side == "postfix":  # the other two do not say what they send
        assert found["params"]["BODY"] == "8BITMIME"


def test_many_recipients_of_a_peer_go_on(plain_relay, peer, far):
    ident = new_id()
    rcpts = {f"r{n}@far.example" for n in range(30)}
    give(peer, sorted(rcpts), message(ident))
    far.wait(lambda: sum(len(m["rcpts"]) for m in far.messages(id=ident)) >= len(rcpts), 30, "all recipients")
    got = [a for m in far.messages(id=ident) for a, _ in m["rcpts"]]
    assert sorted(got) == sorted(rcpts)


def test_international_addresses_of_a_peer_go_on(plain_relay, peer, far):
    if "SMTPUTF8" not in peer.extensions:
        with Smtp(peer.port) as smtp:
            assert "SMTPUTF8" not in smtp.extensions  # nothing to pass on: it takes none
        return
    ident = new_id()
    give(peer, ["grüße@far.example"], message(ident), params="SMTPUTF8")
    assert far.wait_accepted(1, 30, id=ident)[0]["rcpts"][0][0] == "grüße@far.example"


def test_dsn_of_a_peer_is_passed_on(plain_relay, peer, far):
    ident = new_id()
    give(peer, ["x@far.example"], message(ident), rcpt_params="NOTIFY=SUCCESS ORCPT=rfc822;y@far.example")
    params = far.wait_accepted(1, 30, id=ident)[0]["rcpts"][0][1]
    assert params["NOTIFY"] == "SUCCESS" and params["ORCPT"].lower() == "rfc822;y@far.example"


def test_many_messages_of_a_peer_go_on_once(plain_relay, peer, far):
    idents = [new_id() for _ in range(200)]
    for begin in range(0, len(idents), 50):   # OpenSMTPD takes a hundred on a connection
        with Smtp(peer.port) as smtp:
            for ident in idents[begin:begin + 50]:
                assert set(smtp.mail(SENDER, ["x@far.example"], message(ident))) <= {250, 354}
    far.wait(lambda: all(far.messages(id=i) for i in idents), 60, "all of them")
    assert all(len(far.messages(id=i)) == 1 for i in idents)


def test_from_peer_to_peer(plain_relay, peer):
    """Every pair: the second is started for this."""
    for name, kind in mta.MTAS.items():
        other = kind(make_dir(), domain=f"other-{name}.example")
        other.start()
        try:
            plain_relay.connection("other", other.domain, f"127.0.0.1:{other.port}")
            ident = new_id()
            give(peer, [f"x@{other.domain}"], message(ident, DOTS))
            assert same_lines(body(arrived(other, ident)[0]), DOTS)
        finally:
            other.stop()


# --- Postfix's own test programs ---

def started_smtp_sink(port, *options):
    """Listening for 300 messages, after which it ends by itself."""
    return subprocess.Popen(["smtp-sink", "-u", "nobody", "-M", "300", *options, f"127.0.0.1:{port}", "100"],
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("options", [(), ("-8",), ("-p",), ("-e",), ("-N",), ("-P",)], ids=lambda o: " ".join(o) or "plain")
def test_smtp_source_fills_it_and_smtp_sink_takes_it(plain_relay, options):
    """smtp-sink without 8BITMIME (-8), PIPELINING (-p), ESMTP (-e), DSN (-N); one behind a Cisco PIX (-P)."""
    with Sink() as placeholder:
        port = placeholder.port
    sink = started_smtp_sink(port, *options)
    try:
        plain_relay.connection("program", "program.example", f"127.0.0.1:{port}")
        wait_listening_port(port)
        subprocess.run(["smtp-source", "-s", "10", "-m", "300", "-l", "5000", "-f", SENDER, "-t", "x@program.example",
                        f"127.0.0.1:{plain_relay.port('smtp')}"], check=True)
        assert sink.wait(60) == 0
    finally:
        if sink.poll() is None:
            sink.kill()
            sink.wait()


@pytest.mark.parametrize("options", [("-r", "rcpt"), ("-r", "data"), ("-q", "mail"), ("-q", "data"), ("-r", "connect")], ids=" ".join)
def test_a_smtp_sink_that_refuses_keeps_the_mail_queued(plain_relay, options):
    """-r: 4yz for good, -q: hangs up; then one without faults takes its place on the port."""
    with Sink() as placeholder:
        port = placeholder.port
    faulty = started_smtp_sink(port, *options)
    good = None
    try:
        plain_relay.connection("program", "program.example", f"127.0.0.1:{port}")
        wait_listening_port(port)
        ident = plain_relay.send("x@program.example")
        wait_until(lambda: plain_relay.is_queued(ident), what="the message in the queue")
        faulty.kill()
        faulty.wait()
        good = Sink(port=port).start()
        good.wait_accepted(1, 20, id=ident)
        wait_until(lambda: not plain_relay.is_queued(ident), what="the empty queue")
        assert len(good.messages(id=ident)) == 1
    finally:
        if good:
            good.stop()
        if faulty.poll() is None:
            faulty.kill()
            faulty.wait()


def wait_listening_port(port):
    wait_until(lambda: listening(port), 10, f"somebody at {port}")
