"""The queue by hand, what becomes of an address, a message's life; against servers of the tests."""
import json, pathlib, pty, os, subprocess, sys

import pytest
import server as servers
from peer import Peer
from test_ctl import Ctl, DATAERR, NOUSER, USAGE, CANTCREAT, NOPERM

SENDER = "alice@example.test"


@pytest.fixture
def peer():
    made = Peer().start()
    yield made
    made.gate.set()
    made.stop()


class Queue(Ctl):
    """Commands, and mail to the peer."""

    def __init__(self, server, peer):
        super().__init__(server)
        self.count = 0
        server.set(smtp_out_port=peer.port, relay_networks="127.0.0.0/8", queue_retry_min_ms="1 h",
                   queue_retry_max_ms="1 h", queue_probe_ms="1 h")

    def send(self, *names, sender=SENDER, text=b"Text\r\n"):
        """To names at the peer's address, or whole addresses; gives the Message-ID."""
        self.count += 1
        message_id = f"<q{self.count}@test.example>"
        rcpts = [n if "@" in n else f"{n}@[127.0.0.1]" for n in names]
        with servers.Smtp(self.server.port("smtp")) as smtp:
            codes = smtp.mail(sender, rcpts, f"Message-ID: {message_id}\r\nSubject: {self.count}\r\n\r\n".encode() + text)
        assert codes[-1] == 250, codes
        return message_id

    def rows(self, *filters):
        return self.json("queue", "list", *filters)["recipients"]

    def names(self, *filters):
        return [r["to"].split("@")[0] for r in self.rows(*filters)]

    def row(self, name):
        """The row of that recipient once it was tried."""
        return servers.wait_until(lambda: next((r for r in self.rows("--to", f"{name}@*") if r["answer"]), None),
                                  what=f"an answer for {name}")

    def await_empty(self):
        servers.wait_until(lambda: not self.rows(), what="an empty queue")

    def trace(self, what):
        return self.json("trace", what)

    def events(self, what):
        return [e["event"] for e in self.trace(what)["events"]]


@pytest.fixture
def queue(own, peer):
    """A server for this test, on each engine."""
    return Queue(own.start(), peer)


@pytest.fixture
def lite(sqlite, peer):
    """As queue, for what does not depend on the engine."""
    return Queue(sqlite.start(), peer)


# --- list and show ---

def test_the_list_tells_recipients_answers_and_sums(queue, peer):
    peer.answers = {"late": "451 4.2.0 greylisted", "full": "452 4.2.2 mailbox full"}
    queue.send("late", "full")
    queue.send("late", sender="")
    late, full = queue.row("late"), queue.row("full")
    assert late["state"] == "queued" and late["attempts"] == 1 and late["from"] == SENDER
    assert "451 4.2.0" in late["answer"] and late["answer_of"] == "recipient"
    assert late["destination"] == "domain [127.0.0.1]" and 0 < late["next_in_ms"] <= 4_400_000
    servers.wait_until(lambda: all(r["answer"] for r in queue.rows()))
    whole = queue.json("queue", "list")
    assert whole["summary"] == {"recipients": 3, "messages": 2, "more": False, "missing": 0,
                                "bytes": whole["recipients"][0]["bytes"] + whole["recipients"][2]["bytes"]}
    text = queue.run("queue", "list")
    assert "3 recipients of 2 messages" in text and "greylisted" in text and text.startswith("ID ")
    assert full["id"].split(".")[0] == late["id"].split(".")[0]


@pytest.mark.parametrize("filters,names", [
    (("--from", "alice@*"), ["late", "full"]),
    (("--from", "ALICE@example.TEST"), ["late", "full"]),
    (("--from", "<>"), ["other"]),
    (("--from", "alice"), []),
    (("--to", "*u*@*"), ["full"]),
    (("--destination", "[127.0.0.1]"), ["late", "full", "other"]),
    (("--destination", "domain *"), ["late", "full", "other"]),
    (("--destination", "example.net"), []),
    (("--answer", "*GREY*"), ["late"]),
    (("--answer", "45*"), ["late", "full", "other"]),
    (("--state", "queued"), ["late", "full", "other"]),
    (("--state", "held"), []),
    (("--older", "1h"), []),
    (("--younger", "1h"), ["late", "full", "other"]),
    (("--limit", "2"), ["late", "full"]),
    (("--to", "late@*", "--answer", "*full*"), []),
])
def test_filters_choose(filtered, filters, names):
    assert filtered.names(*filters) == names


@pytest.fixture(scope="module")
def filtered():
    """One server with three recipients queued, for the cases above."""
    peer = Peer().start()
    peer.answers = {"late": "451 4.2.0 greylisted", "full": "452 4.2.2 mailbox full", "other": "450 4.2.0 later"}
    queue = Queue(servers.Server("sqlite").start(), peer)
    queue.send("late", "full")
    queue.send("other", sender="")
    for name in peer.answers:
        queue.row(name)
    yield queue
    queue.server.remove()
    peer.stop()


def test_a_limited_list_says_that_there_is_more(filtered):
    assert filtered.json("queue", "list", "--limit", 1)["summary"]["more"]
    assert "there are more" in filtered.run("queue", "list", "--limit", 1)
    assert not filtered.json("queue", "list", "--limit", 3)["summary"]["more"]


def test_the_summary_tells_destinations(filtered):
    whole = filtered.json("queue", "list", "--summary")
    assert whole["recipients"] == []
    assert whole["summary"]["destinations"][0]["destination"] == "domain [127.0.0.1]"
    assert whole["summary"]["destinations"][0]["recipients"] == 3
    assert "DESTINATION" in filtered.run("queue", "list", "--summary")


@pytest.mark.parametrize("args,status,sentence", [
    (("queue", "list", "--state", "bad"), DATAERR, "not a state"),
    (("queue", "list", "--older", "soon"), USAGE, "not an age"),
    (("queue", "list", "--limit", "x"), DATAERR, "not a whole number"),
    (("queue", "show", "x"), DATAERR, "not an id"),
    (("queue", "show", "999"), NOUSER, "nothing is queued under this id"),
    (("queue", "export", "999"), NOUSER, "nothing is queued under this id"),
    (("queue", "hold"), USAGE, "say which"),
    (("queue", "hold", "1.x"), DATAERR, "not an id"),
    (("queue", "hold", "999"), NOUSER, "nothing is queued under this id"),
    (("queue", "release", "1.1"), DATAERR, "not held"),
    (("queue", "drop", "--all"), USAGE, "3 recipients of 2 messages would be dropped; say --yes"),
    (("queue", "bounce", "--to", "*"), USAGE, "say --yes"),
    (("queue", "bounce", "1.1", "--text", "a\nb"), DATAERR, "control characters"),
    (("route", "a b"), DATAERR, "not an address"),
    (("trace", "nothing@at.all"), NOUSER, "knows no such message"),
])
def test_what_cannot_be_is_refused_in_one_sentence(filtered, args, status, sentence):
    filtered.run(*args, status=status)
    assert sentence in filtered.err


def test_drop_asks_on_a_terminal(filtered):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(servers.BINARY, [servers.BINARY, "--dir", str(filtered.server.dir), "queue", "drop", "--all"])
    seen = b""
    while b"Write yes" not in seen:
        seen += os.read(fd, 1000)
    os.write(fd, b"no\n")
    try:
        while True:
            seen += os.read(fd, 1000)
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == USAGE
    assert b"3 recipients of 2 messages" in seen and b"nothing was dropped" in seen
    assert len(filtered.rows()) == 3


def test_a_message_is_shown_and_exported_as_it_came(lite, peer, tmp_path):
    peer.answers = {"*": "451 4.2.0 later"}
    message_id = lite.send("one", "two", text=b"Line\r\n..dot\r\n")
    row = lite.row("two")
    shown = lite.json("queue", "show", row["id"].split(".")[0])
    assert shown["message_id"] == message_id and shown["from"] == SENDER and shown["origin"] == "smtp 127.0.0.1"
    assert [r["to"] for r in shown["recipients"]] == ["one@[127.0.0.1]", "two@[127.0.0.1]"]
    assert f"Message-ID: {message_id}\r\n" in shown["header"]
    assert len(lite.json("queue", "show", row["id"])["recipients"]) == 1
    text = lite.run("queue", "show", row["id"])
    assert message_id in text and "451 4.2.0" in text and "Subject: 1" in text
    eml = tmp_path / "message.eml"
    lite.run("queue", "export", row["id"], eml)
    assert eml.read_bytes().endswith(b"Subject: 1\r\n\r\nLine\r\n.dot\r\n") and not eml.read_bytes().startswith(b"Return-Path")
    assert lite.run("queue", "export", row["id"]).encode() == eml.read_bytes().replace(b"\r\n", b"\r\n")
    assert len(eml.read_bytes()) == row["bytes"]
    lite.run("queue", "export", row["id"], eml, status=CANTCREAT)


# --- changing ---

def test_held_mail_waits_until_it_is_released(queue, peer):
    peer.answers = {"*": "451 4.2.0 later"}
    queue.send("held", "free")
    row = queue.row("held")
    assert queue.run("queue", "hold", row["id"]) == "1 recipient held\n"
    assert queue.names("--state", "held") == ["held"]
    assert queue.json("status")["queue"]["held"] == 1
    peer.answers = {}
    assert queue.json("queue", "retry", "--all")["changed"] == 1
    servers.wait_until(lambda: peer.rcpts() == ["free@[127.0.0.1]"])
    assert queue.names() == ["held"]
    queue.run("queue", "retry", row["id"], status=DATAERR)
    assert "queue release" in queue.err
    assert queue.json("queue", "release", row["id"].split(".")[0])["changed"] == 1
    queue.await_empty()
    assert peer.rcpts() == ["free@[127.0.0.1]", "held@[127.0.0.1]"]


def test_a_retry_wakes_a_destination_that_is_down(queue, peer):
    peer.stop()
    queue.send("a", "b")
    row = queue.row("a")
    assert row["answer_of"] == "destination" and row["next_in_ms"] > 1_000_000
    down = queue.json("status")["queue"]["down"]
    assert [d["destination"] for d in down] == ["domain [127.0.0.1]"] and down[0]["recipients"] == 2
    assert "down, 2 waiting, next try in" in queue.run("status")
    assert "down after 1 tries" in queue.run("route", "x@[127.0.0.1]")
    peer.start()
    queue.run("queue", "retry", row["id"])
    queue.await_empty()
    assert peer.rcpts() == ["a@[127.0.0.1]", "b@[127.0.0.1]"]
    assert queue.json("status")["queue"]["down"] == []


def test_what_lies_in_memory_is_not_sent_once_it_is_held(lite, peer):
    """A destination with one connection: the others wait in the queue's memory behind the slow one."""
    lite.server.set(smtp_out_per_destination_max=1)
    lite.send("slow")
    assert peer.asked.wait(20)
    for n in range(20):
        lite.send(f"n{n}")
    held = lite.json("queue", "hold", "--to", "n*")
    assert (held["changed"], held["tried"]) == (20, 0)
    dropped = lite.json("queue", "drop", "--to", "n1*", "--yes")
    assert dropped["changed"] == 11
    peer.gate.set()
    servers.wait_until(lambda: peer.rcpts() == ["slow@[127.0.0.1]"])
    lite.send("last")
    servers.wait_until(lambda: len(peer.rcpts()) == 2)
    assert peer.rcpts() == ["last@[127.0.0.1]", "slow@[127.0.0.1]"]
    assert lite.json("queue", "release", "--all")["changed"] == 9
    lite.await_empty()
    assert len(peer.rcpts()) == 11


def test_what_is_being_tried_is_told_and_its_outcome_counts(queue, peer):
    message_id = queue.send("slow")
    assert peer.asked.wait(20)
    assert queue.json("queue", "hold", "--all")["tried"] == 1
    peer.gate.set()
    servers.wait_until(lambda: "sent" in queue.events(message_id))
    queue.await_empty()


def test_what_is_dropped_while_it_is_tried_is_sent_whole_or_not_at_all(queue, peer):
    message_id = queue.send("slow")
    assert peer.asked.wait(20)
    assert "being tried at that moment" in queue.run("queue", "drop", "--all")
    peer.gate.set()
    servers.wait_until(lambda: {"sent", "deferred"} & set(queue.events(message_id)))
    assert queue.rows() == [] and all(b"Text" in data for _, _, data in peer.mails)
    assert queue.run("store", "check") == "no faults\n"


def test_a_bounced_message_goes_back_to_its_sender(queue, peer):
    peer.answers = {"*": "451 4.2.0 later"}
    message_id = queue.send("gone", "stays")
    row = queue.row("gone")
    queue.run("queue", "bounce", row["id"], "--text", "5.1.1 nobody of this name")
    since = servers.wait_until(lambda: "reported" in queue.events(message_id))
    assert since and queue.names() == ["stays"]
    with servers.Imap(queue.server.port("imap"), "alice") as imap:
        imap.ok("SELECT INBOX")
        report = "".join(imap.ok("FETCH 1 BODY[]"))
    assert "nobody of this name" in report and "Status: 5.1.1" in report and "gone@[127.0.0.1]" in report
    queue.run("queue", "bounce", "--all")
    queue.await_empty()


def test_a_dropped_message_leaves_a_record_and_nothing_else(queue, peer):
    peer.answers = {"*": "451 4.2.0 later"}
    message_id = queue.send("a", "b")
    queue.row("b")
    since = len(queue.server.lines)
    assert queue.run("queue", "drop", "--from", "alice@*", "--yes") == "2 recipients dropped\n"
    line = queue.server.await_line("event=dropped", since=since)
    assert "guid=" in line and "from=alice@example.test" in line and 'who="uid=' in line
    assert queue.rows() == []
    assert queue.events(message_id)[-2:] == ["dropped", "dropped"]
    assert "nowhere here any more" in queue.run("trace", message_id)
    assert queue.run("store", "check") == "no faults\n"


def test_many_are_changed_page_by_page(queue, peer):
    peer.answers = {"*": "451 4.2.0 later"}
    for _ in range(3):
        queue.send(*[f"r{n}" for n in range(150)])
    servers.wait_until(lambda: len(queue.rows("--answer", "451*")) == 450)
    assert queue.json("queue", "hold", "--all")["changed"] == 450
    assert queue.json("queue", "list", "--state", "held")["summary"]["messages"] == 3
    assert queue.run("queue", "list").count("\n") == 452
    peer.answers = {}
    first = queue.rows("--limit", 1)[0]["id"].split(".")[0]
    assert queue.json("queue", "release", first)["changed"] == 150
    servers.wait_until(lambda: len(peer.rcpts()) == 150)
    assert queue.json("queue", "drop", "--all", "--yes")["changed"] == 300
    assert queue.json("queue", "list")["summary"]["recipients"] == 0
    assert len(peer.rcpts()) == 150


# --- trace ---

def test_a_delivered_messages_life_is_told(queue, peer):
    peer.answers = {"late": "451 4.2.0 greylisted"}
    message_id = queue.send("x", "late", "bob@example.test")
    row = queue.row("late")
    peer.answers = {}
    queue.run("queue", "retry", row["id"])
    queue.await_empty()
    told = queue.trace(message_id)
    assert [e["event"] for e in told["events"][:4]] == ["smtp_accepted", "delivered", "queued", "queued"]
    assert [e["event"] for e in told["events"] if e.get("to") == "late@[127.0.0.1]"] == \
        ["queued", "deferred", "queue_changed", "sent"]
    assert told["events"][0]["origin"] == "smtp 127.0.0.1" and told["events"][0]["from"] == SENDER
    assert told["events"][2]["why"] == "an address literal"
    assert [(l["account"], l["folder"]) for l in told["lies"]] == [("bob", "INBOX")]
    assert told["queued"] == []
    text = queue.run("trace", message_id.strip("<>"))
    assert text.index("taken from alice@example.test") < text.index("greylisted") < text.rindex("taken over by another")
    assert queue.trace(told["events"][0]["guid"])["events"] == told["events"]


def test_a_bounce_is_followed_into_its_report(queue, peer):
    peer.answers = {"no": "550 5.1.1 no such user"}
    message_id = queue.send("no")
    servers.wait_until(lambda: "reported" in queue.events(message_id))
    told = queue.trace(message_id)
    report = next(e for e in told["events"] if e["event"] == "reported")
    delivered = next(e for e in told["events"] if e["event"] == "delivered")
    assert delivered["guid"] == report["report"] and delivered["about"] == report["guid"]
    assert told["lies"][0]["account"] == "alice" and told["lies"][0]["about"] == report["guid"]
    assert "    report: delivered to alice" in queue.run("trace", message_id)
    assert queue.events(f"<{report['report']}@mail.example.test>") == ["delivered"]


def test_what_a_client_saved_is_traced(lite):
    with servers.Imap(lite.server.port("imap"), "bob") as imap:
        imap.append("Sent", b"Message-ID: <saved@test.example>\r\n\r\nText\r\n")
    told = lite.trace("saved@test.example")
    assert [e["event"] for e in told["events"]] == ["imap_appended"]
    assert [(l["folder"], l["uid"]) for l in told["lies"]] == [("Sent", 1)]


def test_a_destination_that_is_down_is_part_of_the_life(lite, peer):
    peer.stop()
    message_id = lite.send("x")
    row = lite.row("x")
    assert "destination_down" in lite.events(message_id)
    assert lite.trace(message_id)["queued"][0]["id"] == row["id"]
    assert "does not answer" in lite.run("trace", message_id)


def test_the_record_outlives_a_restart_and_a_quiet_log(sqlite, peer):
    queue = Queue(sqlite.start(), peer)
    path = sqlite.dir / "posthorse.ini"
    path.write_text(path.read_text() + "log_level = error\n")
    queue.run("config", "reload")
    servers.wait_until(lambda: "log_level = error" in queue.run("config", "show", "--changed"))
    since = len(sqlite.lines)
    message_id = queue.send("x", "bob@example.test")
    servers.wait_until(lambda: "sent" in queue.events(message_id))
    assert not sqlite.seen("event=delivered", since)
    before = queue.trace(message_id)["events"]
    sqlite.stop()
    sqlite.start()
    assert queue.trace(message_id)["events"] == before
    folder = sqlite.dir / "data" / "trace"
    assert [p.name[:6] for p in folder.iterdir()] == ["trace-"] and (folder.stat().st_mode & 0o777) == 0o700


def test_no_record_is_kept_where_none_is_wanted(lite):
    lite.server.set(trace_days=0)
    message_id = lite.send("bob@example.test")
    lite.run("trace", message_id, status=NOPERM)
    assert "trace_days is 0" in lite.err
    assert list((lite.server.dir / "data" / "trace").iterdir()) == []
    lite.server.set(trace_days=2)
    assert lite.events(lite.send("bob@example.test")) == ["smtp_accepted", "delivered"]


# --- route ---

def edit(ctl, kind, name, text):
    ctl.run("directory", "edit", kind, name, input=text)


def test_a_route_tells_who_gets_it_and_why(queue, peer):
    queue.run("account", "set", "alice", "--alias", "info")
    edit(queue, "group", "sales", "member = bob\nmember = elsewhere@far.example\n")
    edit(queue, "group", "nobody", "full_name = Nobody\n")
    edit(queue, "connection", "relay", f"domain = far.example\nhost = 127.0.0.1:{peer.port}\ntls = none\n")

    def route(address):
        return queue.json("route", address)["routes"][0]
    assert [t["account"] for t in route("bob@example.test")["targets"]] == ["bob"]
    assert [(t["account"], t["via"]) for t in route("info@example.test")["targets"]] == [("alice", "alias")]
    group = route("sales@example.test")
    assert {t.get("account", t.get("address")) for t in group["targets"]} == {"bob", "elsewhere@far.example"}
    assert {t["via"] for t in group["targets"]} == {"group sales"}
    assert route("none@example.test")["verdict"] == "refused" and "5.1.1" in route("none@example.test")["why"]
    assert "leads to nobody" in route("nobody@example.test")["why"]
    plan = route("x@far.example")["targets"][0]["plan"]
    assert plan["key"] == "connection relay" and plan["hops"][0]["tls"] == "none"
    assert plan["hops"][0]["hosts"] == [{"name": "127.0.0.1", "address": "127.0.0.1", "port": peer.port}]
    text = queue.run("route", "sales@example.test", "x@far.example", "none@example.test")
    assert "-> account bob, here (group sales)" in text
    assert '"connection relay"' in text and f"127.0.0.1 [127.0.0.1] port {peer.port}, TLS none" in text
    assert "none@example.test: refused; 550 5.1.1" in text
    assert queue.rows() == [] and peer.mails == []


def test_a_forward_is_followed(lite):
    shown = lite.json("directory", "show", "person", "carol")["text"]
    edit(lite, "person", "carol", shown + "forward = someone@far.example\n")
    targets = lite.json("route", "carol@example.test")["routes"][0]["targets"]
    assert {(t.get("account", t.get("address")), t["via"]) for t in targets} == \
        {("carol", "direct"), ("someone@far.example", "forward of carol")}
