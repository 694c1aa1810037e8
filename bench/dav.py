"""dav: a thin blocking HTTP client, the events it puts, and how they are asked for."""
from __future__ import annotations

import base64
import random
import re
import socket
from datetime import datetime, timedelta, timezone

DOMAIN = "example.test"
UTC, LOCAL = "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S"
LINE = "\r\n"
TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
ZONE = LINE.join([
    "BEGIN:VTIMEZONE", "TZID:Europe/Berlin",
    "BEGIN:STANDARD", "DTSTART:19701025T030000", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
    "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "TZNAME:CET", "END:STANDARD",
    "BEGIN:DAYLIGHT", "DTSTART:19700329T020000", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
    "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "TZNAME:CEST", "END:DAYLIGHT", "END:VTIMEZONE"])
XML = '<?xml version="1.0" encoding="utf-8"?>'


class DavError(Exception):
    pass


class Dav:
    """A person's kept connection."""

    def __init__(self, port: int, user: str) -> None:
        self.port, self.user = port, user
        self.credentials = base64.b64encode(f"{user}:pass".encode()).decode()
        self.sock: socket.socket | None = None

    def connect(self) -> socket.socket:
        self.sock = socket.create_connection(("127.0.0.1", self.port), 300)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.sock

    def close(self) -> None:
        if self.sock:
            self.sock.close()
        self.sock = None

    def request(self, method: str, path: str, body: bytes = b"", kind: str = "application/xml",
                depth: str = "") -> bytes:
        """The reply's body; anything but 2xx is an error."""
        head = (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {self.credentials}\r\n"
                f"Content-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
                + (f"Depth: {depth}\r\n" if depth else "") + "\r\n").encode()
        sock = self.sock or self.connect()
        sock.sendall(head + body)
        status, reply = self.answer(sock, method)
        if not 200 <= status < 300:
            raise DavError(f"{method} {path}: {status} {reply[:300]!r}")
        return reply

    def answer(self, sock: socket.socket, method: str) -> tuple[int, bytes]:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more(sock, method)
        head, rest = data[:end].lower() + b"\r\n", data[end + 4:]
        status = int(head[9:12])
        if status < 200:
            raise DavError(f"{method}: {status}")
        if b"transfer-encoding: chunked" in head:
            rest = self.chunks(sock, rest, method)
        elif length := re.search(rb"content-length: *(\d+)", head):
            parts, left = [rest], int(length[1]) - len(rest)
            while left > 0:
                parts.append(self.more(sock, method))
                left -= len(parts[-1])
            rest = b"".join(parts)
        if b"connection: close" in head:
            self.close()
        return status, rest

    def chunks(self, sock: socket.socket, data: bytes, method: str) -> bytes:
        parts = []
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self.more(sock, method)
            size, data = int(data[:end], 16), data[end + 2:]
            left = [data]
            have = len(data)
            while have < size + 2:
                left.append(self.more(sock, method))
                have += len(left[-1])
            data = b"".join(left)
            if size == 0:
                return b"".join(parts)
            parts.append(data[:size])
            data = data[size + 2:]

    def more(self, sock: socket.socket, method: str) -> bytes:
        data = sock.recv(1 << 20)
        if not data:
            raise DavError(f"{method}: closed")
        return data

    def put(self, path: str, event: bytes) -> None:
        self.request("PUT", path, event, "text/calendar")


def plain_event(user: str, uid: str, attendees: tuple[str, ...] = ()) -> bytes:
    """An hour of one of the next 60 days, at a place of its own."""
    r = random.Random(uid)
    start = TODAY + timedelta(days=r.randrange(1, 60), hours=r.randrange(8, 17))
    return event_text(user, uid, start, 60, "", False, attendees)


def event_text(user: str, uid: str, start: datetime, minutes: int, rule: str, zoned: bool,
               attendees: tuple[str, ...] = ()) -> bytes:
    end = start + timedelta(minutes=minutes)
    times = ([f"DTSTART;TZID=Europe/Berlin:{start:{LOCAL}}", f"DTEND;TZID=Europe/Berlin:{end:{LOCAL}}"] if zoned
             else [f"DTSTART:{start:{UTC}}", f"DTEND:{end:{UTC}}"])
    people = ([f"ORGANIZER:mailto:{user}@{DOMAIN}", f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{user}@{DOMAIN}"]
              + [f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{name}@{DOMAIN}" for name in attendees]
              if attendees else [])
    return LINE.join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//bench//EN", *([ZONE] if zoned else []),
        "BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *times, *([f"RRULE:{rule}"] if rule else []),
        *people, f"SUMMARY:Event {uid}", "DESCRIPTION:" + "agenda " * 8, "LOCATION:Room 12", "TRANSP:OPAQUE",
        "END:VEVENT", "END:VCALENDAR", ""]).encode()


RULES = ("FREQ=WEEKLY", "FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=MONTHLY")


def year_of(user: str, count: int, recurring: int) -> list[tuple[str, bytes]]:
    """A year's events of a person, half a year of it past, by name; the first ones repeat."""
    r = random.Random(user)
    made = []
    begin = TODAY - timedelta(days=180)
    for n in range(count):
        repeats = n < recurring
        start = begin + timedelta(days=r.randrange(28 if repeats else 365), hours=r.randrange(8, 17),
                                  minutes=r.choice((0, 30)))
        rule = f"{RULES[n % 5]};UNTIL={begin + timedelta(days=365):{UTC}}" if repeats else ""
        uid = f"{user}-{n}@bench.test"
        made.append((f"{n}.ics", event_text(user, uid, start, r.choice((30, 60, 90)), rule, repeats or n % 2 == 0)))
    return made


def query(days: int) -> bytes:
    """calendar-query for what lies in the days from tomorrow on, with its data (RFC 4791 section 7.8)."""
    start = TODAY + timedelta(days=1)
    return (f'{XML}<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/>'
            '<C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">'
            f'<C:time-range start="{start:{UTC}}" end="{start + timedelta(days=days):{UTC}}"/>'
            '</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>').encode()


def sync(token: str) -> bytes:
    return (f'{XML}<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token>'
            '<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>').encode()


def token_of(reply: bytes) -> str:
    found = re.search(rb"sync-token>([^<]+)<", reply)
    if not found:
        raise DavError(f"no sync-token in {reply[:300]!r}")
    return found[1].decode()


ASK_TOKEN = f'{XML}<D:propfind xmlns:D="DAV:"><D:prop><D:sync-token/></D:prop></D:propfind>'.encode()
ASK_TAGS = f'{XML}<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>'.encode()
