"""Destinations found by the domain name system: MX, A, AAAA, and the many ways in which there are none."""
import contextlib, socket, time

import pytest

from dns import Knot, NameServer
from relaying import HOME, Relay, reports, status_of, wait_report
from server import wait_until
from sink import Sink

HOSTS = {n: f"127.0.0.{n}" for n in range(2, 8)}
GOOD = {   # what Knot serves too
    "order.example": ["MX 30 h4.example", "MX 10 h2.example", "MX 20 h3.example"],
    "equal.example": ["MX 10 h2.example", "MX 10 h3.example", "MX 10 h4.example"],
    "null.example": ["MX 0 ."],
    "a-only.example": [f"A {HOSTS[5]}"],
    "aaaa-only.example": ["AAAA ::1"],
    "two-families.example": ["MX 10 both.example"],
    "both.example": ["AAAA ::1", f"A {HOSTS[6]}"],
    "two-addresses.example": ["MX 10 pair.example"],
    "pair.example": ["A 127.0.0.9", f"A {HOSTS[6]}"],   # nobody at the first
    "cname.example": ["CNAME order.example"],
    "mx-cname.example": ["MX 10 alias.example"],         # forbidden (RFC 2181, 10.3), and found everywhere
    "alias.example": ["CNAME h2.example"],
    "txt-only.example": ["TXT nothing to mail"],
    "mx-nowhere.example": ["MX 10 nobody.example"],
    "mx-half.example": ["MX 10 nobody.example", "MX 20 h2.example"],
    "to-us.example": ["MX 10 mail.example.test."],
    "to-our-address.example": ["MX 10 us.example"],
    "us.example": ["A 127.0.0.1"],
    "we-are-second.example": ["MX 10 gone.example", "MX 20 us.example"],
    "named-second.example": ["MX 10 gone.example", "MX 20 mail.example.test.", "MX 30 h2.example"],
    "gone.example": ["A 127.0.0.9"],
    "mail.example.test": ["A 127.0.0.1"],
    **{f"h{n}.example": [f"A {address}"] for n, address in HOSTS.items()},
    **{f"many{n}.example": [f"MX {p} h{p}.example" for p in range(2, 8)] for n in range(3)},
}
BAD = {
    "dead.example": "DEAD", "servfail.example": "SERVFAIL", "refused.example": "REFUSED", "garbage.example": "GARBAGE",
    "slow.example": ["SLOW 300", "MX 10 h2.example"],
    "truncated.example": ["TRUNCATE", "MX 10 h2.example"],
    "long.example": [f"MX {n} {'x' * 50}{n}.example" for n in range(20, 60)] + ["MX 10 h3.example"],
    "mx-dead.example": ["MX 10 host.dead.example"],
    "mx-half-dead.example": ["MX 10 host.dead.example", "MX 20 h2.example"],
}


@pytest.fixture(scope="module")
def port():
    """One port that is free on all addresses: where MX leads."""
    for port in range(14000, 15000):
        socks = []
        try:
            for host in ["127.0.0.1", *HOSTS.values(), "::1"]:
                socks.append(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
                socks[-1].bind((host, port))
            return port
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()
    raise OSError("no port is free on all addresses")


@pytest.fixture(scope="module")
def sinks(port):
    """h2 to h7, by their numbers."""
    sinks = {}
    try:
        for n, host in HOSTS.items():
            sinks[n] = Sink(host, port, name=f"h{n}.example", tls=False).start()
        yield sinks
    finally:
        for sink in sinks.values():
            sink.stop()


@pytest.fixture(autouse=True)
def all_up(sinks):
    for sink in sinks.values():
        sink.up()
        sink.clear()


@pytest.fixture(scope="module")
def knot():
    with Knot({k: v for k, v in GOOD.items() if k.endswith(".example")}) as server:
        yield server


@pytest.fixture(scope="module")
def names():
    """Our own name server, which can fail."""
    with NameServer({**GOOD, **BAD}) as server:
        yield server


def started(address, port, home):
    relay = Relay(settings={"dns_servers": address, "smtp_out_port": port, "smtp_out_cache_ms": 0}).start()
    relay.connection("home", HOME, f"127.0.0.1:{home.port}")
    return relay


@pytest.fixture(scope="module")
def relay_by_knot(knot, port, home):
    relay = started(knot.address, port, home)
    yield relay
    assert relay.remove() == 0


@pytest.fixture(scope="module")
def relay_by_own(names, port, home):
    relay = started(names.address, port, home)
    yield relay
    assert relay.remove() == 0


@pytest.fixture(params=["knot", "own"])
def relay(request):
    """For what every name server can say."""
    return request.getfixturevalue(f"relay_by_{request.param}")


@contextlib.contextmanager
def waiting_long(relay):
    """A second try would come too late: what happens, happens in the first."""
    relay.set(queue_retry_min_ms="1 min", queue_retry_max_ms="1 min", queue_timeout_ms="5 min")
    yield relay
    relay.set(queue_retry_min_ms=200, queue_retry_max_ms=800, queue_timeout_ms=8000)


@pytest.fixture
def patient(relay):
    with waiting_long(relay):
        yield relay


@pytest.fixture
def patient_by_own(relay_by_own):
    with waiting_long(relay_by_own):
        yield relay_by_own


def where(sinks, ident):
    """The numbers of the sinks that took the message."""
    return [n for n, sink in sinks.items() if sink.messages(id=ident)]


def arrives(sinks, ident, at, seconds=15):
    sinks[at].wait_accepted(1, seconds, id=ident)
    assert where(sinks, ident) == [at]


def bounced(relay, home, ident, address, *statuses):
    report = wait_report(home, ident)[0]
    assert report.actions() == {address: "failed"} and status_of(report, address) in statuses
    wait_until(lambda: not relay.is_queued(ident), what="the empty queue")
    return report


def test_the_lowest_preference_is_first(patient, sinks):
    arrives(sinks, patient.send("x@order.example"), 2)


def test_the_next_is_tried_in_the_order_of_preference(patient, sinks):
    sinks[2].down()
    arrives(sinks, patient.send("x@order.example"), 3)
    sinks[3].fault("greeting", "421 4.3.2 no")
    arrives(sinks, patient.send("x@order.example"), 4)


def test_equal_preference_is_spread(patient, sinks):
    idents = [patient.send("x@equal.example") for _ in range(40)]
    wait_until(lambda: all(where(sinks, i) for i in idents), 30, "all forty")
    used = [where(sinks, i)[0] for i in idents]
    assert set(used) == {2, 3, 4}, used


def test_null_mx(patient, sinks, home):
    begun = time.monotonic()
    ident = patient.send("x@null.example")
    bounced(patient, home, ident, "x@null.example", "5.1.10")   # RFC 7505
    assert time.monotonic() - begun < 5 and not where(sinks, ident)


def test_a_domain_that_does_not_exist(patient, home):
    ident = patient.send("x@no-such.example")
    bounced(patient, home, ident, "x@no-such.example", "5.1.2", "5.4.4")


def test_a_domain_without_mail_or_address(patient, home):
    for domain in ("txt-only.example", "mx-nowhere.example"):
        ident = patient.send(f"x@{domain}")
        bounced(patient, home, ident, f"x@{domain}", "5.1.2", "5.4.4")


def test_without_mx_the_address_is_used(patient, sinks):
    arrives(sinks, patient.send("x@a-only.example"), 5)


def test_ipv6_alone(patient, port):
    with Sink("::1", port, tls=False) as six:
        ident = patient.send("x@aaaa-only.example")
        six.wait_accepted(1, 15, id=ident)


def test_ipv6_is_used_where_it_works(patient, sinks, port):
    with Sink("::1", port, tls=False) as six:
        ident = patient.send("x@two-families.example")
        wait_until(lambda: six.messages(id=ident) or where(sinks, ident), 15, "the message")
        assert six.messages(id=ident)


def test_ipv6_without_anybody_falls_back_to_ipv4(patient, sinks):
    arrives(sinks, patient.send("x@two-families.example"), 6)


def test_an_address_without_anybody_is_passed_over(patient, sinks):
    for _ in range(4):
        arrives(sinks, patient.send("x@two-addresses.example"), 6)


def test_cname_of_the_domain_and_of_the_host(patient, sinks):
    arrives(sinks, patient.send("x@cname.example"), 2)
    arrives(sinks, patient.send("x@mx-cname.example"), 2)


def test_a_host_without_address_is_passed_over(patient, sinks):
    arrives(sinks, patient.send("x@mx-half.example"), 2)


def test_mx_that_leads_to_our_address_and_port(patient, home, port):
    patient.set(smtp_out_port=patient.port("smtp"))
    try:
        ident = patient.send("x@to-our-address.example")
        bounced(patient, home, ident, "x@to-our-address.example", "5.4.6")
    finally:
        patient.set(smtp_out_port=port)


def test_mx_that_names_ourselves(patient, home):
    ident = patient.send("x@to-us.example")
    bounced(patient, home, ident, "x@to-us.example", "5.4.6")


@pytest.mark.parametrize("domain", ["named-second.example", "we-are-second.example"])
def test_where_we_are_the_second_mx_the_first_is_waited_for(relay, sinks, home, port, domain):
    """Handing it to ourselves, or to those behind us, would be a loop (RFC 5321, 5.1)."""
    relay.set(smtp_out_port=relay.port("smtp"))
    try:
        ident = relay.send(f"x@{domain}")
        wait_until(lambda: relay.is_queued(ident), what="the message in the queue")
        report = wait_report(home, ident, seconds=40)[0]   # after queue_timeout_ms
        assert report.rcpts[0]["action"] == "failed" and status_of(report, f"x@{domain}") != "5.4.6"
        assert not where(sinks, ident)
    finally:
        relay.set(smtp_out_port=port)


def test_a_loop_of_two_servers_ends(relay, home):
    """Each sends the domain to the other: one of them sees its own name, or too many hops."""
    other = Relay().start()
    try:
        other.connection("home", HOME, f"127.0.0.1:{home.port}")
        other.connection("loop", "loop.example", f"127.0.0.1:{relay.port('smtp')}")
        relay.connection("loop", "loop.example", f"127.0.0.1:{other.port('smtp')}")
        ident = relay.send("x@loop.example")
        report = wait_report(home, ident, seconds=40)[0]
        assert status_of(report, "x@loop.example") == "5.4.6"
        assert len(reports(home, ident)) == 1
    finally:
        other.remove()


@pytest.mark.parametrize("domain", ["dead", "servfail", "refused", "garbage", "mx-dead"])
def test_a_broken_zone_defers(relay_by_own, home, names, domain):
    """No answer is no answer: nothing is known, so the message waits; reported when its time is over."""
    address = f"x@{domain}.example"
    relay = relay_by_own
    ident = relay.send(address)
    wait_until(lambda: len({round(q[0], 1) for q in names.questions if domain in q[1]}) >= 2, 30, "questions")
    assert relay.is_queued(ident) and not reports(home, ident)
    report = wait_report(home, ident, seconds=60)[0]
    assert status_of(report, address)[0] in "45" and status_of(report, address) not in ("5.1.2", "5.1.10")


def test_a_zone_that_is_mended_is_delivered_to(relay_by_own, sinks, names):
    names.table["mended.example"] = "SERVFAIL"
    ident = relay_by_own.send("x@mended.example")
    wait_until(lambda: names.asked("mended.example"), what="a question")
    assert not where(sinks, ident)
    names.table["mended.example"] = ["MX 10 h3.example"]
    arrives(sinks, ident, 3, 30)


def test_half_a_dead_zone_is_passed_over(patient_by_own, sinks):
    arrives(sinks, patient_by_own.send("x@mx-half-dead.example"), 2, 30)


def test_slow_truncated_and_long_answers_are_taken(patient_by_own, sinks, names):
    patient = patient_by_own
    arrives(sinks, patient.send("x@slow.example"), 2, 30)
    arrives(sinks, patient.send("x@truncated.example"), 2)
    assert any(q[3] == "tcp" for q in names.asked("truncated.example", "MX"))
    arrives(sinks, patient.send("x@long.example"), 3)
    assert any(q[3] == "tcp" for q in names.asked("long.example", "MX"))


def test_a_dead_name_server_defers_and_its_return_delivers(port, sinks, home):
    names = NameServer(GOOD).start()
    relay = Relay(settings={"dns_servers": names.address, "smtp_out_port": port, "queue_timeout_ms": "1 min"}).start()
    try:
        names.stop()
        ident = relay.send("x@order.example")
        wait_until(lambda: relay.is_queued(ident), what="the message in the queue")
        names.start()
        arrives(sinks, ident, 2, 40)
    finally:
        names.stop()
        relay.remove()


def test_route_tells_what_would_be_done(relay):
    text = relay.ctl("route", "x@order.example")
    assert text.index("h2.example") < text.index("h3.example") < text.index("h4.example")
    assert "5.1.10" in relay.ctl("route", "x@null.example") or "null" in relay.ctl("route", "x@null.example").lower()
