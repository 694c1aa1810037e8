#!/usr/bin/python3
"""dns: name servers of the tests: a small one of our own that can be dead, lame, slow or broken, and Knot.

    dns.py [PORT]      serves the zones of EXAMPLE below on 127.0.0.1, prints questions, ends with Ctrl-C

A table has names (without a dot at the end) and their records: `{"a.example": ["MX 10 mx.a.example", "A 127.0.0.2"]}`.
Record types: MX, A, AAAA, CNAME, TXT, NS. A name with no records but with names below it exists and is empty; other
names do not exist (NXDOMAIN). Instead of records a name may have one word that says how it and all below it fail:

    SERVFAIL, REFUSED, FORMERR     that answer
    DEAD                           no answer, ever
    LAME                           a referral to the root servers, as from a server that does not know the zone
    GARBAGE                        bytes that are no answer
    "SLOW MS"                      among the records: the answer comes MS milliseconds late
    "TRUNCATE"                     among the records: over UDP cut short, so that TCP is asked

Names under .test do not reach a name server through libunbound, which knows that they do not exist: use .example.
"""
import ipaddress, os, socketserver, struct, sys, threading, time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {"FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
WAYS_TO_FAIL = set(RCODES) - {"NXDOMAIN"} | {"DEAD", "LAME", "GARBAGE"}
TTL = 1  # s; so that a changed table is soon believed
QR, AA, TC, RA = 0x8000, 0x0400, 0x0200, 0x0080
EXAMPLE = {"a.example": ["MX 10 mx1.a.example", "MX 20 mx2.a.example"], "mx1.a.example": ["A 127.0.0.2"],
           "mx2.a.example": ["A 127.0.0.3", "AAAA ::1"], "null.example": ["MX 0 ."], "dead.example": "DEAD"}


def wire_name(name):
    return b"".join(bytes([len(l)]) + l for l in name.encode().split(b".") if l) + b"\0"


def read_name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    return ".".join(labels).lower(), at + 1


def wire_data(kind, text):
    if kind == "A":
        return ipaddress.IPv4Address(text).packed
    if kind == "AAAA":
        return ipaddress.IPv6Address(text).packed
    if kind == "MX":
        preference, host = text.split()
        return struct.pack(">H", int(preference)) + wire_name(host)
    if kind == "TXT":
        return bytes([len(text)]) + text.encode()
    return wire_name(text)


def wire_record(name, kind, data, ttl=TTL):
    return wire_name(name) + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(data)) + data


def wire_soa(zone):
    data = wire_name("ns." + zone) + wire_name("hostmaster." + zone) + struct.pack(">IIIII", 1, 60, 60, 60, TTL)
    return wire_record(zone, "SOA", data)


class Answer:
    """Answers one question from a table."""

    def __init__(self, table, name, kind):
        self.table, self.name, self.kind = table, name, kind
        self.records = []     # (name, type, data)
        self.delay_ms = 0
        self.truncate = False
        self.failure = self.rcode = None
        self.follow(name)

    def entry(self, name):
        """The records of the name, or how it fails, or None."""
        if name in self.table:
            return self.table[name]
        for parent in parents(name):
            if self.table.get(parent) and isinstance(self.table[parent], str):
                return self.table[parent]
        return [] if any(n.endswith("." + name) for n in self.table) else None

    def follow(self, name, hops=0):
        entry = self.entry(name)
        if isinstance(entry, str):
            self.failure = entry
        elif entry is None:
            self.rcode = "NXDOMAIN"
        else:
            self.take(name, entry, hops)

    def take(self, name, entry, hops):
        for record in entry:
            kind, _, text = record.partition(" ")
            if kind == "SLOW":
                self.delay_ms = int(text)
            elif kind == "TRUNCATE":
                self.truncate = True
            elif kind == self.kind:
                self.records.append((name, kind, text))
            elif kind == "CNAME":
                self.records.append((name, kind, text))
                if hops < 8:
                    self.follow(text, hops + 1)

    def wire(self, query, at, tcp):
        """The message that answers; None for silence."""
        ident, flags = struct.unpack(">HH", query[:4])
        question = query[12:at]
        head = lambda more, counts: struct.pack(">HH", ident, QR | (flags & 0x7900) | more) + struct.pack(">4H", *counts)
        if self.failure == "DEAD":
            return None
        if self.failure == "GARBAGE":
            return query[:2] + b"\xff" * 20
        if self.failure == "LAME":
            return head(0, (1, 0, 1, 0)) + question + wire_record("", "NS", wire_name("a.root-servers.net"), 86400)
        if self.failure:
            return head(RA | RCODES[self.failure], (1, 0, 0, 0)) + question
        if self.truncate and not tcp:
            return head(RA | AA | TC, (1, 0, 0, 0)) + question
        rcode = RCODES.get(self.rcode, 0)
        records = b"".join(wire_record(n, k, wire_data(k, t)) for n, k, t in self.records)
        soa = b"" if any(k == self.kind for _, k, _ in self.records) else wire_soa(self.name.rsplit(".", 1)[-1])
        whole = head(RA | AA | rcode, (1, len(self.records), bool(soa), 0)) + question + records + soa
        return whole if tcp or len(whole) <= 512 else head(RA | AA | TC, (1, 0, 0, 0)) + question


def parents(name):
    while "." in name:
        name = name.split(".", 1)[1]
        yield name


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        self.server.owner.answer(data, False, lambda answer: sock.sendto(answer, self.client_address))


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(2)) == 2:
            data = self.rfile.read(struct.unpack(">H", head)[0])
            self.server.owner.answer(data, True, lambda answer: self.wfile.write(struct.pack(">H", len(answer)) + answer))


class UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class NameServer:
    """Serves the table, which may be changed at any time, in threads; keeps a log of the questions."""

    def __init__(self, table=None, host="127.0.0.1", port=0):
        self.table = dict(table or {})
        self.host, self.port = host, port
        self.questions = []      # (time, name, type, "udp" or "tcp"), oldest first
        self.servers = []

    @property
    def address(self):
        """As the setting dns_servers has it."""
        return f"{self.host}@{self.port}"

    def start(self):
        while True:  # until a port is free for both
            udp = UdpServer((self.host, self.port), Udp)
            try:
                tcp = TcpServer((self.host, udp.server_address[1]), Tcp)
                break
            except OSError:
                udp.server_close()
                if self.port:
                    raise
        self.port = udp.server_address[1]
        self.servers = [udp, tcp]
        for server in self.servers:
            server.owner = self
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def answer(self, query, tcp, send):
        try:
            name, at = read_name(query, 12)
            kind = NAMES.get(struct.unpack(">H", query[at:at + 2])[0], "?")
        except (IndexError, struct.error):
            return
        self.questions.append((time.monotonic(), name, kind, "tcp" if tcp else "udp"))
        answer = Answer(self.table, name, kind)
        if answer.delay_ms:
            time.sleep(answer.delay_ms / 1000)
        wire = answer.wire(query, at + 4, tcp)
        if wire is not None:
            try:
                send(wire)
            except OSError:
                pass

    def asked(self, name, kind=None):
        return [q for q in self.questions if q[1] == name and kind in (None, q[2])]


KNOT_CONF = """\
server:
    listen: {host}@{port}
    rundir: {dir}/run
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: {dir}/db
zone:
  - domain: {zone}
    file: {dir}/zone
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
"""


class Knot:
    """Debian's Knot DNS as the authority for one zone, as nobody; the table's names are in it. What fails in a table
    cannot be served here."""

    def __init__(self, table, zone="example", host="127.0.0.1"):
        self.table, self.zone, self.host = table, zone, host
        self.process = None

    @property
    def address(self):
        return f"{self.host}@{self.port}"

    def zone_text(self):
        lines = [f"$ORIGIN .\n$TTL {TTL}", f"{self.zone}. SOA ns.{self.zone}. hostmaster.{self.zone}. 1 60 60 3600 {TTL}",
                 f"{self.zone}. NS ns.{self.zone}.", f"ns.{self.zone}. A 127.0.0.1"]
        for name, records in self.table.items():
            assert not isinstance(records, str), f"{name}: Knot does not fail"
            for record in records:
                kind, *rest = record.split()
                if kind in ("MX", "CNAME", "NS"):
                    rest[-1] = rest[-1].rstrip(".") + "."
                lines.append(f"{name}. {kind} {' '.join(rest)}")
        return "\n".join(lines) + "\n"

    def start(self):
        from packages import unpacked
        from processes import CannotStart, Process, free_port, wait_listening
        from server import make_dir
        root = unpacked("knot")
        self.dir = make_dir("posthorse-knot-")
        self.port = free_port()
        for name in ("run", "db"):
            (self.dir / name).mkdir()
            if os.geteuid() == 0:
                os.chown(self.dir / name, 65534, 65534)
        (self.dir / "zone").write_text(self.zone_text())
        (self.dir / "knot.conf").write_text(KNOT_CONF.format(dir=self.dir, host=self.host, port=self.port, zone=self.zone))
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        libraries = ":".join(str(p) for p in (root / "usr/lib").glob("*-linux-gnu*"))
        self.process = Process([*become, "env", "LD_LIBRARY_PATH=" + libraries, str(root / "usr/sbin/knotd"),
                                "-c", str(self.dir / "knot.conf")], self.dir / "log")
        try:
            wait_listening(self.process, "knot", [self.port])
        except CannotStart:
            self.stop()
            raise
        return self

    def stop(self):
        if self.process:
            self.process.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def main():
    with NameServer(EXAMPLE, port=int((sys.argv + ["0"])[1])) as server:
        print(f"listening on {server.address}", flush=True)
        told = 0
        while True:
            time.sleep(0.2)
            for _, name, kind, how in server.questions[told:]:
                print(name, kind, how, flush=True)
                told += 1


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
