"""Scheduling by mail (iMIP, RFC 6047) between two mail systems that know nothing of each other but their mail."""
import base64, email, email.policy, hashlib, http.client, re, threading, time

import pytest
import server as servers
from peer import Peer
from server import Closed, Imap, PASSWORD, Smtp, wait_until
from test_ctl import Ctl

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
    made = [servers.Server("sqlite"), servers.Server("sqlite")]
    try:
        a, b = System(made[0], "a.test"), System(made[1], "b.test", imip_accept="anyone")
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
