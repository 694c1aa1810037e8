"""relaying: a Posthorse that relays what it is given on its SMTP port, and reports read apart."""
import email, itertools, json, re, subprocess

from server import free_base_port, BINARY, Server, Smtp

NETWORK = "127.0.0.0/8"
FAST = {  # so that what takes days takes seconds
    "relay_networks": NETWORK, "queue_retry_min_ms": 200, "queue_retry_max_ms": 800, "queue_probe_ms": 200,
    "queue_timeout_ms": 8000, "smtp_out_connect_timeout_ms": 1000, "smtp_out_timeout_ms": 1000, "dns_timeout_ms": 3000,
    "smtp_out_cache_ms": 100,
}
HOME = "home.example"  # where senders live: a sink takes the reports
numbers = itertools.count(1)


def message(ident, body=b"Hello.\r\n", more=""):
    return (f"Message-ID: {ident}\r\nFrom: s@{HOME}\r\nTo: r@away.example\r\nSubject: relayed\r\n"
            f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n{more}\r\n").encode() + body


def new_id():
    return f"<{next(numbers)}.relay@{HOME}>"


def stuffed(data):
    """As it is sent after DATA (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", data)


class Relay(Server):
    def __init__(self, store="sqlite", settings=None, **more):
        # A port of its own, known before: the server compares its listeners with where mail would go.
        super().__init__(store, base_port=free_base_port(), settings={**FAST, **(settings or {})}, **more)

    def ctl(self, *args, status=0, **more):
        """A command's output."""
        done = subprocess.run([BINARY, *map(str, args), "--dir", str(self.dir)], capture_output=True, text=True,
                              timeout=120, **more)
        assert done.returncode == status, f"posthorse {' '.join(map(str, args))}: {done.returncode}: {done.stderr}"
        return done.stdout

    def connection(self, name, domain, *hosts, **more):
        """A connection document: hosts in order of preference, or "mx"."""
        path = self.dir / f"{name}.ini"
        path.write_text("".join(f"{key} = {value}\n" for key, value in
                                [("domain", domain), *(("host", h) for h in hosts), *more.items()]))
        self.ctl("directory", "edit", "connection", name, "--file", path)

    def queue(self):
        """What is queued, an entry for each recipient."""
        return json.loads(self.queue_text())["recipients"]

    def queue_text(self):
        return self.ctl("queue", "list", "--json")

    def is_queued(self, ident):
        return any(entry["message_id"] == ident for entry in self.queue())

    def send(self, rcpts, ident=None, sender=f"s@{HOME}", data=None, params="", rcpt_params=""):
        """Gives a message to it; gives its Message-ID. It must be taken."""
        ident = ident or new_id()
        rcpts = [rcpts] if isinstance(rcpts, str) else rcpts
        with Smtp(self.port("smtp")) as smtp:
            codes = smtp.mail(sender, rcpts, stuffed(data or message(ident)), params=params, rcpt_params=rcpt_params)
        assert codes == [250] * (len(rcpts) + 1) + [354, 250], codes
        return ident

    def worker_log(self, text):
        return [line for line in self.lines if text in line]


def blocks(part):
    """Of message/delivery-status, and of its international kind, which Python does not read."""
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    text = part.get_payload(decode=True) or part.get_payload()[0].as_bytes()
    return [email.message_from_string(b) for b in re.split(r"\n\n+", text.decode().replace("\r\n", "\n").strip())]


class Report:
    """A delivery status notification (RFC 3464)."""

    def __init__(self, text):
        self.text = text
        self.whole = email.message_from_bytes(text)
        assert self.whole.get_content_type() == "multipart/report", self.whole.get_content_type()
        assert self.whole.get_param("report-type") == "delivery-status"
        parts = self.whole.get_payload()
        assert [p.get_content_type() for p in parts[:2]] in (
            ["text/plain", "message/delivery-status"], ["text/plain", "message/global-delivery-status"])
        self.words = parts[0].get_payload(decode=True).decode("utf-8", "replace")
        self.about, *self.rcpts = [dict((k.lower(), v) for k, v in b.items()) for b in blocks(parts[1])]
        self.original = parts[2] if len(parts) > 2 else None

    def rcpt(self, address):
        """What it says of one recipient."""
        return next(r for r in self.rcpts if r["final-recipient"].split(";")[1].strip() == address)

    def actions(self):
        return {r["final-recipient"].split(";")[1].strip(): r["action"] for r in self.rcpts}

    def is_about(self, ident):
        return ident.encode() in self.text


def reports(home, ident):
    """The reports about a message that have come home."""
    return [Report(text) for m in home.messages() if m["from"] == "" and ident.encode() in (text := home.text(m))]


def wait_report(home, ident, count=1, seconds=30):
    return home.wait(lambda: len(found := reports(home, ident)) >= count and found, seconds, f"a report about {ident}")


def status_of(report, address):
    return re.match(r"\d\.\d+\.\d+", report.rcpt(address)["status"])[0]
