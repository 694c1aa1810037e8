"""Two servers of one cluster: a copy on the second one before 250, what happens when the first dies, and when it
returns."""
import json, os, signal, time

import pytest

import server as servers
from server import wait_until
from sink import Sink
from test_cluster import Member

ALICE = "alice@example.test"
TAKEOVER_MS = 1500


class Pair:
    """a.test and b.test, and where their mail goes."""

    def __init__(self, settings):
        self.sink = Sink(tls=False).start()
        base = servers.free_base_port(4)
        self.members = []
        for n, name in enumerate(("a.test", "b.test")):
            port = base + 2 + n
            member = Member(name, base + n, {"listen_smtp": f"127.0.0.1:{port}", "relay_networks": "127.0.0.0/8",
                                             "smtp_out_port": self.sink.port, "shadow_takeover_ms": TAKEOVER_MS,
                                             "shadow_timeout_ms": 1000, "queue_retry_min_ms": 200,
                                             "queue_retry_max_ms": 500, **settings})
            member.smtp_port = port
            self.members.append(member)
        self.a, self.b = self.members
        self.a.run("domain", "init")
        self.a.start()
        done = self.b.join(self.a.invite("b.test"), base)
        assert done.returncode == 0, done.stderr
        self.b.start()
        self.edit(self.a, "cluster", "pair", "member = a.test\nmember = b.test\n")
        self.await_settled(self.a)
        self.await_settled(self.b)

    def edit(self, member, kind, name, text):
        status, answer = member.api("/v1/directory/edit", {"kind": kind, "name": name, "text": text})
        assert status == 200, answer

    def await_settled(self, member):
        member.await_line("event=shadow_settled")

    def send(self, member, rcpts, text=b"Subject: t\r\n\r\nText\r\n"):
        with servers.Smtp(member.smtp_port) as smtp:
            return smtp.mail(ALICE, rcpts, text)[-1]

    def counters(self, member):
        return member.api("/v1/status")[1]["counters"]

    def queued(self, member):
        return member.api("/v1/queue")[1]

    def remove(self):
        self.sink.stop()
        for member in self.members:
            if member.process and member.process.poll() is None:
                member.signal(signal.SIGCONT)
            member.remove()


def pair_of(**settings):
    return Pair(settings)


@pytest.fixture
def pair(request):
    made = Pair(getattr(request, "param", {}))
    yield made
    made.remove()


REQUIRED = pytest.mark.parametrize("pair", [{"shadow": "required"}], indirect=True)


def sent(pair, count):
    pair.sink.wait_accepted(count)
    return [m["rcpts"][0][0] for m in pair.sink.messages()]


def out(n):
    return f"u{n}@[127.0.0.1]"


# --- 250 ---

@REQUIRED
def test_a_message_has_its_copy_before_250_and_none_when_it_is_done(pair):
    pair.sink.down()
    assert pair.send(pair.a, [out(1), out(2)]) == 250
    assert shadows(pair.b) == {"a.test": 1}
    pair.sink.up()
    sent(pair, 1)
    wait_until(lambda: shadows(pair.b) == {}, what="the copy's end")
    for member in pair.members:
        assert member.stop() == 0
        member.run("store", "check")


@REQUIRED
def test_the_queue_tells_who_has_a_copy_and_whose_copies_are_here(pair):
    pair.sink.down()
    assert pair.send(pair.a, [out(1), out(2)], b"Subject: t\r\nMessage-ID: <one@a.test>\r\n\r\nText\r\n") == 250
    listed = pair.a.run("queue", "list").stdout.splitlines()
    column = listed[0].index("COPY")
    assert [line[column:].split()[0] for line in listed[1:3]] == ["b.test", "b.test"]
    shown = json.loads(pair.a.run("queue", "list", "--json").stdout)["recipients"]
    assert [r["copy"] for r in shown] == ["b.test", "b.test"]
    assert ["copy", "on", "b.test"] in [line.split() for line in pair.a.run("queue", "show", shown[0]["id"]).stdout.splitlines()]
    held = json.loads(pair.b.run("queue", "list", "--copies", "--json").stdout)
    assert held["summary"]["messages"] == 1
    copy = held["copies"][0]
    assert (copy["owner"], copy["guid"], copy["recipients"], copy["message_id"], copy["from"]) == (
        "a.test", shown[0]["guid"], 2, "<one@a.test>", ALICE)
    text = pair.b.run("queue", "list", "--copies").stdout
    assert text.splitlines()[1].split()[0] == "a.test" and "copies of 1 message of other servers" in text
    assert "copies of 0 messages" in pair.a.run("queue", "list", "--copies").stdout
    pair.sink.up()
    sent(pair, 1)


@REQUIRED
def test_without_the_partner_required_says_451_and_preferred_250(pair):
    pair.b.kill()
    assert pair.send(pair.a, [out(1)]) == 451
    pair.a.set_conf(shadow="preferred")
    assert pair.send(pair.a, [out(2)]) == 250
    assert pair.a.count("shadow_missed") == 1
    pair.a.set_conf(shadow="auto")
    wait_until(lambda: pair.a.states() == {"b.test": "down"})
    assert pair.send(pair.a, [out(3)]) == 250
    assert sorted(sent(pair, 2)) == [out(2), out(3)]


@REQUIRED
def test_a_partner_that_hangs_is_not_waited_for_forever(pair):
    os.kill(pair.b.worker(), signal.SIGSTOP)
    begun = time.monotonic()
    assert pair.send(pair.a, [out(1)]) == 451
    assert time.monotonic() - begun < 5
    os.kill(pair.b.worker(), signal.SIGCONT)
    wait_until(lambda: pair.send(pair.a, [out(2)]) == 250)
    assert sent(pair, 1) == [out(2)]


# --- the first server dies ---

def test_the_partner_delivers_what_a_dead_server_had_queued_and_nothing_comes_twice(pair):
    """The default settings, but for how long is waited."""
    pair.sink.down()
    large = b"Subject: large\r\n\r\n" + os.urandom(1_500_000).hex().encode() + b"\r\n"
    assert pair.send(pair.a, [out(0)], b"Subject: t\r\n\r\n" + b"\r\n".join(
        large[18 + i:18 + i + 900] for i in range(0, 2_000_000, 900)) + b"\r\n") == 250
    for n in range(1, 30):
        assert pair.send(pair.a, [out(n)]) == 250
    assert shadows(pair.b) == {"a.test": 30}
    pair.a.kill()
    pair.sink.up()
    assert sorted(sent(pair, 30)) == sorted(out(n) for n in range(30))
    assert len(pair.sink.text(pair.sink.messages(out(0))[0])) > 2_000_000
    pair.a.start()
    pair.await_settled(pair.a)
    assert pair.a.count("shadow_given_up") == 30
    assert pair.send(pair.a, [out(99)]) == 250
    sent(pair, 31)
    wait_until(lambda: rows(pair.a) == rows(pair.b) == 0, what="empty queues")
    assert len(pair.sink.messages()) == 31
    for member in pair.members:
        assert member.stop() == 0
        member.run("store", "check")


def test_a_partner_that_was_killed_too_delivers_once_it_is_back(pair):
    """Its copies are only in its journal when it dies."""
    pair.sink.down()
    for n in range(20):
        assert pair.send(pair.a, [out(n)]) == 250
    pair.a.kill()
    pair.b.kill()
    pair.sink.up()
    pair.b.start()
    assert sorted(sent(pair, 20)) == sorted(out(n) for n in range(20))
    pair.a.start()
    pair.await_settled(pair.a)
    wait_until(lambda: rows(pair.a) == rows(pair.b) == 0, what="empty queues")
    assert len(pair.sink.messages()) == 20
    for member in pair.members:
        assert member.stop() == 0
        member.run("store", "check")


def test_a_server_that_is_back_soon_goes_on_itself(pair):
    pair.sink.down()
    for n in range(5):
        assert pair.send(pair.a, [out(n)]) == 250
    pair.a.kill()
    pair.a.start()
    pair.await_settled(pair.a)
    pair.sink.up()
    assert sorted(sent(pair, 5)) == [out(n) for n in range(5)]
    wait_until(lambda: shadows(pair.b) == {})
    assert pair.b.count("shadow_taken") == 0 and len(pair.sink.messages()) == 5


def test_what_was_done_before_the_death_is_not_done_again(pair):
    pair.sink.fault("rcpt", "451 4.2.0 later", match="u2")
    assert pair.send(pair.a, [out(1), out(2)]) == 250
    sent(pair, 1)
    wait_until(lambda: shadow_rcpts(pair.b) == 1, what="u1 done on the partner too")
    pair.a.kill()
    pair.sink.clear()
    pair.sink.wait_accepted(1, to=out(2))
    assert len(pair.sink.messages(out(1))) == 1


def test_a_server_that_was_stopped_does_not_send_what_was_taken_over(pair):
    pair.sink.down()
    for n in range(5):
        assert pair.send(pair.a, [out(n)]) == 250
    os.kill(pair.a.worker(), signal.SIGSTOP)
    wait_until(lambda: pair.b.count("shadow_taken") == 5, 30, "the takeover")
    pair.sink.up()
    assert sorted(sent(pair, 5)) == [out(n) for n in range(5)]
    os.kill(pair.a.worker(), signal.SIGCONT)
    wait_until(lambda: rows(pair.a) == 0, what="an empty queue")
    assert len(pair.sink.messages()) == 5


def test_a_server_that_was_stopped_in_the_middle_of_a_try_does_not_go_on_with_it(pair):
    pair.sink.fault("ehlo", "wait 6000", times=1)
    assert pair.send(pair.a, [out(1)]) == 250
    wait_until(lambda: pair.sink.seen("fault"), what="the try")
    session = pair.sink.seen("fault")[0]["session"]
    os.kill(pair.a.worker(), signal.SIGSTOP)
    try:
        assert sent(pair, 1) == [out(1)]   # by the partner
    finally:
        os.kill(pair.a.worker(), signal.SIGCONT)
    wait_until(lambda: pair.sink.seen("closed", session=session), 30, "the end of the first connection")
    assert pair.a.count("shadow_given_up") == 1 and rows(pair.a) == 0
    assert len(pair.sink.messages()) == 1


def test_what_was_taken_alone_gets_its_copy_later(pair):
    pair.sink.down()
    pair.b.kill()
    wait_until(lambda: pair.a.states() == {"b.test": "down"})
    assert pair.send(pair.a, [out(1)]) == 250
    pair.b.start()
    wait_until(lambda: shadows(pair.b) == {"a.test": 1}, what="the late copy")
    pair.a.kill()
    pair.sink.up()
    assert sent(pair, 1) == [out(1)]


# --- what is told of it ---

def shadow_of(member):
    status, answer = member.api("/v1/status")
    assert status == 200
    return answer["shadow"]


def shadows(member):
    """Whose copies it holds, and how many."""
    return {s["server"]: s["messages"] for s in shadow_of(member)["held"]}


def shadow_rcpts(member):
    return shadow_of(member)["held_recipients"]


def rows(member):
    return member.api("/v1/status")[1]["queue"]["recipients"]
