#!/usr/bin/python3
"""demo: three servers and another mail system, a message each 100 ms and a question about free time each 200, servers killed, hung and
revived; what became of each message, and what was answered.

Starts `posthorse sandbox --servers 3`, sends to a person on each server and to user@BTEx, asks when they are free, tells in words what
happens, and ends with a ledger counted in the mailboxes themselves, and a drawing. Exit status 1: a message that was acknowledged is nowhere,
or still waits half a minute after all servers are back.
"""
import argparse, collections, datetime, email, html, imaplib, json, math, os, pathlib, random, re, shlex, shutil, signal
import smtplib, socket, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEOPLE = (("alice@example.test", "mail1"), ("bob@example.test", "mail2"), ("carol@example.test", "mail3"),
          ("user@BTEx", "exchange"))
SERVERS = ("mail1", "mail2", "mail3")
LANES = (*SERVERS, "exchange")
COLOURS = {"mail1": "#1b6ca8", "mail2": "#c2571a", "mail3": "#2e7d32", "exchange": "#6a3d9a"}
ASKED = ("alice@example.test", "bob@example.test", "carol@example.test", "user@BTEx", "gina@BTEx")
RESULTS = ("fresh", "known", "none")
RESULT_COLOURS = {"fresh": "#2e7d32", "known": "#f9a825", "none": "#d32f2f"}
ANSWER_S = 2            # how long a client waits for a server before it asks another one
LATE_S = 1


class Message:
    def __init__(self, serial, to, home):
        self.serial, self.to, self.home = serial, to, home
        self.id = f"<demo-{os.getpid()}-{serial}@example.test>"
        self.sent = self.acked = self.arrived = None    # seconds since the beginning
        self.offers = 0
        self.entry = self.last = None   # the servers that took it first, and put it into the mailbox
        self.way = []           # (seconds, server): who took it, in order
        self.copies = 0         # in its mailbox
        self.returned = False   # by a delivery report to its sender
        self.waiting = ""       # the server in whose queue it is

    def lost(self):
        return self.acked and not self.copies and not self.returned and not self.waiting


class Question:
    """When are those of ASKED free? To one server, or, where it gives no answer, the next one."""

    def __init__(self, serial, at):
        self.serial, self.at = serial, at   # seconds since the beginning
        self.took = None        # until the last server answered; None: none did
        self.servers = []       # that were asked
        self.results = {who: "none" for who in ASKED}
        self.ways = {}          # who: source and servers that it came by


class Demo:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="posthorse-demo-"))
        self.dir.chmod(0o755)
        self.servers = {}       # name -> its words: pid, dir, smtp ...
        self.extra = []         # servers that we started ourselves
        self.messages, self.by_id, self.by_guid, self.early = [], {}, {}, {}
        self.questions = []
        self.refusals = collections.Counter()   # why a server did not take a message
        self.faults = []        # dicts: at, until, server, what
        self.gateway = None     # the last one that mail to BTEx went by
        self.begun = time.time()
        self.lock = threading.Lock()
        self.ready = threading.Event()
        self.ended = threading.Event()

    def now(self):
        return time.time() - self.begun

    def say(self, text, at=None):
        with self.lock:
            print(f"{self.now() if at is None else at:6.1f} s  {text}", flush=True)

    # --- servers ---

    def start(self):
        command = [self.options.binary, "sandbox", "--servers", str(len(SERVERS)), "--dir", str(self.dir), "--base-port",
                   "0", "--revive", "0", "--store", self.options.store]
        self.sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        threading.Thread(target=self.read, args=(self.sandbox.stdout, None), daemon=True).start()
        while not self.ready.wait(0.1):
            if self.sandbox.poll() is not None:
                sys.exit(f"demo: the sandbox ended with {self.sandbox.returncode}; its last words:\n" +
                         "\n".join(self.last_words))
        self.await_up()

    last_words = collections.deque(maxlen=20)

    def read(self, stream, name):
        for line in stream:
            line = line.decode("utf-8", "replace").rstrip("\n")
            self.last_words.append(line)
            try:
                if line.startswith("server ") and " dir=" in line:
                    words = line.split()
                    self.servers[words[1]] = dict(w.split("=", 1) for w in words[2:])
                elif line.startswith("ready "):
                    self.ready.set()
                elif line.startswith("ts="):
                    fields = dict(w.split("=", 1) for w in shlex.split(line) if "=" in w)
                    self.hear(fields, fields.get("at", name))
            except ValueError:
                pass

    def api(self, name, path, timeout=1, args=None):
        """The admin API of a server, with args a POST; None: no answer."""
        body = "" if args is None else json.dumps(args)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            try:
                sock.connect(f"{self.servers[name]['dir']}/data/admin.sock")
                sock.sendall(f"{'POST' if body else 'GET'} {path} HTTP/1.0\r\nHost: posthorse\r\nContent-Length: {len(body)}\r\n\r\n"
                             f"{body}".encode())
                answer = b""
                while more := sock.recv(65536):
                    answer += more
                return json.loads(answer.split(b"\r\n\r\n", 1)[1])
            except (OSError, ValueError, IndexError):
                return None

    def await_up(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            shown = [self.api(name, "/v1/cluster/show") for name in SERVERS]
            if all(s and all(o["state"] == "up" for o in s["servers"]) for s in shown):
                return
            time.sleep(0.1)
        self.say("not every server sees every other one up; going on all the same")

    def kill(self, name):
        pid = int(self.servers[name]["pid"])
        os.killpg(pid, signal.SIGKILL)
        self.fault(name, "killed", f"{name} is killed: kill -9 of its processes")

    def hang(self, name):
        os.killpg(int(self.servers[name]["pid"]), signal.SIGSTOP)
        self.fault(name, "hung", f"{name} hangs: SIGSTOP to its processes; its ports stay open and nobody answers")

    def revive(self, name):
        fault = next(f for f in reversed(self.faults) if f["server"] == name and f["until"] is None)
        if fault["what"] == "hung":
            os.killpg(int(self.servers[name]["pid"]), signal.SIGCONT)
            self.say(f"{name} goes on: SIGCONT")
        else:
            process = subprocess.Popen([self.options.binary, "serve", "--dir", self.servers[name]["dir"]],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
            self.extra.append(process)
            self.servers[name]["pid"] = process.pid
            threading.Thread(target=self.read, args=(process.stdout, name), daemon=True).start()
            self.say(f"{name} is started anew on its old folder")
        fault["until"] = self.now()

    def fault(self, name, what, words):
        self.faults.append({"at": self.now(), "until": None, "server": name, "what": what})
        self.say(words)

    def stop(self):
        self.ended.set()
        for name in self.servers:
            try:
                os.killpg(int(self.servers[name]["pid"]), signal.SIGCONT)
            except OSError:
                pass
        for process in [*self.extra, self.sandbox]:
            process.terminate()
        for process in [*self.extra, self.sandbox]:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    # --- what the servers tell ---

    def hear(self, fields, server):
        event = fields.get("event")
        at = datetime.datetime.strptime(fields["ts"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(
            tzinfo=datetime.timezone.utc).timestamp() - self.begun
        if event == "server_state" and self.messages and not self.ended.is_set():
            self.hear_state(server, fields, at)
        elif event == "smtp_accepted" and fields.get("message_id") in self.by_id:
            message = self.by_id[fields["message_id"]]
            self.by_guid[server, fields["guid"]] = message
            message.way.append((at, server))
            if (server, fields["guid"]) in self.early:
                self.hear_delivered(server, fields["guid"], self.early.pop((server, fields["guid"])))
        elif event == "delivered":
            self.hear_delivered(server, fields.get("guid"), at)

    def hear_delivered(self, server, guid, at):
        """A message's first line may come after that of its delivery."""
        message = self.by_guid.get((server, guid))
        if message is None:
            self.early[server, guid] = at
        elif message.arrived is None:
            message.arrived, message.last = at, server
            self.hear_gateway(message, at)

    def hear_state(self, server, fields, at):
        who = fields["server"].split(".")[0]
        if who != server:
            self.say(f"    {server} sees {who} {fields['state']} (was {fields['was']})", at)

    def hear_gateway(self, message, at):
        """Told for mail that mail3 takes, which is no gateway itself."""
        way = [name for _, name in sorted(message.way)]
        if message.home != "exchange" or len(way) < 3 or way[0] != "mail3" or way[-2] == self.gateway:
            return
        before, self.gateway = self.gateway, way[-2]
        self.say(f"    mail to BTEx goes from mail3 by {way[-2]}" + (f" now, by {before} before" if before else ""), at)

    # --- sending ---

    def offer(self, message, server):
        """True: it was acknowledged."""
        host, port = self.servers[server]["submission"].rsplit(":", 1)
        message.offers += 1
        try:
            with smtplib.SMTP(timeout=ANSWER_S) as smtp:
                smtp.connect(host, int(port))
                smtp.login("alice", "horse")
                smtp.sendmail("alice@example.test", [message.to],
                              f"From: alice@example.test\r\nTo: {message.to}\r\nMessage-ID: {message.id}\r\n"
                              f"Subject: Number {message.serial}\r\n\r\nNumber {message.serial}.\r\n")
                return True
        except (OSError, smtplib.SMTPException) as why:
            self.refusals[server, str(why) or type(why).__name__] += 1
            return False

    def send(self, message):
        """As a client that knows all servers: one after another, then again, for twenty seconds."""
        first = (message.serial // len(PEOPLE)) % len(SERVERS)
        message.sent = self.now()
        while self.now() < message.sent + 20:
            for n in range(len(SERVERS)):
                server = SERVERS[(first + n) % len(SERVERS)]
                if self.offer(message, server):
                    message.entry, message.acked = server, self.now()
                    return
            time.sleep(0.3)

    def send_all(self, until):
        threads = []
        begun = time.monotonic()
        while self.now() < until:
            serial = len(self.messages) + 1
            message = Message(serial, *PEOPLE[serial % len(PEOPLE)])
            self.messages.append(message)
            self.by_id[message.id] = message
            threads.append(threading.Thread(target=self.send, args=(message,), daemon=True))
            threads[-1].start()
            time.sleep(max(0, begun + serial * self.options.interval - time.monotonic()))
        for thread in threads:
            thread.join(25)

    # --- asking for free time ---

    def free_args(self):
        start = int(self.begun) // 86400 * 86400 + 86400
        return {"attendees": ASKED, "from_s": start, "until_s": start + 86400, "within_ms": 1000 * ANSWER_S * 3 // 4}

    def ask(self, question):
        """As a client that knows all servers. What nobody answers in time is none."""
        args = self.free_args()
        for n in range(len(SERVERS)):
            server = SERVERS[(question.serial + n) % len(SERVERS)]
            question.servers.append(server)
            answer = self.api(server, "/v1/freebusy", ANSWER_S, args)
            if answer and "attendees" in answer:
                question.took = self.now() - question.at
                for who, told in zip(ASKED, answer["attendees"]):
                    question.results[who] = told["result"] if told["result"] in RESULTS else "none"
                    question.ways[who] = " by ".join(filter(None, (told["source"], told["way"])))
                return

    def ask_all(self, until):
        threads = []
        begun = time.monotonic()
        while self.now() < until:
            question = Question(len(self.questions), self.now())
            self.questions.append(question)
            threads.append(threading.Thread(target=self.ask, args=(question,), daemon=True))
            threads[-1].start()
            time.sleep(max(0, begun + len(self.questions) * 2 * self.options.interval - time.monotonic()))
        for thread in threads:
            thread.join(3 * ANSWER_S + 1)

    def warm(self):
        """What clients do once in a while: they log in, and each server has been asked for each."""
        for server in SERVERS:
            host, port = self.servers[server]["submission"].rsplit(":", 1)
            with smtplib.SMTP(host, int(port), timeout=30) as smtp:
                smtp.login("alice", "horse")
            self.api(server, "/v1/freebusy", 30, {**self.free_args(), "within_ms": 20000})

    # --- the play ---

    def script(self):
        """(share of the time, what, server)"""
        first, second = self.random.sample(("mail1", "mail2"), 2) if self.options.seed else ("mail1", "mail2")
        wobble = lambda share: share + self.random.uniform(-0.01, 0.01)
        return [(wobble(0.10), self.kill, first), (wobble(0.25), self.revive, first),
                (wobble(0.38), self.hang, first), (wobble(0.50), self.revive, first),
                (wobble(0.62), self.kill, first), (wobble(0.66), self.hang, second),
                (wobble(0.78), self.revive, second), (wobble(0.83), self.revive, first)]

    def play(self):
        length = self.options.seconds * 0.9
        self.warm()
        self.begun = time.time()
        sender = threading.Thread(target=self.send_all, args=(length,), daemon=True)
        sender.start()
        asker = threading.Thread(target=self.ask_all, args=(length,), daemon=True)
        asker.start()
        for share, act, server in self.script():
            time.sleep(max(0, share * length - self.now()))
            act(server)
        sender.join()
        asker.join()
        self.say("no more is sent; waiting until everything has arrived, 30 s at most")
        end = time.monotonic() + 30
        while time.monotonic() < end and any(m.acked and m.arrived is None for m in self.messages):
            time.sleep(0.1)

    # --- counting ---

    def count(self):
        """What the mailboxes hold: the truth, whatever was logged."""
        for to, home in PEOPLE:
            user = to.split("@")[0]
            try:
                self.count_mailbox(user, home)
            except (OSError, imaplib.IMAP4.error) as why:
                self.say(f"the mailbox of {to} cannot be read: {why}")

        for name in (*SERVERS, "exchange"):
            done = subprocess.run([self.options.binary, "queue", "list", "--json", "--dir", self.servers[name]["dir"]],
                                  capture_output=True, text=True, timeout=30)
            for message in self.messages:
                if message.id.strip("<>") in done.stdout:
                    message.waiting = message.waiting or name

    def count_mailbox(self, user, home):
        host, port = self.servers[home]["imap"].rsplit(":", 1)
        imap = imaplib.IMAP4(host, int(port), timeout=20)
        imap.login(user, "horse")
        imap.select("INBOX", readonly=True)
        _, data = imap.fetch("1:*", "(BODY.PEEK[])")
        for part in data:
            if not isinstance(part, tuple):
                continue
            text = email.message_from_bytes(part[1])
            message = self.by_id.get((text["Message-ID"] or "").strip())
            if message:
                message.copies += 1
            elif text.get_content_type() == "multipart/report":
                for found in re.findall(rb"<demo-\d+-\d+@example\.test>", part[1]):
                    if found.decode() in self.by_id:
                        self.by_id[found.decode()].returned = True
        imap.logout()

    def ledger(self):
        rows = []
        for to in [*(p[0] for p in PEOPLE), "all"]:
            of = [m for m in self.messages if to in ("all", m.to)]
            acked = [m for m in of if m.acked]
            delays = sorted(m.arrived - m.sent for m in acked if m.arrived is not None) or [float("nan")]
            rows.append((to, len(of), len(acked), sum(m.copies > 0 for m in of), sum(m.copies > 1 for m in of),
                         sum(m.returned and not m.copies for m in of),
                         sum(m.copies == 0 and bool(m.waiting) for m in of), sum(bool(m.lost()) for m in of),
                         sum(d > LATE_S for d in delays), delays[len(delays) // 2], delays[-1]))
        print("\nThe ledger (counted in the mailboxes; delays from the first offer to the mailbox)\n")
        print(f"{'to':22}{'sent':>7}{'acknowledged':>14}{'arrived':>9}{'twice':>7}{'returned':>10}{'waiting':>9}{'lost':>6}"
              f"{f'over {LATE_S} s':>10}{'median':>10}{'worst':>10}")
        for to, sent, acked, arrived, twice, returned, waiting, lost, late, median, worst in rows:
            print(f"{to:22}{sent:7}{acked:14}{arrived:9}{twice:7}{returned:10}{waiting:9}{lost:6}{late:10}"
                  f"{median * 1000:7.0f} ms{worst:8.1f} s")
        again = sum(m.offers > 1 for m in self.messages)
        print(f"\n{again} messages were offered to more than one server, since the first one did not answer or refused:")
        for (server, why), count in self.refusals.most_common(8):
            print(f"  {count:5} times {server}: {why[:100]}")
        return rows[-1][6] + rows[-1][7]

    def free_times(self):
        """What was answered about each, and how soon the questions were."""
        print(f"\nFree time of {len(ASKED)} people, asked of one server, or the next one where it is silent for {ANSWER_S} s: "
              f"{len(self.questions)} questions\n")
        print(f"{'':22}{'asked':>7}{'fresh':>9}{'known':>9}{'none':>7}   the ways of fresh answers")
        for who in ASKED:
            count = collections.Counter(q.results[who] for q in self.questions)
            ways = collections.Counter(q.ways.get(who) for q in self.questions if q.results[who] == "fresh")
            print(f"{who:22}{len(self.questions):7}{count['fresh']:9}{count['known']:9}{count['none']:7}   " +
                  "; ".join(f"{n} {way.replace('.example.test', '')}" for way, n in ways.most_common(4)))
        took = sorted(q.took for q in self.questions if q.took is not None) or [float("nan")]
        silent = sum(q.took is None for q in self.questions)
        print(f"\nfrom the question to the answer: median {took[len(took) // 2] * 1000:.0f} ms, of 95 in 100 at most "
              f"{took[len(took) * 95 // 100] * 1000:.0f} ms, worst {took[-1]:.1f} s; {silent} were answered by no server")

    def fault_times(self):
        """From each fault to the next message that was sent after it and arrived."""
        print("\nFrom each fault to the next delivered message that was sent after it\n")
        print(f"{'':34}" + "".join(f"{to:>22}" for to, _ in PEOPLE))
        for fault in self.faults:
            cells = []
            for to, _ in PEOPLE:
                arrived = [m.arrived for m in self.messages if m.to == to and m.arrived is not None and
                           m.sent > fault["at"]]
                cells.append(f"{min(arrived) - fault['at']:20.2f} s" if arrived else f"{'never':>22}")
            print(f"{fault['at']:6.1f} s  {fault['server']} {fault['what']:8} for {fault['until'] - fault['at']:4.1f} s"
                  .ljust(34) + "".join(cells))

    def lost(self):
        for message in [m for m in self.messages if m.lost() or m.waiting and not m.copies][:5]:
            print(f"\n{'waiting on ' + message.waiting if message.waiting else 'lost'}: number {message.serial} to {message.to}, acknowledged by {message.entry} at {message.acked:.1f} s; "
                  f"posthorse trace tells:")
            for name in SERVERS:
                done = subprocess.run([self.options.binary, "trace", message.id, "--dir", self.servers[name]["dir"]],
                                      capture_output=True, text=True, timeout=20)
                if done.returncode == 0:
                    print(f"  on {name}\n    " + done.stdout.strip().replace("\n", "\n    "))


# --- the drawing ---

class Drawing:
    """Above: each message's way, in time; below: its delay."""
    WIDTH, LEFT, RIGHT = 1500, 110, 30
    WAY_TOP, WAY_HEIGHT = 90, 330
    DELAY_TOP, DELAY_HEIGHT = 510, 330
    RATE_TOP, RATE_HEIGHT = 930, 170
    TOOK_TOP, TOOK_HEIGHT = 1160, 250
    DELAYS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)

    def __init__(self, demo):
        self.demo = demo
        self.end = max([m.arrived or m.sent or 0 for m in demo.messages] + [1])
        self.parts = []

    def x(self, seconds):
        return self.LEFT + (self.WIDTH - self.LEFT - self.RIGHT) * min(max(seconds, 0), self.end) / self.end

    def lane(self, name):
        return self.WAY_TOP + self.WAY_HEIGHT * (LANES.index(name) + 0.5) / len(LANES)

    def y(self, delay, top=DELAY_TOP, height=DELAY_HEIGHT):
        low, high = math.log10(self.DELAYS[0]), math.log10(self.DELAYS[-1])
        share = (math.log10(min(max(delay, self.DELAYS[0]), self.DELAYS[-1])) - low) / (high - low)
        return top + height * (1 - share)

    def put(self, text):
        self.parts.append(text)

    def text(self, x, y, text, more=""):
        self.put(f'<text x="{x:.1f}" y="{y:.1f}" {more}>{html.escape(text)}</text>')

    def line(self, x1, y1, x2, y2, more):
        self.put(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {more}/>')

    def draw_faults(self):
        for n, fault in enumerate(self.demo.faults):
            x1, x2 = self.x(fault["at"]), self.x(fault["until"] or self.end)
            colour, dark = ("#d32f2f", "#b71c1c") if fault["what"] == "killed" else ("#f9a825", "#8a5a00")
            top = self.lane(fault["server"]) - self.WAY_HEIGHT / len(LANES) / 2
            self.put(f'<rect x="{x1:.1f}" y="{top:.1f}" width="{x2 - x1:.1f}" height="{self.WAY_HEIGHT / len(LANES):.1f}" '
                     f'fill="{colour}" opacity="0.25"/>')
            self.put(f'<rect x="{x1:.1f}" y="{self.DELAY_TOP}" width="{x2 - x1:.1f}" height="{self.DELAY_HEIGHT}" '
                     f'fill="{colour}" opacity="0.10"/>')
            for below, high in ((self.RATE_TOP, self.RATE_HEIGHT), (self.TOOK_TOP, self.TOOK_HEIGHT)):
                self.put(f'<rect x="{x1:.1f}" y="{below}" width="{x2 - x1:.1f}" height="{high}" fill="{colour}" opacity="0.10"/>')
            self.text(x1 + 3, top + 13, f"{fault['server']} {fault['what']}", f'font-size="12" fill="{dark}"')
            self.text(x1 + 3, self.DELAY_TOP + 14 + 14 * (n % 2), f"{fault['server']} {fault['what']}",
                      f'font-size="12" fill="{dark}"')

    def draw_axes(self):
        step = next(s for s in (1, 2, 5, 10, 20, 60, 120, 600) if self.end / s < 16)
        for top, height in ((self.WAY_TOP, self.WAY_HEIGHT), (self.DELAY_TOP, self.DELAY_HEIGHT), (self.RATE_TOP, self.RATE_HEIGHT),
                            (self.TOOK_TOP, self.TOOK_HEIGHT)):
            self.put(f'<rect x="{self.LEFT}" y="{top}" width="{self.WIDTH - self.LEFT - self.RIGHT}" height="{height}" '
                     'fill="none" stroke="#444"/>')
            for second in range(0, int(self.end) + 1, step):
                x = self.x(second)
                self.line(x, top, x, top + height, 'stroke="#ddd"')
                self.text(x, top + height + 17, str(second), 'font-size="12" text-anchor="middle"')
            self.text((self.LEFT + self.WIDTH) / 2, top + height + 36, "time, seconds", 'font-size="13" text-anchor="middle"')
        for name in LANES:
            self.line(self.LEFT, self.lane(name), self.WIDTH - self.RIGHT, self.lane(name), f'stroke="{COLOURS[name]}" opacity="0.3"')
            self.text(self.LEFT - 8, self.lane(name) + 4, name, f'font-size="13" text-anchor="end" fill="{COLOURS[name]}"')
        for delay in self.DELAYS:
            label = f"{delay:g} s" if delay >= 1 else f"{delay * 1000:g} ms"
            for y in (self.y(delay), self.y(delay, self.TOOK_TOP, self.TOOK_HEIGHT)):
                self.line(self.LEFT, y, self.WIDTH - self.RIGHT, y, 'stroke="#ddd"')
                self.text(self.LEFT - 8, y + 4, label, 'font-size="12" text-anchor="end"')
        self.upright(self.DELAY_TOP, self.DELAY_HEIGHT, "from the first offer to the mailbox")
        self.upright(self.WAY_TOP, self.WAY_HEIGHT, "the server that has it")

    def upright(self, top, height, text):
        middle = top + height / 2
        self.text(30, middle, text, f'font-size="13" text-anchor="middle" transform="rotate(-90 30 {middle})"')

    def draw_questions(self):
        """Answers of each second, one on the other; below, how long each question took."""
        of = collections.defaultdict(collections.Counter)
        for question in self.demo.questions:
            for result in question.results.values():
                of[int(question.at)][result] += 1
        most = max([sum(counts.values()) for counts in of.values()] + [1])
        for second, counts in of.items():
            x, y = self.x(second), self.RATE_TOP + self.RATE_HEIGHT
            for result in RESULTS:
                height = counts[result] / most * (self.RATE_HEIGHT - 8)
                y -= height
                self.put(f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(self.x(second + 1) - x - 1, 0.5):.1f}" height="{height:.1f}" '
                         f'fill="{RESULT_COLOURS[result]}" opacity="0.75"><title>{counts[result]} {result} at {second} s</title></rect>')
        self.text(self.LEFT - 8, self.RATE_TOP + 12, str(most), 'font-size="12" text-anchor="end"')
        for question in self.demo.questions:
            worst = max(question.results.values(), key=RESULTS.index)
            took = self.DELAYS[-1] if question.took is None else question.took
            told = ", ".join(f"{who} {result}" for who, result in question.results.items())
            self.put(f'<circle cx="{self.x(question.at):.1f}" cy="{self.y(took, self.TOOK_TOP, self.TOOK_HEIGHT):.1f}" r="2.4" '
                     f'fill="{RESULT_COLOURS[worst]}"><title>{html.escape(" then ".join(question.servers))}: {told}</title></circle>')
        x = self.LEFT
        for result, words in zip(RESULTS, ("fresh answers", "last known ones, with their age", "none: nobody knows")):
            self.put(f'<rect x="{x}" y="{self.RATE_TOP - 17}" width="12" height="12" fill="{RESULT_COLOURS[result]}" opacity="0.75"/>')
            self.text(x + 17, self.RATE_TOP - 7, words, 'font-size="13"')
            x += 230
        self.text(x, self.RATE_TOP - 7, "about the free time of " + ", ".join(who.replace("@example.test", "") for who in ASKED), 'font-size="13" fill="#555"')
        self.upright(self.RATE_TOP, self.RATE_HEIGHT, "answers a second")
        self.upright(self.TOOK_TOP, self.TOOK_HEIGHT, "question to answer")

    def title(self, message):
        delay = f"{message.arrived - message.sent:.2f} s" if message.arrived else "never"
        way = " to ".join(name for _, name in message.way) or "nobody"
        return f"<title>number {message.serial} to {html.escape(message.to)}: {way}; {delay}</title>"

    def draw_message(self, message):
        colour = COLOURS[message.home]
        points = [(self.x(message.sent), self.lane(message.way[0][1]))] if message.way else []
        points += [(self.x(at), self.lane(name)) for at, name in sorted(message.way)]
        if message.arrived and message.way:
            points.append((self.x(message.arrived), self.lane(message.last)))
        if points:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self.put(f'<polyline points="{path}" fill="none" stroke="{colour}" opacity="0.55">{self.title(message)}</polyline>')
        if message.arrived:
            self.put(f'<circle cx="{self.x(message.arrived):.1f}" cy="{self.lane(message.last):.1f}" r="1.8" fill="{colour}"/>')
            self.put(f'<circle cx="{self.x(message.sent):.1f}" cy="{self.y(message.arrived - message.sent):.1f}" r="2.6" '
                     f'fill="{colour}">{self.title(message)}</circle>')
        else:
            x, y = self.x(message.sent), self.DELAY_TOP + 6
            mark = "#d32f2f" if message.acked else "#777"
            self.put(f'<path d="M{x - 4:.1f},{y - 4} l8,8 m0,-8 l-8,8" stroke="{mark}" stroke-width="2">{self.title(message)}</path>')

    def draw_legend(self, rows):
        self.text(self.LEFT, 30, "Each message's way and delay, while servers are killed and hung", 'font-size="20"')
        x = self.LEFT
        for to, home in PEOPLE:
            self.put(f'<circle cx="{x + 5}" cy="54" r="5" fill="{COLOURS[home]}"/>')
            self.text(x + 15, 58, f"to {to}", 'font-size="13"')
            x += 190
        self.put(f'<rect x="{x}" y="47" width="14" height="14" fill="#d32f2f" opacity="0.3"/>')
        self.text(x + 20, 58, "killed", 'font-size="13"')
        self.put(f'<rect x="{x + 80}" y="47" width="14" height="14" fill="#f9a825" opacity="0.4"/>')
        self.text(x + 100, 58, "hung", 'font-size="13"')
        self.put(f'<path d="M{x + 160},50 l8,8 m0,-8 l-8,8" stroke="#d32f2f" stroke-width="2"/>')
        self.text(x + 175, 58, "acknowledged, did not arrive (grey: not acknowledged)", 'font-size="13"')
        self.text(self.LEFT, 80, "Above: a line begins where a message was first offered, at the server that took it, and ends in its mailbox "
                  "(exchange: the other mail system, BTEx). Below: the delay, a point a message.", 'font-size="12" fill="#555"')

    def write(self, path):
        height = self.TOOK_TOP + self.TOOK_HEIGHT + 60
        self.draw_axes()
        self.draw_faults()
        for message in self.demo.messages:
            if message.sent is not None:
                self.draw_message(message)
        self.draw_questions()
        self.draw_legend(None)
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.WIDTH}" height="{height}" '
                        f'viewBox="0 0 {self.WIDTH} {height}" font-family="sans-serif">\n'
                        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long it takes, about")
    parser.add_argument("--seed", type=int, default=0, help="another script of faults; 0: mail1 is the first to fall")
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between messages")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite", help="postgres: the servers share one store")
    parser.add_argument("--svg", type=pathlib.Path, default=ROOT / "build" / "demo.svg", help="where the drawing goes")
    parser.add_argument("--binary", default=os.environ.get("POSTHORSE", str(ROOT / "build" / "posthorse")))
    parser.add_argument("--keep", action="store_true", help="leave the servers' folders")
    demo = Demo(parser.parse_args())
    lost = 1
    try:
        demo.start()
        where = ("alice lies on mail1, bob on mail2, carol on mail3" if demo.options.store == "sqlite" else
                 "all accounts are on all of them")
        print(f"Three servers of example.test and {demo.servers['exchange']['name']} run (seed {demo.options.seed}, store "
              f"{demo.options.store}). {where};\nmail1 and mail2 are the gateways to BTEx, "
              f"mail1 first. A message each {demo.options.interval * 1000:.0f} ms, to each of them in turn, offered to each server in turn.\n"
              f"They are its calendar servers too. A question about free time each {demo.options.interval * 2000:.0f} ms.\n")
        demo.play()
        demo.count()
        lost = demo.ledger()
        demo.fault_times()
        demo.free_times()
        demo.lost()
        Drawing(demo).write(demo.options.svg)
        print(f"\nThe drawing is {demo.options.svg}")
    finally:
        demo.stop()
        if not demo.options.keep:
            shutil.rmtree(demo.dir, ignore_errors=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
