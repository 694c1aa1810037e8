"""server: starts, kills and asks a `posthorse sandbox`; for the end-to-end and the fault tests."""
import atexit, os, pathlib, random, re, shutil, signal, socket, ssl, subprocess, tempfile, threading, time

import pg

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("POSTHORSE", str(ROOT / "build" / "posthorse"))
PASSWORD = "horse"
KINDS = ("smtp", "submission", "lmtp", "imap", "imaps", "admin", "http", "https")


def wait_until(condition, seconds=20, what="the condition"):
    """Polls until the condition gives something true, and gives that back."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come true in {seconds} s")
        time.sleep(0.005)


PORTS, SLICE = range(15000, 32000), 500    # below the ephemeral ones


class Ports:
    """The slice of the ports that is this process's alone: tests run beside each other, and a server that was killed
    comes back to its own. The name of a socket says that it is taken; it goes with the process."""

    def __init__(self):
        self.base, self.next = PORTS.start, 0
        for n in random.sample(range(len(PORTS) // SLICE), len(PORTS) // SLICE):
            self.name = socket.socket(socket.AF_UNIX)
            try:
                self.name.bind(f"\0posthorse-test-ports-{n}")
                self.base += n * SLICE
                return
            except OSError:
                self.name.close()
        raise OSError("too many tests at once: every slice of the ports is taken")

    def take(self, count):
        """Those that were given longest ago come first again."""
        if self.next + count > SLICE:
            self.next = 0
        self.next += count
        return self.base + self.next - count


ports = None


def free_base_port(count=len(KINDS)):
    """A port with count free ones from there on."""
    global ports
    ports = ports or Ports()
    for _ in range(200):
        base = ports.take(count)
        socks = []
        try:
            for n in range(count):
                socks.append(socket.socket())
                socks[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                socks[-1].bind(("127.0.0.1", base + n))
            return base
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()
    raise OSError("no free ports")


def make_dir(prefix="posthorse-test-"):
    """A temporary folder that the unprivileged worker can reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    made.add(path)
    return path


made = set()  # folders that go when the tests end


@atexit.register
def remove_made():
    for path in made:
        shutil.rmtree(path, ignore_errors=True)


def children(pid):
    try:
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid):
    """The process runs: it is there, and more of it than a zombie. (Its first thread may be one while others end.)"""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class Server:
    """`posthorse sandbox`, or with config `posthorse serve -c`, and what it says."""

    def __init__(self, store="sqlite", dir=None, base_port=0, accounts=None, config=None, env=None, settings=None):
        self.own_dir = dir is None
        self.dir = pathlib.Path(dir or make_dir())
        self.store, self.base_port, self.config, self.env = store, base_port, config, env
        self.accounts = None
        if accounts:
            self.accounts = self.dir / "accounts"
            self.accounts.write_text("".join(f"{name} {PASSWORD}\n" for name in accounts))
        self.settings = self.dir / "settings"    # of the sandbox, besides its own
        self.settings.write_text("".join(f"{name} = {value}\n" for name, value in (settings or {}).items()))
        self.process = None
        self.ports = {}
        self.lines = []
        self.lines_before = []    # of the processes before this one
        self.reader = None

    def command(self):
        if self.config:
            return [BINARY, "serve", "-c", str(self.config)]
        more = ["--accounts", str(self.accounts)] if self.accounts else []
        return [BINARY, "sandbox", "--dir", str(self.dir), "--store", self.store,
                "--base-port", str(self.base_port), "--settings", str(self.settings), *more]

    def start(self, wait=True):
        self.lines_before += self.lines
        self.lines = []
        if self.store == "postgres" and not self.config:
            self.init_postgres()
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, env={**os.environ, **(self.env or {})})
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout, self.lines), daemon=True)
        self.reader.start()
        if wait:
            self.await_line("ready smtp=" if not self.config else "event=worker_ready", 60)
            for line in self.lines:
                if line.startswith("ready "):
                    self.ports = dict(w.split("=", 1) for w in line.split()[1:])
        return self

    def read(self, stream, lines):
        for line in stream:
            lines.append(line.decode("utf-8", "replace").rstrip("\n"))
        lines.append("<end>")

    def seen(self, text, since=0):
        return next((l for l in self.lines[since:] if text in l), None)

    def await_line(self, text, seconds=20, since=0):
        def look():
            if self.process.poll() is not None and self.lines[-1:] == ["<end>"] and not self.seen(text, since):
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n" + "\n".join(self.lines[-20:]))
            return self.seen(text, since)
        return wait_until(look, seconds, f"a line with {text!r}")

    def port(self, kind):
        return int(self.ports[kind].rsplit(":", 1)[1])

    def worker(self):
        """The worker's process id; None while there is none."""
        for pid in children(self.process.pid):
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "posthorse" and alive(pid):
                    return pid
            except OSError:
                pass
        return None

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        since = len(self.lines)
        self.signal(signal.SIGHUP)
        return self.await_line("event=config_re", since=since)

    def wait(self, seconds=30):
        code = self.process.wait(seconds)
        self.reader.join(5)
        return code

    def stop(self):
        """A clean end; gives the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.stop_postgres()
        return code

    def kill(self):
        """kill -9 of supervisor and worker, at once."""
        worker = self.worker()
        self.process.kill()
        if worker:
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: not alive(worker), what="the worker's end")
        self.wait()
        self.stop_postgres()

    def remove(self):
        try:
            return self.stop()
        finally:
            if self.own_dir:
                shutil.rmtree(self.dir, ignore_errors=True)

    # --- the sandbox's PostgreSQL ---

    def init_postgres(self):
        """What the sandbox's initdb would make is copied: two seconds of a processor less for each."""
        top = self.dir / "postgres"
        if os.geteuid() == 0 and not top.exists():
            owner = pg.owner()
            top.mkdir()
            os.chown(top, owner.pw_uid, owner.pw_gid)
            pg.make_data(top / "data", "posthorse")

    def postmaster(self):
        try:
            pid = int((self.dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if alive(pid) else None

    def stop_postgres(self):
        """It ends with the sandbox by itself, unless pg_ctl had started it anew."""
        pid = self.postmaster()
        if pid:
            os.kill(pid, signal.SIGINT)
            wait_until(lambda: not alive(pid), 60, "PostgreSQL's end")

    def pg_ctl(self, *args):
        program = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1]
        data = self.dir / "postgres" / "data"
        subprocess.run(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", str(program),
                        "-D", str(data), "-l", str(data.parent / "pg_ctl.log"), "-w", *args],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")

    def sql(self, statement):
        """Changes the store behind the server's back, for what no command can do."""
        if self.store == "postgres":
            subprocess.run(["psql", "-q", "-h", str(self.dir / "postgres"), "-U", "posthorse", "-d", "posthorse",
                            "-v", "ON_ERROR_STOP=1", "-c", statement], check=True, cwd="/")
        else:
            import sqlite3
            with sqlite3.connect(self.dir / "data" / "posthorse.db", timeout=20) as db:
                db.execute(statement)

    def set(self, **settings):
        """Adds settings to the sandbox's file and has them read."""
        path = self.dir / "posthorse.ini"
        lines = [l for l in path.read_text().splitlines() if l.split(" ")[0] not in settings]
        path.write_text("\n".join(lines + [f"{k} = {v}" for k, v in settings.items()]) + "\n")
        return self.reload()


class Closed(Exception):
    """The peer hung up, or never took the connection."""


class Line:
    """A connection on which lines come and go."""

    def __init__(self, port, timeout=60, tls=False, host="127.0.0.1"):
        try:
            self.sock = socket.create_connection((host, port), timeout)
        except OSError as why:
            raise Closed(str(why))
        self.timeout = timeout
        self.rest = b""
        if tls:
            self.starttls()

    def starttls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data):
        try:
            self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        except OSError as why:
            raise Closed(str(why))

    def line(self, timeout=None):
        self.sock.settimeout(timeout or self.timeout)
        while b"\n" not in self.rest:
            try:
                more = self.sock.recv(65536)
            except TimeoutError:
                raise
            except OSError as why:
                raise Closed(str(why))
            if not more:
                raise Closed("end of stream")
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def read(self, count):
        while len(self.rest) < count:
            more = self.sock.recv(1 << 20)
            if not more:
                raise Closed("end of stream")
            self.rest += more
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Smtp(Line):
    """Knows replies; every code comes back, none raises."""

    def __init__(self, port, greet="EHLO", **more):
        super().__init__(port, **more)
        self.greeting = self.reply()
        self.extensions = []
        if greet:
            self.extensions = self.command(f"{greet} test.example")[1]

    def reply(self):
        lines = []
        while True:
            line = self.line()
            lines.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), lines

    def command(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def mail(self, sender, rcpts, data, lmtp=False, params="", rcpt_params=""):
        """The codes of MAIL, each RCPT, DATA and the end of the text (LMTP: one for each accepted). The
        parameters are what follows the addresses."""
        commands = [f"MAIL FROM:<{sender}> {params}".rstrip()] + \
            [f"RCPT TO:<{r}> {rcpt_params}".rstrip() for r in rcpts] + ["DATA"]
        if "PIPELINING" in self.extensions:
            self.send("".join(c + "\r\n" for c in commands))
            codes = [self.reply()[0] for _ in commands]
        else:
            codes = [self.command(c)[0] for c in commands]
        if codes[-1] != 354:
            return codes
        self.send(data + (b"" if data.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        count = sum(c == 250 for c in codes[1:-1]) if lmtp else 1
        return codes + [self.reply()[0] for _ in range(count)]


class Imap(Line):
    """Tagged commands; what came untagged is given back as lines, literals written into them."""

    def __init__(self, port, user=None, password=PASSWORD, **more):
        super().__init__(port, **more)
        self.greeting = self.line()
        self.tag = 0
        if user:
            self.ok(f"LOGIN {user} {password}")

    def whole_line(self, timeout=None):
        line = self.line(timeout)
        while (found := re.search(r"\{(\d+)\}$", line)):
            literal = self.read(int(found[1]))
            line = line[:found.start()] + literal.decode("utf-8", "surrogateescape") + self.line()
        return line

    def begin(self, text):
        self.tag += 1
        self.send(f"t{self.tag} {text}\r\n")
        return f"t{self.tag} "

    def end(self, tag):
        lines = []
        while True:
            line = self.whole_line()
            if line.startswith(tag):
                return line[len(tag):], lines
            lines.append(line)

    def command(self, text):
        return self.end(self.begin(text))

    def ok(self, text):
        answer, lines = self.command(text)
        assert answer.startswith("OK"), f"{text}: {answer}"
        return lines

    def append(self, folder, data, flags=""):
        tag = self.begin(f"APPEND {folder} {flags + ' ' if flags else ''}{{{len(data)}}}")
        assert self.line().startswith("+")
        self.send(data + b"\r\n")
        return self.end(tag)
