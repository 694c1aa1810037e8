"""Calendars by hand: posthorse calendar ... on both engines."""
import os, pty, re, subprocess, unicodedata

import pytest
import server as servers
from test_ctl import Ctl

DATAERR, NOUSER, CANTCREAT = 65, 67, 73
BERLIN = """BEGIN:VTIMEZONE
TZID:{name}
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:{summer}
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""


def zone(name="Europe/Berlin", summer="+0100"):
    return BERLIN.format(name=name, summer=summer)


def event(uid, more="", start="20261124T130000Z", summary="x"):
    at = start if ":" in start else f":{start}"
    return (f"BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\nDTSTART{at}\nDURATION:PT1H\n"
            f"SUMMARY:{summary}\n{more}END:VEVENT\n")


def file_of(*parts, more=""):
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{more}{''.join(parts)}END:VCALENDAR\n"


SERIES = (event("series", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU\n", ";TZID=Europe/Berlin:20261102T093000", "Stand-up") +
          event("series", "RECURRENCE-ID;TZID=Europe/Berlin:20261103T093000\n", ";TZID=Europe/Berlin:20261103T110000", "Late"))


@pytest.fixture
def ctl(shared):
    return Ctl(shared)


@pytest.fixture
def clean(ctl, user):
    """Whatever a test did, the account's calendars hold together at its end."""
    yield user
    assert "no faults" in ctl.run("calendar", "check", user)


def bring(ctl, user, text, *more, status=0):
    """Imports, and gives what it told: new, changed, as they were, refused."""
    done = subprocess.run([servers.BINARY, "--dir", str(ctl.server.dir), "calendar", "import", user, *more, "-"],
                          input=text.encode(), capture_output=True, timeout=120)
    ctl.err = done.stderr.decode()
    assert done.returncode == status, (done.returncode, ctl.err)
    told = re.search(r": ([\d,]+) new, ([\d,]+) changed, ([\d,]+) as they were, ([\d,]+) refused", done.stdout.decode())
    return tuple(int(n.replace(",", "")) for n in told.groups())


def shown(ctl, user, calendar="calendar"):
    return {o["name"]: o for o in ctl.json("calendar", "show", user, calendar)}


# --- in and out ---

def test_a_file_is_stored_by_its_uids_and_again_changes_nothing(ctl, clean):
    text = file_of(zone(), SERIES, event("one"), event("day", start=";VALUE=DATE:20261126").replace("DURATION:PT1H\n", ""),
                   "BEGIN:VTODO\nUID:todo\nDTSTAMP:20260101T000000Z\nSUMMARY:Buy\nEND:VTODO\n", more="METHOD:PUBLISH\nX-WR-CALNAME:Old\n")
    assert bring(ctl, clean, text) == (4, 0, 0, 0)
    before = shown(ctl, clean)
    assert set(before) == {"series.ics", "one.ics", "day.ics", "todo.ics"}
    assert bring(ctl, clean, text) == (0, 0, 4, 0)
    assert bring(ctl, clean, text.replace("\n", "\r\n")) == (0, 0, 4, 0)
    assert shown(ctl, clean) == before  # etags too
    one = ctl.run("calendar", "show", clean, "calendar", "series")
    assert "METHOD" not in one and "X-WR-CALNAME" not in one and one.count("BEGIN:VEVENT") == 2 and "BEGIN:VTIMEZONE" in one
    assert "VTIMEZONE" not in ctl.run("calendar", "show", clean, "calendar", "one.ics")
    assert bring(ctl, clean, text.replace("SUMMARY:x", "SUMMARY:y")) == (0, 2, 2, 0)


def test_what_is_refused_is_told_with_its_line_and_the_rest_is_stored(ctl, clean):
    text = file_of(event("a"), event("b", start="2026"), event("c", "END:VEVENT\n" + event("c")[:-len("END:VEVENT\n")]),
                   event("").replace("UID:\n", ""), event("e"))
    lines = text.splitlines()
    assert bring(ctl, clean, text, status=DATAERR) == (2, 0, 0, 3)
    told = dict(re.findall(r"^-:(\d+): (.*)$", ctl.err, re.M))
    assert len(told) == 3
    assert told[str(lines.index("DTSTART:2026") + 1)] == "DTSTART:2026 is not of type DATE-TIME."
    assert any("RECURRENCE-ID" in why for why in told.values())
    assert any("UID" in why and int(line) > 20 for line, why in told.items())
    assert set(shown(ctl, clean)) == {"a.ics", "e.ics"}


def test_a_file_that_is_none_is_refused_whole(ctl, clean):
    for text, why in (("hello\n", ":1: "), (file_of(event("a"))[:-15], "VCALENDAR"), (file_of(), "no events")):
        ctl.run("calendar", "import", clean, "-", input=text, status=DATAERR)
        assert why in ctl.err, ctl.err
    ctl.run("calendar", "import", clean, "gone", "-", input=file_of(event("a")), status=NOUSER)
    ctl.run("calendar", "import", "nobody-at-all", "-", input=file_of(event("a")), status=NOUSER)
    ctl.run("calendar", "import", clean, "inbox", "-", input=file_of(event("a")), status=DATAERR)


def test_nobody_is_told_by_an_import(ctl, clean, user2):
    meeting = event("meeting", f"ORGANIZER:mailto:{clean}@example.test\nATTENDEE:mailto:{user2}@example.test\n")
    assert bring(ctl, clean, file_of(meeting)) == (1, 0, 0, 0)
    assert ctl.json("calendar", "log", user2)["lines"] == []
    assert not any(c["objects"] for c in ctl.json("calendar", "list", user2)["calendars"])


def test_what_is_exported_and_imported_is_the_same(ctl, clean, user2, tmp_path):
    ctl.run("calendar", "make", clean, "work", "--title", "At work", "--color", "#3a87ad")
    assert bring(ctl, clean, file_of(zone(), SERIES), "work") == (1, 0, 0, 0)
    assert bring(ctl, clean, file_of(zone(), event("other", start=";TZID=Europe/Berlin:20261110T100000"))) == (1, 0, 0, 0)
    path = tmp_path / "all.ics"
    ctl.run("calendar", "export", clean, "--out", path)
    assert ctl.err.endswith("written\n")
    text = path.read_bytes().decode()
    assert text.count("BEGIN:VCALENDAR") == text.count("BEGIN:VTIMEZONE") == 1 and text.count("BEGIN:VEVENT") == 3
    assert "no faults" in ctl.run("calendar", "check", path)
    assert bring(ctl, user2, text) == (2, 0, 0, 0)
    assert ctl.run("calendar", "export", user2).replace("\r\n", "\n").count("BEGIN:VEVENT") == 3
    assert bring(ctl, user2, ctl.run("calendar", "export", user2)) == (0, 0, 2, 0)
    one = ctl.run("calendar", "export", clean, "work")
    assert "NAME:At work" in one and "#3a87ad" in one and one.count("BEGIN:VEVENT") == 2


def test_zones_of_one_name_that_mean_another_are_not_mixed_up(ctl, clean):
    mine = lambda uid: event(uid, start=";TZID=Mine:20260710T100000")
    assert bring(ctl, clean, file_of(zone("Mine"), mine("a"))) == (1, 0, 0, 0)
    assert bring(ctl, clean, file_of(zone("Mine", "+0000"), mine("b"))) == (1, 0, 0, 0)
    text = ctl.run("calendar", "export", clean)
    assert text.count("BEGIN:VCALENDAR") == text.count("BEGIN:VTIMEZONE") == 2 and text.count("BEGIN:VEVENT") == 2
    assert bring(ctl, clean, text) == (0, 0, 2, 0)


def test_hundreds_of_events_and_progress_on_a_terminal(ctl, clean):
    text = file_of(*(event(f"event-{n}", start=f"2027{1 + n % 12:02}{1 + n % 28:02}T{n % 24:02}0000Z") for n in range(400)))
    assert bring(ctl, clean, text) == (400, 0, 0, 0)
    assert len(shown(ctl, clean)) == 400
    assert ctl.run("calendar", "export", clean).count("BEGIN:VEVENT") == 400
    path = ctl.server.dir / f"{clean}.ics"
    path.write_text(text)
    leader, follower = pty.openpty()
    done = subprocess.run([servers.BINARY, "--dir", str(ctl.server.dir), "calendar", "import", clean, str(path)],
                          stdout=subprocess.PIPE, stderr=follower, timeout=120)
    os.close(follower)
    told = os.read(leader, 65536).decode()
    os.close(leader)
    assert done.returncode == 0 and b" 400 as they were" in done.stdout
    assert re.search(r"\d+ of 400 objects, ", told), told


# --- check ---

def test_a_file_is_checked_strictly(tmp_path):
    path = tmp_path / "file.ics"
    path.write_text(file_of(event("a"), event("b", "RRULE:FREQ=NEVER\n"), event("c", start=";TZID=Nowhere/Else:20261124T130000")))
    told = subprocess.run([servers.BINARY, "calendar", "check", str(path)], capture_output=True, timeout=60)
    assert told.returncode == DATAERR
    lines = told.stdout.decode().splitlines()
    assert [int(l.split(":")[1]) for l in lines[:-1]] and len(lines) == 3 and lines[-1] == "3 objects, 2 faults"
    rule = path.read_text().splitlines().index("RRULE:FREQ=NEVER") + 1
    assert lines[0].startswith(f"{path}:{rule}: ")
    path.write_text(file_of(event("a")))
    assert "1 object, no faults" in subprocess.check_output([servers.BINARY, "calendar", "check", str(path)], timeout=60).decode()


BREAKAGES = [
    ("DELETE FROM busytime WHERE start_s = (SELECT MIN(start_s) FROM busytime WHERE {mine}) AND {mine}", "busytime lacks"),
    ("UPDATE busytime SET kind = 2 WHERE {mine}", "busytime lacks, or has otherwise"),
    ("UPDATE busytime SET end_s = end_s + 1 WHERE {mine}", "busytime lacks, or has otherwise"),
    ("UPDATE busytime SET event_id = 777777 WHERE {mine}", "belong to no object"),
    ("UPDATE event SET uid = 'another' WHERE {mine}", "its UID is series"),
    ("UPDATE event SET first_s = first_s + 1 WHERE {mine}", "when it begins and ends"),
    ("UPDATE event SET bytes = bytes + 1 WHERE {mine}", "its row says"),
    ("UPDATE event SET flags = 0 WHERE {mine}", "another kind, privacy or recurrence"),
    ("UPDATE event SET modseq = modseq + 1000 WHERE {mine}", "clients miss the change"),
]


def test_each_fault_made_on_purpose_in_an_account_is_found(ctl, clean):
    mine = f"account_id = (SELECT account_id FROM account WHERE name = '{clean}')"
    for statement, told in BREAKAGES:
        ctl.run("calendar", "make", clean, "work")
        assert bring(ctl, clean, file_of(zone(), SERIES), "work") == (1, 0, 0, 0)
        assert "1 object, no faults" in ctl.run("calendar", "check", clean)
        ctl.server.sql(statement.format(mine=mine))
        done = subprocess.run([servers.BINARY, "--dir", str(ctl.server.dir), "calendar", "check", clean], capture_output=True,
                              timeout=60)
        assert done.returncode == DATAERR and told in done.stdout.decode(), (statement, done)
        if statement == BREAKAGES[0][0]:
            done = subprocess.run([servers.BINARY, "--dir", str(ctl.server.dir), "store", "check"], capture_output=True, timeout=60)
            assert done.returncode == DATAERR and told in done.stdout.decode()
        ctl.run("calendar", "remove", clean, "work", "--yes")


# --- calendars and who uses them ---

def test_calendars_are_made_changed_and_removed(ctl, clean):
    ctl.run("calendar", "make", clean, "work", "--title", "Work", "--color", "navy", "--transparent", "yes")
    ctl.run("calendar", "make", clean, "work", status=CANTCREAT)
    by_name = lambda: {c["name"]: c for c in ctl.json("calendar", "list", clean)["calendars"]}
    assert set(by_name()) == {"calendar", "inbox", "work"}
    work = by_name()["work"]
    assert (work["title"], work["color"], work["transparent"], work["default"]) == ("Work", "navy", True, False)
    ctl.run("calendar", "set", clean, "work", "--title", "Office", "--transparent", "no", "--default")
    work = by_name()["work"]
    assert (work["title"], work["color"], work["transparent"], work["default"]) == ("Office", "navy", False, True)
    assert bring(ctl, clean, file_of(event("a"))) == (1, 0, 0, 0)
    assert by_name()["work"]["objects"] == 1
    ctl.run("calendar", "remove", clean, "work", "--yes")
    assert set(by_name()) == {"calendar", "inbox"} and by_name()["calendar"]["default"]
    assert not ctl.json("calendar", "agenda", clean, "--from", "2026-11-24")["instances"]
    for args, status in (((clean, "gone"), NOUSER), ((clean, "inbox"), DATAERR)):
        ctl.run("calendar", "remove", *args, "--yes", status=status)
    ctl.run("calendar", "set", clean, "calendar", "--color", "#12", status=DATAERR)
    ctl.run("calendar", "make", clean, "a/b", status=DATAERR)


def test_rights_are_given_listed_and_taken_back(ctl, clean, user2):
    rights = lambda: {s["grantee"]: s["rights"] for c in ctl.json("calendar", "list", clean)["calendars"]
                      if c["name"] == "calendar" for s in c["shares"]}
    ctl.run("calendar", "share", clean, "calendar", user2, "read")
    ctl.run("calendar", "share", clean, "calendar", "*", "busy")
    assert rights() == {user2: "read", "*": "busy"}
    ctl.run("calendar", "share", clean, "calendar", user2, "write")
    ctl.run("calendar", "share", clean, "calendar", "*", "none")
    assert rights() == {user2: "write"}
    ctl.run("calendar", "delegate", clean, user2, "act")
    assert f"all calendars of {clean}: {user2} act" in ctl.run("calendar", "list", clean)
    ctl.run("calendar", "delegate", clean, user2, "none")
    assert "all calendars" not in ctl.run("calendar", "list", clean)
    ctl.run("calendar", "share", clean, "calendar", user2, "act", status=DATAERR)
    ctl.run("calendar", "delegate", clean, "**", "read", status=DATAERR)
    ctl.run("calendar", "delegate", clean, user2, "busy")
    assert f"all calendars of {clean}: {user2} busy" in ctl.run("calendar", "list", clean)
    ctl.run("calendar", "delegate", clean, user2, "none")
    ctl.run("calendar", "share", clean, "calendar", "nobody-at-all", "read", status=NOUSER)


def test_availability_and_zone_and_days_move_with_the_zone(ctl, clean):
    hours = ("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VAVAILABILITY\nUID:hours\nDTSTAMP:20260101T000000Z\n"
             "BEGIN:AVAILABLE\nUID:a\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T080000Z\nDTEND:20260105T170000Z\n"
             "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\nEND:AVAILABLE\nEND:VAVAILABILITY\nEND:VCALENDAR\n")
    assert "always available" in ctl.run("calendar", "availability", clean)
    ctl.run("calendar", "availability", clean, "-", input=hours)
    assert "BEGIN:VAVAILABILITY" in ctl.run("calendar", "availability", clean)
    for bad in (file_of(event("a")), hours.replace("RRULE:FREQ=WEEKLY", "RRULE:FREQ=OFTEN"), "x"):
        ctl.run("calendar", "availability", clean, "-", input=bad, status=DATAERR)
    assert bring(ctl, clean, file_of(event("day", start=";VALUE=DATE:20261126").replace("DURATION:PT1H\n", ""))) == (1, 0, 0, 0)
    first = shown(ctl, clean)["day.ics"]["first_s"]
    ctl.run("calendar", "availability", clean, "--zone", "Europe/Berlin")
    assert ctl.json("calendar", "agenda", clean)["zone"] == "Europe/Berlin"
    assert "no faults" in ctl.run("calendar", "check", clean)  # busytime has moved
    assert ctl.json("calendar", "availability", clean)["text"]
    ctl.run("calendar", "availability", clean, "--zone", "Atlantis", status=DATAERR)
    ctl.run("calendar", "availability", clean, "--none")
    assert "always available" in ctl.run("calendar", "availability", clean)
    assert first == 1795651200


# --- agenda, log ---

def columns_of(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)


def test_a_week_is_drawn_within_the_width_that_there_is(ctl, clean, monkeypatch):
    text = file_of(zone(), SERIES, event("wide", "LOCATION:Raum 5\n", "20261103T133000Z", "日本語 Übung that is long"),
                   event("same", "STATUS:TENTATIVE\n", "20261103T133000Z", "Beside"),
                   event("free", "TRANSP:TRANSPARENT\n", start=";VALUE=DATE:20261104", summary="Feast").replace("DURATION:PT1H\n", ""))
    assert bring(ctl, clean, text) == (4, 0, 0, 0)
    for columns in (46, 70, 100, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        drawn = ctl.run("calendar", "agenda", clean, "--from", "2026-11-02").splitlines()
        assert all(columns_of(line) <= columns for line in drawn[1:]), (columns, drawn)
        assert "2 November – 8 November 2026, UTC" in drawn[0]
        assert "\033" not in "".join(drawn)
        whole = "\n".join(drawn)
        assert "█" in whole and "▒" in whole and "░" in whole and "日本" in whole
        if columns >= 100:
            assert len({columns_of(line) for line in drawn[1:]}) == 1 and drawn[1].lstrip().startswith("┌")
            row = next(line for line in drawn if line.startswith("10:00"))
            assert "Late" in row
    monkeypatch.setenv("COLUMNS", "60")
    assert "08:30–09:30  █ Stand-up" in ctl.run("calendar", "agenda", clean, "--from", "2026-11-02", "--days", "7")
    ctl.run("calendar", "availability", clean, "--zone", "Europe/Berlin")
    assert "09:30–10:30  █ Stand-up" in ctl.run("calendar", "agenda", clean, "--from", "2026-11-02", "--days", "7")
    ctl.run("calendar", "agenda", clean, "--from", "2026-13-02", status=DATAERR)
    ctl.run("calendar", "agenda", clean, "--days", "0", status=DATAERR)


def test_the_sandbox_has_events_and_its_room_was_asked(sqlite):
    sqlite.start()
    ctl = Ctl(sqlite)
    for name in ("alice", "bob", "room-1"):
        assert "no faults" in ctl.run("calendar", "check", name)
    week = ctl.json("calendar", "agenda", "alice")["instances"]
    assert {"Stand-up", "Plan of the year", "Workshop", "Hiking"} <= {i["summary"] for i in week}
    assert {i["kind"] for i in week} == {"busy", "tentative", "unavailable"}
    assert next(i for i in week if i["summary"] == "Dentist")["private"]
    assert [i["kind"] for i in ctl.json("calendar", "agenda", "bob")["instances"] if i["summary"] == "Plan of the year"] == ["tentative"]
    assert "Plan of the year" in ctl.run("calendar", "log", "room-1")
    assert ctl.run("calendar", "log", "room-1", "--limit", "1").count("\n") == 1
    before = ctl.json("calendar", "list")
    sqlite.stop()
    sqlite.start()
    assert ctl.json("calendar", "list") == before  # once
