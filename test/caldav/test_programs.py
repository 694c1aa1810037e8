"""Calendar programs that nobody here wrote: vdirsyncer, khal, python3-caldav, calcurse-caldav, cadaver."""
import datetime, os, re, subprocess, warnings

import pytest

from server import BINARY, PASSWORD, make_dir

warnings.filterwarnings("ignore", category=DeprecationWarning)
import caldav

DAY = datetime.date.today() + datetime.timedelta(days=3)
sqlite_only = pytest.mark.parametrize("shared", ["sqlite"], indirect=True)


def run(*args, check=True, seconds=60, **more):
    done = subprocess.run([str(a) for a in args], text=True, capture_output=True, timeout=seconds, **more)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def event(uid, summary, hour=10, more=""):
    return (f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n"
            f"DTSTART:{DAY:%Y%m%d}T{hour:02}0000Z\r\nDURATION:PT1H\r\nSUMMARY:{summary}\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n")


def url(shared, path="/", scheme="http"):
    return f"{scheme}://localhost:{shared.port(scheme)}{path}"


def curl(shared, user, method, path, body="", *args):
    return run("curl", "-sS", "--fail-with-body", "-u", f"{user}:{PASSWORD}", "-X", method, "-H", "Content-Type: text/calendar",
               *args, "--data-binary", "@-", url(shared, path), input=body)


# --- vdirsyncer and khal ---

class Vdir:
    """vdirsyncer, which knows the server's name only, and khal on what it fetched."""

    def __init__(self, shared, user, scheme="http", more=""):
        self.place = make_dir()
        self.config = self.place / "config"
        self.config.write_text(f"""
[general]
status_path = "{self.place}/status"
[pair p]
a = "local"
b = "remote"
collections = ["from a", "from b"]
conflict_resolution = "b wins"
metadata = ["displayname", "color"]
[storage local]
type = "filesystem"
path = "{self.place}/c"
fileext = ".ics"
[storage remote]
type = "caldav"
url = "{url(shared, scheme=scheme)}"
username = "{user}"
password = "{PASSWORD}"
{more}
""")
        self.calendar = self.place / "c" / "calendar"

    def run(self, *words, check=True):
        return run("/usr/bin/python3", "/usr/bin/vdirsyncer", "-c", self.config, *words, check=check, input="y\n" * 20)

    def sync(self):
        return self.run("sync")

    def khal(self, *words):
        config = self.place / "khal"
        config.write_text(f"[calendars]\n[[c]]\npath = {self.calendar}\n[locale]\nlocal_timezone = UTC\ndefault_timezone = UTC\n"
                          "timeformat = %H:%M\ndateformat = %Y-%m-%d\nlongdateformat = %Y-%m-%d\ndatetimeformat = %Y-%m-%d %H:%M\n"
                          f"longdatetimeformat = %Y-%m-%d %H:%M\n[sqlite]\npath = {self.place}/khal.db\n[default]\ndefault_calendar = c\n")
        return run("/usr/bin/python3", "/usr/bin/khal", "-c", config, *words, env={**os.environ, "HOME": str(self.place)})


@sqlite_only
def test_vdirsyncer_and_khal_both_ways(shared, people):
    user = people[0]
    vdir = Vdir(shared, user)
    vdir.run("discover")
    curl(shared, user, "PUT", f"/dav/calendars/{user}/calendar/far.ics", event("far", "Made far"))
    vdir.sync()
    assert [p.name for p in vdir.calendar.glob("*.ics")] == ["far.ics"]
    assert "10:00-11:00 Made far" in vdir.khal("list", f"{DAY}", "2d")
    vdir.khal("new", f"{DAY}", "14:00", "15:00", "Made near")
    vdir.khal("new", f"{DAY}", "08:00", "09:00", "Daily", "--repeat", "daily", "--until", f"{DAY + datetime.timedelta(days=3)}")
    vdir.sync()
    client = caldav.DAVClient(url(shared), username=user, password=PASSWORD)
    far = client.principal().calendars()[0]
    assert sorted(str(e.vobject_instance.vevent.summary.value) for e in far.events()) == ["Daily", "Made far", "Made near"]
    # a change and a deletion on either side
    curl(shared, user, "PUT", f"/dav/calendars/{user}/calendar/far.ics", event("far", "Changed far", 11))
    near = next(p for p in vdir.calendar.glob("*.ics") if "Made near" in p.read_text())
    near.write_text(near.read_text().replace("Made near", "Changed near"))
    vdir.sync()
    listed = vdir.khal("list", f"{DAY}", "5d")
    assert "11:00-12:00 Changed far" in listed and "Changed near" in listed and listed.count("Daily") == 3
    assert "Changed near" in curl(shared, user, "GET", f"/dav/calendars/{user}/calendar/{near.name}")
    near.unlink()
    curl(shared, user, "DELETE", f"/dav/calendars/{user}/calendar/far.ics")
    vdir.sync()
    assert len(list(vdir.calendar.glob("*.ics"))) == 1 and len(far.events()) == 1
    # a conflict: both changed, the server's is to win
    [daily] = vdir.calendar.glob("*.ics")
    text = daily.read_text()
    daily.write_text(text.replace("SUMMARY:Daily", "SUMMARY:Near wins"))
    curl(shared, user, "PUT", f"/dav/calendars/{user}/calendar/{daily.name}", text.replace("SUMMARY:Daily", "SUMMARY:Far wins"))
    vdir.sync()
    assert "Far wins" in daily.read_text()


@sqlite_only
def test_vdirsyncer_makes_and_names_a_calendar(shared, people):
    vdir = Vdir(shared, people[0])
    (vdir.place / "c" / "work").mkdir(parents=True)
    (vdir.place / "c" / "work" / "displayname").write_text("Wörk & more")
    (vdir.place / "c" / "work" / "color").write_text("#aabbcc")
    vdir.run("discover")
    vdir.run("metasync")
    calendars = {str(c.url).rstrip("/").rsplit("/", 1)[1]: c for c in
                 caldav.DAVClient(url(shared), username=people[0], password=PASSWORD).principal().calendars()}
    assert sorted(calendars) == ["calendar", "work"] and calendars["work"].name == "Wörk & more"
    vdir.sync()


# --- python3-caldav ---

@pytest.fixture
def principal(shared, people):
    return caldav.DAVClient(url(shared), username=people[0], password=PASSWORD).principal()


def found(objects):
    return sorted(str(o.icalendar_component["SUMMARY"]) for o in objects)


def at(days, hour=0):
    return datetime.datetime.combine(DAY + datetime.timedelta(days=days), datetime.time(hour))


def test_python_caldav_makes_changes_and_searches(principal):
    calendar = principal.make_calendar(name="Project", cal_id="project")
    once = calendar.save_event(event("once", "Once", more="CATEGORIES:Work\r\n"))
    calendar.save_event(event("weekly", "Weekly", more="RRULE:FREQ=WEEKLY;COUNT=3\r\n"))
    calendar.save_todo(event("todo", "To do").replace("VEVENT", "VTODO"))
    calendar.save_journal(event("note", "Note").replace("VEVENT", "VJOURNAL").replace("DURATION:PT1H\r\n", ""))
    assert found(calendar.events()) == ["Once", "Weekly"] and found(calendar.todos()) == ["To do"]
    assert found(calendar.journals()) == ["Note"]
    assert found(calendar.date_search(at(0), at(1), expand=False)) == ["Once", "Weekly"]
    assert found(calendar.search(event=True, start=at(6), end=at(15), expand=True)) == ["Weekly", "Weekly"]
    assert found(calendar.search(event=True, summary="nce")) == ["Once"]
    assert found(calendar.search(event=True, category="Work")) == ["Once"]
    assert found(calendar.search(event=True, start=at(13), end=at(20), expand=False)) == ["Weekly"]
    assert found([calendar.event_by_uid("weekly")]) == ["Weekly"]
    assert found(calendar.calendar_multiget([once.url])) == ["Once"]
    once.icalendar_component["SUMMARY"] = "Changed"
    once.save()
    assert found([calendar.event_by_uid("once")]) == ["Changed"]
    once.delete()
    with pytest.raises(caldav.error.NotFoundError):
        calendar.event_by_uid("once")
    todo = calendar.todos()[0]
    todo.complete()
    assert calendar.todos() == [] and len(calendar.todos(include_completed=True)) == 1
    calendar.delete()
    assert [c.name for c in principal.calendars()] == ["Calendar"]


def test_python_caldav_syncs_by_token(principal):
    calendar = principal.calendars()[0]
    first = calendar.save_event(event("one", "One"))
    mine = calendar.objects_by_sync_token(load_objects=True)
    assert found(mine) == ["One"]
    calendar.save_event(event("two", "Two"))
    first.delete()
    changed, gone = mine.sync()
    assert [o.url.path.rsplit("/", 1)[1] for o in changed] == ["two.ics"] and len(gone) == 1
    assert mine.sync() == ([], [])


def test_python_caldav_asks_for_free_busy(principal):
    calendar = principal.calendars()[0]
    calendar.save_event(event("busy", "Busy"))
    answer = calendar.freebusy_request(at(0), at(1))
    assert f"{DAY:%Y%m%d}T100000Z/" in answer.data


def test_python_caldav_invites_and_answers(shared, people):
    one, two = (caldav.DAVClient(url(shared), username=name, password=PASSWORD).principal() for name in people[:2])
    mine = one.calendars()[0]
    mine.save_with_invites(event("meeting", "Meeting"), [one, f"mailto:{people[1]}@example.test"])
    [notice] = two.schedule_inbox().get_items()
    assert notice.is_invite_request()
    theirs = two.calendars()[0].event_by_uid("meeting")
    theirs.change_attendee_status(PARTSTAT="ACCEPTED")
    theirs.save()
    answered = {str(a): a.params["PARTSTAT"] for a in mine.event_by_uid("meeting").icalendar_component["ATTENDEE"]}
    assert answered[f"mailto:{people[1]}@example.test"] == "ACCEPTED"
    [reply] = [i for i in one.schedule_inbox().get_items() if "METHOD:REPLY" in i.data]
    reply.delete()
    day = [at(n).replace(tzinfo=datetime.timezone.utc) for n in (0, 1)]
    assert two.freebusy_request(*day, [f"mailto:{people[0]}@example.test"]) is not None
    mine.event_by_uid("meeting").delete()
    assert [e.icalendar_component.get("STATUS") for e in two.calendars()[0].events()] in ([], ["CANCELLED"])


@sqlite_only
def test_python_caldav_over_tls(shared, people):
    """The sandbox's certificate is one of its own; a client that is given it trusts it, another one does not."""
    import requests
    trusted = caldav.DAVClient(url(shared, scheme="https"), username=people[0], password=PASSWORD,
                               ssl_verify_cert=str(shared.dir / "cert.pem"))
    calendar = trusted.principal().calendars()[0]
    calendar.save_event(event("tls", "Secret"))
    assert found(calendar.events()) == ["Secret"]
    with pytest.raises(requests.exceptions.SSLError):
        caldav.DAVClient(url(shared, scheme="https"), username=people[0], password=PASSWORD).principal()
    with pytest.raises(caldav.error.AuthorizationError):
        caldav.DAVClient(url(shared, scheme="https"), username=people[0], password="wrong",
                         ssl_verify_cert=str(shared.dir / "cert.pem")).principal()


# --- calcurse-caldav ---

class Calcurse:
    def __init__(self, shared, user):
        self.place = make_dir()
        self.config = self.place / "caldav.conf"
        self.config.write_text(f"[General]\nBinary = calcurse\nHostname = localhost:{shared.port('http')}\n"
                               f"Path = /dav/calendars/{user}/calendar/\nAuthMethod = basic\nHTTPS = No\nDryRun = No\nVerbose = Yes\n"
                               f"[Auth]\nUsername = {user}\nPassword = {PASSWORD}\n")

    def run(self, *words):
        return run(*words, env={**os.environ, "HOME": str(self.place), "PATH": "/usr/bin:/bin"})

    def sync(self, *words):
        return self.run("/usr/bin/python3", "/usr/bin/calcurse-caldav", "--config", self.config, "--datadir", self.place,
                        "--lockfile", self.place / "lock", "--syncdb", self.place / "sync.db", "--hookdir", self.place / "hooks", *words)

    def text(self):
        return (self.place / "apts").read_text()


@sqlite_only
def test_calcurse_both_ways(shared, people):
    user = people[0]
    path = f"/dav/calendars/{user}/calendar/"
    curl(shared, user, "PUT", path + "far.ics", event("far", "Made far"))
    calcurse = Calcurse(shared, user)
    calcurse.sync("--init", "keep-remote")
    assert "Made far" in calcurse.text()
    with open(calcurse.place / "apts", "a") as apts:
        apts.write(f"{DAY:%m/%d/%Y} @ 14:00 -> {DAY:%m/%d/%Y} @ 15:00 |Made near\n")
    calcurse.sync()
    calendar = caldav.DAVClient(url(shared), username=user, password=PASSWORD).principal().calendars()[0]
    assert found(calendar.events()) == ["Made far", "Made near"]
    curl(shared, user, "DELETE", path + "far.ics")
    calcurse.sync()
    assert "Made far" not in calcurse.text() and "Made near" in calcurse.text()
    (calcurse.place / "apts").write_text("")
    calcurse.sync()
    assert calendar.events() == []


# --- cadaver ---

@sqlite_only
def test_cadaver_as_plain_webdav(shared, people):
    user, place = people[0], make_dir()
    (place / ".netrc").write_text(f"machine localhost login {user} password {PASSWORD}\n")
    (place / "one.ics").write_bytes(event("one", "One").encode())
    (place / "two.txt").write_text("no event\n")
    out = run("cadaver", url(shared, f"/dav/calendars/{user}/calendar/"), cwd=place, env={**os.environ, "HOME": str(place)},
              input="put one.ics\nls\nget one.ics back.ics\npropnames one.ics\nput two.txt\ndelete one.ics\nls\nquit\n")
    assert re.search(r"Uploading one\.ics.*succeeded", out, re.S) and re.search(r"^ +one\.ics +\d+", out, re.M), out
    assert (place / "back.ics").read_bytes().decode() == event("one", "One")
    assert re.search(r"Uploading two\.txt.*failed.*403", out, re.S) and "is empty" in out.split("Deleting")[1], out


# --- curl ---

@sqlite_only
def test_curl_reads_when_somebody_is_busy(shared, people):
    """With a log-in; without one only once the owner has granted it to anyone."""
    owner, other = people[:2]
    address = url(shared, f"/freebusy/{owner}.ifb")
    curl(shared, owner, "PUT", f"/dav/calendars/{owner}/calendar/1.ics", event("1", "secret"))
    mine = run("curl", "-sSf", "-u", f"{other}:{PASSWORD}", address)
    busy = f"FREEBUSY;FBTYPE=BUSY:{DAY:%Y%m%d}T100000Z/{DAY:%Y%m%d}T110000Z"
    assert busy in mine.replace("\r\n ", "") and "secret" not in mine
    unknown = url(shared, "/freebusy/no-such-person.ifb")
    body = run("curl", "-sS", "-w", "%{http_code}", address)
    assert body.endswith("401") and body == run("curl", "-sS", "-w", "%{http_code}", unknown)
    run(BINARY, "calendar", "delegate", "--dir", shared.dir, owner, "**", "busy")
    assert busy in run("curl", "-sSf", address).replace("\r\n ", "")
    run(BINARY, "calendar", "delegate", "--dir", shared.dir, owner, "**", "none")
    assert body == run("curl", "-sS", "-w", "%{http_code}", address)
    refused = run(BINARY, "calendar", "delegate", "--dir", shared.dir, owner, "**", "read", check=False)
    assert "can be given busy alone" in refused
