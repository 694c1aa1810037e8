"""DavMail, which gives CalDAV programs a server of Exchange's kind, before a server of ours; run by `make soak`, since it brings Java."""
import collections, datetime, re, subprocess

import caldav, pytest, requests
import server as servers
from processes import Process, free_port, wait_listening
from server import PASSWORD
from test_calendar import bring, event, file_of
from test_ctl import Ctl

DOMAIN = "example.test"
JAR = "/usr/share/davmail/davmail.jar"
SETTINGS = """davmail.server=true
davmail.mode=EWS
davmail.url={url}
davmail.caldavPort={port}
davmail.imapPort=
davmail.ldapPort=
davmail.popPort=
davmail.smtpPort=
davmail.bindAddress=127.0.0.1
davmail.allowRemote=false
davmail.disableUpdateCheck=true
davmail.logFilePath={folder}/davmail.log
"""
FROM, UNTIL = (datetime.datetime(2026, 11, day, tzinfo=datetime.timezone.utc) for day in (23, 25))


def at(user):
    return f"{user}@{DOMAIN}"


class Desk:
    def __init__(self, store):
        self.server = servers.Server(store, accounts=["amy", "ben", "cleo"], settings={"log_level": "debug"}).start()
        self.folder, self.port = servers.make_dir(), free_port()
        settings = self.folder / "davmail.properties"
        settings.write_text(SETTINGS.format(url=f"http://127.0.0.1:{self.server.port('http')}/EWS/Exchange.asmx", port=self.port,
                                            folder=self.folder))
        self.davmail = None
        try:
            self.davmail = Process(["java", "-Xmx128m", "-jar", JAR, "-server", str(settings)], self.folder / "out",
                                   {"HOME": str(self.folder)})
            wait_listening(self.davmail, "davmail", [self.port], 60)
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.davmail:
            self.davmail.stop()
        assert self.server.remove() == 0

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def propfind(self, path, prop, password=PASSWORD):
        return requests.request("PROPFIND", self.url(path), auth=("amy", password), headers={"Depth": "1"}, timeout=60,
                                data=f'<D:propfind xmlns:D="DAV:"><D:prop>{prop}</D:prop></D:propfind>')

    def asked(self, since):
        """What it asked of us with a log-in."""
        return [re.search(r"operation=(\w*)", l)[1] for l in self.server.lines[since:] if "event=ews_request" in l and "name=amy" in l]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def desk(request):
    desk = Desk(request.param)
    yield desk
    desk.close()


def test_it_logs_in_and_has_the_folders_that_calendar_programs_look_for(desk):
    answer = desk.propfind(f"/users/{at('amy')}/", "<D:resourcetype/>")
    kinds = dict(re.findall(r"<D:href>([^<]*)</D:href><D:propstat><D:prop><D:resourcetype>(.*?)</D:resourcetype>", answer.text))
    home = f"/users/{at('amy')}/"
    assert answer.status_code == 207 and "C:calendar/" in kinds[home + "calendar/"], answer.text
    assert "C:schedule-outbox" in kinds[home + "outbox/"] and "E:addressbook" in kinds[home + "contacts/"]
    assert desk.propfind(home, "<D:displayname/>", password="wrong").status_code == 401


def test_free_time_is_asked_for_through_it(desk):
    bring(Ctl(desk.server), "amy", file_of(event("one", "", "20261123T100000Z", "Budget")))
    bring(Ctl(desk.server), "ben", file_of(event("two", "STATUS:TENTATIVE\n", "20261124T110000Z", "Maybe"),
                                           event("three", "X-MICROSOFT-CDO-BUSYSTATUS:OOF\n", "20261124T150000Z", "Away")))
    client = caldav.DAVClient(desk.url("/"), username="amy", password=PASSWORD)
    came, post, since = [], client.post, len(desk.server.lines)
    client.post = lambda *args, **more: came.append(post(*args, **more)) or came[-1]
    client.principal().freebusy_request(FROM, UNTIL, [f"mailto:{at(w)}" for w in ("amy", "ben", "cleo", "nobody")])
    got = {who: sorted(re.findall(r"(?m)^FREEBUSY;FBTYPE=([^:]*):(\S+)", data)) for who, data in
           re.findall(r"<D:href>mailto:([^<]*)</D:href>.*?calendar-data[^>]*>(.*?)</C:calendar-data>", came[0].raw.decode(), re.S)}
    assert got == {at("amy"): [("BUSY", "20261123T100000Z/20261123T110000Z")], at("cleo"): [],
                   at("ben"): [("BUSY-TENTATIVE", "20261124T110000Z/20261124T120000Z"),
                               ("BUSY-UNAVAILABLE", "20261124T150000Z/20261124T160000Z")]}
    asked = desk.asked(since)
    assert asked.count("GetUserAvailabilityRequest") == 4 and len(asked) < 20, asked


def test_what_is_not_served_is_an_error_that_is_told_once(desk):
    """It writes its errors into a reply that it may have begun, so what came is read by curl."""
    query = ('<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop><C:filter>'
             '<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>')
    find = '<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>'
    for method, name, body in (("PROPFIND", "", find), ("REPORT", "", query), ("PUT", "new.ics", file_of(event("new")))):
        since = len(desk.server.lines)
        said = subprocess.run(["curl", "-si", "--raw", "-u", f"amy:{PASSWORD}", "-X", method, "-H", "Depth: 1", "--data-binary", "@-",
                               desk.url(f"/users/{at('amy')}/calendar/{name}")], input=body, capture_output=True, text=True, timeout=60)
        asked = desk.asked(since)
        assert "HTTP/1.1 503 Service Unavailable" in said.stdout, said
        refused = collections.Counter(o for o in asked if o not in ("GetFolder", "ConvertId"))
        assert len(asked) < 10 and set(refused.values()) == {1}, (method, asked)
