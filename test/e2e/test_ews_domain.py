"""EWS across the servers of a domain: working hours and out of office of people whose account another server holds."""
import re, time

import pytest
from server import PASSWORD, wait_until
from test_cluster import await_all_up, make_domain, revive_all
from test_ews import M, T, ask, at, availability, code, digits, responses
from test_freebusy import put_event, stopped

A, B = "a.test", "b.test"
DEADLINE_S = 3
HOURS = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VAVAILABILITY\r\nUID:hours\r\nDTSTAMP:20260101T000000Z\r\n"
         "BEGIN:AVAILABLE\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=America/New_York:20260105T100000\r\nDURATION:PT6H\r\n"
         "RRULE:FREQ=WEEKLY;BYDAY=MO,TH\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n")
MONDAY_S = 1795392000  # 2026-11-23 00:00 UTC


def call(member, path, args):
    status, answer = member.api(path, args)
    assert status == 200, answer
    return answer


@pytest.fixture(scope="module")
def domain():
    """anna and carl on a, bert and dora on b; bert works on Mondays and Thursdays from 10 to 16 in New York."""
    members = make_domain((A, B), listen=("smtp", "http"), settings={
        "auth_plain_without_tls": "yes", "calendar_zone": "Europe/Berlin", "freebusy_deadline_ms": f"{DEADLINE_S} s"})
    for member, names in zip(members, (("anna", "carl"), ("bert", "dora"))):
        for name in names:
            call(member, "/v1/account/add", {"name": name, "password": PASSWORD})
    call(members[1], "/v1/calendar/availability", {"name": "bert", "zone": "America/New_York", "text": HOURS})
    for member, name in zip(members, ("dora", "carl")):
        wait_until(lambda: member.run("directory", "show", "person", name, check=False).returncode == 0, 20, f"{name} everywhere")
    yield members
    for member in members:
        member.remove()


@pytest.fixture
def ready(domain):
    revive_all(domain)
    return domain


def test_details_are_told_of_people_on_another_server(ready):
    put_event(ready[1], "dora", "one", "DTSTART:20261123T100000Z", "DURATION:PT1H")
    subject = lambda who: [s.text for r in responses(ask(ready[0], who, availability(at("dora")))) for s in r.iter(f"{T}Subject")]
    assert subject("anna") == []
    call(ready[1], "/v1/calendar/share", {"name": "dora", "calendar": "calendar", "grantee": "anna", "rights": "read"})
    assert subject("anna") == ["x"] and subject("carl") == []


# --- working hours ---


def hours(response):
    """(minutes west of Greenwich, [(days, from, until)]) or None."""
    found = response.find(f"{M}FreeBusyView/{T}WorkingHours")
    if found is None:
        return None
    zone = found.find(f"{T}TimeZone")
    return int(zone.find(f"{T}Bias").text), int(zone.find(f"{T}DaylightTime/{T}Month").text), [
        (p.find(f"{T}DayOfWeek").text, int(p.find(f"{T}StartTimeInMinutes").text), int(p.find(f"{T}EndTimeInMinutes").text))
        for p in found.findall(f"{T}WorkingPeriodArray/{T}WorkingPeriod")]


BERTS = (300, 3, [("Monday Thursday", 600, 960)])
USUAL = (-60, 3, [("Monday Tuesday Wednesday Thursday Friday", 480, 1020)])


def test_working_hours_are_told_of_people_on_every_server(ready):
    told = responses(ask(ready[0], "anna", availability(at("anna"), at("bert"), at("dora"), "nobody@example.test")))
    assert [hours(r) for r in told] == [USUAL, BERTS, USUAL, None]
    assert digits(told[1]) == "3" * 30 + "0" * 12 + "3" * 6  # by which he is not available
    assert [hours(r) for r in responses(ask(ready[1], "anna", availability(at("anna"), at("bert"))))] == [USUAL, BERTS]


def test_hours_are_not_told_to_whom_calendars_are_closed(ready):
    """A grant on the inbox shuts out the rest, on whichever server they ask."""
    call(ready[1], "/v1/calendar/share", {"name": "bert", "calendar": "inbox", "grantee": "dora", "rights": "busy"})
    try:
        for member in ready:
            [told] = responses(ask(member, "anna", availability(at("bert"))))
            assert code(told) == "ErrorNoFreeBusyAccess" and hours(told) is None
            [told] = responses(ask(member, "dora", availability(at("bert"))))
            assert code(told) == "NoError" and hours(told) == BERTS
    finally:
        call(ready[1], "/v1/calendar/share", {"name": "bert", "calendar": "inbox", "grantee": "dora", "rights": "none"})


def suggested(member, who, *attendees):
    more = ("<t:SuggestionsViewOptions><t:MaximumResultsByDay>48</t:MaximumResultsByDay><t:MaximumNonWorkHourResultsByDay>0"
            "</t:MaximumNonWorkHourResultsByDay><t:MeetingDurationInMinutes>60</t:MeetingDurationInMinutes><t:DetailedSuggestionsWindow>"
            "<t:StartTime>2026-11-23T00:00:00</t:StartTime><t:EndTime>2026-11-24T00:00:00</t:EndTime></t:DetailedSuggestionsWindow>"
            "</t:SuggestionsViewOptions>")
    told = ask(member, who, availability(*map(at, attendees), view="", more=more))
    return [s.find(f"{T}MeetingTime").text[11:16] for s in told.iter(f"{T}Suggestion")]


def test_suggestions_go_by_the_hours_of_who_asks_wherever_his_account_is(ready):
    """By the request's clock, which is UTC: his 10 to 16 o'clock, of the hours of which he is free."""
    for member in ready:
        times = suggested(member, "bert", "anna")
        assert times[0] == "10:00" and times[-1] == "15:00" and len(times) == 11
        assert suggested(member, "bert", "bert") == [t for t in times if t >= "15:00"]
    ready[1].kill()
    assert suggested(ready[0], "bert", "anna")[0] == "08:00"  # the usual ones


def test_times_that_are_found_by_hand_keep_to_hours_of_another_server(ready):
    found = [[f["start_s"] for f in call(member, "/v1/freebusy", {"attendees": ["bert"], "from_s": MONDAY_S, "until_s": MONDAY_S + 86400,
                                                                  "find_ms": 3600000, "limit": 50})["found"]] for member in ready]
    assert found[0] == found[1] and found[0][-1] == MONDAY_S + 20 * 3600  # 15:00 in New York, 21:00 in Berlin


# --- out of office ---


def oof_get(member, who, of):
    told = ask(member, who, f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{at(of)}</t:Address></t:Mailbox>"
                            "</m:GetUserOofSettingsRequest>")
    if code(told) != "NoError":
        assert told.find(f"{T}OofSettings") is None
        return code(told)
    text = lambda name: told.find(f"{T}OofSettings/{T}{name}").text
    return (text("OofState"), text("ExternalAudience"), text(f"Duration/{T}StartTime"), text(f"Duration/{T}EndTime"),
            text(f"InternalReply/{T}Message"), text(f"ExternalReply/{T}Message"))


def oof_set(member, who, of, state="Enabled", inside="Gone fishing", outside="Away"):
    return code(ask(member, who,
                    f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{at(of)}</t:Address></t:Mailbox><t:UserOofSettings>"
                    f"<t:OofState>{state}</t:OofState><t:ExternalAudience>All</t:ExternalAudience><t:Duration>"
                    "<t:StartTime>2026-12-01T08:00:00Z</t:StartTime><t:EndTime>2026-12-09T17:00:00Z</t:EndTime></t:Duration><t:InternalReply>"
                    f"<t:Message>{inside}</t:Message></t:InternalReply><t:ExternalReply><t:Message>{outside}</t:Message></t:ExternalReply>"
                    "</t:UserOofSettings></m:SetUserOofSettingsRequest>"))


def test_out_of_office_is_set_and_told_by_any_server(ready):
    a, b = ready
    assert oof_set(a, "bert", "bert", "Disabled", "", "") == "NoError"
    assert oof_get(a, "bert", "bert")[0] == "Disabled"
    assert oof_set(a, "bert", "bert", "Scheduled", "Zurück&#13;\n &lt;bald> &amp; gesund") == "NoError"
    shown = call(b, "/v1/oof/show?name=bert", None)
    assert (shown["state"], shown["external"], shown["outside"]) == ("scheduled", True, "Away")
    assert shown["inside"] == "Zurück\r\n <bald> & gesund"
    assert shown["until_ms"] == 1796835600000
    assert oof_get(a, "bert", "bert") == oof_get(b, "bert", "bert")
    told = oof_get(a, "bert", "bert")
    assert told[:4] == ("Scheduled", "All", "2026-12-01T08:00:00Z", "2026-12-09T17:00:00Z")
    assert told[4].split() == ["Zurück", "<bald>", "&", "gesund"] and told[5] == "Away"
    assert oof_set(b, "anna", "anna") == "NoError" and oof_get(a, "anna", "anna")[0] == "Enabled"  # and the other way
    lines = [l for l in b.lines if "event=oof_set" in l]
    assert "account=bert" in lines[-1] and "by=bert" in lines[-1] and "state=scheduled" in lines[-1]
    assert not any("event=oof_set" in l and "account=bert" in l for l in a.lines)


def test_another_servers_account_has_the_same_rights(ready):
    a, b = ready
    for member in ready:
        assert oof_set(member, "carl", "dora") == "ErrorAccessDenied"
        assert oof_get(member, "carl", "dora") == "ErrorAccessDenied"
    assert call(b, "/v1/oof/show?name=dora", None)["state"] == "off"
    call(b, "/v1/calendar/share", {"name": "dora", "grantee": "carl", "rights": "act"})
    assert oof_set(a, "carl", "dora") == "NoError" and oof_get(a, "carl", "dora")[4] == "Gone fishing"
    assert call(b, "/v1/oof/show?name=dora", None)["state"] == "on"
    assert any("event=oof_set" in l and "account=dora" in l and "by=carl" in l for l in b.lines)


def test_what_cannot_be_set_has_the_same_error(ready):
    for member in ready:
        assert oof_set(member, "bert", "bert", inside="x" * 70000) == "ErrorInvalidUserOofSettings"
        assert oof_set(member, "bert", "nobody") == "ErrorMailRecipientNotFound"


def test_a_server_that_is_gone_is_passed_over(ready):
    """bert's document names two servers; one of them never was."""
    a = ready[0]
    text = a.api("/v1/directory/show?kind=person&name=bert")[1]["text"]
    assert re.search(r"(?m)^server = b.test$", text), text
    edit = lambda to: call(a, "/v1/directory/edit", {"kind": "person", "name": "bert", "text": to})
    edit(re.sub(r"(?m)^server = .*$", "server = gone.test\nserver = b.test", text))
    try:
        assert oof_set(a, "bert", "bert") == "NoError" and oof_get(a, "bert", "bert")[0] == "Enabled"
    finally:
        edit(text)


def test_a_dead_holder_is_an_error_of_its_mailboxes_alone(ready):
    a, b = ready
    assert oof_set(a, "bert", "bert") == "NoError" and oof_set(a, "anna", "anna", "Disabled") == "NoError"
    responses(ask(a, "anna", availability(at("bert"))))  # is remembered
    b.kill()
    assert oof_get(a, "bert", "bert") == "ErrorMailboxStoreUnavailable"  # each with status 200
    assert oof_set(a, "bert", "bert", "Disabled") == "ErrorMailboxStoreUnavailable"
    assert oof_get(a, "anna", "anna")[0] == "Disabled"
    told = responses(ask(a, "anna", availability(at("anna"), at("bert"), at("carl"))))
    assert [code(r) for r in told] == ["NoError"] * 3
    assert hours(told[0]) == USUAL and hours(told[1]) is None and hours(told[2]) == USUAL
    b.start()
    await_all_up(ready)
    assert oof_get(a, "bert", "bert")[0] == "Enabled"
    assert hours(responses(ask(a, "anna", availability(at("bert"))))[0]) == BERTS


def test_a_hung_holder_is_not_waited_for_beyond_the_deadline(ready):
    a, b = ready
    assert oof_get(a, "bert", "bert")[0] in ("Enabled", "Scheduled", "Disabled")  # a connection is there
    with stopped(b):
        begun = time.monotonic()
        assert oof_get(a, "bert", "bert") == "ErrorMailboxStoreUnavailable"
        assert time.monotonic() - begun < DEADLINE_S + 2
    wait_until(lambda: oof_get(a, "bert", "bert") != "ErrorMailboxStoreUnavailable", 20, "an answer of the one that goes on")
