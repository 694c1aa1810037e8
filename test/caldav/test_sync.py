"""sync-collection (RFC 6578): whatever happened, from any old token what is told leads to what a full
read shows, and no answer is longer than was asked for."""
import base64, http.client, os, random, xml.etree.ElementTree as ET

import server as servers

STEPS = int(os.environ.get("STEPS", 40))
NAMES = [f"{n}.ics" for n in range(12)]
NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'


class Client:
    def __init__(self, server, user):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=60)
        self.authorization = "Basic " + base64.b64encode(f"{user}:{servers.PASSWORD}".encode()).decode()
        self.home = f"/dav/calendars/{user}/"

    def request(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, {"Authorization": self.authorization, **headers})
        response = self.connection.getresponse()
        return response.status, response.read()

    def full(self, calendar):
        """Name to ETag, by PROPFIND."""
        status, body = self.request("PROPFIND", calendar, f"<D:propfind {NS}><D:prop><D:getetag/></D:prop></D:propfind>", Depth="1")
        assert status == 207
        return {r.find("{DAV:}href").text: r.find(".//{DAV:}getetag").text for r in ET.fromstring(body)
                if r.find(".//{DAV:}getetag") is not None and r.find("{DAV:}href").text != calendar}

    def sync(self, calendar, state, token, limit=0):
        """The state after one report, the token, and whether there is more."""
        some = f"<D:limit><D:nresults>{limit}</D:nresults></D:limit>" if limit else ""
        status, body = self.request("REPORT", calendar, f"<D:sync-collection {NS}><D:sync-token>{token}</D:sync-token>"
                                    f"<D:sync-level>1</D:sync-level>{some}<D:prop><D:getetag/></D:prop></D:sync-collection>")
        assert status == 207, body
        state, root, more, told = dict(state), ET.fromstring(body), False, 0
        for response in root.findall("{DAV:}response"):
            href, status = response.find("{DAV:}href").text, response.find("{DAV:}status")
            if href == calendar:
                assert status.text.split()[1] == "507"
                more = True
                continue
            told += 1
            if status is not None:
                assert status.text.split()[1] == "404"
                state.pop(href, None)
            else:
                state[href] = response.find(".//{DAV:}getetag").text
        assert not limit or told <= limit
        assert told or not more
        return state, root.find("{DAV:}sync-token").text, more

    def sync_all(self, calendar, state, token, limit):
        more = True
        while more:
            state, token, more = self.sync(calendar, state, token, limit)
        return state, token


def event(name, number):
    return ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\nBEGIN:VEVENT\r\n" f"UID:{name}\r\nDTSTAMP:20260101T000000Z\r\n"
            f"DTSTART:20260101T100000Z\r\nSUMMARY:{number}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")


def change(client, rng, number):
    """Anything, of which much fails."""
    calendars = [client.home + "calendar/", client.home + "other/"]
    path = rng.choice(calendars) + rng.choice(NAMES)
    what = rng.random()
    if what < 0.5:
        client.request("PUT", path, event(path.rsplit("/", 1)[1], number), Content_Type="text/calendar")
    elif what < 0.75:
        client.request("DELETE", path)
    elif what < 0.95:
        target = rng.choice(calendars) + rng.choice(NAMES)
        client.request(rng.choice(("MOVE", "COPY")), path, Destination=target, Overwrite=rng.choice("TF"))
    else:
        client.request("PROPPATCH", calendars[0], f"<D:propertyupdate {NS}><D:set><D:prop><D:displayname>{number}</D:displayname>"
                       "</D:prop></D:set></D:propertyupdate>")


def test_from_any_old_token_what_is_told_leads_to_what_a_full_read_shows(shared, people):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print("SEED", seed)
    rng, client = random.Random(seed), Client(shared, people[0])
    calendar = client.home + "calendar/"
    assert client.request("MKCALENDAR", client.home + "other/")[0] == 201
    known = [({}, "")]
    for number in range(STEPS):
        change(client, rng, number)
        limit = rng.choice((0, 0, 1, 2, 5))
        old = rng.choice(known)
        # what was half told is a state too
        known.append(client.sync(calendar, *old, limit)[:2])
        state, token = client.sync_all(calendar, *rng.choice(known), limit)
        assert state == client.full(calendar), f"SEED={seed}, step {number}"
        known.append((state, token))
    full = client.full(calendar)
    for old in known:
        assert client.sync_all(calendar, *old, rng.choice((0, 1, 3)))[0] == full, f"SEED={seed}"
    client.connection.close()
