#!/usr/bin/python3
"""failover: kills the primary of a Patroni cluster under load, and checks that nothing that was answered is lost.

    failover.py [--rounds N] [--seed N] [--senders N] [--clients N] [--hold SECONDS]

etcd, two PostgreSQL under Patroni (synchronous_mode), two posthorse servers on them by one connection string with both
hosts and target_session_attrs=read-write. One of them has a spool. Senders give mail to both servers, IMAP clients stay
logged in to both. In each round the primary's Patroni and PostgreSQL are killed with -9; Patroni promotes the standby; the
killed node comes back as the standby of the next round. In the second of each three rounds the servers hold what they are asked
no longer than --hold (default 5 s), less than the failover takes, so that NO [UNAVAILABLE] and 4yz must be seen; in the others
for store_retry_ms as it is by default, and nothing may be refused. Then:

* each message answered with 250 is in the mailbox once, one that was refused is not (but where the log says that the outcome of a
  commit could not be found out), one whose reply was lost at most once;
* no session was cut; what was asked meanwhile was held, or answered with NO [UNAVAILABLE] or a 4yz;
* no answer was wrong: MODSEQs, UIDNEXT and the number of messages of a session never go back, nothing is expunged, a UID is one
  message, what a client was told to be stored is stored, and both servers show the same numbers;
* `posthorse store check` finds no fault.

Prints for each round the longest time that a session of SMTP and one of IMAP had no success, and the ledger.
"""
import argparse, collections, os, pathlib, random, re, shutil, signal, subprocess, sys, tempfile, threading, time, urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pg, processes
from pairing import PairServer, numbers
from server import Closed, Imap, Smtp, free_base_port, wait_until

ACCOUNTS = [f"user{n}" for n in range(4)]
SPAN_S = 2.0    # of load before a kill and after the pause
HOLD_S = 30     # store_retry_ms by default
UNKNOWN = "whether a commit succeeded could not be found out in time"

PATRONI = """
scope: horse
name: node{number}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
etcd3: {{host: "127.0.0.1:{etcd}"}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 3
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 100, fsync: "off", shared_buffers: 32MB, wal_keep_size: 256MB, wal_log_hints: "on"}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, no-sync]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {folder}/data
  bin_dir: {bin}
  pgpass: {folder}/pgpass
  authentication:
    superuser: {{username: postgres, password: horse}}
    replication: {{username: replicator, password: horse}}
    rewind: {{username: postgres, password: horse}}
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
  parameters: {{unix_socket_directories: {folder}}}
watchdog: {{mode: "off"}}
"""


class Node:
    """A PostgreSQL with its Patroni."""

    def __init__(self, cluster, number, ports):
        self.cluster, self.number = cluster, number
        self.rest, self.port = ports
        self.folder = cluster.folder / f"node{number}"
        self.folder.mkdir()
        os.chown(self.folder, cluster.user.pw_uid, cluster.user.pw_gid)
        self.config = self.folder / "patroni.yml"
        self.config.write_text(PATRONI.format(number=number, rest=self.rest, port=self.port, etcd=cluster.etcd_port,
                                              folder=self.folder, bin=cluster.bin))
        self.process = None

    def start(self):
        self.process = self.cluster.run("patroni", self.config, log=self.folder / "log")

    def is_role(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/{path}", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def postmaster(self):
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def kill(self):
        """-9 for Patroni, the postmaster and all its children, at once."""
        doomed = [self.process.pid, *processes.tree(self.postmaster())]
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        for pid in doomed[1:]:      # orphans become ours; as long as one is a zombie Patroni believes that it runs
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                wait_until(lambda p=pid: not os.path.exists(f"/proc/{p}"), what="a killed process's end")


class Patroni:
    """etcd and two nodes; all run as an unprivileged user."""

    def __init__(self):
        for program in ("patroni", "etcd"):
            if not shutil.which(program):
                sys.exit(f"failover.py: no {program}: tools/packages.sh test")
        self.bin = pg.bin_dir()
        self.user = pg.owner()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorse-patroni-"))
        self.folder.chmod(0o755)
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        base = free_base_port(6)
        self.etcd_port = base
        self.etcd = self.run(
            "etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls", f"http://127.0.0.1:{base}",
            "--advertise-client-urls", f"http://127.0.0.1:{base}", "--listen-peer-urls", f"http://127.0.0.1:{base + 1}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{base + 1}", "--initial-cluster",
            f"default=http://127.0.0.1:{base + 1}", "--unsafe-no-fsync", log=self.folder / "etcd.log")
        self.nodes = [Node(self, n, (base + 2 + 2 * n, base + 3 + 2 * n)) for n in (0, 1)]
        for node in self.nodes:
            node.start()
            wait_until(self.primary, 90, "a primary")
        self.await_standby()

    def run(self, *command, log):
        out = open(log, "ab")
        return subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                                preexec_fn=lambda: pg.become(self.user))

    def primary(self):
        return next((node for node in self.nodes if node.is_role("primary")), None)

    def await_standby(self):
        try:
            wait_until(lambda: any(node.is_role("synchronous") for node in self.nodes), 90, "a synchronous standby")
        except TimeoutError:
            for node in self.nodes:
                print(f"{node.folder}:", *(node.folder / "log").read_text().splitlines()[-15:], sep="\n")
            raise

    def where(self):
        return (f"host=127.0.0.1,127.0.0.1 port={self.nodes[0].port},{self.nodes[1].port} user=postgres dbname=postgres "
                "target_session_attrs=read-write")

    def remove(self):
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.terminate()
        for node in self.nodes:
            try:
                node.process.wait(30)
            except subprocess.TimeoutExpired:
                node.process.kill()
        self.etcd.kill()
        self.etcd.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Load:
    """What senders and clients were told, and what of it was wrong."""

    def __init__(self, args, pair, round_number):
        self.args, self.pair, self.round = args, pair, round_number
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.mail = {}       # (account, message id) -> "250", "refused", "lost"
        self.last = {}       # (kind, number) -> when it last had a success
        self.pause = collections.Counter()    # kind -> the longest time that one of its sessions had none
        self.answers = collections.Counter()  # kind -> successes
        self.unknown = self.count_unknown()   # before this round
        self.before = {account: count_of(pair[1], account) for account in ACCOUNTS}
        self.bad = []
        self.refused = collections.Counter()
        self.flags = {}      # (account, uid) -> keywords that were answered OK

    def count_unknown(self):
        return sum(UNKNOWN in line for server in self.pair for line in server.lines)

    def threads(self):
        jobs = [(self.send, n) for n in range(self.args.senders)] + [(self.read, n) for n in range(self.args.clients)]
        return [threading.Thread(target=self.guard, args=job, daemon=True) for job in jobs]

    def guard(self, job, number):
        try:
            job(number, self.pair[number % 2])
        except (Closed, TimeoutError, OSError) as why:
            self.bad.append(f"{job.__name__} {number}: its session was cut: {why!r}")
        except Exception as why:     # pylint: disable=broad-except
            self.bad.append(f"{job.__name__} {number}: {why!r}")

    def answered(self, kind, number, ok, what):
        now = time.monotonic()
        with self.lock:
            if ok:
                self.pause[kind] = max(self.pause[kind], now - self.last.get((kind, number), now))
                self.last[kind, number] = now
                self.answers[kind] += 1
            else:
                self.refused[what] += 1

    def send(self, number, server):
        chance = random.Random(f"{self.args.seed} sender {number}")
        sequence = 0
        with Smtp(server.port("smtp"), timeout=120) as smtp:
            while not self.over.is_set():
                sequence += 1
                ident = f"<{self.args.seed}.{self.round}.{number}.{sequence}@failover>"
                rcpts = chance.sample(ACCOUNTS, chance.choice((1, 1, 2)))
                body = f"Message-ID: {ident}\r\nFrom: f@example.net\r\nSubject: failover\r\n\r\n" + \
                    ("z" * 70 + "\r\n") * chance.choice((1, 10, 50, 1000))
                for rcpt in rcpts:
                    self.mail[rcpt, ident] = "lost"
                codes = smtp.mail("f@example.net", [f"{r}@example.test" for r in rcpts], body.encode())
                told = codes[-1]
                for rcpt, code in zip(rcpts, codes[1:]):
                    self.mail[rcpt, ident] = "250" if told == 250 and code == 250 else "refused"
                self.answered("smtp", number, told == 250, f"smtp {told}")
                if told != 250 and not any(400 <= code < 500 for code in codes):   # 503 for DATA follows one for RCPT
                    self.bad.append(f"sender {number}: {codes}")
                if codes[0] != 250:
                    smtp.command("RSET")
                if told != 250:
                    time.sleep(0.05)

    def read(self, number, server):
        account, seen = ACCOUNTS[number % len(ACCOUNTS)], {}
        uidnext = modseq = exists = 0
        with Imap(server.port("imap"), account, timeout=120) as imap:
            imap.ok("ENABLE CONDSTORE")
            imap.ok("SELECT INBOX")
            while not self.over.is_set():
                for command in ("STATUS INBOX (UIDNEXT HIGHESTMODSEQ)", "UID FETCH {uid} (ENVELOPE MODSEQ)",
                                "UID STORE {uid} +FLAGS (k%d)" % number, "NOOP"):
                    uid = random.randrange(1, uidnext) if uidnext > 1 else 1
                    answer, lines = imap.command(command.format(uid=uid))
                    ok = answer.startswith("OK")
                    if command != "NOOP":       # which is OK without news too
                        self.answered("imap", number, ok, f"imap {answer.split(' ')[0]} {answer.split(' ')[1]}")
                    if not ok and not answer.startswith("NO [UNAVAILABLE]"):
                        self.bad.append(f"client {number}: {command}: {answer}")
                    if ok and "STORE" in command and any(f"UID {uid} " in l or f"UID {uid})" in l for l in lines):
                        with self.lock:
                            self.flags.setdefault((account, uid), set()).add(f"k{number}")
                    text = " ".join(lines)
                    if (found := re.search(r"\(UIDNEXT (\d+) HIGHESTMODSEQ (\d+)\)", text)):
                        if int(found[1]) < uidnext or int(found[2]) < modseq:
                            self.bad.append(f"client {number}: UIDNEXT {uidnext}, MODSEQ {modseq} went back: {found[0]}")
                        uidnext, modseq = int(found[1]), int(found[2])
                    for line in lines:
                        if re.match(r"\* (\d+ EXPUNGE|VANISHED|BYE)", line) or line.endswith("] NIL)"):
                            self.bad.append(f"client {number}: {command}: {line}")
                        if (found := re.match(r"\* (\d+) EXISTS", line)):
                            if int(found[1]) < exists:
                                self.bad.append(f"client {number}: {exists} messages became {found[1]}")
                            exists = int(found[1])
                        ident, where = re.search(r"<[^>]+@failover>", line), re.search(r"UID (\d+)", line)
                        if ident and where and seen.setdefault(where[1], ident[0]) != ident[0]:
                            self.bad.append(f"client {number}: UID {where[1]} is {ident[0]}, was {seen[where[1]]}")

    def all_since(self, moment):
        return len(self.last) == self.args.senders + self.args.clients and min(self.last.values()) > moment


def kill_once(cluster, load, number):
    """Kills the primary under load."""
    threads = load.threads()
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    wait_until(lambda: load.all_since(begun) or load.bad, 60, "the load's first answers")
    time.sleep(random.uniform(0.2, SPAN_S))
    killed = time.monotonic()
    dead = cluster.primary()
    dead.kill()
    wait_until(lambda: (cluster.primary() or dead) is not dead, 90, "another primary")
    promoted = time.monotonic()
    wait_until(lambda: load.all_since(promoted) or load.bad, 90, "success for every session after the failover")
    pause = time.monotonic() - killed
    dead.start()
    time.sleep(SPAN_S)
    load.over.set()
    for thread in threads:
        thread.join(120)
        if thread.is_alive():
            load.bad.append("a session got no answer in 120 s")
    print(f"round {number}: promoted after {promoted - killed:.1f} s, all sessions served after {pause:.1f} s; longest pause of a "
          f"session: SMTP {load.pause['smtp']:.1f} s, IMAP {load.pause['imap']:.1f} s; {load.answers['smtp']} messages and "
          f"{load.answers['imap']} IMAP commands with success; refused meanwhile: "
          f"{dict(load.refused) or 'nothing, all was held'}", flush=True)


def check_refused(load, hold_s):
    """What is held for longer than the failover takes is not refused; what is not, is."""
    kinds = {what.split(" ")[0] for what in load.refused}
    if hold_s == HOLD_S and kinds:
        load.bad.append(f"round {load.round}: refused though it is held for {hold_s} s: {dict(load.refused)}")
    if hold_s < HOLD_S and kinds != {"smtp", "imap"}:
        load.bad.append(f"round {load.round}: NO [UNAVAILABLE] and 4yz were to be seen: {dict(load.refused)}")


def copies(port, account):
    """How often each message is in the INBOX, and what FETCH said of it."""
    with Imap(port, account) as imap:
        imap.ok("SELECT INBOX")
        lines = imap.ok("UID FETCH 1:* (FLAGS ENVELOPE)")
    return collections.Counter(re.search(r"<[^>]+@failover>", l)[0] for l in lines if "@failover>" in l), lines


def count_of(server, account, enough=0, seconds=0):
    """The messages of the INBOX, once they are enough or time is over."""
    end = time.monotonic() + seconds
    with Imap(server.port("imap"), account) as imap:
        while True:
            count = int(re.search(r"MESSAGES (\d+)", " ".join(imap.ok("STATUS INBOX (MESSAGES)")))[1])
            if count >= enough or time.monotonic() > end:
                return count
            time.sleep(0.2)     # asking costs what the spool needs


def await_spool(load, pair):
    """What was taken into the spool while PostgreSQL was away comes into the store now."""
    begun = time.monotonic()
    owed = collections.Counter(rcpt for (rcpt, _), told in load.mail.items() if told == "250")
    for account in ACCOUNTS:
        count_of(pair[1], account, load.before[account] + owed[account], 120)   # check() names what is not there
    spooled = sum(len(server.events("spool_moved")) for server in pair)
    print(f"round {load.round}: all that was acknowledged is in the store {time.monotonic() - begun:.1f} s after the load; "
          f"{spooled} came through a spool so far", flush=True)


def check(load, pair):
    await_spool(load, pair)
    ledger = collections.Counter(load.mail.values())
    undecided = []
    for account in ACCOUNTS:
        there, lines = copies(pair[0].port("imap"), account)
        for (rcpt, ident), told in load.mail.items():
            count = there[ident] if rcpt == account else None
            if count is None:
                continue
            ledger["found"] += count > 0
            ledger["twice"] += count > 1
            if count == 1 and told == "refused":
                undecided.append(f"{account}: {ident} answered {told} is there")
            elif count > 1 or (told == "250") > count:
                load.bad.append(f"{account}: {ident} answered {told} is there {count} times")
        flags = {int(re.search(r"UID (\d+)", l)[1]): l for l in lines if " FETCH " in l}
        for (owner, uid), keywords in load.flags.items():
            if owner == account and not all(k in flags.get(uid, "") for k in keywords):
                load.bad.append(f"{account} {uid}: a keyword of {keywords} is gone")
        if numbers(pair[0].port("imap"), account) != numbers(pair[1].port("imap"), account):
            load.bad.append(f"{account}: the servers differ")
    unknown = load.count_unknown() - load.unknown
    if len(undecided) > 2 * unknown:    # a message has up to two recipients
        load.bad += undecided
    print(f"round {load.round}: copies given {len(load.mail)}, acknowledged {ledger['250']}, refused {ledger['refused']}, without "
          f"answer {ledger['lost']}; found {ledger['found']}, twice {ledger['twice']}, refused and found {len(undecided)} (commits "
          f"of unknown outcome: {unknown})", flush=True)
    if "no faults" not in (said := pair[0].run("store", "check", check=False)):
        load.bad.append(f"store check: {said}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--senders", type=int, default=6)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--hold", type=int, default=5)
    args = parser.parse_args()
    processes.prepare()
    random.seed(args.seed)
    cluster, pair, bad = Patroni(), [], []
    print(f"failover: seed={args.seed} rounds={args.rounds} folder={cluster.folder}", flush=True)
    try:
        for name, spool in ("a.test", "yes"), ("b.test", "no"):     # B holds what comes until the database is back
            pair.append(PairServer(name, cluster.where(), spool=spool).start())
        pair[0].add_users(ACCOUNTS)
        pair[1].await_user(ACCOUNTS[-1])
        for number in range(1, args.rounds + 1):
            hold_s = args.hold if number % 3 == 2 else HOLD_S
            for server in pair:
                server.set(store_retry_ms=hold_s * 1000)
            load = Load(args, pair, number)
            kill_once(cluster, load, number)
            check_refused(load, hold_s)
            cluster.await_standby()
            check(load, pair)
            bad += load.bad
    finally:
        for server in pair:
            server.remove()
        cluster.remove()
    print("\n".join(bad[:50]) or "failover: nothing lost, nothing twice, no wrong answer")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
