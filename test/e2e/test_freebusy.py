"""Free/busy through a domain, however its servers and a foreign system's doors are: what ../sources tell of, by sentence. The first
calendar server has its store in PostgreSQL, the others in SQLite."""
import base64, contextlib, datetime, http.client, itertools, json, os, pathlib, random, re, signal, subprocess, sys, threading, time, uuid, zoneinfo
import xml.etree.ElementTree as ET

import caldav, pytest
from dateutil import rrule

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import far as far_
import pg
import server as servers
from far import Door, Files, certificate
from server import wait_until
from test_cluster import Member, await_all_up, make_domain, revive_all
from test_domain_routing import everywhere
from test_ews import says

A, B, C = "a.test", "b.test", "c.test"
UTC = datetime.timezone.utc
NOON = datetime.datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + datetime.timedelta(days=1)
FROM = int((NOON - datetime.timedelta(hours=12)).timestamp())
UNTIL = FROM + 86400
BUSY = [(FROM + 12 * 3600, FROM + 13 * 3600, "busy")]
SETTINGS = {"auth_plain_without_tls": "yes", "calendar_zone": "Europe/Berlin", "freebusy_deadline_ms": "4 s",
            "cluster_steady_ms": "100 ms"}
DEADLINE_S = 4


def dav(port, method, path, body, user, kind="text/calendar", password=servers.PASSWORD, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        connection.request(method, path, body.encode(), {"Authorization": f"Basic {token}", "Content-Type": kind, **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status in (200, 201, 204, 207), f"{method} {path}: {answer.status} {text}"
        return text
    finally:
        connection.close()


def event(uid, lines):
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{uid}", "SUMMARY:x",
                        "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT", "END:VCALENDAR", ""])
    return text


def put_event(member, user, uid, *lines):
    dav(member.port("http"), "PUT", f"/dav/calendars/{user}/calendar/{uid}.ics", event(uid, lines), user)


def ask(member, *attendees, start=FROM, until=UNTIL, **more):
    status, answer = member.api("/v1/freebusy", {"attendees": list(attendees), "from_s": start, "until_s": until, **more})
    assert status == 200, answer
    return answer["attendees"]


def one(member, attendee="user@BTEx", **more):
    return ask(member, attendee, **more)[0]


def rows(answer):
    return [(r["start_s"], r["end_s"], r["kind"]) for r in answer["busy"]]


def fresh(answer, way=None):
    told = json.dumps(answer, indent=1)
    assert answer["result"] == "fresh" and rows(answer) == BUSY, told
    assert way is None or answer["way"] == way, told
    return answer["took_ms"] / 1000


def settled(member, way, attendee="user@BTEx", seconds=20):
    """A fresh answer that came that way, sooner or later: on a loaded machine a late answer brings the next source out."""
    def look():
        answer = one(member, attendee)
        fresh(answer)
        return answer if answer["way"] == way else None
    return wait_until(look, seconds, f"an answer for {attendee} by {way or 'itself'}")


def document(server, url, more=""):
    return (f"domain = BTEx\nmail_server = {server}\nhost = 127.0.0.1:25\ncalendar_server = {server}\ncalendar = caldav {url}\n"
            f"calendar_user = asker@exchange.example\ncalendar_password = {servers.PASSWORD}\n"
            f"rewrite = *@BTEx *@exchange.example\n{more}")


class Doors:
    """Of the two calendar servers, before one foreign system."""

    def __init__(self, far, cert):
        self.a, self.b = Door(far.port("http")), Door(far.port("http"))
        self.safe = Door(far.port("http"), cert)

    def open(self):
        for door in (self.a, self.b, self.safe):
            door.mode, door.delay = "open", 1.5

    def url(self, door, scheme="http"):
        return f"{scheme}://127.0.0.1:{door.port}/dav/calendars/asker/outbox/"

    def stop(self):
        for door in (self.a, self.b, self.safe):
            door.stop()


@pytest.fixture(scope="module")
def folder():
    return servers.make_dir()


@pytest.fixture(scope="module")
def trusted(folder):
    return certificate(folder, "far")


@pytest.fixture(scope="module")
def far():
    """The foreign system: a server of another domain that knows nothing of ours."""
    base = servers.free_base_port(2)
    member = Member("far.test", base, {"domains": "exchange.example", "listen_cluster": "", "listen_http": f"127.0.0.1:{base}",
                                       **SETTINGS})
    member.ports = {"http": f"127.0.0.1:{base}"}
    member.start()
    for name in ("user", "gina", "asker", "prop"):
        assert member.api("/v1/account/add", {"name": name, "password": servers.PASSWORD})[0] == 200
    put_event(member, "user", "noon", f"DTSTART:{NOON:%Y%m%dT%H%M%SZ}", "DURATION:PT1H")
    yield member
    member.remove()


@pytest.fixture(scope="module")
def doors(far, trusted):
    doors = Doors(far, trusted)
    yield doors
    doors.stop()


@pytest.fixture(scope="module")
def database():
    server = pg.Server()
    server.create()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def domain(far, doors, trusted, database):
    members = make_domain(settings={**SETTINGS, "smtp_out_trust_file": trusted[0]}, listen=("smtp", "http"),
                          of={A: {"store": f"host={database.dir} user=postgres dbname=postgres"}})
    for member in members:
        name = member.name[0] + "lice"
        assert member.api("/v1/account/add", {"name": name, "password": servers.PASSWORD})[0] == 200
    for member in members[1:]:
        wait_until(lambda: member.run("directory", "show", "person", "alice", check=False).returncode == 0, 20, "alice everywhere")
    put_event(members[0], "alice", "noon", f"DTSTART:{NOON:%Y%m%dT%H%M%SZ}", "DURATION:PT1H")
    documents(members, doors)
    yield members
    for member in members:
        member.remove()


edits = itertools.count(1)


def edit(members, server, url):
    """The one edited last is first."""
    everywhere(members, "foreign-domain", f"btex-{server[0]}", document(server, url, f"full_name = Edit {next(edits)}\n"))


def documents(members, doors):
    edit(members, B, doors.url(doors.b))
    edit(members, A, doors.url(doors.a))


@pytest.fixture
def ready(domain, doors):
    revive_all(domain)
    doors.open()
    return domain


@contextlib.contextmanager
def stopped(member):
    """Its processes hang; its ports stay open."""
    pids = [member.worker(), member.process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


# --- clients ---

FINE = "2.0;Success"
NOONS = [f"{NOON:%Y%m%dT%H%M%SZ}/{NOON + datetime.timedelta(hours=1):%Y%m%dT%H%M%SZ}"]


def told(responses):
    """Of a schedule-response, each one's request-status and iCalendar text, in their order."""
    return [(who.removeprefix("mailto:"), status, data or "") for who, status, data in (
        [response.findtext(name) for name in ("{*}recipient/{*}href", "{*}request-status", "{*}calendar-data")]
        for response in responses)]


def periods(data):
    return re.findall(r"(?m)^FREEBUSY[^:\n]*:(\S+)", data)


def by_caldav(member, *attendees):
    """python3-caldav at the outbox."""
    user = member.name[0] + "lice"
    client = caldav.DAVClient(f"http://127.0.0.1:{member.port('http')}/", username=user, password=servers.PASSWORD)
    came, post = [], client.post
    client.post = lambda *args, **more: came.append(post(*args, **more)) or came[-1]
    client.principal().freebusy_request(NOON - datetime.timedelta(hours=12), NOON + datetime.timedelta(hours=12),
                                        [f"mailto:{who}" for who in attendees])
    return {who: (status, data) for who, status, data in told(came[0].tree.findall("{*}response"))}


def by_exchangelib(member, *attendees):
    window = {word: f"{NOON + datetime.timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}" for word, hours in (("from", -12), ("until", 12))}
    return says(member, member.name[0] + "lice", "busy", kind="http", who=attendees, **window)["ok"]


def outbox_text(user, attendees):
    """A request for free/busy (RFC 6638 section 5.4)."""
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:ask",
                        "DTSTAMP:20260101T000000Z", f"DTSTART:{NOON - datetime.timedelta(hours=12):%Y%m%dT%H%M%SZ}",
                        f"DTEND:{NOON + datetime.timedelta(hours=12):%Y%m%dT%H%M%SZ}", f"ORGANIZER:mailto:{user}@example.test",
                        *(f"ATTENDEE:mailto:{who}" for who in attendees), "END:VFREEBUSY", "END:VCALENDAR", ""])


# --- before anything fails ---

def test_the_second_is_known_before_it_is_needed(ready):
    """Once a minute it is asked with the first, so that its connections are there when that one dies. Some other test, or a late answer,
    may have had it asked just now."""
    def look():
        for member in ready:
            answer = one(member, explain=True)
            fresh(answer)
            if "nobody asked it for a minute" in json.dumps(answer["steps"]):
                return answer["steps"]
        return None
    print(wait_until(look, 90, "a question to the second of the sources"))


# --- people of the domain ---

def test_somebody_whose_calendar_is_on_another_server(ready):
    a, b, c = ready
    assert settled(a, "", "alice")["source"] == "this server"
    settled(c, A, "alice")
    assert one(c, "blice")["result"] == "fresh" and rows(one(c, "blice")) == []
    assert one(c, "nobody@example.test")["result"] == "not found"


def test_a_client_that_knows_the_outbox_alone_asks_for_people_anywhere(ready):
    """python3-caldav; it takes CALDAV:response for DAV:response, so what came is read beside it."""
    got = by_caldav(ready[2], "clice@example.test", "alice@example.test", "user@BTEx", "nobody@example.test")
    assert {who: (status, periods(data)) for who, (status, data) in got.items()} == {
        "clice@example.test": (FINE, []), "alice@example.test": (FINE, NOONS), "user@BTEx": (FINE, NOONS),
        "nobody@example.test": ("3.7;Invalid calendar user", [])}


def as_thunderbird_reads(text):
    """Its provider for CalDAV: the status and the times of each recipient, one FREEBUSY each; it would take a list for one time."""
    for response in ET.fromstring(text).findall("{*}response"):
        who, status, data = (response.findtext(name, "") for name in ("{*}recipient/{*}href", "{*}request-status", "{*}calendar-data"))
        lines = data.replace("\r\n ", "").splitlines()
        window = [line.split(":")[1] for line in lines if line.startswith(("DTSTART", "DTEND"))]
        times = [(re.search("FBTYPE=([A-Z-]*)", line)[1], *line.split(":")[1].split("/")) for line in lines if line.startswith("FREEBUSY")]
        yield who, (status.split(";")[0], sorted(window), times)


def test_thunderbird_asks_for_each_and_for_all(ready):
    """What its provider sends: first where the outbox is and under what address one asks, then a question with Originator and Recipient."""
    a, _, c = ready
    later = NOON + datetime.timedelta(hours=4)
    put_event(a, "alice", "later", f"DTSTART:{later:%Y%m%dT%H%M%SZ}", "DURATION:PT1H")
    put_event(a, "alice", "maybe", f"DTSTART:{later:%Y%m%dT%H3000Z}", "DURATION:PT1H", "STATUS:TENTATIVE")
    port, me = c.port("http"), "clice"
    found = ET.fromstring(dav(port, "PROPFIND", f"/dav/principals/{me}/", """<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
<D:prop><C:calendar-home-set/><C:calendar-user-address-set/><C:schedule-inbox-URL/><C:schedule-outbox-URL/></D:prop></D:propfind>""", me, "text/xml", Depth="0"))
    outbox = found.findtext(".//{*}schedule-outbox-URL/{*}href")
    organizer = next(h.text for h in found.findall(".//{*}calendar-user-address-set/{*}href") if h.text.lower().startswith("mailto:"))
    start, end = (f"{datetime.datetime.fromtimestamp(t, datetime.timezone.utc):%Y%m%dT%H%M%SZ}" for t in (FROM, UNTIL))

    def asked(*people):
        body = "\r\n".join(["BEGIN:VCALENDAR", "PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN", "VERSION:2.0", "METHOD:REQUEST",
                            "BEGIN:VFREEBUSY", f"UID:{uuid.uuid4()}", "DTSTAMP:20260101T000000Z", f"DTSTART:{start}", f"DTEND:{end}",
                            f"ORGANIZER:{organizer}", *(f"ATTENDEE;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;CUTYPE=INDIVIDUAL:mailto:{p}"
                                                        for p in people), "END:VFREEBUSY", "END:VCALENDAR", ""])
        return dict(as_thunderbird_reads(dav(port, "POST", outbox, body, me, "text/calendar; charset=utf-8", Originator=organizer,
                                             Recipient=", ".join(f"mailto:{p}" for p in people))))

    times = lambda *of: [(kind, *(f"{t + datetime.timedelta(minutes=m):%Y%m%dT%H%M%SZ}" for m in span)) for kind, t, *span in of]
    want = {"mailto:alice@example.test": ("2.0", [start, end], times(("BUSY", NOON, 0, 60), ("BUSY", later, 0, 60),
                                                                     ("BUSY-TENTATIVE", later, 60, 90))),
            "mailto:clice@example.test": ("2.0", [start, end], []),
            "mailto:user@BTEx": ("2.0", [start, end], times(("BUSY", NOON, 0, 60))),
            "mailto:nobody@example.test": ("3.7", [], [])}
    everybody = [w[7:] for w in want]
    try:
        wait_until(lambda: asked("alice@example.test")["mailto:alice@example.test"] == want["mailto:alice@example.test"], 20, "what is new")
        assert asked(*everybody) == want
        for who in everybody:
            assert asked(who) == {"mailto:" + who: want["mailto:" + who]}
    finally:
        for uid in ("later", "maybe"):
            dav(a.port("http"), "DELETE", f"/dav/calendars/alice/calendar/{uid}.ics", "", "alice")


def test_what_vdirsyncer_brings_to_one_server_is_busy_at_the_others(ready, tmp_path):
    a, b, _ = ready
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "trip.ics").write_text(event("trip", [f"DTSTART:{NOON + datetime.timedelta(hours=6):%Y%m%dT%H%M%SZ}", "DURATION:PT2H"]))
    (tmp_path / "config").write_text(f"""[general]
status_path = "{tmp_path}/status"
[pair p]
a = "near"
b = "far"
collections = null
[storage near]
type = "filesystem"
path = "{tmp_path}/c"
fileext = ".ics"
[storage far]
type = "caldav"
url = "http://127.0.0.1:{a.port('http')}/dav/calendars/alice/calendar/"
username = "alice"
password = "{servers.PASSWORD}"
""")
    sync = lambda *more: subprocess.run(["/usr/bin/python3", "/usr/bin/vdirsyncer", "-c", tmp_path / "config", *more], check=True,
                                        capture_output=True, timeout=60, input=b"y\n")
    trip = (FROM + 18 * 3600, FROM + 20 * 3600, "busy")
    sync("discover")
    sync("sync")
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["noon.ics", "trip.ics"]
    wait_until(lambda: rows(one(b, "alice")) == [*BUSY, trip], 20, "the trip, at another server")
    (tmp_path / "c" / "trip.ics").unlink()
    sync("sync")
    wait_until(lambda: rows(one(b, "alice")) == BUSY, 20, "its end")


def test_everybody_in_one_question_and_no_failure_is_anothers(ready, doors):
    a, b, c = ready
    doors.a.mode = doors.b.mode = "refused"
    answers = ask(c, "clice", "user@BTEx", "alice", "nobody", "x@elsewhere.example", "nothing@", "blice@example.test")
    assert [x["result"] for x in answers] == ["fresh", "known" if answers[1]["age_ms"] else "no data", "fresh", "not found",
                                              "no way", "bad question", "fresh"]
    assert rows(answers[2]) == BUSY


def test_what_is_no_address_fails_for_itself_alone(ready):
    c = ready[2]
    settled(c, A)
    answers = ask(c, "user@BTEx", "a\rb@BTEx", "..@BTEx", "@BTEx", "a\nATTENDEE:mailto:gina@BTEx", "x" * 1001 + "@BTEx", "alice")
    assert [x["result"] for x in answers] == ["fresh", *["bad question"] * 5, "fresh"]


def test_times_beyond_all_years_are_refused(ready):
    for start in (253402300800, 2 ** 62):
        assert ready[0].api("/v1/freebusy", {"attendees": ["alice"], "from_s": start, "until_s": start + 86400})[0] == 400


def test_answers_that_would_fill_the_memory_are_cut_off(ready):
    """A calendar with 43,200 times in 90 days, asked for under a hundred names."""
    a, b, c = ready
    if b.api("/v1/account/add", {"name": "lots", "password": servers.PASSWORD})[0] == 200:
        wait_until(lambda: a.run("directory", "show", "person", "lots", check=False).returncode == 0, 20, "lots everywhere")
    start = NOON.replace(hour=0)
    for n in range(20):
        put_event(b, "lots", f"e{n}", f"DTSTART:{start + datetime.timedelta(minutes=3 * n):%Y%m%dT%H%M%SZ}", "DURATION:PT3M",
                  "RRULE:FREQ=HOURLY", f"STATUS:{'TENTATIVE' if n % 2 else 'CONFIRMED'}")
    a.set_conf(freebusy_deadline_ms="60 s")
    since = len(a.lines)
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:q",
                        "DTSTAMP:20260101T000000Z", "ORGANIZER:mailto:alice@example.test", f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
                        f"DTEND:{start + datetime.timedelta(days=90):%Y%m%dT%H%M%SZ}",
                        *[f"ATTENDEE:mailto:lots+{n}@example.test" for n in range(100)], "END:VFREEBUSY", "END:VCALENDAR", ""])
    answer = dav(a.port("http"), "POST", "/dav/calendars/alice/outbox/", text, "alice")
    assert answer.count("<C:recipient>") == 100 and not a.seen("event=worker_died", since)
    a.set_conf(freebusy_deadline_ms=SETTINGS["freebusy_deadline_ms"])
    for n in range(20):
        dav(b.port("http"), "DELETE", f"/dav/calendars/lots/calendar/e{n}.ics", "", "lots")


def test_the_command_draws_and_tells(ready):
    c = ready[2]
    day = f"{NOON:%Y-%m-%d}"
    drawn = c.run("freebusy", "alice", "user@BTEx", "--from", day, "--to", day, "--explain").stdout
    assert "alice@example.test" in drawn and "all" in drawn and "████" in drawn and "document btex-a" in drawn and A in drawn
    assert " ms  " in drawn and "is asked" in drawn and "\x1b" not in drawn
    told = c.run("freebusy", "user@BTEx", "--from", day, "--to", day, "--explain", "--if", f"down={A}").stdout
    assert "supposed to be down" in told and B in told
    late = c.run("freebusy", "user@BTEx", "--from", day, "--to", day, "--if", "hung=a", "--json").stdout
    assert json.loads(late)["attendees"][0]["way"] == B


def test_times_for_all_are_found_across_servers(ready):
    c = ready[2]
    status, answer = c.api("/v1/freebusy", {"attendees": ["alice", "user@BTEx"], "from_s": FROM, "until_s": UNTIL + 6 * 86400,
                                            "find_ms": 3600000, "limit": 20})
    assert status == 200 and answer["without"] == []
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    for time_ in answer["found"]:
        start = datetime.datetime.fromtimestamp(time_["start_s"], berlin)
        assert 8 <= start.hour < 18 and start.weekday() < 5
        assert all(time_["end_s"] <= s or time_["start_s"] >= e for s, e, _ in BUSY)
    assert len(answer["found"]) == 20


def get(member, path):
    """Without a log-in: the status, and the body in whole lines."""
    connection = http.client.HTTPConnection("127.0.0.1", member.port("http"), timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().replace("\r\n ", "")
    finally:
        connection.close()


def test_without_a_log_in_there_is_what_its_owner_grants_to_anyone_wherever_he_is(ready):
    a, b, c = ready
    window = f"?start={NOON - datetime.timedelta(hours=12):%Y%m%dT%H%M%SZ}&period=P1D"
    alice = lambda: get(c, f"/freebusy/alice.ifb{window}")
    nobody = get(c, f"/freebusy/no-such-person.ifb{window}")
    assert nobody[0] == 401
    fresh(one(c, "alice"))    # what those of the organisation know is kept, and not told
    assert alice() == nobody
    a.run("calendar", "delegate", "alice", "**", "busy")
    try:
        status, text = wait_until(lambda: alice() if alice()[0] == 200 else None, 20, "what is granted to anyone")
        assert f"FREEBUSY;FBTYPE=BUSY:{NOON:%Y%m%dT%H%M%SZ}/" in text and "UNKNOWN" not in text
        assert get(c, f"/freebusy/blice.ifb{window}") == nobody == get(c, f"/freebusy/user@BTEx.ifb{window}")
        a.kill()
        status, text = alice()
        assert status == 200 and "X-POSTHORSE-AGE" in text and f"BUSY:{NOON:%Y%m%dT%H%M%SZ}/" in text, text
    finally:
        if a.process.poll() is not None:
            a.start()
        await_all_up(ready)
        a.run("calendar", "delegate", "alice", "**", "none")
    wait_until(lambda: alice() == nobody, 20, "what is granted no more is not told")
    a.kill()
    assert fresh_or_known(one(c, "alice")) and alice() == nobody


def fresh_or_known(answer):
    assert answer["result"] in ("fresh", "known"), answer
    return rows(answer)


def test_an_administrator_sees_what_it_is_about_but_not_what_is_private(ready):
    a, b, c = ready
    day = NOON + datetime.timedelta(days=3)
    put_event(a, "alice", "open", f"DTSTART:{day:%Y%m%dT%H%M%SZ}", "DURATION:PT1H", "LOCATION:Stable", "RRULE:FREQ=DAILY;COUNT=1")
    put_event(a, "alice", "hidden", f"DTSTART:{day:%Y%m%dT%H%M%SZ}", "DURATION:PT3H", "LOCATION:Hideout", "CLASS:PRIVATE")
    start, until = int(day.timestamp()) - 3600, int(day.timestamp()) + 4 * 3600
    told = lambda member, **more: ask(member, "alice", "user@BTEx", start=start, until=until, **more)
    for member in ready:
        first, foreign = told(member, details=True)
        events = sorted(first["events"], key=lambda e: e["end_s"])
        assert [(e["end_s"] - e["start_s"], e.get("subject"), e.get("place"), e["private"]) for e in events] == [
            (3600, "x", "Stable", False), (3 * 3600, None, None, True)], first
        assert events[0]["recurring"] and not events[0]["meeting"]
        assert "events" not in foreign and foreign["result"] == "fresh"
        assert "events" not in told(member)[0] and "Stable" not in json.dumps(told(member, details=True, **{"as": "clice"}))
    a.run("calendar", "share", "alice", "inbox", "clice", "busy")    # others may not even know when
    try:
        wait_until(lambda: told(c)[0]["result"] == "denied")
        assert told(c, details=True)[0]["events"] == first["events"]
    finally:
        a.run("calendar", "share", "alice", "inbox", "clice", "none")
    drawn = c.run("freebusy", "alice", "user@BTEx", "--from", f"{day:%Y-%m-%d}", "--to", f"{day:%Y-%m-%d}", "--details").stdout
    assert re.search(r"(?m)^alice@example\.test\n(  .*\n)*  .*–.*  busy  x, Stable\n", drawn) and "Hideout" not in drawn, drawn
    assert re.search(r"(?m)  busy  private$", drawn) and re.search(r"(?m)^user@BTEx\n  no more is known$", drawn), drawn
    a.kill()    # what is remembered is when alone
    assert told(c, details=True)[0]["result"] in ("known", "no data") and "Stable" not in json.dumps(told(c, details=True))


# --- the sources, sentence by sentence ---

def test_it_connects_directly_to_the_calendar_server_of_the_document_changed_last(ready):
    """'The calendar connector task connects directly to the Domino server hosting the Foreign Domain ... the latest document
    modified first.'"""
    assert settled(ready[2], A)["source"] == "document btex-a"


def test_a_server_that_is_listed_asks_by_itself(ready):
    """'... does not recognize that it too is defined to handle these requests.'"""
    a, b, c = ready
    assert settled(a, "")["source"] == "document btex-a"
    answer = one(b)
    fresh(answer)
    assert (answer["way"], answer["source"]) in (("", "document btex-b"), (A, "document btex-a"))
    answer = one(b, **{"if": f"down={A}"})
    fresh(answer, "")
    assert answer["source"] == "document btex-b"


def test_the_first_down_free_busy_goes_on_by_the_second(ready):
    """'All free busy requests fail at the calendar connector.'"""
    a, b, c = ready
    a.kill()
    begun = time.monotonic()
    fresh(one(c), B)
    print(f"kill -9 of the first calendar server to the next answer, asked on a third: {(time.monotonic() - begun) * 1000:.0f} ms")
    begun = time.monotonic()
    answer = one(b)
    fresh(answer, "")
    assert answer["source"] == "document btex-b"
    print(f"... and on the second itself: {(time.monotonic() - begun) * 1000:.0f} ms")
    wait_until(lambda: c.states()[A] == "down")
    assert fresh(one(c), B) < 1 and fresh(one(b), "") < 1


def test_the_first_busy_free_busy_goes_by_the_second(ready):
    """'The server must be down and not reachable, not just busy.'"""
    a, b, c = ready
    a.set_conf(server_availability_threshold=100)
    try:
        wait_until(lambda: c.states()[A] == "busy")
        settled(c, B)
    finally:
        a.set_conf(server_availability_threshold=0)
        await_all_up(ready)


def test_the_first_hung_free_busy_goes_by_the_second(ready):
    a, b, c = ready
    for _ in range(3):
        settled(c, A)
    with stopped(a):
        took = fresh(one(c), B)
        print(f"SIGSTOP of the first calendar server: the answer after {took * 1000:.0f} ms")
        assert took < DEADLINE_S
        wait_until(lambda: c.states()[A] == "down")
        assert fresh(one(c), B) < 1
        fresh(one(b), "")


def test_it_is_relayed_where_the_calendar_server_is_not_reached(ready, doors):
    """'The calendar connector task does not relay to any other servers.'"""
    a, b, c = ready
    everywhere(ready, "foreign-domain", "only", document(A, doors.url(doors.a)).replace("BTEx", "Only"))
    answer = one(c, "user@Only", **{"if": f"down={A}", "explain": True})
    fresh(answer, f"{B} {A}")


def test_no_warning_for_a_request_and_one_line_for_a_change(ready, doors):
    """'Warning: Multiple documents detected for domain BTEx ... every time a free busy request is made.'"""
    documents(ready, doors)
    since = {m: len(m.lines) for m in ready}
    for _ in range(25):
        for member in ready:
            fresh(one(member))
    for member in ready:
        said = [l for l in member.lines[since[member]:] if "event=admin_call" not in l]
        late = [l for l in said if "event=foreign_order" in l or "event=directory_loaded" in l]    # of the edits before
        assert len(late) <= 4, late
        said = [l for l in said if l not in late]
        assert not [l for l in said if "freebusy" in l or "foreign" in l or "btex" in l.lower() or "level=warn" in l], said
        assert len(said) < 25, said
    since = {m: len(m.lines) for m in ready}
    edit(ready, B, doors.url(doors.b))
    try:
        for member in ready:
            wait_until(lambda: [l for l in member.lines[since[member]:] if "event=foreign_order" in l], 20, "the new order told")
            for _ in range(5):
                fresh(one(member))
            told = [l for l in member.lines[since[member]:] if "event=foreign_order" in l]
            assert len(told) == 1, told
    finally:
        documents(ready, doors)


def test_an_edit_flips_the_order_and_nothing_else(ready, doors):
    """'If the Foreign Domain document is ever edited' it is first, and free/busy goes on by either."""
    a, b, c = ready
    edit(ready, B, doors.url(doors.b))
    try:
        settled(c, B)
        b.kill()
        fresh(one(c), A)
        fresh(one(a), "")
    finally:
        b.start()
        await_all_up(ready)
        documents(ready, doors)
    settled(c, A)


# --- a calendar server works, its foreign system's door does not ---

@pytest.mark.parametrize("mode", ["hung", "slow", "garbage", "refused", "endless", "other"])
def test_the_first_has_a_bad_door_the_second_answers(ready, doors, mode):
    a, b, c = ready
    for _ in range(3):
        settled(c, A)
    doors.a.mode = mode
    took = fresh(one(c))
    print(f"{mode}: the answer after {took * 1000:.0f} ms")
    assert one(c)["way"] == B or mode == "slow"
    assert took < DEADLINE_S
    assert fresh(one(a)) < DEADLINE_S    # the listed server itself goes on to the other one


def test_a_slow_door_is_not_waited_for(ready, doors):
    c = ready[2]
    for _ in range(5):
        settled(c, A)
    doors.a.mode, doors.a.delay = "slow", 3
    assert fresh(one(c), B) < 2.5


def test_a_certificate_that_does_not_fit_is_not_asked_further(ready, doors, folder):
    """And one that does is."""
    a, b, c = ready
    other = Door(doors.a.behind, certificate(folder, "other"))
    try:
        edit(ready, B, doors.url(doors.safe, "https"))
        edit(ready, A, doors.url(other, "https"))
        answer = one(c, explain=True)
        fresh(answer, B)
        assert "certificate" in json.dumps(answer["steps"]).lower(), answer["steps"]
        assert other.asked == 0 and doors.safe.asked > 0
    finally:
        other.stop()
        documents(ready, doors)


def test_a_server_ends_at_once_whoever_hangs_that_it_asked(ready, doors):
    """Who asks has an answer, or his connection ends; neither waits until the deadline."""
    a, _, _ = ready
    doors.a.mode = doors.b.mode = "hung"
    asked, answers = doors.a.asked, []
    asking = threading.Thread(target=lambda: answers.extend(ask(a, "user@BTEx", within_ms=60_000)), daemon=True)
    asking.start()
    wait_until(lambda: doors.a.asked > asked, 20, "the question at the door")
    begun = time.monotonic()
    assert a.stop() == 0
    took = time.monotonic() - begun
    asking.join()
    assert took < 8, took    # shutdown_timeout_ms is 10 s, the question's time a minute
    assert [x["result"] for x in answers] in (["no data"], ["known"])


def test_both_doors_shut_the_last_known_answer_with_its_age_then_none(ready, doors):
    a, b, c = ready
    fresh(one(c))
    known_at = time.monotonic()
    doors.a.mode = doors.b.mode = "refused"
    time.sleep(0.05)
    answer = one(c)
    assert answer["result"] == "known" and rows(answer) == BUSY, answer
    assert 0 < answer["age_ms"] <= (time.monotonic() - known_at) * 1000 + 50
    assert answer["took_ms"] < DEADLINE_S * 1000 and answer["why"]
    older = one(c)
    assert older["age_ms"] > answer["age_ms"]
    for member in ready:
        member.set_conf(freebusy_age_max_ms="20 ms")
    try:
        answer = one(c)
        assert answer["result"] == "no data" and rows(answer) == [] and answer["why"], answer
        fresh(one(c, "alice"))    # of that attendee alone
        gone = c.run("freebusy", "user@BTEx", "alice", "--json", check=False)
        assert gone.returncode == 75 and json.loads(gone.stdout)["attendees"][0]["result"] == "no data"
    finally:
        for member in ready:
            member.set_conf(freebusy_age_max_ms="24 h")
    doors.open()
    settled(c, A)


def test_both_calendar_servers_down_the_last_known_answer_of_the_third(ready):
    a, b, c = ready
    fresh(one(c))
    a.kill()
    b.kill()
    answer = one(c)
    assert answer["result"] == "known" and rows(answer) == BUSY and answer["took_ms"] < (DEADLINE_S + 1) * 1000, answer


# --- killed in the middle, and what is known after it ---

def test_the_first_killed_in_the_middle_of_its_answer(ready, far):
    """Whom it told of by then is told of once, and by it; the others by the second."""
    a, b, c = ready
    held = Door(far.port("http")), Door(far.port("http"))
    held[0].mode, held[1].mode, held[1].delay = "hung", "slow", 2
    attendees = ["user@BTEx", "gina@BTEx", "alice@example.test", "user@Held", "gina@Held", "clice@example.test"]
    explained, sent = [], []
    asking = [threading.Thread(target=lambda: explained.extend(ask(c, *attendees, explain=True)), daemon=True),
              threading.Thread(target=lambda: sent.append(dav(c.port("http"), "POST", "/dav/calendars/clice/outbox/",
                                                              outbox_text("clice", attendees), "clice")), daemon=True)]
    try:
        for member, door in ((b, held[1]), (a, held[0])):
            text = document(member.name, f"http://127.0.0.1:{door.port}/dav/calendars/asker/outbox/").replace("BTEx", "Held")
            everywhere(ready, "foreign-domain", f"held-{member.name[0]}", text)
        settled(c, A)
        for thread in asking:
            thread.start()
        wait_until(lambda: held[0].asked == 2, 20, "both questions, at the door of the first one that hangs")
        for who in ("gina@BTEx", "alice"):
            one(c, who)    # what is asked later is answered: so is what was asked before
        a.kill()
        for thread in asking:
            thread.join(20)
    finally:
        for door in held:
            door.stop()
    got = [(who, status, periods(data)) for who, status, data in told(ET.fromstring(sent[0]).findall("{*}response"))]
    assert got == [(who, FINE, [] if who[0] in "gc" else NOONS) for who in attendees], got
    assert "X-POSTHORSE" not in sent[0]    # nothing of it was known before, or is unknown
    steps = json.dumps(explained, indent=1)
    assert [(x["result"], rows(x)) for x in explained] == [("fresh", [] if who[0] in "gc" else BUSY) for who in attendees], steps
    assert [x["way"] for x in explained[2:]] == [A, B, B, ""] and explained[0]["way"] in (A, B), steps
    for answer, words in zip(explained[2:4], ("answered", "was not reached")):
        assert [s for s in answer["steps"] if f"server {A} {words}" in json.dumps(s)], steps


def test_what_was_known_last_as_clients_see_it(ready, doors):
    """Busy as it was; by CalDAV with its age, for which EWS has no place. What nobody knows says so, of that one alone."""
    c = ready[2]
    attendees = ("alice@example.test", "user@BTEx", "stranger@BTEx")
    for who in attendees[:2]:
        fresh(one(c, who))
    dav_fresh = by_caldav(c, *attendees[:2])
    assert "AGE" not in str(dav_fresh) and {status for status, _ in dav_fresh.values()} == {FINE}
    ews_fresh = by_exchangelib(c, *attendees[:2])
    doors.a.mode = doors.b.mode = "refused"
    answers = ask(c, *attendees)
    assert [x["result"] for x in answers] == ["fresh", "known", "no data"] and rows(answers[1]) == BUSY, answers
    got = by_caldav(c, *attendees)
    assert (got[attendees[0]][0], periods(got[attendees[0]][1])) == (FINE, NOONS) and "AGE" not in got[attendees[0]][1]
    status, data = got[attendees[1]]
    assert (status, periods(data)) == (FINE, NOONS)
    assert re.search(r"(?m)^COMMENT;X-POSTHORSE-AGE=PT\d+M:The calendar does not answer.", data), data
    assert got[attendees[2]] == ("5.1;Service unavailable", "")
    views = by_exchangelib(c, *attendees)
    assert views[:2] == ews_fresh, views
    assert set(views[2]["merged"]) == {"4"} and [e["kind"] for e in views[2]["events"]] == ["NoData"], views


# --- other systems ---

def test_a_plain_file_of_free_busy(ready):
    text = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//file//EN\r\nMETHOD:PUBLISH\r\nBEGIN:VFREEBUSY\r\nUID:f\r\n"
            "DTSTAMP:20260101T000000Z\r\nORGANIZER:mailto:user@file.example\r\n"
            f"FREEBUSY;FBTYPE=BUSY:{NOON:%Y%m%dT%H%M%SZ}/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n").encode()
    files = Files({"/freebusy/user.ifb": text})
    try:
        everywhere(ready, "foreign-domain", "plain", f"domain = Plain\nmail_server = {A}\nhost = 127.0.0.1:25\ncalendar_server = {A}\n"
                   f"calendar = ifb http://127.0.0.1:{files.port}/freebusy/{{local}}.ifb\n")
        settled(ready[2], A, "user@Plain")
        assert one(ready[2], "nobody@Plain")["result"] in ("not found", "no data")
    finally:
        files.stop()


def test_a_store_that_is_away_costs_no_more_than_the_time_there_is():
    server = servers.Server("postgres", accounts=["alice"], settings={"freebusy_deadline_ms": "2 s"})
    try:
        server.start()
        asked = ["freebusy", "alice", "x@elsewhere.example", "--json", "--dir", str(server.dir)]

        def results():
            done = subprocess.run([servers.BINARY, *asked], capture_output=True, text=True, timeout=60)
            return [(x["result"], x["took_ms"] // 10000) for x in json.loads(done.stdout)["attendees"]]
        assert results() == [("fresh", 0), ("no way", 0)]
        server.stop_postgres()
        assert results() == [("no data", 0), ("no way", 0)]
    finally:
        server.remove()


def test_gaps_in_the_middle_are_unknown_and_they_alone(ready):
    c = ready[2]
    gaps = [NOON - datetime.timedelta(hours=6), NOON + datetime.timedelta(hours=3)]
    periods = [f"{gap:%Y%m%dT%H%M%SZ}/{gap + datetime.timedelta(hours=2):%Y%m%dT%H%M%SZ}" for gap in gaps]
    text = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//file//EN\r\nMETHOD:PUBLISH\r\nBEGIN:VFREEBUSY\r\nUID:f\r\n"
            f"FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:{','.join(periods)}\r\nFREEBUSY;FBTYPE=BUSY:{NOON:%Y%m%dT%H%M%SZ}/PT1H\r\n"
            "END:VFREEBUSY\r\nEND:VCALENDAR\r\n").encode()
    files = Files({"/user.ifb": text})
    unknown = [(int(gap.timestamp()), int(gap.timestamp()) + 7200, "unknown") for gap in gaps]
    try:
        everywhere(ready, "foreign-domain", "gaps", f"domain = Gaps\nmail_server = {A}\nhost = 127.0.0.1:25\ncalendar_server = {A}\n"
                   f"calendar = ifb http://127.0.0.1:{files.port}/{{local}}.ifb\n")
        for member in ready:
            answer = wait_until(lambda: (x := one(member, "user@Gaps"))["result"] == "fresh" and x, 20, "the file")
            assert rows(answer) == [unknown[0], *BUSY, unknown[1]] and (answer["from_s"], answer["until_s"]) == (FROM, UNTIL), answer
        asked = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:g",
                 "DTSTAMP:20260101T000000Z", "ORGANIZER:mailto:clice@example.test", "ATTENDEE:mailto:user@Gaps",
                 f"DTSTART:{NOON - datetime.timedelta(hours=12):%Y%m%dT%H%M%SZ}",
                 f"DTEND:{NOON + datetime.timedelta(hours=12):%Y%m%dT%H%M%SZ}", "END:VFREEBUSY", "END:VCALENDAR", ""]
        said = dav(c.port("http"), "POST", "/dav/calendars/clice/outbox/", "\r\n".join(asked), "clice")
        said = re.sub(r"\r?\n ", "", said.replace("&#13;", ""))
        assert re.findall(r"FBTYPE=X-POSTHORSE-UNKNOWN:(\S+)", said) == periods and "FBTYPE=BUSY:" in said, said
        status, found = c.api("/v1/freebusy", {"attendees": ["user@Gaps"], "from_s": FROM, "until_s": UNTIL, "find_ms": 12 * 3600000})
        assert status == 200 and found["found"] == []    # eight hours at most, between the gaps
        files.mode = "refused"
        answer = one(c, "user@Gaps")
        assert answer["result"] == "known" and rows(answer) == [unknown[0], *BUSY, unknown[1]], answer
    finally:
        files.stop()


def test_what_may_not_be_known_any_more_is_forgotten(ready):
    a, b = ready[0], ready[1]
    ask_again = lambda: one(b, "alice@example.test", **{"as": "blice"})
    wait_until(lambda: ask_again()["result"] == "fresh")
    a.run("calendar", "share", "alice", "inbox", "clice", "busy")
    try:
        wait_until(lambda: ask_again()["result"] == "denied")
        a.kill()
        assert ask_again()["result"] == "no data"
    finally:
        if a.process.poll() is not None:
            a.start()
        await_all_up(ready)
        a.run("calendar", "share", "alice", "inbox", "clice", "none")


def test_two_systems_share_one_smtp_domain(ready):
    """Whom nobody has here the other one has; who is here is asked for here."""
    text = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//file//EN\r\nMETHOD:PUBLISH\r\nBEGIN:VFREEBUSY\r\nUID:f\r\n"
            "DTSTAMP:20260101T000000Z\r\nORGANIZER:mailto:zoe@example.test\r\n"
            f"FREEBUSY;FBTYPE=BUSY:{NOON:%Y%m%dT%H%M%SZ}/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n").encode()
    files = Files({"/zoe.ifb": text, "/alice.ifb": b"this is not asked for"})
    try:
        everywhere(ready, "foreign-domain", "shared", f"domain = Shared\nshared_domain = example.test\nmail_server = {A}\n"
                   f"host = 127.0.0.1:25\ncalendar_server = {A}\ncalendar = ifb http://127.0.0.1:{files.port}/{{local}}.ifb\n")
        for member, way in zip(ready, ("", A, A)):
            settled(member, way, "zoe@example.test")
            settled(member, way, "alice@example.test")
        assert one(ready[1], "nobody-at-all@example.test")["result"] in ("not found", "no data")
    finally:
        assert ready[0].run("directory", "remove", "foreign-domain", "shared", check=False).returncode == 0
        files.stop()


def foreign(members, name, calendar, more=""):
    everywhere(members, "foreign-domain", name.lower(), f"domain = {name}\nmail_server = {A}\nhost = 127.0.0.1:25\ncalendar_server = {A}\n"
               f"calendar = caldav {calendar}\ncalendar_user = asker\ncalendar_password = pass\nrewrite = *@{name} *@example.test\n{more}")


NOON_EVENT = event("noon", [f"DTSTART:{NOON:%Y%m%dT%H%M%SZ}", "DURATION:PT1H"])


def ews(ready, far):
    everywhere(ready, "foreign-domain", "ews", f"domain = Ews\nmail_server = {A}\nhost = 127.0.0.1:25\ncalendar_server = {A}\n"
               f"calendar = ews http://127.0.0.1:{far.port('http')}/EWS/Exchange.asmx\ncalendar_user = asker@exchange.example\n"
               f"calendar_password = {servers.PASSWORD}\nrewrite = *@Ews *@exchange.example\n")


def test_a_second_domain_of_ours_by_ews(ready, far):
    ews(ready, far)
    for member, way in zip(ready, ("", A, A)):
        settled(member, way, "user@Ews")
    assert one(ready[2], "nobody@Ews")["result"] in ("not found", "no data")


def test_cyrus_by_its_outbox_and_by_each_ones_calendar(ready):
    folder = servers.make_dir()
    cyrus = far_.cyrus(folder)
    try:
        at = f"http://127.0.0.1:{cyrus.ports['http']}/dav/calendars/user"
        dav(cyrus.ports["http"], "PUT", "/dav/calendars/user/user/Default/noon.ics", NOON_EVENT, "user", password="pass")
        foreign(ready, "Outbox", f"{at}/asker/Outbox/")
        foreign(ready, "Each", f"{at}/asker/{{local}}.Default/")    # as Cyrus shows others' calendars
        for member, way in zip(ready, ("", A, A)):
            settled(member, way, "user@Outbox")
            settled(member, way, "user@Each")
        assert one(ready[2], "nobody@Outbox")["result"] in ("not found", "no data")
        assert one(ready[2], "nobody@Each")["result"] in ("not found", "no data")
    finally:
        cyrus.stop()


def test_radicale_by_each_ones_calendar(ready):
    process, port = far_.radicale(servers.make_dir())
    try:
        dav(port, "MKCALENDAR", "/user/work/", "", "user", password="pass")
        dav(port, "PUT", "/user/work/noon.ics", NOON_EVENT, "user", password="pass")
        foreign(ready, "Radicale", f"http://127.0.0.1:{port}/{{local}}/work/")
        for member, way in zip(ready, ("", A, A)):
            settled(member, way, "user@Radicale")
        assert one(ready[2], "nobody@Radicale")["result"] in ("not found", "no data")
    finally:
        process.stop()


# --- the property: what is answered is what the events say, by every way, in any window and zone ---

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
WHOLE_HOURS = ("Europe/Berlin", "America/New_York", "America/Sao_Paulo")
KINDS = ("free", "elsewhere", "tentative", "busy", "unavailable")


class Event:
    """By chance, as lines of a VEVENT and as the instants it takes."""

    def __init__(self, rnd, number, zones=ZONES, long=True):
        self.uid, self.lines = f"event-{number}", []
        self.zone = rnd.choice(zones + ("UTC", "day", "floating"))
        start = datetime.datetime(rnd.randint(2025, 2028), rnd.randint(1, 12), rnd.randint(1, 28), rnd.randint(0, 23),
                                  rnd.choice((0, 15, 30)))
        if self.zone == "day":
            start = start.replace(hour=0, minute=0)
            self.days, self.length = rnd.randint(1, 3) if long else 1, None
            self.lines += [f"DTSTART;VALUE=DATE:{start:%Y%m%d}", f"DURATION:P{self.days}D"]
        else:
            self.length = datetime.timedelta(minutes=rnd.choice((15, 30, 60, 90, 600, 2000 if long else 700)))
            tzid = "" if self.zone in ("UTC", "floating") else f";TZID={self.zone}"
            self.lines += [f"DTSTART{tzid}:{start:%Y%m%dT%H%M%S}{'Z' if self.zone == 'UTC' else ''}",
                           f"DURATION:PT{int(self.length.total_seconds()) // 60}M"]
        self.starts = self.repeat(rnd, start) if rnd.random() < 0.5 else [start]
        self.kind = rnd.choice(("busy", "busy", "busy", "tentative", "free", "unavailable"))
        self.lines += {"tentative": ["STATUS:TENTATIVE"], "free": ["TRANSP:TRANSPARENT"],
                       "unavailable": ["X-MICROSOFT-CDO-BUSYSTATUS:OOF"]}.get(self.kind, [])

    def repeat(self, rnd, start):
        count = rnd.randint(2, 40)
        text = rnd.choice((f"FREQ=DAILY;INTERVAL={rnd.randint(1, 9)}", "FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=WEEKLY;INTERVAL=2",
                           "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=YEARLY"))
        starts = list(rrule.rrulestr(f"{text};COUNT={count}", dtstart=start))
        self.lines.append(f"RRULE:{text};COUNT={count}")
        if starts[0] != start:    # DTSTART counts though the rule leaves it out (RFC 5545 section 3.8.5.3)
            starts = [start] + starts[:count - 1]
        if len(starts) > 2 and self.zone == "UTC" and rnd.random() < 0.5:
            gone = rnd.choice(starts[1:])
            self.lines.append(f"EXDATE:{gone:%Y%m%dT%H%M%SZ}")
            starts.remove(gone)
        return starts

    def instants(self, floating):
        zone = {"UTC": UTC, "day": floating, "floating": floating}.get(self.zone) or zoneinfo.ZoneInfo(self.zone)
        for start in self.starts:
            begin = start.replace(tzinfo=zone).timestamp()
            end = (start + datetime.timedelta(days=self.days)).replace(tzinfo=zone).timestamp() if self.length is None else \
                begin + self.length.total_seconds()
            yield int(begin), int(end), self.kind


def truth(taken, start, until):
    """The strongest kind at each moment, in the fewest rows."""
    edges = sorted({start, until, *(min(max(t, start), until) for s, e, _ in taken for t in (s, e) if s < until and e > start)})
    merged = []
    for s, e in zip(edges, edges[1:]):
        kinds = [KINDS.index(k) for ts, te, k in taken if ts < e and te > s]
        kind = KINDS[max(kinds)] if kinds else "free"
        if kind == "free":
            continue
        if merged and merged[-1][1] == s and merged[-1][2] == kind:
            merged[-1] = (merged[-1][0], e, kind)
        else:
            merged.append((s, e, kind))
    return merged


@pytest.fixture
def rnd():
    seed = int(os.environ.get("SEED") or random.randrange(1 << 30))
    print(f"SEED={seed}")
    return random.Random(seed)


def windows(rnd, count):
    for _ in range(count):
        start = int(datetime.datetime(2025, 1, 1, tzinfo=UTC).timestamp()) + rnd.randrange(4 * 365 * 86400)
        yield start, start + rnd.choice((60, 3600, 86400, 7 * 86400, 42 * 86400, 62 * 86400, 300 * 86400))


def instants(events):
    return [t for e in events for t in e.instants(zoneinfo.ZoneInfo("Europe/Berlin"))]


def check(member, who, want, start, until):
    answer = one(member, who, start=start, until=until)
    assert answer["result"] == "fresh", answer
    assert rows(answer) == want, f"{who} on {member.name}, {start} to {until}: {rows(answer)} instead of {want}"


def test_every_source_answers_what_the_events_say(ready, far, rnd):
    a, b, c = ready
    assert a.api("/v1/account/add", {"name": "prop", "password": servers.PASSWORD})[0] == 200
    wait_until(lambda: c.run("directory", "show", "person", "prop", check=False).returncode == 0, 20, "prop on c")
    events = [Event(rnd, n) for n in range(40)]
    for event_ in events:
        put_event(a, "prop", event_.uid, *event_.lines)
        put_event(far, "prop", event_.uid, *event_.lines)
    ews(ready, far)
    for start, until in windows(rnd, 40):
        want = truth(instants(events), start, until)
        for member, who in ((a, "prop"), (c, "prop"), (c, "prop@BTEx"), (a, "prop@BTEx"), (c, "prop@Ews")):
            check(member, who, want, start, until)


def test_radicale_gives_events_and_they_are_worked_out_here(ready, rnd):
    process, port = far_.radicale(servers.make_dir())
    try:
        dav(port, "MKCALENDAR", "/user/work/", "", "user", password="pass")
        # Its library puts in a VTIMEZONE of its own, dropping the half hours of offsets, and it takes a DURATION without its days when
        # it looks for the events of a time.
        events = [Event(rnd, n, WHOLE_HOURS, long=False) for n in range(20)]
        for event_ in events:
            dav(port, "PUT", f"/user/work/{event_.uid}.ics", event(event_.uid, event_.lines), "user", password="pass")
        foreign(ready, "Worked", f"http://127.0.0.1:{port}/{{local}}/work/")
        for start, until in windows(rnd, 20):
            check(ready[2], "user@Worked", truth(instants(events), start, until), start, until)
    finally:
        process.stop()
