"""Scheduling by mail (iMIP, RFC 6047) between two mail systems that know nothing of each other but their mail."""
import base64, email, email.policy, hashlib, http.client, re, sqlite3, threading

import pytest
import server as servers
from peer import Peer
from server import Closed, Imap, PASSWORD, Smtp, wait_until
from test_cluster import make_domain
from test_ctl import Ctl
from test_domain_routing import FAST, everywhere

ALICE, BOB = "alice@a.test", "bob@b.test"


def event(uid="m1", more="", start="20300107T090000Z", sequence=0, stamp="20260101T000000Z", organizer=ALICE,
          attendees=(BOB,), method=None, partstat="NEEDS-ACTION", summary="Planung für März"):
    people = "".join(f"ATTENDEE;RSVP=TRUE;PARTSTAT={partstat}:mailto:{a}\r\n" for a in attendees)
    return ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n" + (f"METHOD:{method}\r\n" if method else "") +
            f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:{stamp}\r\nSEQUENCE:{sequence}\r\nDTSTART:{start}\r\n"
            f"DURATION:PT1H\r\nSUMMARY:{summary}\r\nORGANIZER:mailto:{organizer}\r\n{people}{more}"
            "END:VEVENT\r\nEND:VCALENDAR\r\n")


def mail(sender, rcpt, ical, method, header=""):
    return (f"From: {sender}\r\nTo: {rcpt}\r\nSubject: x\r\nMIME-Version: 1.0\r\n{header}"
            f"Content-Type: text/calendar; method={method}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n").encode() + base64.encodebytes(ical.encode()).replace(b"\n", b"\r\n")


class System:
    """A server with a domain of its own, and what one does there."""

    def __init__(self, server, domain, **settings):
        self.server, self.domain = server, domain
        server.start()
        server.set(domains=domain, **settings)
        self.ctl = Ctl(server)

    def kill_and_start(self):
        """With the settings it has; the sandbox would write its own."""
        self.server.kill()
        self.server.config = self.server.dir / "posthorse.ini"
        self.server.start()

    def knows(self, other, port):
        self.ctl.run("directory", "edit", "connection", "other",
                     input=f"domain = {other}\nhost = 127.0.0.1:{port}\n")

    def call(self, method, user, path, body=None, headers=None):
        link = http.client.HTTPConnection("127.0.0.1", self.server.port("http"), timeout=20)
        login = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        try:
            link.request(method, f"/dav/calendars/{user}/calendar/{path}", body and body.encode(),
                         {"Authorization": "Basic " + login, "Content-Type": "text/calendar; charset=utf-8",
                          **(headers or {})})
            reply = link.getresponse()
            return reply.status, reply.read().decode()
        finally:
            link.close()

    def put(self, user, name, body):
        status, text = self.call("PUT", user, name, body)
        assert status in (201, 204), text

    def get(self, user, name):
        """The object, unfolded; "" where there is none."""
        status, text = self.call("GET", user, name)
        assert status in (200, 404), text
        return re.sub(r"\r\n[ \t]", "", text) if status == 200 else ""

    def mails(self, user):
        with Imap(self.server.port("imap"), user) as imap:
            imap.ok("SELECT INBOX")
            found = []
            for uid in imap.ok("UID SEARCH ALL")[0].split()[2:]:
                tag = imap.begin(f"UID FETCH {uid} BODY.PEEK[]")
                line = imap.line()
                found.append(email.message_from_bytes(imap.read(int(line[line.rindex("{") + 1:-1])),
                                                      policy=email.policy.default))
                imap.end(tag)
            return found

    def await_get(self, user, name, what, seconds=20):
        return wait_until(lambda: (lambda text: text if what(text) else None)(self.get(user, name)), seconds,
                          f"{name} of {user}")


def named(uid):
    """What an invitation's object is called."""
    return hashlib.sha256(uid.encode()).hexdigest()[:32] + ".ics"


def answer(text, answer):
    return re.sub(r"PARTSTAT=[A-Z-]+", f"PARTSTAT={answer}", text)


@pytest.fixture
def two():
    made = [servers.Server("sqlite", base_port=servers.free_base_port()) for _ in range(2)]
    try:
        soon = dict(queue_retry_min_ms="200 ms", queue_retry_max_ms="1 s")
        a, b = System(made[0], "a.test", **soon), System(made[1], "b.test", imip_accept="anyone", **soon)
        a.knows("b.test", b.server.port("smtp"))
        b.knows("a.test", a.server.port("smtp"))
        yield a, b
    finally:
        for server in made:
            server.remove()


def test_an_invitation_its_answer_a_change_and_the_end(two):
    a, b = two
    shown = a.ctl.run("directory", "show", "person", "alice")
    a.ctl.run("directory", "edit", "person", "alice", input=shown + "full_name = Alice Müller\n")
    a.put("alice", "x.ics", event())
    got = b.await_get("bob", named("m1"), bool)
    assert "SUMMARY:Planung für März" in got and "PARTSTAT=NEEDS-ACTION" in got and "METHOD" not in got
    [invitation] = wait_until(lambda: b.mails("bob"), what="the mail")
    assert invitation["Subject"] == "Invitation: Planung für März" and invitation["From"].addresses[0].addr_spec == ALICE
    assert invitation["From"].addresses[0].display_name == "Alice Müller" and invitation.get_content_type() == "multipart/alternative"
    assert [to.addr_spec for to in invitation["To"].addresses] == [BOB]
    text, calendar = invitation.iter_parts()
    assert "Mon, 7 Jan 2030, 09:00 - 10:00 UTC" in text.get_content()
    assert calendar.get_content_type() == "text/calendar" and calendar.get_param("method") == "REQUEST"
    b.put("bob", named("m1"), answer(got, "ACCEPTED"))
    a.await_get("alice", "x.ics", lambda t: "PARTSTAT=ACCEPTED" in t)
    assert a.mails("alice")[0]["Subject"] == "Accepted: Planung für März"
    stored = a.get("alice", "x.ics")
    a.put("alice", "x.ics", stored.replace("20300107T090000Z", "20300108T090000Z"))
    moved = b.await_get("bob", named("m1"), lambda t: "20300108T090000Z" in t)
    assert "PARTSTAT=NEEDS-ACTION" in moved
    assert b.mails("bob")[1]["Subject"] == "Updated invitation: Planung für März"
    assert a.call("DELETE", "alice", "x.ics")[0] == 204
    b.await_get("bob", named("m1"), lambda t: "STATUS:CANCELLED" in t)
    assert b.mails("bob")[2]["Subject"] == "Canceled: Planung für März"
    assert len(a.mails("alice")) == 1  # an answer is answered by nobody


def send(system, sender, rcpt, data, kind="smtp", user=None):
    with Smtp(system.server.port(kind)) as smtp:
        if user:
            login = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
            assert smtp.command("AUTH PLAIN " + login)[0] == 235
        assert smtp.mail(sender, [rcpt], data)[-1] == 250


def settled(system, count):
    """So many mails were looked at for calendars."""
    looked = lambda: sum("event=imip_came" in l or "event=imip_refused" in l for l in system.server.lines) >= count
    wait_until(looked, what=f"{count} mails looked at")


def tasks(system):
    with sqlite3.connect(system.server.dir / "data" / "posthorse.db") as db:
        return db.execute("SELECT count(*) FROM calendar_task").fetchone()[0]


@pytest.fixture
def one():
    system = System(servers.Server("sqlite"), "b.test")
    yield system
    system.server.remove()


def test_new_from_outside_is_left_in_the_inbox_unless_anyone_may(one):
    send(one, ALICE, BOB, mail(ALICE, BOB, event(method="REQUEST"), "REQUEST"))
    settled(one, 1)
    assert one.get("bob", named("m1")) == "" and len(one.mails("bob")) == 1
    assert "verdict=stranger" in one.server.seen("event=imip_came")
    one.server.set(imip_accept="off")
    send(one, ALICE, BOB, mail(ALICE, BOB, event(method="REQUEST"), "REQUEST"))
    settled(one, 2)
    assert one.get("bob", named("m1")) == "" and one.server.seen("event=imip_refused")
    one.server.set(imip_accept="anyone")
    send(one, ALICE, BOB, mail(ALICE, BOB, event(method="REQUEST"), "REQUEST"))
    assert "PARTSTAT=NEEDS-ACTION" in one.await_get("bob", named("m1"), bool)


def test_what_is_known_may_be_changed_by_its_organizer_and_by_nobody_else(one):
    one.server.set(imip_accept="anyone")
    send(one, ALICE, BOB, mail(ALICE, BOB, event(method="REQUEST"), "REQUEST"))
    one.await_get("bob", named("m1"), bool)
    one.server.set(imip_accept="known")
    later = dict(method="REQUEST", sequence=1, stamp="20260102T000000Z")
    send(one, "mallory@x.test", BOB, mail("mallory@x.test", BOB, event(summary="Mine", **later), "REQUEST"))
    send(one, "mallory@x.test", BOB,
         mail("mallory@x.test", BOB, event(summary="Mine", organizer="mallory@x.test", **later), "REQUEST"))
    send(one, "mallory@x.test", BOB, mail(f"{ALICE}, mallory@x.test", BOB, event(summary="Mine", **later), "REQUEST"))
    send(one, ALICE, BOB, mail(ALICE, BOB, event(summary="Mine", **later), "CANCEL"))  # METHOD is another
    send(one, ALICE, BOB, mail(ALICE, BOB, "BEGIN:VCALENDAR\r\nnonsense\r\n", "REQUEST"))
    settled(one, 6)
    assert "Mine" not in one.get("bob", named("m1"))
    send(one, ALICE, BOB, mail(ALICE, BOB, event(summary="Changed", **later), "REQUEST"))
    one.await_get("bob", named("m1"), lambda t: "SUMMARY:Changed" in t)
    assert len(one.mails("bob")) == 7  # the mail stays whatever becomes of it


def test_twice_late_and_in_another_order_end_in_the_same(one):
    one.server.set(imip_accept="anyone")
    texts = [(event("u", method="REQUEST", sequence=s, stamp=f"2026010{s + 1}T000000Z", summary=f"v{s}"), "REQUEST")
             for s in range(3)]
    cancel = (event("w", method="CANCEL", sequence=1, stamp="20260103T000000Z", more="STATUS:CANCELLED\r\n"), "CANCEL")
    late = (event("w", method="REQUEST"), "REQUEST")
    sent = [texts[0], texts[0], texts[2], texts[1], texts[2], texts[0], cancel, late, cancel, late]
    for ical, method in sent:
        send(one, ALICE, BOB, mail(ALICE, BOB, ical, method))
    settled(one, len(sent))
    assert "SUMMARY:v2" in one.get("bob", named("u")) and one.get("bob", named("w")) == ""
    last = one.get("bob", named("u"))
    for ical, method in texts:
        send(one, ALICE, BOB, mail(ALICE, BOB, ical, method))
    settled(one, len(sent) + 3)
    assert one.get("bob", named("u")) == last


def test_people_here_are_believed_only_when_they_logged_in(one):
    carol = "carol@b.test"
    ical = event("c", organizer=carol, method="REQUEST")
    send(one, carol, BOB, mail(carol, BOB, ical, "REQUEST"))  # by the open port
    settled(one, 1)
    assert one.get("bob", named("c")) == ""
    send(one, "alice@b.test", BOB, mail(carol, BOB, ical, "REQUEST"), "submission", "alice")  # in another's name
    settled(one, 2)
    assert one.get("bob", named("c")) == ""
    send(one, carol, BOB, mail(carol, BOB, ical, "REQUEST"), "submission", "carol")
    one.await_get("bob", named("c"), bool)


SAMPLES = servers.ROOT / "test" / "fuzz" / "corpus" / "calendar_imip"


@pytest.mark.parametrize("name, sender, uid, want", [
    ("outlook-request.eml", "Olivia@outlook.example",
     "040000008200E00074C5B7101A82E00800000000B0A2D1C4F5E5DB010000000000000000100000002F3A0D7C9B1E4C4A8E5D6F7081920A3B",
     ["Wochenrunde Köln", "W. Europe Standard Time", "RRULE:FREQ=WEEKLY;COUNT=4"]),
    ("google-request.eml", "1x@calendar-server.bounces.google.example", "5ob6d3vqk1v6ggp0b1c2d3e4f5@google.com",
     ["SUMMARY:Sprint review", "RRULE:FREQ=DAILY;COUNT=3"]),
    # the mail as [MS-ASCMD] section 4.16.2.1 shows it, properties of [MS-OXCICAL] section 2.1.3; a zone that only
    # its VTIMEZONE tells, an empty CLASS, addresses in capitals
    ("exchange-request.eml", "chris@contoso.example", "{D0B1A4E0-0001-4A4A-8E5D-6F7081920A3B}",
     ["SUMMARY:Kickoff", "(UTC-08:00) Pacific Time (US & Canada)", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY"]),
    ("apple-request.eml", "anna@icloud.example", "8C6F0F1E-2D57-4B1A-9B51-0A7D7F0C1234",
     ["Mittagessen – “Café”", "Kurfürstenstraße 58\\, Berlin"]),
    ("latin1-request.eml", "old@old.example", "latin1", ["SUMMARY:Grüße aus Köln"])])
def test_invitations_of_other_makes_are_understood(one, name, sender, uid, want):
    one.server.set(imip_accept="anyone")
    send(one, sender, BOB, (SAMPLES / name).read_bytes())
    got = one.await_get("bob", named(uid), bool)
    assert all(w in got for w in want) and "VALARM" not in got and "SCHEDULE-STATUS" not in got, got
    if name.startswith("outlook"):
        send(one, sender, BOB, (SAMPLES / "outlook-cancel.eml").read_bytes())
        one.await_get("bob", named(uid), lambda t: "STATUS:CANCELLED" in t)


@pytest.fixture
def peer():
    made = Peer().start()
    yield made
    made.gate.set()
    made.stop()


@pytest.mark.parametrize("name, sender, uid, partstat", [
    ("outlook-reply.eml", "olivia@outlook.example", "outlook-answers", "ACCEPTED"),
    ("google-reply.eml", "gus@gmail.example", "google-answers", "DECLINED")])
def test_answers_of_other_makes_are_understood(peer, name, sender, uid, partstat):
    a = System(servers.Server("sqlite"), "a.test")
    try:
        a.knows(sender.split("@")[1], peer.port)
        a.put("alice", "x.ics", event(uid, attendees=(sender,)))
        wait_until(lambda: peer.mails, what="the invitation")
        send(a, sender, ALICE, (SAMPLES / name).read_bytes())
        a.await_get("alice", "x.ics", lambda t: f"PARTSTAT={partstat}" in t)
    finally:
        a.server.remove()


def test_what_others_cannot_hold_is_sent_as_instances(two):
    a, b = two
    a.put("alice", "x.ics", event(more="RDATE;VALUE=PERIOD:20300109T090000Z/PT3H,20300110T090000Z/PT2H\r\n"))
    got = b.await_get("bob", named("m1"), bool)
    assert got.count("BEGIN:VEVENT") == 3 and "RDATE" not in got and "DTEND:20300109T120000Z" in got


def test_who_cannot_be_reached_is_on_record_and_the_others_get_theirs(two):
    a, b = two
    a.put("alice", "x.ics", event(attendees=("nobody@a.test", BOB, "not an address"),
                                  more="ATTENDEE:urn:uuid:1\r\n"))
    b.await_get("bob", named("m1"), bool)
    stored = a.await_get("alice", "x.ics", lambda t: t.count("SCHEDULE-STATUS=5.2") == 3)
    assert re.search(f"SCHEDULE-STATUS=1.1[^\\n]*:mailto:{BOB}", stored), stored
    with sqlite3.connect(a.server.dir / "data" / "posthorse.db") as db:
        lines = [text for text, in db.execute("SELECT text FROM calendar_log")]
    assert lines.count(f"REQUEST goes by mail to {BOB}") == 1, lines
    [lost] = [l for l in lines if "no such mail address" in l]
    assert "nobody@a.test" in lost and "urn:uuid:1" in lost


def test_an_invitation_that_bounces_is_told_in_the_organizers_event(own, peer):
    a = System(own, "a.test", queue_retry_min_ms="200 ms", queue_retry_max_ms="1 s")
    a.knows("b.test", peer.port)
    peer.answers["carol"] = "550 5.1.1 no such user"
    peer.answers["dora"] = "554 5.7.1 not from you"
    a.put("alice", "x.ics", event(attendees=(BOB, "carol@b.test", "dora@b.test")))
    status = lambda text, who: re.search(f"ATTENDEE[^\n]*SCHEDULE-STATUS=([0-9.]+)[^\n]*:mailto:{who}@b.test", text)[1]
    told = lambda text: (status(text, "carol"), status(text, "dora")) == ("5.2", "5.3")
    assert status(a.await_get("alice", "x.ics", told), "bob") == "1.1"
    assert {m.get_content_type() for m in a.mails("alice")} == {"multipart/report"}
    log = a.ctl.run("calendar", "log", "alice")
    assert "REQUEST was not delivered (5.2) to carol@b.test: 550 5.1.1" in log and "no such user" in log
    peer.answers["carol"] = "250 2.1.5 ok"  # a new try that is taken
    a.put("alice", "x.ics", a.get("alice", "x.ics").replace("20300107T090000Z", "20300108T090000Z"))
    wait_until(lambda: "carol@b.test" in peer.rcpts(), what="carol's")
    text = a.await_get("alice", "x.ics", lambda t: status(t, "dora") == "5.3")
    assert status(text, "carol") == "1.1" and status(text, "bob") == "1.1"


def report(failed, original, more=""):
    """A report of another make about that mail (RFC 3464)."""
    return (f"From: MAILER-DAEMON@b.test\r\nTo: {ALICE}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n\r\nSorry.\r\n--x\r\n"
            f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; b.test\r\n\r\n{more}"
            f"Final-Recipient: rfc822; {failed}\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp;\r\n 550 gone\r\n\r\n"
            "--x\r\nContent-Type: message/rfc822\r\n\r\n").encode() + original + b"\r\n--x--\r\n"


def test_a_report_that_comes_later_is_told_in_the_organizers_event(peer):
    a = System(servers.Server("sqlite"), "a.test", imip_accept="inside")
    try:
        a.knows("b.test", peer.port)
        a.put("alice", "x.ics", event(attendees=(BOB, "carol@b.test")))
        [[_, _, sent]] = wait_until(lambda: peer.mails, what="the invitation")
        late = "Final-Recipient: rfc822; bob@b.test\r\nAction: delayed\r\nStatus: 4.2.0\r\n\r\n"
        etag = a.get("alice", "x.ics")
        send(a, "", ALICE, report("carol@b.test", sent, late))
        wait_until(lambda: a.mails("alice"), what="the report")
        wait_until(lambda: tasks(a) == 0, what="that it was looked at")
        assert a.get("alice", "x.ics") == etag  # from outside, which is not believed
        a.server.set(imip_accept="known")
        send(a, "", ALICE, report("carol@b.test", sent, late))
        text = a.await_get("alice", "x.ics", lambda t: "SCHEDULE-STATUS=5.2" in t)
        assert re.search("SCHEDULE-STATUS=5.2[^\\n]*:mailto:carol", text) and text.count("SCHEDULE-STATUS=1.1") == 1, text
        assert "was not delivered (5.2) to carol@b.test: 5.1.1 550 gone" in a.ctl.run("calendar", "log", "alice")
    finally:
        a.server.remove()


def test_what_bounces_at_another_server_of_the_domain_is_told_at_home(peer):
    members = make_domain(("a.test", "b.test"), settings=FAST, listen=("smtp", "submission", "imap", "http"))
    try:
        a = System.__new__(System)
        a.server = members[0]
        status, said = members[0].api("/v1/account/add", {"name": "alice", "password": PASSWORD})
        assert status == 200, said
        peer.answers["carol"] = "550 5.1.1 no such user"
        everywhere(members, "foreign-domain", "far", f"domain = far.test\nmail_server = b.test\nhost = 127.0.0.1:{peer.port}\n")
        a.put("alice", "x.ics", event(organizer="alice@example.test", attendees=("bob@far.test", "carol@far.test")))
        text = a.await_get("alice", "x.ics", lambda t: "SCHEDULE-STATUS=5.2" in t)
        assert re.search("SCHEDULE-STATUS=5.2[^\\n]*:mailto:carol", text) and text.count("SCHEDULE-STATUS=1.1") == 1, text
    finally:
        for member in members:
            member.remove()


def test_servers_of_one_domain_believe_each_other_but_not_who_only_says_so():
    members = make_domain(("a.test", "b.test"), settings=FAST, listen=("smtp", "submission", "imap", "http"))
    try:
        a, b = (System.__new__(System) for _ in members)
        a.server, b.server = members
        for member, name in zip(members, ("alice", "bob")):
            status, said = member.api("/v1/account/add", {"name": name, "password": PASSWORD})
            assert status == 200, said
        wait_until(lambda: '"bob"' in members[0].run("directory", "list", "--json").stdout, what="bob on the first")
        alice, bob = "alice@example.test", "bob@example.test"
        forged = event("f", organizer=alice, attendees=(bob,), method="REQUEST")
        send(a, alice, bob, mail(alice, bob, forged, "REQUEST"))
        wait_until(lambda: b.mails("bob"), what="the forged one")
        sent = event("s", organizer=alice, attendees=(bob,), method="REQUEST")
        send(a, alice, bob, mail(alice, bob, sent, "REQUEST"), "submission", "alice")
        b.await_get("bob", named("s"), bool)
        a.put("alice", "x.ics", event(organizer=alice, attendees=(bob,)))
        got = b.await_get("bob", named("m1"), bool)
        b.put("bob", named("m1"), answer(got, "TENTATIVE"))
        a.await_get("alice", "x.ics", lambda t: "PARTSTAT=TENTATIVE" in t)
        assert b.get("bob", named("f")) == "" and len(b.mails("bob")) == 3
    finally:
        for member in members:
            member.remove()


def test_many_recipients_get_few_mails(peer):
    a = System(servers.Server("sqlite"), "a.test")
    try:
        a.knows("many.test", peer.port)
        people = [f"p{n}@many.test" for n in range(250)]
        a.put("alice", "x.ics", event(attendees=people))
        wait_until(lambda: sum(len(rcpts) for _, rcpts, _ in peer.mails) >= len(people), what="all mails")
        assert sorted(r for _, rcpts, _ in peer.mails for r in rcpts) == sorted(people)
        assert len({email.message_from_bytes(data)["Message-ID"] for _, _, data in peer.mails}) == 3
    finally:
        a.server.remove()


def test_killed_at_any_moment_nothing_is_lost_or_doubled(two):
    """Both systems are killed while invitations go and answers come."""
    a, b = two
    count = 16
    gone = threading.Event()

    def insist(act):
        while True:
            try:
                return act()
            except (OSError, AssertionError, Closed, http.client.HTTPException):
                gone.wait(0.05)

    def put_new(n):
        """What was stored when the reply got lost is answered perhaps: it is not stored over that."""
        status, text = a.call("PUT", "alice", f"{n}.ics", event(f"k{n}", summary=f"k{n}"), {"If-None-Match": "*"})
        assert status in (201, 412), text

    def invite():
        for n in range(count):
            insist(lambda: put_new(n))

    inviting = threading.Thread(target=invite)
    inviting.start()
    done = 0
    killed = [(2, a), (5, b), (9, a), (12, b)]
    while done < count:
        if killed and done >= killed[0][0]:
            killed.pop(0)[1].kill_and_start()
        name = named(f"k{done}")
        got = wait_until(lambda: insist(lambda: b.get("bob", name)), 60, f"invitation {done}")
        insist(lambda: b.put("bob", name, answer(got, "ACCEPTED")))
        done += 1
    inviting.join()
    for n in range(count):
        a.await_get("alice", f"{n}.ics", lambda t: "PARTSTAT=ACCEPTED" in t, 60)
    for system, user, word in (b, "bob", "Invitation"), (a, "alice", "Accepted"):
        made = {(m["Subject"], m["Message-ID"]) for m in system.mails(user)}
        assert sorted(s for s, _ in made) == sorted(f"{word}: k{n}" for n in range(count))
