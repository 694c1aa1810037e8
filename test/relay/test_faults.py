"""Next hops that refuse, hang, cut, babble and lie: each message ends in delivery or in a report, never twice."""
import re, time

import pytest

from relaying import HOME, Relay, message, new_id, reports, status_of, wait_report
from server import Imap, Smtp, wait_until
from sink import Sink

SENDER = f"s@{HOME}"


def copies(away, ident):
    return len(away.messages(id=ident))


def settled(relay, ident):
    """Nothing more can become of the message: it is in no queue."""
    wait_until(lambda: not relay.is_queued(ident), 30, f"the end of {ident} in the queue")


def attempts(away, address):
    """When the recipient was named to the sink."""
    return [e["at"] for e in away.commands("RCPT", f"<{address}>")]


def delivered_once(relay, away, home, ident, at_most=1):
    away.wait_accepted(1, 30, id=ident)
    settled(relay, ident)
    assert 1 <= copies(away, ident) <= at_most
    assert not reports(home, ident)


# --- faults that pass: delivered, once ---

PASSING = [(stage, do) for do in ("reply 451 4.3.0 not now", "421 4.3.2 going down", "cut", "reset", "hang", "garbage")
           for stage in ("greeting", "ehlo", "mail", "rcpt", "data", "end")]
PASSING += [("connect", "hang"), ("connect", "cut"), ("connect", "reset"), ("body", "cut"), ("body", "reset"),
            ("body", "hang"), ("body", "421 4.3.2 enough")]
PASSING += [(stage, "endless") for stage in ("greeting", "ehlo", "mail", "rcpt", "data", "end")]
LIES = [("mail", "reply 354 go on"), ("rcpt", "reply 354 go on"), ("data", "reply 250 2.0.0 of course"),
        ("data", "reply 220 hello"), ("end", "reply 354 go on"), ("greeting", "reply 250 hello"), ("ehlo", "reply 354 hm")]


@pytest.mark.parametrize("stage,do", PASSING + LIES, ids=lambda v: v.replace(" ", "-")[:16])
def test_a_fault_that_passes_delays_the_message(relay, away, home, stage, do):
    away.fault(stage, do, times=2)
    ident = relay.send(f"{stage}@away.example")
    delivered_once(relay, away, home, ident)


@pytest.mark.parametrize("stage,do", [("end", "reply 451 4.3.0 not now"), ("end", "cut"), ("end", "hang"), ("end", "garbage"),
                                      ("end", "reply 354 go on"), ("body", "cut"), ("body", "hang")],
                         ids=lambda v: v.replace(" ", "-")[:9])
def test_a_fault_at_a_chunk_delays_the_message(sqlite_relay, home, stage, do):
    with Sink() as sink:
        sqlite_relay.connection("chunks", "chunks.example", f"127.0.0.1:{sink.port}")
        sink.fault(stage, do, times=2)
        ident = sqlite_relay.send(f"{stage}@chunks.example")
        delivered_once(sqlite_relay, sink, home, ident)
        assert sink.commands("BDAT") and not sink.commands("DATA")


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "accepted"])
def test_slow_replies_are_waited_for(relay, away, home, stage):
    away.fault(stage, "drip 4", times=1)
    ident = relay.send(f"slow-{stage}@away.example")
    delivered_once(relay, away, home, ident)


@pytest.mark.parametrize("stage", ["greeting", "mail", "rcpt", "data"])
def test_a_reply_too_many_loses_nothing(relay, away, home, stage):
    """It makes all later ones answers to something else: that the message was taken must not be guessed from them."""
    away.fault(stage, "extra 250 2.0.0 and yes to the next", times=1)
    ident = relay.send(f"extra-{stage}@away.example")
    wait_until(lambda: copies(away, ident) or reports(home, ident), 30, "delivery or report")
    settled(relay, ident)
    assert copies(away, ident) <= 2 and (copies(away, ident) or reports(home, ident))


@pytest.mark.parametrize("do", ["cut", "reset", "hang", "garbage", "endless", "421 4.3.2 sorry", "reply 451 4.3.0 lost it"])
def test_a_swallowed_250_may_make_a_second_copy(relay, away, home, do):
    """The one case of duplicates that SMTP cannot avoid (RFC 5321, 4.5.3.2.6; RFC 1047)."""
    away.fault("accepted", do, times=1)
    ident = relay.send("swallowed@away.example")
    delivered_once(relay, away, home, ident, at_most=2)


# --- faults that stay: a report, and no copy ---

@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end"])
def test_5yz_is_reported_at_once(relay, away, home, stage):
    begun = time.monotonic()
    away.fault(stage, "reply 554 5.7.1 not from you", match="@" + (HOME if stage == "mail" else "never.example"))
    ident = relay.send(f"refused-{stage}@never.example")
    report = wait_report(home, ident)[0]
    assert time.monotonic() - begun < 5
    rcpt = report.rcpt(f"refused-{stage}@never.example")
    assert rcpt["action"] == "failed" and status_of(report, f"refused-{stage}@never.example") == "5.7.1"
    assert "554 5.7.1 not from you" in rcpt["diagnostic-code"] and rcpt["diagnostic-code"].startswith("smtp;")
    assert "mx.away.example" in rcpt["remote-mta"] or "127.0.0.1" in rcpt["remote-mta"]
    settled(relay, ident)
    assert copies(away, ident) == 0 and len(reports(home, ident)) == 1


@pytest.mark.parametrize("stage,do", [("greeting", "reply 554 5.3.2 no mail here"), ("ehlo", "reply 550 5.7.1 not you"),
                                      ("rcpt", "reply 451 4.2.0 never"), ("end", "hang"), ("connect", "cut")],
                         ids=lambda v: v.replace(" ", "-")[:12])
def test_a_fault_that_stays_ends_in_one_outcome(relay, away, home, stage, do):
    """EHLO refused may be answered with HELO, and then the message is delivered."""
    away.fault(stage, do)
    ident = relay.send(f"for-ever-{stage}@away.example")
    wait_until(lambda: copies(away, ident) or reports(home, ident), 40, "delivery or report")
    settled(relay, ident)
    assert copies(away, ident) + len(reports(home, ident)) == 1
    for report in reports(home, ident):
        assert report.rcpts[0]["action"] == "failed" and report.rcpts[0]["status"][0] in "45"


def test_each_recipient_has_its_own_result(relay, away, home):
    good, later, never = "good@away.example", "4yz-rcpt-2.x@away.example", "5yz-rcpt.x@away.example"
    ident = relay.send([good, later, never])
    report = wait_report(home, ident)[0]
    assert report.actions() == {never: "failed"} and status_of(report, never) == "5.1.1"
    away.wait(lambda: len(away.messages(to=later, id=ident)) == 1, 20, "the late one")
    settled(relay, ident)
    assert len(away.messages(to=good, id=ident)) == 1 and not away.messages(to=never, id=ident)
    assert len(attempts(away, later)) == 3 and len(attempts(away, never)) == 1 and len(attempts(away, good)) == 1


def test_too_many_recipients_for_one_transaction_go_in_several(relay, away, home):
    rcpts = [f"r{n}@away.example" for n in range(30)]
    for n in range(10, 30):
        away.fault("rcpt", "reply 452 4.5.3 too many recipients", times=1, match=f"r{n}@")
    ident = relay.send(rcpts)
    away.wait(lambda: all(len(away.messages(to=r, id=ident)) == 1 for r in rcpts), 30, "all thirty")
    settled(relay, ident)
    assert not reports(home, ident)


# --- times ---

def test_tries_come_at_the_documented_times(sqlite_relay, away, home):
    """First after queue_retry_min_ms, then after twice as long each time, give or take a fifth, to the cap."""
    relay = sqlite_relay
    relay.set(queue_retry_min_ms=400, queue_retry_max_ms=1600)
    try:
        address = "4yz-rcpt-5.times@times.example"
        relay.send(address)
        away.wait(lambda: len(attempts(away, address)) == 6, 30, "six tries")
        times = attempts(away, address)
        gaps = [round((b - a) * 1000) for a, b in zip(times, times[1:])]
        for gap, due in zip(gaps, (400, 800, 1600, 1600, 1600)):
            assert due * 0.8 - 20 <= gap <= due * 1.2 + 400, gaps
    finally:
        relay.set(queue_retry_min_ms=200, queue_retry_max_ms=800)


def test_a_late_message_is_told_once_and_then_delivered(sqlite_relay, away, home):
    relay = sqlite_relay
    relay.set(queue_warn_ms=500)
    try:
        address = "4yz-rcpt-5.late@late.example"
        ident = relay.send(address)
        assert wait_report(home, ident)[0].actions() == {address: "delayed"}
        away.wait_accepted(1, 30, id=ident)
        settled(relay, ident)
        assert len(reports(home, ident)) == 1
    finally:
        relay.set(queue_warn_ms=0)


def test_the_time_out_is_reported_with_the_last_answer(sqlite_relay, away, home):
    address = "4yz-rcpt.expires@expires.example"
    ident = sqlite_relay.send(address)
    report = wait_report(home, ident, seconds=40)[0]
    rcpt = report.rcpt(address)
    assert rcpt["action"] == "failed"
    assert "451 4.3.0" in rcpt["diagnostic-code"] and "try again later" in rcpt["diagnostic-code"]
    assert status_of(report, address) in ("4.3.0", "5.4.7", "4.4.7")
    settled(sqlite_relay, ident)
    assert copies(away, ident) == 0


def test_a_report_that_cannot_go_home_goes_to_the_postmaster(sqlite_relay, away):
    ident = sqlite_relay.send("5yz-rcpt.nobody@away.example", sender="5yz-rcpt.gone@away.example")
    with Imap(sqlite_relay.port("imap"), "alice") as imap:  # the sandbox's administrator
        imap.ok("SELECT INBOX")
        wait_until(lambda: re.search(r"SEARCH \d", " ".join(imap.ok("NOOP") + imap.ok(f'SEARCH TEXT "{ident}"'))), 20,
                   "the postmaster's copy")
    assert not [e for e in away.commands("MAIL", "<>") if e["at"] > time.time() + 60]


def test_a_report_about_a_report_is_never_sent(sqlite_relay, away, home):
    ident = sqlite_relay.send("5yz-rcpt.null@away.example", sender="")
    settled(sqlite_relay, ident)
    assert not reports(home, ident)


# --- several hops ---

@pytest.fixture
def three():
    with Sink(name="one.example") as one, Sink(name="two.example") as two, Sink(name="three.example") as three:
        yield one, two, three


@pytest.mark.parametrize("stage,do", [(None, "refuses connections"), ("greeting", "reply 451 4.3.2 full"),
                                      ("greeting", "421 4.3.2 full"), ("connect", "cut"), ("connect", "hang"),
                                      ("ehlo", "hang"), ("mail", "reply 451 4.3.0 no"), ("greeting", "garbage")],
                         ids=lambda v: str(v).replace(" ", "-")[:12])
def test_the_next_hop_is_tried_within_one_attempt(sqlite_relay, home, three, stage, do):
    one, two, third = three
    for sink in (one, two):
        sink.clear()
        if stage:
            sink.up()
            sink.fault(stage, do)
        else:
            sink.down()
    relay = sqlite_relay
    relay.connection("three", "three-hops.example", *(f"127.0.0.1:{s.port}" for s in three))
    relay.set(queue_retry_min_ms="1 min", queue_retry_max_ms="1 min", queue_timeout_ms="5 min")
    try:
        begun = time.monotonic()
        ident = relay.send("x@three-hops.example")
        third.wait_accepted(1, 20, id=ident)
        assert time.monotonic() - begun < 10
        assert not one.messages(id=ident) and not two.messages(id=ident) and len(third.messages(id=ident)) == 1
        settled(relay, ident)
    finally:
        relay.set(queue_retry_min_ms=200, queue_retry_max_ms=800, queue_timeout_ms=8000)


def test_the_first_hop_that_works_is_used(sqlite_relay, three):
    relay = sqlite_relay
    relay.connection("anew", "hops-anew.example", *(f"127.0.0.1:{s.port}" for s in three))
    idents = [relay.send("x@hops-anew.example") for _ in range(5)]
    three[0].wait(lambda: all(three[0].messages(id=i) for i in idents), 20, "all at the first")
    assert [len(s.accepted) for s in three] == [5, 0, 0]


def test_a_connection_kept_is_for_one_destination(sqlite_relay, three):
    relay = sqlite_relay
    domains = [f"own{n}.example" for n in range(3)]
    relay.set(smtp_out_cache_ms="5 s")
    for sink, domain in zip(three, domains):
        relay.connection(domain, domain, f"127.0.0.1:{sink.port}")
    try:
        with Smtp(relay.port("smtp")) as smtp:
            for n in range(200):
                rcpts = [f"x{n}@{domain}" for domain in domains]
                assert smtp.mail(f"s@{HOME}", rcpts, message(new_id()))[-1] == 250
        for sink, domain in zip(three, domains):
            sink.wait_accepted(200)
            assert {rcpt.split("@")[1] for m in sink.accepted for rcpt, _ in m["rcpts"]} == {domain}
            assert len({m["session"] for m in sink.accepted}) < 100
    finally:
        relay.set(smtp_out_cache_ms=100)


def test_a_destination_that_comes_back_is_drained_at_once(relay, away, home):
    """Long before the next try would be due."""
    relay.set(queue_retry_min_ms="10 min", queue_retry_max_ms="10 min", queue_timeout_ms="1 d")
    try:
        away.down()
        idents = [relay.send(f"d{n}@away.example") for n in range(50)]
        wait_until(lambda: all(i in relay.queue_text() for i in idents), what="all in the queue")
        away.up()
        begun = time.monotonic()
        away.wait(lambda: all(away.messages(id=i) for i in idents), 20, "all fifty")
        print(f"drained in {time.monotonic() - begun:.2f} s")
        for ident in idents:
            settled(relay, ident)
        assert all(copies(away, i) == 1 for i in idents)
    finally:
        relay.set(queue_retry_min_ms=200, queue_retry_max_ms=800, queue_timeout_ms=8000)


# --- what the next hop offers ---

@pytest.fixture
def only(sqlite_relay):
    """A sink with these extensions alone, as the next hop for only.example."""
    sinks = []

    def make(*extensions, **more):
        sinks.append(Sink(extensions=list(extensions), tls="STARTTLS" in extensions, **more).start())
        sqlite_relay.connection("only", "only.example", f"127.0.0.1:{sinks[-1].port}")
        return sinks[-1]
    yield make
    for sink in sinks:
        sink.stop()


def test_a_server_of_1982_gets_its_mail(sqlite_relay, only):
    sink = only()
    sink.fault("ehlo", "reply 502 5.5.1 what?")
    ident = sqlite_relay.send("old@only.example")
    sink.wait_accepted(1, 20, id=ident)
    assert sink.commands("HELO")


def test_without_pipelining_each_reply_is_waited_for(sqlite_relay, only):
    sink = only()
    ident = sqlite_relay.send(["a@only.example", "b@only.example"])
    assert sink.wait_accepted(1, 20, id=ident)[0]["params"] == {}


def test_a_message_above_the_size_told_is_not_begun(sqlite_relay, only, home):
    sink = only("SIZE 2000", "PIPELINING")
    ident = new_id()
    sqlite_relay.send("big@only.example", ident, data=message(ident, b"0123456789\r\n" * 500))
    report = wait_report(home, ident)[0]
    assert status_of(report, "big@only.example") in ("5.3.4", "5.2.3")
    assert not sink.commands("DATA") and not sink.messages(id=ident)


def test_eight_bits_meet_a_server_of_seven(sqlite_relay, only, home):
    """Turned into seven (RFC 6152, 3) or sent back with 5.6.3: never passed on as they are."""
    sink = only("PIPELINING")
    ident = new_id()
    sqlite_relay.send("seven@only.example", ident, data=message(
        ident, "Grüße\r\n".encode(), "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n"), params="BODY=8BITMIME")
    wait_until(lambda: sink.messages(id=ident) or reports(home, ident), 20, "delivery or report")
    for found in sink.messages(id=ident):
        assert all(byte < 128 for byte in sink.text(found))
    for report in reports(home, ident):
        assert status_of(report, "seven@only.example") == "5.6.3"


def test_an_international_address_needs_smtputf8(sqlite_relay, only, home):
    sink = only("PIPELINING", "8BITMIME")
    ident = sqlite_relay.send("grüße@only.example", params="SMTPUTF8")
    report = wait_report(home, ident)[0]
    assert report.rcpts[0]["status"].startswith(("5.6.7", "5.6.9", "5.1."))
    assert not sink.commands("RCPT") and not sink.messages(id=ident)


# --- TLS and log-in ---

def test_tls_is_used_where_it_is_offered(sqlite_relay, away):
    ident = sqlite_relay.send("tls@away.example")
    assert away.wait_accepted(1, 20, id=ident)[0]["tls"] is True


def test_a_failed_handshake_falls_back_to_plain_where_tls_is_opportunistic(sqlite_relay, only):
    sink = only("STARTTLS")
    sink.fault("tls", "cut")
    ident = sqlite_relay.send("notls@only.example")
    assert sink.wait_accepted(1, 20, id=ident)[0]["tls"] is False


def test_a_reply_injected_before_tls_is_not_heard_inside(sqlite_relay, away):
    """CVE-2011-0411 towards the client: what came in clear behind the 220 must not count as a reply under TLS."""
    away.fault("starttls", "extra 250-injected.example\r\n250 AUTH PLAIN", times=1)
    ident = sqlite_relay.send("injected@away.example")
    found = away.wait_accepted(1, 20, id=ident)[0]
    lines = [e["line"].upper() for e in away.seen("command", session=found["session"])]
    if found["tls"]:
        assert [l.split()[0] for l in lines[:3]] == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.parametrize("tls,extensions,handshake", [("required", (), True), ("required", ("STARTTLS",), False),
                                                      ("verified", ("STARTTLS",), True)])
def test_mail_waits_rather_than_go_in_clear(sqlite_relay, only, home, tls, extensions, handshake):
    sink = only(*extensions)
    if not handshake:
        sink.fault("tls", "cut")
    sqlite_relay.connection("only", "only.example", f"127.0.0.1:{sink.port}", tls=tls)
    ident = sqlite_relay.send("secret@only.example")
    sink.wait(lambda: len(sink.seen("open")) >= 2, 20, "a second try")
    assert sqlite_relay.is_queued(ident) and not sink.commands("MAIL")
    report = wait_report(home, ident, seconds=40)[0]   # after queue_timeout_ms
    assert report.rcpts[0]["action"] == "failed"
    assert not sink.commands("MAIL")


@pytest.mark.parametrize("fault", ["tls", "451", "552"])
def test_a_document_for_all_is_no_way_round_that_for_the_domain(sqlite_relay, only, home, fault):
    """What the domain's own document wants (TLS), or its server answered, is not evaded through another server."""
    sink = only("STARTTLS") if fault == "tls" else only("SIZE 100")
    if fault == "tls":
        sink.fault("tls", "cut")
    elif fault == "451":
        sink = only()
        sink.fault("rcpt", "reply 451 4.3.0 not now")
    tls = "required" if fault == "tls" else "none"
    sqlite_relay.connection("only", "only.example", f"127.0.0.1:{sink.port}", tls=tls)
    with Sink(name="all.example") as everything:
        sqlite_relay.connection("all", "*", f"127.0.0.1:{everything.port}")
        try:
            ident = sqlite_relay.send("secret@only.example")
            report = wait_report(home, ident, seconds=40)[0]
            assert report.rcpts[0]["action"] == "failed"
            assert not everything.messages(id=ident)
        finally:
            sqlite_relay.ctl("directory", "remove", "connection", "all", "--yes")


def test_required_tls_takes_any_certificate_and_verified_a_trusted_one(home):
    with Sink(names=("mx.away.example",)) as sink:
        relay = Relay(settings={"smtp_out_trust_file": f"{sink.dir}/cert.pem"}).start()
        try:
            for tls in ("required", "verified"):
                relay.connection("tls", "*", f"127.0.0.1:{sink.port}", tls=tls)
                ident = relay.send(f"{tls}@away.example")
                assert sink.wait_accepted(1, 20, id=ident)[0]["tls"] is True
        finally:
            relay.remove()


@pytest.mark.parametrize("tls", ["required", "none"])
def test_a_smarthost_is_logged_in_to(sqlite_relay, tls):
    """Never with a password in clear over a connection without TLS, unless tls = none says so."""
    with Sink(users={"horse": "secret"}, require_auth=True) as sink:
        sqlite_relay.connection("smart", "smart.example", f"127.0.0.1:{sink.port}", user="horse", password="secret", tls=tls)
        ident = sqlite_relay.send("x@smart.example")
        found = sink.wait_accepted(1, 20, id=ident)[0]
        assert found["user"] == "horse" and found["tls"] is (tls == "required")
        assert tls == "required" or not sink.commands("AUTH PLAIN")


def test_a_wrong_password_keeps_the_mail(sqlite_relay):
    with Sink(users={"horse": "secret"}, require_auth=True) as sink:
        sqlite_relay.connection("smart", "smart.example", f"127.0.0.1:{sink.port}", user="horse", password="wrong")
        ident = sqlite_relay.send("x@smart.example")
        sink.wait(lambda: len(sink.seen("auth", user=None)) >= 1, 20, "a log-in that fails")
        assert sqlite_relay.is_queued(ident)
        sqlite_relay.connection("smart", "smart.example", f"127.0.0.1:{sink.port}", user="horse", password="secret")
        assert len(sink.wait_accepted(1, 20, id=ident)) == 1


def test_tls_from_the_first_byte(sqlite_relay, home):
    """tls_first = yes (RFC 8314); the relay's own submission port would be one. Here: the sink sees a ClientHello."""
    with Sink() as sink:
        sqlite_relay.connection("first", "first.example", f"127.0.0.1:{sink.port}", tls="required", tls_first="yes")
        sqlite_relay.send("x@first.example")
        sink.wait(lambda: sink.seen("open"), 20, "a connection")
        sink.wait(lambda: sink.closed, 20, "its end")
        assert not sink.commands("EHLO") and not sink.commands("MAIL")


# --- what is known of a message ---

def test_queue_and_trace_tell_the_last_answer(sqlite_relay, away):
    address = "4yz-rcpt-6.told@away.example"
    ident = sqlite_relay.send(address)
    away.wait(lambda: len(attempts(away, address)) >= 2, 20, "two tries")

    def entry():
        return next((e for e in sqlite_relay.queue() if e["message_id"] == ident), None)
    wait_until(lambda: entry()["attempts"] >= 2, what="the tries in the queue")
    told = entry()
    assert told["to"] == address and told["from"] == SENDER
    assert told["answer"].startswith("451 4.3.0 ") and told["answer"].endswith("try again later")
    away.wait_accepted(1, 30, id=ident)
    settled(sqlite_relay, ident)
    trace = sqlite_relay.ctl("trace", ident)
    assert address in trace and "451 4.3.0" in trace and "taken as" in trace


def test_strangers_are_not_relayed_for(home, away_sink):
    relay = Relay(settings={"relay_networks": "192.0.2.0/24"}).start()
    try:
        relay.connection("away", "*", f"127.0.0.1:{away_sink.port}")
        with Smtp(relay.port("smtp")) as smtp:
            smtp.command("MAIL FROM:<a@b.example>")
            code, lines = smtp.command("RCPT TO:<x@away.example>")
            assert code == 550 and lines[0].startswith("5.7.1")
    finally:
        relay.remove()
