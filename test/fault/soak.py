#!/usr/bin/python3
"""soak: kills the server at random moments under load and checks a ledger of what it had promised.

    soak.py [--store sqlite|postgres|both] [--rounds N] [--seed N] [--senders N] [--clients N]

Each round runs senders (SMTP and LMTP) and IMAP clients (flags, MOVE) against a sandbox, kills the worker, the
whole server or the database at a random moment, lets the load go on, stops it and compares with the ledger:

* a message answered with 250 is in each recipient's account exactly once; one refused is not there; one whose
  reply was lost is there once or not at all;
* a UID keeps its message; UIDVALIDITY stays; UIDNEXT and MODSEQ never go back;
* a flag whose STORE was answered with OK is as it was set;
* `posthorse store check` finds no fault.

Prints the seed and a line per round; ends with 1 and the entries that differ.
"""
import argparse, collections, contextlib, pathlib, random, re, sqlite3, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from kills import Kills
from server import BINARY, Closed, Imap, Server, Smtp, free_base_port, made, wait_until

ACCOUNTS = [f"soak{n}" for n in range(8)]
FOLDERS = ("INBOX", "Moved")


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.mail = {}       # (account, message id) -> "250", "refused" or "lost"
        self.uids = {}       # (account, folder, uidvalidity, uid) -> message id
        self.modseq = collections.defaultdict(int)   # (account, folder) -> highest seen
        self.uidnext = collections.defaultdict(int)
        self.validity = {}
        self.moves = set()   # (account, message id): a MOVE was asked for
        self.flags = {}      # (account, uid, keyword) -> the states it may be in
        self.stored = 0

    def saw(self, account, folder, lines, uidnext=0):
        """Takes in what untagged answers tell of numbers; gives what differs. uidnext: the one known
        before the command was sent, since another client's answer may be read first."""
        bad = []
        with self.lock:
            for line in lines:
                if (found := re.search(r"\[HIGHESTMODSEQ (\d+)\]|MODSEQ \((\d+)\)", line)):
                    seq = int(found[1] or found[2])
                    self.modseq[account, folder] = max(self.modseq[account, folder], seq)
                if (found := re.search(r"\[UIDNEXT (\d+)\]", line)):
                    if int(found[1]) < uidnext:
                        bad.append(f"{account} {folder}: UIDNEXT went back to {found[1]} from {uidnext}")
                    self.uidnext[account, folder] = max(self.uidnext[account, folder], int(found[1]))
                if (found := re.search(r"\[UIDVALIDITY (\d+)\]", line)):
                    known = self.validity.setdefault((account, folder), int(found[1]))
                    if known != int(found[1]):
                        bad.append(f"{account} {folder}: UIDVALIDITY {found[1]} was {known}")
        return bad


class Sender(threading.Thread):
    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.number = soak, number
        self.random = random.Random(f"{soak.seed} {soak.round} sender {number}")

    def run(self):
        lmtp = self.number % 2 == 1
        port = self.soak.server.port("lmtp" if lmtp else "smtp")
        sequence = 0
        while not self.soak.over.is_set():
            try:
                with Smtp(port, greet="LHLO" if lmtp else "EHLO") as smtp:
                    while not self.soak.over.is_set():
                        sequence += 1
                        self.send(smtp, lmtp, f"<{self.soak.seed}.{self.soak.round}.{self.number}.{sequence}@soak>")
            except (Closed, TimeoutError, ValueError):
                time.sleep(0.02)

    def send(self, smtp, lmtp, message_id):
        rcpts = self.random.sample(ACCOUNTS, self.random.choice((1, 1, 1, 2, 3)))
        body = f"Message-ID: {message_id}\r\nFrom: soak@example.net\r\nSubject: soak\r\n\r\n" + \
            "x" * self.random.choice((10, 500, 3000, 20000, 70000)) + "\r\n"
        with self.soak.ledger.lock:
            for rcpt in rcpts:
                self.soak.ledger.mail[rcpt, message_id] = "lost"
        codes = smtp.mail("soak@example.net", [f"{r}@example.test" for r in rcpts], body.encode(), lmtp)
        accepted = [r for r, code in zip(rcpts, codes[1:]) if code == 250]
        ends = codes[len(rcpts) + 2:]
        with self.soak.ledger.lock:
            for rcpt in rcpts:
                told = ends[accepted.index(rcpt) if lmtp else 0] if rcpt in accepted and ends else 0
                self.soak.ledger.mail[rcpt, message_id] = "250" if told == 250 else "refused"


class Client(threading.Thread):
    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.number = soak, number
        self.account = ACCOUNTS[number % len(ACCOUNTS)]
        self.keyword = f"k{number}"
        self.random = random.Random(f"{soak.seed} {soak.round} client {number}")

    def run(self):
        while not self.soak.over.is_set():
            try:
                with Imap(self.soak.server.port("imap"), self.account) as imap:
                    imap.ok("ENABLE CONDSTORE")
                    uidnext = self.soak.ledger.uidnext[self.account, "INBOX"]
                    self.saw(imap.ok("SELECT INBOX"), uidnext)
                    while not self.soak.over.is_set():
                        self.work(imap)
            except (Closed, TimeoutError, AssertionError):
                time.sleep(0.02)

    def saw(self, lines, uidnext=0):
        self.soak.bad += self.soak.ledger.saw(self.account, "INBOX", lines, uidnext)

    def work(self, imap):
        lines = imap.ok("UID SEARCH RETURN (MAX COUNT) ALL")
        found = re.search(r"MAX (\d+)", " ".join(lines))
        if not found:
            return
        uid = self.random.randrange(1, int(found[1]) + 1)
        lines = imap.ok(f"UID FETCH {uid} (ENVELOPE MODSEQ)")
        self.saw(lines)
        message = next((m[0] for l in lines if f"UID {uid} " in l and (m := re.search(r"<[^>]+@soak>", l))), None)
        if message is None:
            return
        ledger = self.soak.ledger
        with ledger.lock:
            key = (self.account, "INBOX", ledger.validity[self.account, "INBOX"], uid)
            if ledger.uids.setdefault(key, message) != message:
                self.soak.bad.append(f"{key}: {message} was {ledger.uids[key]}")
        if self.random.random() < 0.05:
            with ledger.lock:
                ledger.moves.add((self.account, message))
            self.saw(imap.command(f"UID MOVE {uid} Moved")[1])
        else:
            self.store(imap, uid, self.random.random() < 0.6)

    def store(self, imap, uid, on):
        ledger, key = self.soak.ledger, (self.account, uid, self.keyword)
        with ledger.lock:
            before = ledger.flags.get(key, {False})
            ledger.flags[key] = before | {on}
        answer, lines = imap.command(f"UID STORE {uid} {'+' if on else '-'}FLAGS ({self.keyword})")
        self.saw(lines)
        with ledger.lock:
            ledger.flags[key] = {on} if answer.startswith("OK") else before
            ledger.stored += answer.startswith("OK")


class Soak(Kills):
    def __init__(self, args, store):
        self.args, self.store, self.seed = args, store, args.seed
        self.random = random.Random(args.seed)
        self.server = Server(store, base_port=free_base_port(), accounts=ACCOUNTS)
        self.ledger = Ledger()
        self.over = threading.Event()
        self.bad = []
        self.round = 0
        self.restarts_ms = []

    # --- a round ---

    def load(self, fault):
        self.over.clear()
        threads = [Sender(self, n) for n in range(self.args.senders)] + \
            [Client(self, n) for n in range(self.args.clients)]
        for thread in threads:
            thread.start()
        time.sleep(self.random.uniform(0.2, 2.0))
        fault()
        before = self.answered()
        wait_until(lambda: self.answered() > before + 20, 90, "mail taken after the fault")
        time.sleep(self.random.uniform(0.1, 0.5))
        self.over.set()
        for thread in threads:
            thread.join(90)
            if thread.is_alive():
                self.bad.append(f"{thread.__class__.__name__} {thread.number} got no answer in 90 s")

    def answered(self):
        with self.ledger.lock:
            return sum(v == "250" for v in self.ledger.mail.values())

    def look(self, account):
        """Reads the whole account and compares its numbers and UIDs."""
        found = collections.Counter()
        ledger = self.ledger
        with Imap(self.server.port("imap"), account) as imap:
            imap.ok("ENABLE CONDSTORE")
            for folder in FOLDERS:
                highest = ledger.modseq[account, folder]
                uidnext = ledger.uidnext[account, folder]
                lines = imap.ok(f"SELECT {folder}")
                self.bad += ledger.saw(account, folder, lines, uidnext)
                now = int(re.search(r"\[HIGHESTMODSEQ (\d+)\]", " ".join(lines))[1])
                if now < highest:
                    self.bad.append(f"{account} {folder}: MODSEQ went back to {now} from {highest}")
                self.read_folder(imap, account, folder, found)
        return found

    def read_folder(self, imap, account, folder, found):
        ledger = self.ledger
        validity = ledger.validity[account, folder]
        seen = set()
        for line in imap.ok("UID FETCH 1:* (FLAGS MODSEQ ENVELOPE)"):
            uid, message = re.search(r"\bUID (\d+)", line), re.search(r"<[^>]+@soak>", line)
            if not uid or not message:
                continue
            uid, message = int(uid[1]), message[0]
            if uid in seen:
                continue
            seen.add(uid)
            found[message] += 1
            if ledger.uids.setdefault((account, folder, validity, uid), message) != message:
                self.bad.append(f"{account} {folder} {uid}: {message} was {ledger.uids[account, folder, validity, uid]}")
            flags = re.search(r"FLAGS \(([^)]*)\)", line)[1].split()
            for n in range(self.args.clients if folder == "INBOX" else 0):
                may = ledger.flags.get((account, uid, f"k{n}"))
                if may is not None and (f"k{n}" in flags) not in may:
                    self.bad.append(f"{account} {uid}: k{n} is {f'k{n}' in flags}, was answered otherwise")
        for (a, f, v, uid), message in ledger.uids.items():
            if (a, f, v) == (account, folder, validity) and uid not in seen and (account, message) not in ledger.moves:
                self.bad.append(f"{account} {folder} {uid}: {message} is gone")

    def spooled(self):
        """Recipients of what was taken while the database was away, and is on its way into it."""
        if self.store == "sqlite":
            return 0
        path = pathlib.Path(self.server.dir) / "data" / "spool" / "posthorse.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
            return spool.execute("SELECT count(*) FROM rcpt").fetchone()[0]

    def check(self):
        wait_until(lambda: self.spooled() == 0, 90, "the spool to be moved")
        for account in ACCOUNTS:
            found = self.look(account)
            for (rcpt, message), told in self.ledger.mail.items():
                if rcpt != account:
                    continue
                count = found.pop(message, 0)
                if count > 1 or (told == "250" and count != 1) or (told == "refused" and count != 0):
                    self.bad.append(f"{account}: {message} answered {told} is there {count} times")
            self.bad += [f"{account}: {m} is there {c} times, nobody sent it" for m, c in found.items()]
        done = subprocess.run([BINARY, "store", "check", "--dir", str(self.server.dir)], capture_output=True, text=True)
        if done.returncode != 0:
            self.bad.append(f"store check: {done.stdout}{done.stderr}")

    def summary(self, fault):
        told = collections.Counter(self.ledger.mail.values())
        text = " ".join(f"{k}={told[k]}" for k in ("250", "refused", "lost"))
        return f"round {self.round}: {fault}: {text} uids={len(self.ledger.uids)} moves={len(self.ledger.moves)} " \
            f"stores={self.ledger.stored} differing={len(self.bad)}"

    def run(self):
        print(f"soak: store={self.store} seed={self.seed} rounds={self.args.rounds} dir={self.server.dir}", flush=True)
        self.server.start()
        for account in ACCOUNTS:
            with Imap(self.server.port("imap"), account) as imap:
                imap.ok("CREATE Moved")
        faults = self.faults()
        while self.round < self.args.rounds and not self.bad:
            fault = faults[self.round % len(faults)] if self.round < len(faults) else self.random.choice(faults)
            self.round += 1
            self.load(fault)
            self.check()
            print(self.summary(fault.__name__), flush=True)
        if not self.bad:
            self.server.stop()
            self.server.start()
            self.check()
            print(self.summary("clean restart"), flush=True)
        return self.end()

    def end(self):
        if self.restarts_ms:
            print(f"soak: worker killed to worker ready under load: {min(self.restarts_ms)} to {max(self.restarts_ms)} ms")
        print("\n".join(self.bad[:100]))
        if self.bad:
            print(f"soak: {len(self.bad)} entries differ; seed {self.seed}; the folder stays: {self.server.dir}")
            self.server.own_dir = False
            made.discard(self.server.dir)
        code = self.server.remove()
        if code != 0:
            print(f"soak: the server ended with {code}")
        return 1 if self.bad or code != 0 else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--senders", type=int, default=20)
    parser.add_argument("--clients", type=int, default=10)
    args = parser.parse_args()
    code = 0
    for store in ("sqlite", "postgres") if args.store == "both" else (args.store,):
        soak = Soak(args, store)
        try:
            code |= soak.run()
        except BaseException:
            print("\n".join(soak.server.lines[-30:]))
            soak.server.kill()
            raise
    return code


sys.exit(main())
