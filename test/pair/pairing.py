"""Two servers on one PostgreSQL: the database, the servers, and a proxy between clients and servers that counts."""
import os, pathlib, re, select, socket, subprocess, sys, threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pg
import server as servers
from server import PASSWORD, Imap, Smtp, wait_until

USERS = [f"user{n}" for n in range(10)]


def message(number, subject="message", more=b""):
    return (f"From: a@example.net\r\nTo: b@example.test\r\nSubject: {subject} {number}\r\n"
            f"Message-ID: <{subject}.{number}@example.net>\r\n\r\nbody {number}\r\n").encode() + more


def fill(port, user, count, lines=24):
    """Appends the messages, of about 2 KB, a thousand in a command."""
    texts = [message(n, more=(b"y" * 76 + b"\r\n") * lines) for n in range(count)]
    with Imap(port, user) as imap:
        for start in range(0, count, 1000):
            parts = b"".join(b" {%d+}\r\n%s" % (len(t), t) for t in texts[start:start + 1000])
            imap.send(b"fill APPEND INBOX" + parts + b"\r\n")
            answer, _ = imap.end("fill ")
            assert answer.startswith("OK"), answer


class PairServer(servers.Server):
    """`posthorse serve` on a store that others have too."""

    def __init__(self, name, where, base_port=0, **settings):
        super().__init__()
        self.name = name
        self.base_port = base_port or servers.free_base_port()
        self.ports = {kind: f"127.0.0.1:{self.base_port + n}" for n, kind in enumerate(servers.KINDS)}
        self.data = self.dir / "data"
        self.data.mkdir()
        user = "nobody" if os.getuid() == 0 else ""
        if user:
            subprocess.run(["chown", "nobody", str(self.data)], check=True)
        self.config = self.dir / "posthorse.ini"
        lines = {"server_name": name, "domains": "example.test", "data_dir": self.data, "user": user, "store": where,
                 "auth_plain_without_tls": "yes",
                 **{f"listen_{kind}": address for kind, address in self.ports.items() if kind not in ("imaps", "https")}, **settings}
        self.config.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))

    def run(self, *words, check=True, **more):
        done = subprocess.run([servers.BINARY, *words, "-c", str(self.config)], capture_output=True, text=True,
                              timeout=60, **more)
        assert not check or done.returncode == 0, f"{words}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout

    def add_users(self, users=USERS):
        self.run("account", "import", "-", input="".join(f"{user} {PASSWORD}\n" for user in users))

    def await_user(self, user):
        """Another server made the account; its document comes here a moment later."""
        def known():
            with Smtp(self.port("smtp")) as smtp:
                smtp.command("MAIL FROM:<>")
                return smtp.command(f"RCPT TO:<{user}@example.test>")[0] == 250
        wait_until(known, what=f"that {self.name} knows {user}")

    def events(self, name, since=0):
        return [line for line in self.lines[since:] if f"event={name} " in line]


def two_servers(accounts, a=None, b=None):
    """a.test and b.test on a database of their own, with these settings; generator of a fixture. Afterwards the store
    has no faults."""
    database = new_postgres()
    pair = [PairServer(name, where(database), **(settings or {})).start() for name, settings in (("a.test", a), ("b.test", b))]
    pair[0].add_users(accounts)
    pair[1].await_user(accounts[-1])
    pair[0].database = database
    try:
        yield pair
        assert "no faults" in pair[1].run("store", "check")
    finally:
        for server in pair:
            server.remove()
        database.remove()


class Fetched:
    """Follows what a server says on one connection: which bodies came whole, and what each command brought."""

    def __init__(self, proxy, port):
        self.proxy, self.port = proxy, port
        self.rest = {False: b"", True: b""}    # not yet whole lines, of the client and of the server
        self.skip = {False: 0, True: 0}        # bytes of a literal that still come
        self.record, self.literals = b"", []
        self.open = {}                         # tag -> the command, until it is answered

    def feed(self, from_server, data):
        self.rest[from_server] += data
        while True:
            rest = self.rest[from_server]
            if self.skip[from_server]:
                taken = min(len(rest), self.skip[from_server])
                self.skip[from_server] -= taken
                self.rest[from_server] = rest[taken:]
                if self.skip[from_server]:
                    return
                continue
            line, end, rest = rest.partition(b"\r\n")
            if not end:
                return
            self.rest[from_server] = rest
            literal = re.search(rb"\{(\d+)\+?\}$", line)
            self.skip[from_server] = int(literal[1]) if literal else 0
            if from_server:
                self.server_said(line, self.skip[True] if literal else None)
            elif (command := re.match(rb"(\S+) (\S+.*)", line)):
                self.open[command[1]] = command[2]

    def server_said(self, line, literal):
        self.record += line
        if literal is not None:
            self.literals.append((line, literal))
            return
        if self.record.startswith(b"* "):
            uid = re.search(rb"\bUID (\d+)", self.record)
            for before, size in self.literals:
                if uid and re.search(rb"BODY\[\] ?\{|RFC822 \{", before):
                    self.proxy.body(self.port, int(uid[1]))
        else:
            self.open.pop(self.record.split(b" ")[0], None)
        self.record, self.literals = b"", []


class Proxy:
    """A port that goes on to another one, chosen anew for each connection; counts what comes back."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.open = 0           # connections
        self.lock = threading.Lock()
        self.on_body = None     # called with the number of bodies that came
        self.lost = None        # the port of which nothing comes any more
        self.clear()
        threading.Thread(target=self.accept, daemon=True).start()

    def clear(self):
        self.bodies = []        # (the server's port, UID) of each that came whole
        self.bytes = 0          # from the server
        self.streams = []

    def body(self, port, uid):
        self.bodies.append((port, uid))
        if self.on_body:
            self.on_body(len(self.bodies))

    def cut_commands(self, port):
        """Those that were under way when their connections to this server ended."""
        return [command for stream in self.streams if stream.port == port for command in stream.open.values()
                if not command.upper().startswith((b"LOGOUT", b"IDLE", b"NOOP"))]

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        port, server = self.target, socket.socket()
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)     # what was sent is soon here
            server.connect(("127.0.0.1", port))
        except OSError:
            client.close()
            server.close()
            return
        stream = Fetched(self, port)
        with self.lock:
            self.streams.append(stream)
            self.open += 1
        try:
            self.pass_on(client, server, stream)
        except OSError:
            pass
        finally:
            client.close()
            server.close()
            with self.lock:
                self.open -= 1

    def pass_on(self, client, server, stream):
        while True:
            for sock in select.select([client, server], [], [])[0]:
                data = sock.recv(16384)
                if not data:
                    return
                if sock is server:
                    client.sendall(data)
                with self.lock:
                    self.bytes += len(data) if sock is server else 0
                    stream.feed(sock is server, data)
                if self.lost == stream.port:
                    return
                if sock is client:
                    server.sendall(data)

    def close(self):
        self.listener.close()


def numbers(port, user, folder="INBOX"):
    """What a client keeps to know a folder by: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ and each UID's MODSEQ."""
    with Imap(port, user) as imap:
        imap.ok("ENABLE CONDSTORE")
        opened = " ".join(imap.ok(f"EXAMINE {folder}"))
        seen = [re.search(rf"\[{name} (\d+)\]", opened)[1] for name in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ")]
        lines = imap.ok("UID FETCH 1:* (UID MODSEQ FLAGS)")
        return [int(n) for n in seen], sorted((int(re.search(r"\bUID (\d+)", l)[1]),
                                              int(re.search(r"MODSEQ \((\d+)\)", l)[1]),
                                              tuple(sorted(set(re.search(r"FLAGS \(([^)]*)\)", l)[1].split()) - {"\\Recent"})))
                                             for l in lines if " FETCH " in l)


def new_postgres(settings=""):
    database = pg.Server(settings)
    database.create()
    database.start()
    return database


def where(database):
    return f"host={database.dir} user=postgres dbname=postgres"
