#!/usr/bin/python3
"""sink: an SMTP server of the tests, with a ledger and with faults.

    sink.py [--host ADDRESS] [--port N] [--bodies DIR] [--lax] [--no-log]    prints its ledger, ends with Ctrl-C

    with Sink() as sink:                      # a process of its own, on a free port
        sink.fault("rcpt", "reply 451 4.2.0 later", times=2, match="bob@")
        ...
        sink.wait_accepted(10)

The ledger has an entry for each message whose last reply was decided to be 250 (`accepted`), and tells apart
that the 250 was then handed to the kernel (`told`) and how its connection ended (`closed`): a 250 that was decided
and never told, or told to a peer that was killed, is what may make a message come twice.

A fault is a stage and what is done there. Stages: connect, greeting, ehlo, starttls, tls, auth, mail, rcpt, data (DATA,
not BDAT), body (in the middle of the text), end (after the final dot, nothing decided), accepted (decided, 250 not yet said).
What is done:

    reply TEXT      this reply, whatever it should have been (4yz, 5yz, or a lie)
    421             421, then the connection is closed
    hang            nothing more is said or read from
    cut, reset      the connection is closed, or reset
    garbage         bytes that are no reply
    endless         reply lines with a hyphen, for ever
    drip MS         the reply that was due, a byte each MS milliseconds
    wait MS         the reply that was due, MS milliseconds late
    extra TEXT      the reply that was due with this line behind it in the same segment

An address says it too, in its local part: STAGE and times are read from `4yz-rcpt@`, `5yz-end@`, `hang-data@`,
`cut-end@`, `cut-accepted-1@`, `421-rcpt-2.bob@`; a sender's address has its say in MAIL, a recipient's in all that
follows. -N: the first N times for this very address, and then no more.
"""
import argparse, asyncio, base64, contextlib, hashlib, hmac, json, os, pathlib, queue, re, secrets, signal, socket
import ssl, subprocess, sys, threading, time

LAX_END = re.compile(rb"(?:\r\n|\r|\n|\A)\x00?\.\x00?(?:\r+\n|\n|\r)")
IN_ADDRESS = re.compile(r"(4yz|5yz|421|hang|cut|reset|garbage|endless)-(mail|rcpt|data|body|end|accepted)(?:-(\d+))?[.@]")
REPLIES = {"4yz": "reply 451 4.3.0 try again later", "5yz": "reply 550 5.1.1 nobody here by that name"}
EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING",
              "STARTTLS")
BODY_MAX = 1 << 28


def make_certificate(folder, *names):
    """cert.pem and key.pem for the names, signed by itself."""
    names = names or ("sink.example", "localhost")
    alternative = ",".join(("IP:" if re.fullmatch(r"[\d.]+|.*:.*", n) else "DNS:") + n for n in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "key.pem", "-out", "cert.pem", "-days", "30", "-subj", f"/CN={names[0]}",
                    "-addext", f"subjectAltName={alternative}"], cwd=folder, check=True, capture_output=True)


# --- the process ---

class Fault:
    def __init__(self, stage, do, times=None, match=""):
        self.stage, self.do, self.times, self.match = stage, do, times, match


class Server:
    """What all sessions share."""

    def __init__(self, args):
        self.args = args
        self.faults = []
        self.in_address = {}     # (address, stage) -> how often it did what its name says
        self.sessions = set()
        self.session_count = self.message_count = 0
        self.out = bytearray()
        self.listener = None
        self.context = None
        self.extensions = [e for e in args.extensions.split(",") if e]
        self.users = dict(u.split(":", 1) for u in args.user)
        if args.certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{args.certificate}/cert.pem", f"{args.certificate}/key.pem")
        else:
            self.extensions = [e for e in self.extensions if e != "STARTTLS"]

    def tell(self, kind, **more):
        """An entry of the ledger; flush() hands it out."""
        self.out += json.dumps({"event": kind, "at": time.time(), **more}).encode() + b"\n"

    def flush(self):
        while self.out:
            del self.out[:os.write(1, self.out)]

    def find(self, stage, addresses):
        """What is to be done at this stage, if anything out of the usual."""
        for fault in self.faults:
            if fault.stage == stage and fault.times != 0 and (not fault.match or any(fault.match in a for a in addresses)):
                fault.times = fault.times and fault.times - 1
                return fault.do
        for address in addresses:
            found = "-" in address and IN_ADDRESS.match(address)
            if found and found[2] == stage:
                key = address, stage
                self.in_address[key] = self.in_address.get(key, 0) + 1
                if not found[3] or self.in_address[key] <= int(found[3]):
                    return REPLIES.get(found[1], found[1])
        return None

    async def listen(self):
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self.args.host else socket.AF_INET
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.args.host, self.args.port))
        self.args.port = sock.getsockname()[1]
        self.listener = await loop.create_server(lambda: Session(self), sock=sock, backlog=1000)

    def down(self):
        """Refuses connections, and cuts those that are open."""
        if self.listener:
            self.listener.close()
            self.listener = None
        for session in list(self.sessions):
            session.transport.abort()

    async def control(self, order):
        what = order.pop("order")
        if what == "fault":
            self.faults.append(Fault(**order))
        elif what == "clear":
            self.faults.clear()
            self.in_address.clear()
        elif what == "down":
            self.down()
        elif what == "up" and not self.listener:
            await self.listen()
        self.tell("done")
        self.flush()

    async def run(self):
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        await self.listen()
        if sys.stdin.isatty() or self.args.no_control:
            loop.add_signal_handler(signal.SIGINT, over.set_result, None)
        else:
            reader = asyncio.StreamReader()
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            asyncio.ensure_future(self.obey(reader, over))
        self.tell("ready", port=self.args.port)
        self.flush()
        await over

    async def obey(self, reader, over):
        while line := await reader.readline():
            await self.control(json.loads(line))
        over.set_result(None)


class Scram:
    """SCRAM-SHA-256 (RFC 5802, 7677), the server's side."""

    def __init__(self, users):
        self.users = users
        self.state = 0

    def first(self, text):
        self.bare = text.split(",", 2)[2]
        fields = dict(f.split("=", 1) for f in self.bare.split(","))
        self.user = fields["n"]
        self.salt = secrets.token_bytes(12)
        self.server_first = f"r={fields['r']}{secrets.token_hex(8)},s={base64.b64encode(self.salt).decode()},i=4096"
        return self.server_first

    def final(self, text):
        """The server's last word; None when the password is wrong."""
        without, proof = text.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", self.users.get(self.user, "\0").encode(), self.salt, 4096)
        message = f"{self.bare},{self.server_first},{without}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        if bytes(a ^ b for a, b in zip(key, signature)) != base64.b64decode(proof):
            return None
        return "v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")).decode()


def path_and_params(text):
    """`<a@b> X=Y` as (address, {x: y})."""
    path, _, rest = text.strip().partition(">")
    params = dict((w.split("=", 1) + [""])[:2] for w in rest.split())
    return path.lstrip("<").strip(), {k.upper(): v for k, v in params.items()}


class Session(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.buffer = bytearray()
        self.out = bytearray()
        self.mode = self.command_mode
        self.tls = False
        self.user = None
        self.quit = self.stopped = False
        self.auth = None
        self.accepted = self.told = 0   # the last message's number
        self.commands = 0
        self.reset_transaction()

    def reset_transaction(self):
        self.sender = None
        self.rcpts = []
        self.text = bytearray()
        self.scanned = 0

    def addresses(self):
        return [a for a, _ in self.rcpts]

    # --- connection ---

    def connection_made(self, transport):
        if self.tls:   # the same session, now inside TLS
            return
        self.transport = transport
        server = self.server
        server.session_count += 1
        self.number = server.session_count
        server.sessions.add(self)
        if server.args.log:
            server.tell("open", session=self.number, peer=transport.get_extra_info("peername")[0])
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.faulty("connect", [], ""):
            self.reply("greeting", [], f"220 {server.args.name} ESMTP sink")
        self.push()

    def connection_lost(self, why):
        self.server.sessions.discard(self)
        self.server.tell("closed", session=self.number, quit=self.quit, accepted=self.accepted, told=self.told)
        self.server.flush()

    def eof_received(self):
        return False

    def data_received(self, data):
        self.buffer += data
        while not self.stopped and self.mode():
            pass
        self.push()

    def push(self):
        """Says what there is to say, and notes which 250s were in it."""
        if self.out and not self.transport.is_closing():
            self.transport.write(bytes(self.out))
            self.out.clear()
        if self.told != self.accepted and not self.out and not self.transport.is_closing() and \
                not self.transport.get_write_buffer_size():
            self.told = self.accepted
            self.server.tell("told", n=self.told, session=self.number)
        self.server.flush()

    # --- replies and faults ---

    def reply(self, stage, addresses, text):
        """Says the text, or does what is to be done instead. True when the text goes out, if late or with more."""
        do = self.faulty(stage, addresses, text)
        if not do:
            self.say(text)
        return do.split(" ")[0] in ("", "drip", "wait", "extra")

    def say(self, text):
        self.out += text.encode() + b"\r\n"

    def faulty(self, stage, addresses, due):
        """Does what is to be done at this stage; gives that, or nothing."""
        do = self.server.find(stage, addresses)
        if do is None:
            return ""
        if self.server.args.log:
            self.server.tell("fault", session=self.number, stage=stage, do=do, to=list(addresses))
        word, _, rest = do.partition(" ")
        getattr(self, "fault_" + ("close421" if word == "421" else word))(rest, due)
        return do

    def fault_reply(self, text, due):
        self.say(text)

    def fault_close421(self, text, due):
        self.say("421 4.3.2 " + (text or "closing down"))
        self.close()

    def fault_hang(self, text, due):
        self.stopped = True

    def close(self):
        self.stopped = True
        if self.out:
            self.transport.write(bytes(self.out))
            self.out.clear()
        self.transport.close()

    def fault_cut(self, text, due):
        self.close()

    def fault_reset(self, text, due):
        self.stopped = True
        self.out.clear()
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.transport.abort()

    def fault_garbage(self, text, due):
        self.out += b"\x00\xff\x80 what is this?\n\r25\x00 -= OK?\r\n"

    def fault_endless(self, text, due):
        self.stopped = True
        asyncio.ensure_future(self.talk_for_ever())

    async def talk_for_ever(self):
        while not self.transport.is_closing():
            self.transport.write(b"250-and another thing\r\n" * 20)
            await asyncio.sleep(0.002)

    def fault_drip(self, text, due):
        self.stopped = True
        asyncio.ensure_future(self.drip((due + "\r\n").encode(), float(text or 20) / 1000))

    async def drip(self, data, pause):
        for byte in data:
            if self.transport.is_closing():
                return
            self.transport.write(bytes([byte]))
            await asyncio.sleep(pause)
        self.go_on()

    def fault_wait(self, text, due):
        self.stopped = True
        asyncio.get_running_loop().call_later(float(text) / 1000, self.late, due)

    def late(self, due):
        if due:
            self.say(due)
        self.go_on()

    def go_on(self):
        self.stopped = False
        self.data_received(b"")

    def fault_extra(self, text, due):
        self.say(due)
        self.say(text)

    # --- commands ---

    def command_mode(self):
        end = self.buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end]).rstrip(b"\r").decode("utf-8", "surrogateescape")
        del self.buffer[:end + 1]
        verb, _, rest = line.partition(" ")
        if self.server.args.log:
            self.server.tell("command", session=self.number, line=line)
        getattr(self, "cmd_" + verb.lower(), self.cmd_unknown)(rest)
        return True

    def cmd_unknown(self, rest):
        self.say("500 5.5.1 what?")

    def cmd_ehlo(self, rest):
        self.reset_transaction()
        extensions = [e for e in self.server.extensions if e != "STARTTLS" or not self.tls]
        if self.server.users:
            extensions.append("AUTH PLAIN SCRAM-SHA-256")
        lines = [self.server.args.name] + extensions
        text = "\r\n".join("250-" + l for l in lines[:-1]) + ("\r\n" if lines[:-1] else "") + "250 " + lines[-1]
        self.reply("ehlo", [], text)

    def cmd_helo(self, rest):
        self.reset_transaction()
        self.say(f"250 {self.server.args.name}")

    def cmd_starttls(self, rest):
        if self.tls or not self.server.context:
            self.say("502 5.5.1 no TLS")
            return
        due = "220 2.0.0 go ahead"
        do = self.server.find("starttls", [])
        if do and do.split()[0] not in ("extra", "drip", "wait"):
            self.server.faults.insert(0, Fault("starttls", do, 1))
            self.faulty("starttls", [], due)
            return
        self.say(due)
        if do and do.startswith("extra"):
            self.say(do.partition(" ")[2])
        self.buffer.clear()
        self.push()
        if self.server.find("tls", []):
            self.transport.write(b"\x15\x03\x01 no handshake of yours\r\n")
            self.close()
            return
        self.stopped = True
        self.transport.pause_reading()
        asyncio.ensure_future(self.start_tls())

    async def start_tls(self):
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self.transport, self, self.server.context, server_side=True, ssl_handshake_timeout=20)
        except (OSError, ssl.SSLError) as why:
            self.server.tell("tls-failed", session=self.number, why=str(why))
            self.server.flush()
            self.transport.abort()
            return
        self.tls = True
        self.user = None
        self.reset_transaction()
        self.transport = transport
        self.go_on()

    def cmd_auth(self, rest):
        mechanism, _, first = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            self.auth = self.auth_plain
        elif mechanism.upper() == "SCRAM-SHA-256":
            self.scram = Scram(self.server.users)
            self.auth = self.auth_scram_first
        else:
            self.say("504 5.5.4 not known")
            return
        self.mode = self.auth_mode
        if first:
            self.auth_answer(first)
        else:
            self.say("334 ")

    def auth_mode(self):
        end = self.buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end]).strip().decode()
        del self.buffer[:end + 1]
        self.auth_answer(line)
        return True

    def auth_answer(self, line):
        try:
            self.auth("" if line == "=" else base64.b64decode(line).decode())
        except (ValueError, KeyError, IndexError):
            self.auth_end(None)

    def auth_plain(self, text):
        _, user, password = text.split("\0")
        self.auth_end(user if self.server.users.get(user) == password else None)

    def auth_scram_first(self, text):
        self.say("334 " + base64.b64encode(self.scram.first(text).encode()).decode())
        self.auth = self.auth_scram_final

    def auth_scram_final(self, text):
        last = self.scram.final(text)
        if last is None:
            self.auth_end(None)
            return
        self.say("334 " + base64.b64encode(last.encode()).decode())
        self.auth = lambda _: self.auth_end(self.scram.user)

    def auth_end(self, user):
        self.mode = self.command_mode
        self.user = user
        if self.server.args.log:
            self.server.tell("auth", session=self.number, user=user)
        self.reply("auth", [], "235 2.7.0 welcome" if user else "535 5.7.8 no")

    def cmd_mail(self, rest):
        if self.server.args.require_auth and not self.user:
            self.say("530 5.7.0 log in first")
            return
        sender = path_and_params(rest.partition(":")[2])
        if self.reply("mail", [sender[0]], "250 2.1.0 fine"):
            self.reset_transaction()
            self.sender = sender

    def cmd_rcpt(self, rest):
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
            return
        rcpt = path_and_params(rest.partition(":")[2])
        if self.reply("rcpt", [rcpt[0]], "250 2.1.5 fine"):
            self.rcpts.append(rcpt)

    def cmd_data(self, rest):
        if not self.rcpts:
            self.say("554 5.5.1 no valid recipients")
        elif self.reply("data", self.addresses(), "354 go on"):
            self.mode = self.data_mode

    def data_mode(self):
        buffer = self.buffer
        if self.server.args.lax:
            found = LAX_END.search(buffer, max(0, self.scanned - 5))
            if not found or (found.end() == len(buffer) and buffer.endswith(b"\r")):
                return self.text_goes_on()
            start, end = found.span()
        elif buffer.startswith(b".\r\n"):
            start, end = 0, 3
        else:
            start = buffer.find(b"\r\n.\r\n", max(0, self.scanned - 5))
            if start < 0:
                return self.text_goes_on()
            start, end = start + 2, start + 5
        self.text += buffer[:start]
        del buffer[:end]
        self.mode = self.command_mode
        if self.text.startswith(b"."):
            del self.text[:1]
        self.text = self.text.replace(b"\r\n.", b"\r\n")
        self.ended()
        return True

    def text_goes_on(self):
        self.scanned = len(self.buffer)
        if self.scanned > 200 and self.faulty("body", self.addresses(), ""):
            return True
        if self.scanned > BODY_MAX:
            self.fault_close421("too much", "")
        return False

    def cmd_bdat(self, rest):
        words = rest.split()
        self.bdat_left, self.bdat_last = int(words[0]), words[1:2] == ["LAST"] or words[1:2] == ["last"]
        self.mode = self.bdat_mode

    def bdat_mode(self):
        take = min(self.bdat_left, len(self.buffer))
        self.text += self.buffer[:take]
        del self.buffer[:take]
        self.bdat_left -= take
        if self.bdat_left:
            if self.text and self.faulty("body", self.addresses(), ""):
                return True
            return False
        self.mode = self.command_mode
        if not self.rcpts:
            self.say("554 5.5.1 no valid recipients")
        elif self.bdat_last:
            self.ended()
        else:
            self.say("250 2.6.0 go on")
        return True

    def ended(self):
        """The whole text is here."""
        addresses = self.addresses()
        if not self.faulty("end", addresses, ""):
            self.take()
            self.reply("accepted", addresses, f"250 2.6.0 taken as {self.accepted}")
        elif self.mode == self.command_mode and not self.stopped and not self.out:
            self.say("451 4.3.0 nothing to say")
        self.reset_transaction()

    def take(self):
        server, text = self.server, self.text
        server.message_count += 1
        self.accepted = server.message_count
        head = bytes(text[:text.find(b"\r\n\r\n") + 2 or len(text)])
        entry = {"n": self.accepted, "session": self.number, "tls": self.tls, "user": self.user, "size": len(text),
                 "peer": self.transport.get_extra_info("peername")[0], "from": self.sender[0], "params": self.sender[1], "rcpts": self.rcpts}
        for name, field in (("id", b"message-id"), ("test", b"x-test-id")):
            found = re.search(rb"^" + field + rb":\s*(\S+)", head, re.I | re.M)
            entry[name] = found[1].decode("utf-8", "replace") if found else None
        if server.args.bodies:
            pathlib.Path(server.args.bodies, f"{self.accepted}.eml").write_bytes(text)
        server.tell("accepted", **entry)

    def cmd_rset(self, rest):
        self.reset_transaction()
        self.say("250 2.0.0 fine")

    def cmd_noop(self, rest):
        self.say("250 2.0.0 fine")

    cmd_vrfy = cmd_noop

    def cmd_quit(self, rest):
        self.quit = True
        self.say("221 2.0.0 bye")
        self.push()
        self.close()


def main():
    parser = argparse.ArgumentParser(description="An SMTP server of the tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="sink.example")
    parser.add_argument("--bodies", help="folder for the messages, N.eml each")
    parser.add_argument("--certificate", help="folder with cert.pem and key.pem; STARTTLS is offered")
    parser.add_argument("--extensions", default=",".join(EXTENSIONS), help="what EHLO offers, separated by commas")
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD")
    parser.add_argument("--require-auth", action="store_true")
    parser.add_argument("--lax", action="store_true", help="take any form of a lone dot for the end of a message")
    parser.add_argument("--no-log", dest="log", action="store_false", help="no entries but accepted, told and closed")
    parser.add_argument("--no-control", action="store_true", help="standard input is not listened to")
    args = parser.parse_args()
    asyncio.run(Server(args).run())


# --- what tests use ---

class Sink:
    """The process, and its ledger as far as it has come in."""

    def __init__(self, host="127.0.0.1", port=0, *, lax=False, log=True, tls=True, bodies=True, extensions=None,
                 users=None, require_auth=False, name="sink.example", names=()):
        from server import make_dir
        self.host, self.port = host, port
        self.dir = make_dir("posthorse-sink-")
        self.command = [sys.executable, __file__, "--host", host, "--port", str(port), "--name", name]
        self.command += ["--lax"] * lax + ["--no-log"] * (not log) + ["--require-auth"] * require_auth
        if bodies:
            self.command += ["--bodies", str(self.dir)]
        if tls:
            make_certificate(self.dir, name, "localhost", "127.0.0.1", *names)
            self.command += ["--certificate", str(self.dir)]
        if extensions is not None:
            self.command += ["--extensions", ",".join(extensions)]
        for user, password in (users or {}).items():
            self.command += ["--user", f"{user}:{password}"]
        self.changed = threading.Condition()
        self.entries = []        # everything, in order
        self.accepted = []       # of these the messages,
        self.told = set()        # the numbers of those whose 250 went out,
        self.closed = {}         # and how sessions ended
        self.answers = queue.Queue()
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.port = self.answer()["port"]
        return self

    def read(self):
        for line in self.process.stdout:
            entry = json.loads(line)
            kind = entry["event"]
            if kind in ("ready", "done"):
                self.answers.put(entry)
                continue
            with self.changed:
                self.entries.append(entry)
                if kind == "accepted":
                    self.accepted.append(entry)
                elif kind == "told":
                    self.told.add(entry["n"])
                elif kind == "closed":
                    self.closed[entry["session"]] = entry
                self.changed.notify_all()
        self.answers.put(None)

    def answer(self):
        entry = self.answers.get(timeout=20)
        if entry is None:
            raise RuntimeError(f"the sink ended with {self.process.wait(5)}")
        return entry

    def order(self, what, **more):
        self.process.stdin.write(json.dumps({"order": what, **more}).encode() + b"\n")
        self.process.stdin.flush()
        self.answer()

    def fault(self, stage, do, times=None, match=""):
        """From now on do this at the stage: `times` times, for addresses that contain `match`."""
        self.order("fault", stage=stage, do=do, times=times, match=match)

    def clear(self):
        self.order("clear")

    def down(self):
        """Nobody listens any more."""
        self.order("down")

    def up(self):
        self.order("up")

    def stop(self):
        """Ends the process; the ledger stays."""
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.reader.join(20)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- the ledger ---

    def wait(self, condition, seconds=20, what="what the sink was to see"):
        """Until the condition, asked after each new entry, gives something true; gives that back."""
        end = time.monotonic() + seconds
        with self.changed:
            while not (value := condition()):
                if not self.changed.wait(end - time.monotonic()) and not condition():
                    raise TimeoutError(f"{what} did not come in {seconds} s; the last of {len(self.entries)} entries: "
                                       f"{self.entries[-8:]}")
            return value

    def wait_accepted(self, count=1, seconds=20, **like):
        """Until so many messages were taken (to=ADDRESS, id=..., test=...); gives them."""
        def enough():
            found = self.messages(**like)
            return found if len(found) >= count else None
        return self.wait(enough, seconds, f"{count} messages {like or ''}")

    def messages(self, to=None, **like):
        with self.changed:
            return [m for m in self.accepted if (to is None or to in (a for a, _ in m["rcpts"])) and
                    all(m[k] == v for k, v in like.items())]

    def seen(self, kind, **like):
        """The ledger's entries of a kind."""
        with self.changed:
            return [e for e in self.entries if e["event"] == kind and all(e[k] == v for k, v in like.items())]

    def commands(self, verb, containing=""):
        return [e for e in self.seen("command") if e["line"].upper().startswith(verb) and containing in e["line"]]

    def text(self, message):
        return (self.dir / f"{message['n']}.eml").read_bytes()


if __name__ == "__main__":
    main()
