"""Programs that speak to Exchange: python3-exchangelib, and requests as sipe, DavMail, SOGo and Exchange itself send
them, written after their sources and what was recorded of them; then those that mean harm."""
import base64, http.client, json, pathlib, ssl, subprocess, sys, xml.etree.ElementTree as ET

import pytest
import server as servers
from server import PASSWORD, wait_until
from test_calendar import bring, event, file_of
from test_ctl import Ctl

DOMAIN = "example.test"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
E = "{http://schemas.microsoft.com/exchange/services/2006/errors}"
S = "{http://schemas.xmlsoap.org/soap/envelope/}"
SAYS = pathlib.Path(__file__).with_name("exchangelib_says.py")


def at(user):
    return f"{user}@{DOMAIN}"


def says(server, user, step, path="/EWS/Exchange.asmx", **more):
    """What python3-exchangelib makes of it; a server's error is told as such."""
    url = f"https://127.0.0.1:{server.port('https')}{path}"
    done = subprocess.run([sys.executable, str(SAYS), url, user, PASSWORD, step, json.dumps(more)], capture_output=True,
                          text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def request(server, body, user="", method="POST", path="/EWS/Exchange.asmx", password=PASSWORD, kind="http", **headers):
    if kind == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        link = http.client.HTTPSConnection("127.0.0.1", server.port(kind), timeout=60, context=context)
    else:
        link = http.client.HTTPConnection("127.0.0.1", server.port(kind), timeout=60)
    headers.setdefault("Content-Type", "text/xml; charset=utf-8")
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    link.request(method, path, body.encode() if isinstance(body, str) else body, headers)
    answer = link.getresponse()
    text = answer.read()
    link.close()
    return answer, text


def envelope(body, header=""):
    return ('<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" '
            f'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><soap:Header>{header}</soap:Header>'
            f"<soap:Body>{body}</soap:Body></soap:Envelope>")


def ask(server, user, body, header="", **more):
    """The element in the answer's Body; every answer of a person who logged in has status 200."""
    answer, text = request(server, envelope(body, header), user, **more)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/xml"), (answer.status, text)
    root = ET.fromstring(text)
    assert root.find(f"{S}Header/{T}ServerVersionInfo").get("Version") == "Exchange2016"
    return root.find(f"{S}Body")[0]


def fault(element):
    assert element.tag == f"{S}Fault", ET.tostring(element)
    return element.find(f"detail/{E}ResponseCode").text


def availability(*who, since="2026-11-23T00:00:00", until="2026-11-24T00:00:00", interval=30, view="DetailedMerged", more="",
                 zone="<t:TimeZone><t:Bias>0</t:Bias></t:TimeZone>"):
    boxes = "".join(f"<t:MailboxData><t:Email><t:Address>{w}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>"
                    "<t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>" for w in who)
    options = (f"<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{since}</t:StartTime><t:EndTime>{until}</t:EndTime>"
               f"</t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>{interval}</t:MergedFreeBusyIntervalInMinutes>"
               f"<t:RequestedView>{view}</t:RequestedView></t:FreeBusyViewOptions>") if view else ""
    return (f"<m:GetUserAvailabilityRequest>{zone}<m:MailboxDataArray>{boxes}</m:MailboxDataArray>{options}{more}"
            "</m:GetUserAvailabilityRequest>")


def responses(element):
    assert element.tag == f"{M}GetUserAvailabilityResponse", ET.tostring(element)
    return element.findall(f"{M}FreeBusyResponseArray/{M}FreeBusyResponse")


def code(response):
    return response.find(f"{M}ResponseMessage/{M}ResponseCode").text


def digits(response):
    return response.find(f"{M}FreeBusyView/{T}MergedFreeBusy").text


def meeting(server, user, *, start="20261123T100000Z", more="", summary="Budget", uid="one"):
    bring(Ctl(server), user, file_of(event(f"{uid}-{user}", more, start, summary)))


# --- python3-exchangelib ---


def test_exchangelib_sees_who_is_busy_when(shared, user, user2):
    meeting(shared, user, more="LOCATION:Room 4\n")
    meeting(shared, user, start="20261123T140000Z", more="CLASS:PRIVATE\n", summary="Doctor", uid="two")
    meeting(shared, user2, start="20261123T110000Z", more="STATUS:TENTATIVE\n")
    told = says(shared, user, "busy", who=[at(user), at(user2)], **{"from": "2026-11-23T09:00:00", "until": "2026-11-23T17:00:00"})
    assert told["version"] == "15.1.2507.6"
    mine, theirs = told["ok"]
    assert mine["merged"] == "0022000000220000" and mine["view"] == "DetailedMerged"
    assert [(e["start"], e["subject"], e["place"], e["private"]) for e in mine["events"]] == [
        ("2026-11-23T10:00:00+00:00", "Budget", "Room 4", False), ("2026-11-23T14:00:00+00:00", None, None, True)]
    assert theirs["merged"] == "0000110000000000" and theirs["view"] == "FreeBusyMerged"
    assert [(e["kind"], e["subject"]) for e in theirs["events"]] == [("Tentative", None)]
    assert theirs["hours"] == [[[1, 2, 3, 4, 5], "08:00:00", "17:00:00"]]


def test_exchangelib_asks_by_its_own_clock(shared, user):
    meeting(shared, user)
    [told] = says(shared, user, "busy", zone="America/New_York", who=[at(user)], interval=60,
                  **{"from": "2026-11-23T00:00:00", "until": "2026-11-23T08:00:00"})["ok"]
    assert told["merged"] == "00000200"


def test_details_are_for_those_who_may_read(shared, user, user2):
    meeting(shared, user)
    window = {"from": "2026-11-23T00:00:00", "until": "2026-11-24T00:00:00"}
    Ctl(shared).run("calendar", "share", user, "calendar", user2, "busy")
    assert [e["subject"] for e in says(shared, user2, "busy", who=[at(user)], **window)["ok"][0]["events"]] == [None]
    Ctl(shared).run("calendar", "share", user, "calendar", user2, "read")
    assert [e["subject"] for e in says(shared, user2, "busy", who=[at(user)], **window)["ok"][0]["events"]] == ["Budget"]


def test_exchangelib_is_away_and_back(shared, user):
    assert says(shared, user, "oof")["ok"]["state"] == "Disabled"
    told = says(shared, user, "oof", state="Scheduled", external_audience="All", start="2026-12-01T08:00:00", end="2026-12-09T17:00:00",
                internal_reply="<html><body><p>Back &amp; rested<br>on Monday</p></body></html>", external_reply="Away")["ok"]
    assert (told["state"], told["external"]) == ("Scheduled", "All")
    assert (told["start"], told["end"]) == ("2026-12-01T08:00:00+00:00", "2026-12-09T17:00:00+00:00")
    shown = Ctl(shared).json("oof", "show", user)
    assert shown["state"] == "scheduled" and shown["inside"] == "Back & rested\non Monday" and shown["outside"] == "Away"
    assert says(shared, user, "oof", state="Disabled", external_audience="None")["ok"]["state"] == "Disabled"


def test_exchangelib_finds_people_and_rooms(shared, user):
    assert says(shared, user, "names", who=user)["ok"][0] == at(user)
    assert says(shared, user, "names", who="crowd19")["ok"][:2] == [at("crowd19"), at("crowd190")]
    assert says(shared, user, "names", who="nobody at all")["ok"] == ["ErrorNameResolutionNoResults"]
    assert at("room-1") in says(shared, user, "rooms")["ok"][at("rooms")]


def test_exchangelib_gets_every_zone_of_windows(shared, user):
    told = says(shared, user, "zones")["ok"]
    assert len(told) > 130 and "W. Europe Standard Time" in told and "UTC" in told


def test_exchangelib_discovers(shared, user):
    told = says(shared, user, "discover", url=f"https://127.0.0.1:{shared.port('https')}/Autodiscover/Autodiscover.svc")["ok"]
    assert told["external_ews_url"] == f"https://127.0.0.1:{shared.port('https')}/EWS/Exchange.asmx"


def test_what_is_not_served_is_a_clean_error(shared, user):
    told = says(shared, user, "calendar", **{"from": "2026-11-23T00:00:00", "until": "2026-11-24T00:00:00"})
    assert told["error"] == "ErrorInvalidOperation"


# --- others ---


def test_sipe_finds_its_way_and_publishes(shared, user):
    """sipe-ews-autodiscover.c and sipe-ews.c: both must do, or it never asks again."""
    meeting(shared, user, more="LOCATION:Room 4\n")
    answer, _ = request(shared, "", method="GET", path="/Autodiscover/Autodiscover.xml")
    assert answer.status == 302 and answer.headers["Location"] == "https://127.0.0.1/autodiscover/autodiscover.xml"
    answer, text = request(shared, f"""<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
 <Request><EMailAddress>{at(user)}</EMailAddress>
 <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
 </Request></Autodiscover>""", user, path="/Autodiscover/Autodiscover.xml", kind="https")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/xml")
    ns = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
    protocols = ET.fromstring(text).findall(f"{ns}Response/{ns}Account/{ns}Protocol")
    assert [p.find(f"{ns}Type").text for p in protocols] == ["EXCH", "EXPR"]
    assert {p.find(f"{ns}{name}").text for p in protocols for name in ("ASUrl", "EwsUrl", "OOFUrl")} == {
        f"https://127.0.0.1:{shared.port('https')}/EWS/Exchange.asmx"}
    body = f"""<?xml version="1.0"?>\r
<soap:Envelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
 <soap:Body><GetUserAvailabilityRequest xmlns="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
  <t:TimeZone xmlns="http://schemas.microsoft.com/exchange/services/2006/types"><Bias>0</Bias>
   <StandardTime><Bias>0</Bias><Time>00:00:00</Time><DayOrder>0</DayOrder><Month>0</Month><DayOfWeek>Sunday</DayOfWeek></StandardTime>
   <DaylightTime><Bias>0</Bias><Time>00:00:00</Time><DayOrder>0</DayOrder><Month>0</Month><DayOfWeek>Sunday</DayOfWeek></DaylightTime></t:TimeZone>
  <MailboxDataArray><t:MailboxData><t:Email><t:Address>{at(user)}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>
   <t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData></MailboxDataArray>
  <t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>2026-11-22T00:00:00</t:StartTime><t:EndTime>2026-11-26T00:00:00</t:EndTime></t:TimeWindow>
   <t:MergedFreeBusyIntervalInMinutes>15</t:MergedFreeBusyIntervalInMinutes><t:RequestedView>DetailedMerged</t:RequestedView></t:FreeBusyViewOptions>
 </GetUserAvailabilityRequest></soap:Body></soap:Envelope>"""
    answer, text = request(shared, body, user)
    [told] = responses(ET.fromstring(text).find(f"{S}Body")[0])
    assert answer.status == 200 and digits(told) == "0" * 136 + "2222" + "0" * 244
    found = told.find(f"{M}FreeBusyView/{T}CalendarEventArray/{T}CalendarEvent")
    assert found.find(f"{T}StartTime").text == "2026-11-23T10:00:00Z"
    assert found.find(f"{T}CalendarEventDetails/{T}Subject").text == "Budget"
    assert told.find(f"{M}FreeBusyView/{T}WorkingHours/{T}WorkingPeriodArray/{T}WorkingPeriod/{T}DayOfWeek").text == \
        "Monday Tuesday Wednesday Thursday Friday"
    told = ask(shared, user, f'<GetUserOofSettingsRequest xmlns="{M[1:-1]}"><Mailbox xmlns="{T[1:-1]}"><Address>{at(user)}</Address>'
                             "</Mailbox></GetUserOofSettingsRequest>")
    assert told.find(f"{M}ResponseMessage").get("ResponseClass") == "Success"
    assert told.find(f"{T}OofSettings/{T}OofState").text == "Disabled"
    for name in ("Duration", "InternalReply", "ExternalReply"):  # always, or Outlook ends
        assert told.find(f"{T}OofSettings/{T}{name}") is not None


def test_davmail_logs_in_and_asks(shared, user, user2):
    """As DavMail 6.0.1 was seen to ask (test_davmail.py): first without a version, then properties of each folder, then free busy."""
    meeting(shared, user2)
    header = '<t:RequestServerVersion Version="Exchange2013_SP1"/>'
    davmail = dict(path="/ews/exchange.asmx", **{"Content-Type": "text/xml; charset=UTF-8", "Accept-Encoding": "gzip,deflate"})
    folder = ("<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>{}</m:FolderShape><m:FolderIds>"
              '<t:DistinguishedFolderId Id="{}"/></m:FolderIds></m:GetFolder>')
    ask(shared, user, folder.format("", "root"), **davmail)
    told = ask(shared, user, folder.format("", "root"), header, **davmail)
    ident = told.find(f"{M}ResponseMessages/{M}GetFolderResponseMessage/{M}Folders/{T}Folder/{T}FolderId").get("Id")
    told = ask(shared, user, '<m:ConvertId DestinationFormat="EntryId"><m:SourceIds><t:AlternateId Format="EwsId" '
                             f'Id="{ident}" Mailbox="x"/></m:SourceIds></m:ConvertId>', header, **davmail)
    assert told.find(f".//{M}AlternateId").get("Mailbox") == at(user)
    tags = {"0x360a": "Boolean", "0x3008": "SystemTime", "0x670a": "SystemTime", "0x3613": "String", "0x10f3": "String", "0x3602": "Integer",
            "0x6752": "Integer", "0x3603": "Integer", "0x6751": "Integer"}
    wanted = "".join(f'<t:ExtendedFieldURI PropertyTag="{t}" PropertyType="{k}"/>' for t, k in tags.items())
    wanted = f'<t:AdditionalProperties><t:FieldURI FieldURI="folder:DisplayName"/>{wanted}</t:AdditionalProperties>'
    classes = {"calendar": "IPF.Appointment", "contacts": "IPF.Contact", "tasks": "IPF.Task"}
    for name in ("msgfolderroot", "inbox", "deleteditems", "sentitems", "drafts", "contacts", "calendar", "tasks", "outbox", "junkemail"):
        told = ask(shared, user, folder.format(wanted, name), header, **davmail)
        assert told.find(f".//{M}ResponseCode").text == "NoError"
        got = {p.find(f"{T}ExtendedFieldURI").get("PropertyTag"): p.find(f"{T}Value").text for p in told.iter(f"{T}ExtendedProperty")}
        assert got.pop("0x3613") == classes.get(name, "IPF.Note")  # or it knows no calendar when it sees one
        assert got == {"0x360a": "false", "0x3008": "2000-01-01T00:00:00Z", "0x670a": "2000-01-01T00:00:00Z", "0x3602": "0", "0x3603": "0"}
    zone = ("<t:TimeZone><t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder>"
            "<t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>0</t:Bias>"
            "<t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
            "</t:DaylightTime></t:TimeZone>")
    question = availability(at(user2), since="2026-11-23T09:00:00Z", until="2026-11-23T12:00:00Z", view="MergedOnly", zone=zone, interval=15)
    question = question.replace("<t:ExcludeConflicts>false</t:ExcludeConflicts>", "")
    [told] = responses(ask(shared, user, question, header, **davmail))
    assert digits(told) == "000022220000" and told.find(f"{M}FreeBusyView/{T}CalendarEventArray") is None


def test_evolution_asks_by_its_own_clock_and_for_delegates(shared, user, user2):
    """As evolution-ews 3.46.4 was seen to ask (test_evolution_ews.py)."""
    meeting(shared, user2)
    header = '<t:RequestServerVersion Version="Exchange2013"/>'
    day = lambda name: (f"<{name}><Bias>0</Bias><Time>00:00:00</Time><DayOrder>0</DayOrder><Month>0</Month>"
                        f"<DayOfWeek>Sunday</DayOfWeek></{name}>")
    question = (f'<m:GetUserAvailabilityRequest xmlns="{T[1:-1]}"><TimeZone><Bias>0</Bias>{day("StandardTime")}{day("DaylightTime")}'
                f"</TimeZone><m:MailboxDataArray><MailboxData><Email><Address>{at(user2)}</Address></Email><AttendeeType>Required"
                "</AttendeeType><ExcludeConflicts>false</ExcludeConflicts></MailboxData></m:MailboxDataArray><FreeBusyViewOptions>"
                "<TimeWindow><StartTime>2026-11-23T00:00:00</StartTime><EndTime>2026-11-23T12:00:00</EndTime></TimeWindow>"
                "<MergedFreeBusyIntervalInMinutes>60</MergedFreeBusyIntervalInMinutes><RequestedView>DetailedMerged</RequestedView>"
                "</FreeBusyViewOptions></m:GetUserAvailabilityRequest>")
    [told] = responses(ask(shared, user, question, header))
    assert digits(told) == "000000000020"
    told = ask(shared, user, f'<m:GetDelegate IncludePermissions="true"><m:Mailbox><t:EmailAddress>{at(user)}</t:EmailAddress></m:Mailbox>'
                             "</m:GetDelegate>", header)
    assert told.tag == f"{M}GetDelegateResponse" and told.get("ResponseClass") == "Error"  # a fault it takes for a bug of its own
    assert told.find(f"{M}ResponseCode").text == "ErrorInvalidOperation"


@pytest.mark.parametrize("view,merged,events,detail", [("MergedOnly", True, False, False), ("FreeBusy", False, True, False),
                         ("FreeBusyMerged", True, True, False), ("Detailed", False, True, True), ("DetailedMerged", True, True, True)])
def test_every_view_has_what_it_says(shared, user, view, merged, events, detail):
    meeting(shared, user)
    [told] = responses(ask(shared, user, availability(at(user), view=view)))
    got = told.find(f"{M}FreeBusyView")
    assert got.find(f"{T}FreeBusyViewType").text == view
    assert (got.find(f"{T}MergedFreeBusy") is not None, got.find(f"{T}CalendarEventArray") is not None,
            got.find(f".//{T}CalendarEventDetails") is not None) == (merged, events, detail)


def test_each_mailbox_has_its_own_answer(shared, user, user2):
    meeting(shared, user2)
    told = responses(ask(shared, user, availability(f"nobody@{DOMAIN}", at(user2), "a@other.test", "", "x", f"SMTP:{at(user2)}")))
    assert [code(r) for r in told] == ["ErrorMailRecipientNotFound", "NoError", "ErrorServiceDiscoveryFailed",
                                       "ErrorMailRecipientNotFound", "ErrorMailRecipientNotFound", "NoError"]
    assert told[0].find(f"{M}FreeBusyView/{T}FreeBusyViewType").text == "None"
    assert digits(told[1]) == digits(told[5]) and "2" in digits(told[1])


def test_another_organisation_sees_what_everybody_sees(shared, user, user2):
    """What Exchange sends for Add-AvailabilityAddressSpace -AccessMethod OrgWideFB."""
    meeting(shared, user)
    Ctl(shared).run("calendar", "share", user, "calendar", user2, "read")
    header = ('<t:RequestServerVersion Version="Exchange2010_SP2"/><t:RequestType>CrossForest</t:RequestType>'
              '<t:OpenAsAdminOrSystemService LogonType="Admin"><t:ConnectingSID><t:PrimarySmtpAddress>root@example.test'
              "</t:PrimarySmtpAddress></t:ConnectingSID></t:OpenAsAdminOrSystemService>")
    question = availability(at(user), "a@other.test")
    shared.set(ews_foreign_users=user2)
    try:
        told = responses(ask(shared, user2, question, header, **{"User-Agent": "ASProxy/CrossForest/EmailDomain/EXCH/15.01.2507.006"}))
        assert [code(r) for r in told] == ["NoError", "ErrorServiceDiscoveryFailed"]
        assert told[0].find(f"{M}FreeBusyView/{T}FreeBusyViewType").text == "FreeBusyMerged"
        assert "2" in digits(told[0]) and told[0].find(f".//{T}Subject") is None
        told = ask(shared, user2, f"<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{at(user2)}</t:Address></t:Mailbox>"
                                  "</m:GetUserOofSettingsRequest>")
        assert told.find(f"{M}ResponseMessage/{M}ResponseCode").text == "ErrorAccessDenied"
    finally:
        shared.set(ews_foreign_users="")
    told = responses(ask(shared, user2, question, header))
    assert told[0].find(f".//{T}Subject").text == "Budget"  # the header alone makes nobody another


def test_suggestions_are_times_when_all_are_free(shared, user, user2):
    meeting(shared, user, start="20261123T090000Z")
    meeting(shared, user2, start="20261123T080000Z")
    more = ("<t:SuggestionsViewOptions><t:GoodThreshold>25</t:GoodThreshold><t:MaximumResultsByDay>2</t:MaximumResultsByDay>"
            "<t:MaximumNonWorkHourResultsByDay>0</t:MaximumNonWorkHourResultsByDay><t:MeetingDurationInMinutes>60"
            "</t:MeetingDurationInMinutes><t:MinimumSuggestionQuality>Excellent</t:MinimumSuggestionQuality><t:DetailedSuggestionsWindow>"
            "<t:StartTime>2026-11-23T00:00:00</t:StartTime><t:EndTime>2026-11-25T00:00:00</t:EndTime></t:DetailedSuggestionsWindow>"
            "</t:SuggestionsViewOptions>")
    told = ask(shared, user, availability(at(user), at(user2), view="", more=more))
    assert told.find(f"{M}FreeBusyResponseArray") is None
    times = [s.find(f"{T}MeetingTime").text for s in told.iter(f"{T}Suggestion")]
    assert times == ["2026-11-23T10:00:00Z", "2026-11-23T10:30:00Z", "2026-11-24T08:00:00Z", "2026-11-24T08:30:00Z"]


def test_a_group_is_busy_when_one_of_it_is(shared, user, user2):
    meeting(shared, user, start="20261123T100000Z")
    meeting(shared, user2, start="20261123T110000Z", more="STATUS:TENTATIVE\n")
    edit = lambda name, members: Ctl(shared).run("directory", "edit", "group", name, "--file", "-",
                                                 input="".join(f"member = {m}\n" for m in members))
    edit(f"inner-{user}", [user2, f"outer-{user}"])  # in one another
    edit(f"outer-{user}", [user, f"inner-{user}", "a@other.test"])
    edit(f"crowd-{user}", [f"crowd{n}" for n in range(101)])
    told = responses(ask(shared, user, availability(at(f"outer-{user}"), at(f"crowd-{user}"), at(user), since="2026-11-23T09:00:00",
                                                    until="2026-11-23T13:00:00")))
    assert [code(r) for r in told] == ["NoError", "ErrorFreeBusyDLLimitReached", "NoError"]
    assert (digits(told[0]), digits(told[2])) == ("00221100", "00220000")
    assert told[0].find(f".//{T}Subject") is None and told[2].find(f".//{T}Subject").text == "Budget"


def test_out_of_office_is_its_owners_business(shared, user, user2):
    text = (f"<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{at(user)}</t:Address></t:Mailbox><t:UserOofSettings>"
            "<t:OofState>Enabled</t:OofState><t:ExternalAudience>All</t:ExternalAudience><t:InternalReply><t:Message>Ha</t:Message>"
            "</t:InternalReply><t:ExternalReply><t:Message>Ha</t:Message></t:ExternalReply></t:UserOofSettings></m:SetUserOofSettingsRequest>")
    told = ask(shared, user2, text)
    assert told.find(f"{M}ResponseMessage/{M}ResponseCode").text == "ErrorAccessDenied"
    assert Ctl(shared).json("oof", "show", user)["state"] == "off"
    Ctl(shared).run("calendar", "delegate", user, user2, "act")  # a delegate may
    assert ask(shared, user2, text).find(f"{M}ResponseMessage/{M}ResponseCode").text == "NoError"
    assert Ctl(shared).json("oof", "show", user)["state"] == "on"


# --- those who mean harm, or err ---


@pytest.mark.parametrize("more,why", [
    ({"since": "2026-11-24T00:00:00", "until": "2026-11-23T00:00:00"}, "ErrorInvalidTimeInterval"),
    ({"since": "2026-01-01T00:00:00", "until": "2027-02-05T00:00:00"}, "ErrorTimeIntervalTooBig"),
    ({"interval": 1}, "ErrorInvalidMergedFreeBusyInterval"),
    ({"view": "Everything"}, "ErrorInvalidFreeBusyViewType"),
    ({"view": ""}, "ErrorInvalidFreeBusyViewType"),
    ({"zone": "<t:TimeZone><t:Bias>1e9</t:Bias></t:TimeZone>"}, "ErrorTimeZone")])
def test_a_bad_question_has_the_protocols_error(shared, user, more, why):
    assert fault(ask(shared, user, availability(at(user), **more))) == why


def test_an_unknown_zone_of_the_header_is_told(shared, user):
    header = '<t:TimeZoneContext><t:TimeZoneDefinition Id="Middle Earth Standard Time"/></t:TimeZoneContext>'
    assert fault(ask(shared, user, availability(at(user), zone=""), header)) == "ErrorTimeZone"


def test_a_thousand_mailboxes_are_too_many(shared, user):
    assert fault(ask(shared, user, availability(*[at(f"user{n}") for n in range(1000)]))) == "ErrorMailboxDataArrayTooBig"
    assert len(responses(ask(shared, user, availability(*[at(f"user{n}") for n in range(100)])))) == 100


def test_an_answer_that_grows_too_large_keeps_the_first_mailboxes(shared, user, user2):
    long = "x" * 1000
    bring(Ctl(shared), user, file_of(*[event(f"{n}-{user}", f"LOCATION:{long}\n", f"2026112{n % 8 + 1}T{n % 24:02}{n // 24 % 60:02}00Z", long)
                                       for n in range(400)]))
    told = responses(ask(shared, user, availability(*[at(user)] * 99, at(user2), since="2026-11-20T00:00:00", until="2026-12-01T00:00:00")))
    codes = [code(r) for r in told]
    assert codes[0] == "NoError" and set(codes[:99]) == {"NoError", "ErrorResultSetTooBig"} and codes[99] == "NoError"


@pytest.mark.parametrize("body", [
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    b"<x>" * 10000, b"\xff\xfe\x00", b"", b"<a/>", envelope("").encode(), b"A" * 3_000_000])
def test_what_is_no_envelope_is_a_fault(shared, user, body):
    answer, text = request(shared, body, user)
    assert answer.status == 200 and fault(ET.fromstring(text).find(f"{S}Body")[0]) in (
        "ErrorSchemaValidation", "ErrorRequestStreamTooBig")
    assert len(text) < 4000 and b"root:" not in text
    assert len(responses(ask(shared, user, availability(at(user))))) == 1


def test_who_is_not_logged_in_is_asked_to(shared, user):
    for path in ("/EWS/Exchange.asmx", "/ews/exchange.asmx", "/autodiscover/autodiscover.svc", "/AutoDiscover/AutoDiscover.xml"):
        answer, _ = request(shared, envelope(""), path=path)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert request(shared, envelope(""), user, password="wrong")[0].status == 401
    assert request(shared, "", user, path="/EWS/other")[0].status == 404
    assert request(shared, "", user, method="PUT")[0].status == 405
    assert request(shared, "", user, method="GET")[0].status == 200


def test_autodiscover_says_what_is_wrong(shared, user):
    def error(address, schema):
        text = request(shared, '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
                       f"<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request>"
                       "</Autodiscover>", user, path="/autodiscover/autodiscover.xml")[1]
        return ET.fromstring(text)[0][0][0].text
    outlook = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    assert error(f"nobody@{DOMAIN}", outlook) == "500"
    assert error("", outlook) == "600"
    assert error(at(user), "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006") == "601"


def test_requests_are_counted(shared, user):
    def counts():
        text = request(shared, "", method="GET", path="/metrics", kind="admin")[1].decode()
        lines = dict(l.rsplit(" ", 1) for l in text.splitlines() if l.startswith("posthorse_ews"))
        return [int(float(v)) for _, v in sorted(lines.items())]
    before = counts()
    ask(shared, user, availability(at(user)))
    ask(shared, user, "<m:Nonsense/>")
    refusals, requests = (b - a for a, b in zip(before, counts()))
    assert (refusals, requests) == (1, 2)


# --- one of ours asks another ---


def test_another_system_is_asked_and_answers_by_ews(tmp_path):
    """A foreign domain whose system is a server of ours: asked over HTTPS, by exchangelib's user and by hand."""
    far = servers.Server("sqlite", accounts=["dora", "emil", "asks"], settings={"ews_foreign_users": "asks"}).start()
    near = None
    try:
        meeting(far, "dora")
        near = servers.Server("sqlite", accounts=["anna"], settings={"smtp_out_trust_file": far.dir / "cert.pem", "server_name": "near.test"}).start()
        document = (f"domain = BTEx\nrewrite = *@BTEx *@{DOMAIN}\ncalendar_server = near.test\n"
                    f"calendar = ews https://localhost:{far.port('https')}/EWS/Exchange.asmx\n"
                    f"calendar_user = asks\ncalendar_password = {PASSWORD}\ncalendar_auth = basic\n")
        Ctl(near).run("directory", "edit", "foreign-domain", "btex", "--file", "-", input=document)
        told = responses(ask(near, "anna", availability("dora@BTEx", "nobody@BTEx", "emil@BTEx", at("anna"), view="FreeBusyMerged")))
        assert [code(r) for r in told] == ["NoError", "ErrorMailRecipientNotFound", "NoError", "NoError"]
        assert digits(told[0]) == "0" * 20 + "22" + "0" * 26 and "2" not in digits(told[2])
        far.kill()  # what it said is remembered; of others nothing is known
        told = responses(ask(near, "anna", availability("dora@BTEx", "stranger@BTEx", at("anna"), view="FreeBusyMerged")))
        assert digits(told[0]) == "0" * 20 + "22" + "0" * 26
        assert (code(told[1]), digits(told[1]), code(told[2])) == ("NoError", "4" * 48, "NoError")
        assert told[1].find(f".//{T}BusyType").text == "NoData"
    finally:
        if near:
            assert near.remove() == 0
        far.remove()
