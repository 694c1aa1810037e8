#!/usr/bin/python3
"""Runs wire cases: scripts of C: and S: lines against the real daemon, one file per case.

    run.py [--store sqlite|postgres] [--server BIN] [CASE.wire | FOLDER ...]

A case's lines (NAME is a connection, `1` where left out):

    # ...                     a comment; the first one says what the case proves
    server own                this case gets a daemon of its own
    setting NAME = VALUE      ... with this in its posthorse.ini; only what SIGHUP reloads
    connect [NAME] PROTO      opens a connection to a port of the `ready` line
    starttls [NAME]           TLS begins (the reply to STARTTLS has been read)
    close [NAME]              the client hangs up
    include FILE              the lines of a file beside the case
    sleep SECONDS
    message NAME              the lines up to a lone "." are a message; lines end in CRLF
    document KIND NAME        the lines up to a lone "." become a document of the directory
    posthorse WORD ...        runs a command of the server, which must succeed
    C: text                   sends a line                     C(NAME): text   on another connection
    R: text                   sends bytes, \\r \\n \\x00 understood, no line end is added
    D: message                sends a message's bytes
    S: text                   the next line is this            S: /regex/   or matches this wholly
    S* /regex/                lines are passed over until one matches
    S? /regex/                passes over the lines that match, as many as there are
    S- /regex/                up to the S: or S* line after it no line may match this
    S: <EOF>                  the daemon hangs up
    S: <SILENCE>              nothing comes for a fifth of a second

In what is sent or expected, ${user} ${user2} ${pass} are accounts that only this case uses; a named
group (?P<x>...) of an earlier S line is ${x}; {@m} is the literal's announcement for the message
m, {@m+} the one that waits for no answer, ${len:m} its length; ${b64:text} is base64, \\x00 and so
on understood; ${long:N} is N letters; ${times:N:text} is the text N times.
"""
import argparse, base64, pathlib, re, select, shutil, signal, socket, ssl, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PASSWORD = "secret-pw"
TIMEOUT_S = 10


class Failure(Exception):
    pass


class Server:
    def __init__(self, args, users):
        self.binary = args.server
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="posthorse-wire-"))
        self.dir.chmod(0o755)  # the worker is another user
        accounts = self.dir / "accounts"
        accounts.write_text("".join(f"{u} {PASSWORD}\n" for u in users))
        data = self.dir / "data"
        data.mkdir()
        self.log = open(self.dir / "log", "wb")
        command = [args.server, "sandbox", "--base-port", "0", "--dir", str(data),
                   "--store", args.store, "--accounts", str(accounts)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        self.ports = {}
        for line in self.process.stdout:
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("ready "):
                self.ports = dict(w.split("=", 1) for w in text.split()[1:] if "=" in w)
                break
        if not self.ports:
            sys.exit(f"no server: {' '.join(command)}\n" + (self.dir / "log").read_text())
        # What follows on its standard output must not fill the pipe.
        subprocess.Popen(["cat"], stdin=self.process.stdout, stdout=self.log)

    def use(self, settings):
        with open(self.dir / "data" / "posthorse.ini", "a") as ini:
            ini.write("".join(f"{s}\n" for s in settings))
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + TIMEOUT_S
        while b"event=config_reloaded" not in (self.dir / "log").read_bytes():
            if time.monotonic() > end:
                sys.exit(f"the settings were not reloaded; see {self.dir}/log")
            time.sleep(0.01)

    def command(self, words, text=""):
        done = subprocess.run([self.binary, "--dir", str(self.dir / "data"), *words],
                              input=text.encode(), capture_output=True, timeout=60)
        if done.returncode != 0:
            raise Failure(done.stderr.decode("utf-8", "replace"))

    def document(self, kind, name, text):
        self.command(["directory", "edit", kind, name], text)

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "killed: it did not end on SIGTERM"
        if code not in (0, -15):
            print(f"not ok - the server ended with {code}; see {self.dir}/log")
            return False
        shutil.rmtree(self.dir, ignore_errors=True)
        return True


class Connection:
    def __init__(self, server, proto):
        if proto not in server.ports:
            raise Failure(f"the server has no port {proto}")
        address = server.ports[proto]
        if address.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            host, port = address.rsplit(":", 1)
            self.sock = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S)
        self.sock.settimeout(TIMEOUT_S)
        self.rest = b""
        if proto.endswith("s") and proto[:-1] in ("imap", "submission", "smtp"):
            self.starttls()

    def starttls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def line(self, wait=TIMEOUT_S):
        """The next line without its end; None at the end of the stream."""
        end = time.monotonic() + wait
        while b"\n" not in self.rest:
            self.sock.settimeout(max(end - time.monotonic(), 0.01))
            try:
                more = self.sock.recv(65536)
            except (TimeoutError, socket.timeout):
                raise Failure("nothing came" if not self.rest else f"only this came: {self.rest!r}")
            except (ConnectionError, ssl.SSLError):
                more = b""
            if not more:
                if self.rest:
                    raise Failure(f"the connection ended behind {self.rest!r}")
                return None
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        if not line.endswith(b"\r"):
            line += b"<bare LF>"
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def unread(self, line):
        self.rest = line.encode("utf-8", "surrogateescape") + b"\r\n" + self.rest

    def silent(self, wait=0.2):
        if self.rest:
            return False
        self.sock.settimeout(wait)
        try:
            self.rest += self.sock.recv(65536)
        except (TimeoutError, socket.timeout):
            return True
        return False


def unescape(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


class Case:
    def __init__(self, path, number):
        self.path = path
        self.vars = {"user": f"wire{number}a", "user2": f"wire{number}b", "pass": PASSWORD}
        self.messages = {}
        self.connections = {}
        self.forbidden = []
        self.transcript = []
        self.script = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("include "):
                self.script += (path.parent / line.split()[1]).read_text().splitlines()
            else:
                self.script.append(line)
        self.title = next((l[1:].strip() for l in self.script if l.startswith("#")), path.stem)
        self.own = "server own" in self.script
        self.settings = [l[8:].strip() for l in self.script if l.startswith("setting ")]

    def expand(self, text, quote=lambda s: s):
        def value(match):
            word = match.group(1)
            if word.startswith("b64:"):
                return base64.b64encode(unescape(self.expand(word[4:]))).decode()
            if word.startswith("long:"):
                return "x" * int(word[5:])
            if word.startswith("times:"):
                _, count, text = word.split(":", 2)
                return int(count) * self.expand(text)
            if word.startswith("len:"):
                return str(len(self.messages[word[4:]]))
            if word not in self.vars:
                raise Failure(f"no variable {word}")
            return quote(self.vars[word])
        text = re.sub(r"\$\{((?:b64|times):(?:[^{}]|\$\{[^}]*\})*|[^}]*)\}", value, text)
        return re.sub(r"\{@(\w+)(\+?)\}",
                      lambda m: "{%d%s}" % (len(self.messages[m.group(1)]), m.group(2)), text)

    def send(self, name, data):
        self.transcript.append(f"C({name}): " + data.decode("utf-8", "replace").rstrip("\r\n")[:300])
        try:
            self.connections[name].sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass  # what the daemon says before it hangs up is what the case is about

    def receive(self, name):
        line = self.connections[name].line()
        self.transcript.append(f"S({name}): " + ("<EOF>" if line is None else line[:300]))
        for pattern in self.forbidden:
            if line is not None and re.fullmatch(pattern, line):
                raise Failure(f"this must not come: {line}")
        return line

    def match(self, want, line):
        if line is None:
            return False
        if len(want) > 1 and want.startswith("/") and want.endswith("/"):
            found = re.fullmatch(self.expand(want[1:-1], re.escape), line)
            if found:
                self.vars.update({k: v for k, v in found.groupdict().items() if v is not None})
            return found is not None
        return line == self.expand(want)

    def expect(self, name, kind, want):
        if kind == "-":
            self.forbidden.append(self.expand(want.strip("/"), re.escape))
            return
        if want == "<SILENCE>":
            if not self.connections[name].silent():
                raise Failure(f"expected silence\n    got      {self.receive(name)}")
            return
        while True:
            line = self.receive(name)
            if want == "<EOF>" and line is None or self.match(want, line):
                if kind == "?":
                    continue
                self.forbidden = []
                return
            if kind == "?":
                if line is not None:
                    self.connections[name].unread(line)
                    self.transcript.pop()
                return
            if kind == "*" and line is not None:
                continue
            got = "<EOF>" if line is None else line
            raise Failure(f"expected {self.expand(want) if want[0] != '/' else want}\n"
                          f"    got      {got}")

    def connect(self, words, server):
        name, proto = words if len(words) == 2 else ("1", words[0])
        self.connections[name] = Connection(server, proto)

    def lines_to_dot(self, rest):
        lines = []
        for _, text in rest:
            if text == ".":
                break
            lines.append(self.expand(text))
        return lines

    def step(self, line, rest, server):
        found = re.match(r"([CRDS])(?:\((\w+)\))?(?:([-*?]):?|:) ?(.*)$", line)
        words = line.split()
        if found:
            verb, name, kind, text = found.groups()
            name = name or "1"
            if verb == "C":
                self.send(name, self.expand(text).encode("utf-8", "surrogateescape") + b"\r\n")
            elif verb == "R":
                self.send(name, unescape(self.expand(text)))
            elif verb == "D":
                self.send(name, self.messages[text.strip()])
            else:
                self.expect(name, kind, text)
        elif words[0] == "connect":
            self.connect(words[1:], server)
        elif words[0] == "starttls":
            self.connections[words[1] if len(words) > 1 else "1"].starttls()
        elif words[0] == "close":
            self.connections[words[1] if len(words) > 1 else "1"].sock.close()
        elif words[0] == "sleep":
            time.sleep(float(words[1]))
        elif words[0] == "message":
            self.messages[words[1]] = "".join(l + "\r\n" for l in self.lines_to_dot(rest)).encode()
        elif words[0] == "document":
            server.document(words[1], self.expand(words[2]), "".join(l + "\n" for l in self.lines_to_dot(rest)))
        elif words[0] == "posthorse":
            server.command([self.expand(w) for w in words[1:]])
        elif line != "server own" and words[0] != "setting":
            raise Failure("this is no line of a case")

    def run(self, server):
        lines = iter(list(enumerate(self.script, 1)))
        for number, line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            try:
                self.step(line, lines, server)
            except (Failure, OSError, KeyError) as failure:
                return f"{self.path}:{number}: {line}\n    {failure}\n    the talk so far:\n" + \
                    "".join(f"      {t}\n" for t in self.transcript[-25:])
        return None


def gather(paths):
    for path in paths:
        path = pathlib.Path(path)
        yield from sorted(path.rglob("*.wire")) if path.is_dir() else [path]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--server", default=str(ROOT / "build" / "posthorse"))
    parser.add_argument("cases", nargs="*", default=[str(HERE)])
    args = parser.parse_args()
    cases = [Case(path, n) for n, path in enumerate(gather(args.cases), 1)]
    users = [u for c in cases for u in (c.vars["user"], c.vars["user2"])]
    shared = Server(args, users)
    failed = 0
    print(f"TAP version 13\n1..{len(cases)}")
    for number, case in enumerate(cases, 1):
        server = Server(args, users) if case.own else shared
        if case.settings:
            server.use(case.settings)
        why = case.run(server)
        if case.own and not server.stop():
            why = why or "    the server did not end well"
        for connection in case.connections.values():
            connection.sock.close()
        name = case.path.relative_to(HERE) if case.path.is_relative_to(HERE) else case.path
        print(f"{'not ' if why else ''}ok {number} - {name}: {case.title}", flush=True)
        if why:
            failed += 1
            print("".join(f"# {l}\n" for l in why.splitlines()), end="")
    return 1 if not shared.stop() or failed else 0


if __name__ == "__main__":
    sys.exit(main())
