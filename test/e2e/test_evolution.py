"""Evolution's calendars, without its windows (evolution-data-server); run by `make soak`, since its packages are many."""
import base64, http.client, re, time

import pytest
import server as servers
from evolution import Evolution, Refused
from peer import Peer
from server import PASSWORD, wait_until
from test_cluster import make_domain
from test_ctl import Ctl
from test_domain_routing import FAST

PEOPLE = ["amy", "ben", "cleo"]  # those of the sandbox have events of its own
DAY = int(time.time()) // 86400 * 86400 + 7 * 86400


def at(hour, day=0):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(DAY + day * 86400 + hour * 3600))


def event(uid, hour, more="", summary="One", organizer=None, attendees=()):
    people = "".join(f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{a}\r\n" for a in attendees)
    organizer = f"ORGANIZER:mailto:{organizer}\r\n" if organizer else ""
    return (f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{at(hour)}\r\nDTEND:{at(hour + 1)}\r\n"
            f"SUMMARY:{summary}\r\n{organizer}{people}{more}END:VEVENT\r\n")


def whole(text):
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{text}END:VCALENDAR\r\n"


class Desk:
    """A server, and Evolution with amy's and ben's calendars open."""

    def __init__(self, store):
        self.server = servers.Server(store, accounts=PEOPLE).start()
        self.ctl = Ctl(self.server)
        self.evolution = Evolution(servers.make_dir(), self.server.port("http"), PASSWORD)
        for user in PEOPLE[:2]:
            self.evolution("add", user, f"{user}@example.test", f"/dav/calendars/{user}/calendar/")
            wait_until(lambda: self.evolution("state", user)["status"] == "connected", 30, f"{user}'s calendar")

    def close(self):
        self.evolution.close()
        self.server.remove()

    def call(self, method, user, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.server.port("http"), timeout=20)
        login = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        try:
            link.request(method, f"/dav/calendars/{user}/{path}", body and body.encode(),
                         {"Authorization": "Basic " + login, "Content-Type": "text/calendar"})
            reply = link.getresponse()
            return reply.status, re.sub(r"\r\n[ \t]", "", reply.read().decode())
        finally:
            link.close()

    def put(self, user, name, body):
        status, said = self.call("PUT", user, f"calendar/{name}", whole(body))
        assert status in (201, 204), said

    def objects(self, user, uid):
        """What Evolution shows of a UID, the series first."""
        found = [re.sub(r"\r\n[ \t]", "", o) for o in self.evolution("objects", user)]
        return sorted((o for o in found if f"UID:{uid}\r\n" in o), key=lambda o: "RECURRENCE-ID" in o)

    def sees(self, user, uid, what):
        return wait_until(lambda: [o for o in [self.objects(user, uid)] if what(o)], 20, f"{uid} at {user}'s")[0]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def desk(request):
    desk = Desk(request.param)
    yield desk
    desk.close()


def test_it_logs_in_when_it_is_asked_and_may_write(desk):
    state = desk.evolution("state", "amy")
    assert state["asked"] == ["required"] and not state["readonly"]
    assert "save-schedules" in state["capabilities"]  # the server sends the invitations, it need not


def test_what_is_made_changed_and_removed_on_one_side_is_so_on_the_other(desk):
    assert desk.evolution("create", "amy", event("made", 9)) == "made"
    status, text = desk.call("GET", "amy", "calendar/made.ics")
    assert status == 200 and "SUMMARY:One" in text
    desk.evolution("modify", "amy", event("made", 9, summary="Two"))
    assert "SUMMARY:Two" in desk.call("GET", "amy", "calendar/made.ics")[1]
    desk.put("amy", "made.ics", event("made", 10, summary="Three"))
    desk.sees("amy", "made", lambda o: "SUMMARY:Three" in o[0] and f"DTSTART:{at(10)}" in o[0])
    desk.put("amy", "new.ics", event("new", 11))
    desk.sees("amy", "new", len)
    desk.evolution("remove", "amy", "made")
    assert desk.call("GET", "amy", "calendar/made.ics")[0] == 404 and not desk.objects("amy", "made")
    assert desk.call("DELETE", "amy", "calendar/new.ics")[0] == 204
    desk.sees("amy", "new", lambda o: not o)


def test_an_instance_of_a_series_is_changed_and_taken_out(desk):
    desk.evolution("create", "amy", event("series", 9, "RRULE:FREQ=DAILY;COUNT=5\r\n"))
    desk.evolution("modify", "amy", event("series", 12, f"RECURRENCE-ID:{at(9, 0)}\r\n", summary="Moved"), "this")
    assert len(desk.sees("amy", "series", lambda o: len(o) == 2)) == 2
    text = desk.call("GET", "amy", "calendar/series.ics")[1]
    assert text.count("BEGIN:VEVENT") == 2 and "SUMMARY:Moved" in text
    desk.evolution("remove", "amy", "series", at(9, 2))
    assert "EXDATE" in desk.call("GET", "amy", "calendar/series.ics")[1]
    desk.evolution("remove", "amy", "series")
    assert desk.call("GET", "amy", "calendar/series.ics")[0] == 404


def test_to_dos_are_made_done_and_dropped(desk):
    desk.evolution("add", "ben", "ben@example.test", "/dav/calendars/ben/calendar/", True, "ben's to-dos")
    wait_until(lambda: desk.evolution("state", "ben's to-dos")["status"] == "connected", 30, "his to-dos")
    todo = f"BEGIN:VTODO\r\nUID:todo\r\nDTSTAMP:20260101T000000Z\r\nDUE:{at(12)}\r\nSUMMARY:Mow\r\nSTATUS:NEEDS-ACTION\r\nEND:VTODO\r\n"
    desk.evolution("create", "ben's to-dos", todo)
    assert "BEGIN:VTODO" in desk.call("GET", "ben", "calendar/todo.ics")[1] and not desk.objects("ben", "todo")
    desk.put("ben", "todo.ics", todo.replace("NEEDS-ACTION", "COMPLETED"))
    desk.sees("ben's to-dos", "todo", lambda o: "STATUS:COMPLETED" in o[0])
    desk.evolution("remove", "ben's to-dos", "todo")
    assert desk.call("GET", "ben", "calendar/todo.ics")[0] == 404


def test_what_the_server_refuses_is_told(desk):
    desk.put("amy", "theirs.ics", event("twice", 9))
    with pytest.raises(Refused):
        desk.evolution("create", "amy", event("twice", 10))
    assert desk.call("DELETE", "amy", "calendar/theirs.ics")[0] == 204
    desk.sees("amy", "twice", lambda o: not o)


def test_an_invitation_its_answer_a_change_and_the_end(desk):
    amy, ben = "amy@example.test", "ben@example.test"
    desk.evolution("create", "amy", event("meet", 9, organizer=amy, attendees=(ben,)))
    assert "SCHEDULE-STATUS=1.2" in desk.objects("amy", "meet")[0]
    [invited] = desk.sees("ben", "meet", len)
    desk.evolution("modify", "ben", invited.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED"))
    [answered] = desk.sees("amy", "meet", lambda o: "PARTSTAT=ACCEPTED" in o[0])
    desk.evolution("modify", "amy", answered.replace(at(9), at(14)).replace(at(10), at(15)))
    [moved] = desk.sees("ben", "meet", lambda o: at(14) in o[0])
    assert "PARTSTAT=NEEDS-ACTION" in moved
    desk.evolution("remove", "amy", "meet")
    desk.sees("ben", "meet", lambda o: "STATUS:CANCELLED" in o[0])
    desk.evolution("remove", "ben", "meet")
    assert not desk.objects("ben", "meet")


def test_an_invitation_that_bounces_is_seen(desk):
    peer = Peer().start()
    try:
        desk.ctl.run("directory", "edit", "connection", "far", input=f"domain = far.test\nhost = 127.0.0.1:{peer.port}\n")
        peer.answers["nobody"] = "550 5.1.1 no such user"
        desk.evolution("create", "amy", event("lost", 9, organizer="amy@example.test", attendees=("nobody@far.test",)))
        desk.sees("amy", "lost", lambda o: "SCHEDULE-STATUS=5.2" in o[0])
        desk.evolution("remove", "amy", "lost")
    finally:
        peer.stop()


def test_free_time_of_others_and_of_nobody(desk):
    desk.put("ben", "busy.ics", event("busy", 9))
    desk.put("cleo", "away.ics", event("away", 13, "X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\n"))
    got = {re.search("ATTENDEE:mailto:(.*)", o)[1].strip(): o for o in desk.evolution(
        "freebusy", "amy", DAY, DAY + 86400, ["ben@example.test", "cleo@example.test", "nobody@example.test", "x@elsewhere.test"])}
    assert set(got) == {"ben@example.test", "cleo@example.test"}
    assert f"FBTYPE=BUSY:{at(9)}/{at(10)}" in got["ben@example.test"]
    assert f"FBTYPE=BUSY-UNAVAILABLE:{at(13)}/{at(14)}" in got["cleo@example.test"]
    for user, name in (("ben", "busy"), ("cleo", "away")):
        assert desk.call("DELETE", user, f"calendar/{name}.ics")[0] == 204


def test_free_time_of_somebody_on_another_server():
    members = make_domain(("a.test", "b.test"), settings=FAST, listen=("smtp", "http"))
    evolution = None
    try:
        for member, name in zip(members, ("amy", "ben")):
            assert member.api("/v1/account/add", {"name": name, "password": PASSWORD})[0] == 200
        a, b = (Desk.__new__(Desk) for _ in members)
        a.server, b.server = members
        a.put("amy", "busy.ics", event("busy", 9))
        wait_until(lambda: '"amy"' in members[1].run("directory", "list", "--json").stdout, what="amy on the second")
        evolution = Evolution(servers.make_dir(), b.server.port("http"), PASSWORD)
        evolution("add", "ben", "ben@example.test", "/dav/calendars/ben/calendar/")
        wait_until(lambda: evolution("state", "ben")["status"] == "connected", 30, "ben's calendar")
        [answer] = evolution("freebusy", "ben", DAY, DAY + 86400, ["amy@example.test"])
        assert f"FBTYPE=BUSY:{at(9)}/{at(10)}" in answer
    finally:
        if evolution:
            evolution.close()
        for member in members:
            member.remove()


def test_it_finds_the_calendars_of_an_account_makes_one_and_drops_it(desk):
    found = wait_until(lambda: desk.evolution("discover", "cleo"), 30, "calendars found")
    assert ["/dav/calendars/cleo/calendar/"] == [path for path, _ in found]
    garden = "/dav/calendars/cleo/garden/"
    desk.evolution("make", "cleo", garden, "Garden", "#00ff00")
    wait_until(lambda: [garden, "Garden"] in desk.evolution("discover", "cleo"), 30, "the new one")
    assert "Garden" in desk.ctl.run("calendar", "list", "cleo")
    desk.evolution("drop", "cleo", garden)
    wait_until(lambda: len(desk.evolution("discover", "cleo")) == 1, 30, "that it is gone")
    assert "Garden" not in desk.ctl.run("calendar", "list", "cleo")
