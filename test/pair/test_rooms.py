"""Rooms and scheduling on two servers: of those who race for a room one gets it, and a kill loses and doubles nothing."""
import base64, collections, datetime, http.client, re, subprocess, threading

import pytest

from pairing import USERS, two_servers
from server import PASSWORD, wait_until

BOOKINGS, RIVALS = 1000, 4
MEETINGS, KILLS = 150, 3
FIRST = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0) + datetime.timedelta(days=2)


@pytest.fixture
def pair():
    for pair in two_servers(USERS):
        pair[0].run("account", "add", "oak", "--room")
        pair[1].await_user("oak")
        yield pair


def rows(pair, statement):
    done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-h", str(pair[0].database.dir), "-U", "postgres", "-c", statement],
                          check=True, capture_output=True, text=True, cwd="/")
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def address(user):
    return f"mailto:{user}@example.test"


def meeting(uid, user, start, attendees):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z",
             f"DTSTART:{start:%Y%m%dT%H%M%SZ}", "DURATION:PT1H", "SUMMARY:x", f"ORGANIZER:{address(user)}",
             *(f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:{address(who)}" for who in attendees), "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


class Dav:
    """One person's connection for CalDAV."""

    def __init__(self, server, user):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=60)
        self.user = user
        self.headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode(),
                        "Content-Type": "text/calendar; charset=utf-8"}

    def ask(self, method, name, body=None, **headers):
        self.connection.request(method, f"/dav/calendars/{self.user}/calendar/{name}.ics", body, {**self.headers, **headers})
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def put(self, uid, start, attendees):
        return self.ask("PUT", uid, meeting(uid, self.user, start, attendees))[0]

    def type_of(self, who):
        self.connection.request("PROPFIND", f"/dav/principals/{who}/", headers={
            **self.headers, "Content-Type": "application/xml", "Depth": "0"}, body=b'<D:propfind xmlns:D="DAV:" xmlns:C='
            b'"urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-user-type/></D:prop></D:propfind>')
        return re.search(r"calendar-user-type>([A-Z]+)<", self.connection.getresponse().read().decode())[1]

    def answer(self, uid, who):
        status, text = self.ask("GET", uid)
        assert status == 200, text
        found = re.search(rf"ATTENDEE;([^:]*):{address(who)}", text.replace("\r\n ", ""))
        return re.search(r"PARTSTAT=([A-Z-]+)", found[1])[1]


def overlaps(pair):
    """Two accepted bookings of the room at one time, by what PostgreSQL holds."""
    return rows(pair, "SELECT a.event_id, b.event_id FROM busytime a JOIN busytime b ON a.account_id = b.account_id AND a.event_id "
                      "< b.event_id AND a.start_s < b.end_s AND b.start_s < a.end_s WHERE a.account_id = "
                      "(SELECT account_id FROM account WHERE name = 'oak')")


def test_one_of_those_who_race_for_a_room_gets_it(pair):
    slots = BOOKINGS // RIVALS
    begin = threading.Barrier(RIVALS)
    assert Dav(pair[1], USERS[0]).type_of("oak") == "ROOM"
    answers = collections.defaultdict(list)
    failed = []

    def rival(number):
        try:
            dav = Dav(pair[number % 2], USERS[number])
            for slot in range(slots):
                if slot % 10 == 0:
                    begin.wait(60)
                status = dav.put(f"{slot}.{number}", FIRST + datetime.timedelta(hours=slot), ["oak"])
                assert status == 201, status
            begin.wait(60)
            for slot in range(slots):
                said = wait_until(lambda: (lambda a: a != "NEEDS-ACTION" and a)(dav.answer(f"{slot}.{number}", "oak")),
                                  what=f"an answer to booking {slot} of {dav.user}")
                answers[slot].append(said)
        except Exception as error:
            failed.append(error)
            begin.abort()

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(RIVALS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert all(sorted(said) == ["ACCEPTED"] + ["DECLINED"] * (RIVALS - 1) for said in answers.values()), answers
    assert len(answers) == slots
    assert overlaps(pair) == []
    assert rows(pair, "SELECT COUNT(*) FROM busytime WHERE account_id = (SELECT account_id FROM account WHERE name = 'oak')") == \
        [(str(slots),)]


EVENTS = """SELECT account.name, calendar.kind, event.uid, COUNT(*), MIN(convert_from(event.body, 'UTF8')) FROM event
    JOIN calendar USING (calendar_id) JOIN account ON account.account_id = event.account_id GROUP BY 1, 2, 3"""


def test_a_kill_in_the_middle_of_scheduling_loses_and_doubles_no_invitation(pair):
    invited = USERS[5:9]
    said, unsure, failed = set(), set(), []
    stop = threading.Event()
    lock = threading.Lock()
    due = iter(range(MEETINGS))

    def organizer(number):
        dav = None
        while True:
            with lock:
                at = next(due, None)
            if at is None or stop.is_set():
                return
            uid = f"m{at}"
            while True:
                try:
                    if dav is None:
                        dav = Dav(pair[0], USERS[number])
                    status = dav.put(uid, FIRST + datetime.timedelta(hours=at), [*invited, "oak"])
                    if status == 503:
                        continue
                    if status not in (201, 204):
                        failed.append((uid, status))
                    said.add((USERS[number], uid))
                    break
                except (OSError, http.client.HTTPException):    # killed: it may be there, and is asked for once more
                    unsure.add((USERS[number], uid))
                    dav = None
                    if stop.wait(0.05):
                        return

    threads = [threading.Thread(target=organizer, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for kill in range(KILLS):
        wait_until(lambda: len(said) >= MEETINGS * (kill + 1) // (KILLS + 1), 60, "meetings")
        pair[0].kill()
        pair[0].start()
    for thread in threads:
        thread.join(60)
    stop.set()
    assert not failed, failed[:5]
    assert len(said) == MEETINGS
    wait_until(lambda: rows(pair, "SELECT COUNT(*) FROM calendar_task") == [("0",)], 30, "that all is done")

    found = {(name, int(kind), uid): int(count) for name, kind, uid, count, *_ in
             (row for row in rows(pair, EVENTS.replace("MIN(convert_from(event.body, 'UTF8'))", "1")))}
    for user, uid in said:
        assert found[user, 0, uid] == 1
        for who in invited:
            assert found.get((who, 0, uid)) == 1, (uid, who, "calendar")
            assert found.get((who, 1, uid)) == 1, (uid, who, "inbox")
        assert found.get(("oak", 0, uid)) == 1
        assert found.get((user, 1, uid)) == 1, (uid, "the room's reply in the inbox")
        assert Dav(pair[1], user).answer(uid, "oak") == "ACCEPTED"
    assert overlaps(pair) == []
    print(f"{len(said)} meetings, {len(unsure)} of them cut off by {KILLS} kills")
