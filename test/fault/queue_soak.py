#!/usr/bin/python3
"""queue_soak: kills the server at random moments while mail goes through it, and checks both ends' ledgers.

    queue_soak.py [--store sqlite|postgres|both] [--rounds N] [--messages N] [--seed N] [--senders N] [--rate N]

Senders give messages to the SMTP port, about --rate a second; the server sends them on to a sink that keeps a ledger of what
it took and of which 250 it had said. N times in between the worker, the whole server or the database is killed. In the
end:

* each message answered with 250 is in the sink's ledger; one refused is not; one whose reply was lost may be;
* none is there twice, but where the kill swallowed the sink's 250: the copy was the last one taken on a connection that
  the kill cut. These are counted, and are under a thousandth of all;
* the queue is empty, and `posthorse store check` finds no fault.

Prints the seed and a line per round; ends with 1 and the entries that differ.
"""
import argparse, collections, json, pathlib, random, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from kills import Kills
from server import BINARY, Closed, Server, Smtp, free_base_port, made, wait_until
from sink import Sink

SETTINGS = {"relay_networks": "127.0.0.0/8", "queue_retry_min_ms": 200, "queue_retry_max_ms": 2000, "queue_probe_ms": 200}
DUPLICATES_MAX = 1 / 1000  # of all messages
CUT_S = (-0.5, 3.0)        # when a connection ends that a kill cut, counted from the kill
DRAIN_S = 180


class Sender(threading.Thread):
    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.number = soak, number
        self.random = random.Random(f"{soak.seed} sender {number}")

    def run(self):
        sequence = 0
        while not self.soak.over.is_set():
            try:
                with Smtp(self.soak.server.port("smtp"), timeout=60) as smtp:
                    while not self.soak.over.is_set():
                        sequence += 1
                        self.send(smtp, f"<{self.soak.seed}.{self.number}.{sequence}@queue.soak>")
                        if self.soak.args.rate:
                            self.soak.over.wait(self.random.expovariate(self.soak.args.rate / self.soak.args.senders))
            except (Closed, TimeoutError, ValueError):
                time.sleep(0.02)

    def send(self, smtp, ident):
        rcpts = [f"r{self.random.randrange(1000)}@d{self.random.randrange(20)}.example"
                 for _ in range(self.random.choice((1, 1, 1, 1, 2, 3)))]
        body = f"Message-ID: {ident}\r\nFrom: s@home.example\r\nSubject: soak\r\n\r\n" + \
            ("x" * 70 + "\r\n") * self.random.choice((1, 10, 50, 140, 1000))
        soak = self.soak
        soak.ledger[ident] = "lost", rcpts
        codes = smtp.mail("s@home.example", rcpts, body.encode())
        soak.ledger[ident] = ("250" if codes[-1] == 250 else "refused"), rcpts
        soak.answered += codes[-1] == 250   # a little too few, where two threads meet here: it only paces the kills


class QueueSoak(Kills):
    def __init__(self, args, store):
        self.args, self.store, self.seed = args, store, args.seed
        self.random = random.Random(args.seed)
        self.server = Server(store, base_port=free_base_port(), settings=SETTINGS)
        self.sink = Sink(log=False, bodies=False, tls=False)
        self.ledger = {}         # message id -> (what the sender was told, recipients)
        self.answered = 0
        self.over = threading.Event()
        self.kills = []          # (time, fault)
        self.restarts_ms = []
        self.bad = []

    def connect(self):
        path = self.server.dir / "everything.ini"
        path.write_text(f"domain = *\nhost = 127.0.0.1:{self.sink.port}\n")
        subprocess.run([BINARY, "directory", "edit", "connection", "everything", "--file", str(path),
                        "--dir", str(self.server.dir)], check=True)

    def kill_once(self, number, faults):
        """When enough more was taken on either side."""
        target = self.answered + self.args.messages // (self.args.rounds + 1)
        taken = len(self.sink.accepted)
        wait_until(lambda: self.answered >= target and len(self.sink.accepted) > taken, 120,
                   "messages taken and sent on after the last fault")
        time.sleep(self.random.uniform(0, 0.2))
        fault = faults[number % len(faults)] if number < len(faults) else self.random.choice(faults)
        self.kills.append((time.time(), fault.__name__))
        fault()
        print(f"round {number + 1}: {fault.__name__}: in {self.answered}, out {len(self.sink.accepted)}", flush=True)

    def run(self):
        print(f"queue soak: store={self.store} seed={self.seed} rounds={self.args.rounds} messages={self.args.messages} "
              f"dir={self.server.dir}", flush=True)
        self.sink.start()
        self.server.start()
        self.connect()
        senders = [Sender(self, n) for n in range(self.args.senders)]
        for sender in senders:
            sender.start()
        faults = self.faults()
        for number in range(self.args.rounds):
            self.kill_once(number, faults)
        wait_until(lambda: self.answered >= self.args.messages, 300, "the rest of the messages")
        self.over.set()
        for sender in senders:
            sender.join(90)
            if sender.is_alive():
                self.bad.append(f"sender {sender.number} got no answer in 90 s")
        self.drain()
        self.check()
        return self.end()

    def owed(self):
        """The copies (message, recipient) that must come."""
        return {(ident, rcpt) for ident, (told, rcpts) in list(self.ledger.items()) if told == "250" for rcpt in rcpts}

    def came(self):
        copies = collections.defaultdict(list)
        with self.sink.changed:
            for entry in self.sink.accepted:
                for rcpt, _ in entry["rcpts"]:
                    copies[entry["id"], rcpt].append(entry)
        return copies

    def drain(self):
        begun = time.monotonic()
        try:
            wait_until(lambda: self.owed() <= self.came().keys(), DRAIN_S, "all that was promised")
            wait_until(lambda: not self.queued(), DRAIN_S, "an empty queue")
        except TimeoutError as why:
            self.bad.append(str(why))
        print(f"queue soak: the last came {time.monotonic() - begun:.1f} s after the last was taken", flush=True)

    def queued(self):
        listed = subprocess.run([BINARY, "queue", "list", "--json", "--dir", str(self.server.dir)], capture_output=True,
                                text=True, check=True)
        return json.loads(listed.stdout)["summary"]["recipients"]

    def swallowed(self, entry):
        """The last copy taken on a connection that a kill cut: the server may not have seen its 250."""
        closed = self.sink.closed.get(entry["session"])
        return closed is not None and not closed["quit"] and closed["accepted"] == entry["n"] and \
            any(CUT_S[0] <= closed["at"] - at <= CUT_S[1] for at, _ in self.kills)

    def check(self):
        came = self.came()
        self.swallowed_count = 0
        for (ident, rcpt), (told, known) in ((k, self.ledger.get(k[0], ("never sent", []))) for k in came):
            if told in ("refused", "never sent") or rcpt not in known:
                self.bad.append(f"{ident} for {rcpt} came, and was {told}")
        for ident, rcpt in self.owed() - came.keys():
            self.bad.append(f"{ident} for {rcpt} was answered 250 and never came")
        for (ident, rcpt), entries in came.items():
            earlier = entries[:-1]
            self.swallowed_count += len(earlier)
            self.bad += [f"{ident} for {rcpt} came again, and no kill had swallowed the 250 of {e}"
                         for e in earlier if not self.swallowed(e)]
        if self.swallowed_count >= DUPLICATES_MAX * len(came):
            self.bad.append(f"{self.swallowed_count} of {len(came)} copies came again: too many")
        done = subprocess.run([BINARY, "store", "check", "--dir", str(self.server.dir)], capture_output=True, text=True)
        if done.returncode != 0:
            self.bad.append(f"store check: {done.stdout}{done.stderr}")

    def summary(self):
        told = collections.Counter(told for told, _ in self.ledger.values())
        by_kind = collections.Counter(name for _, name in self.kills)
        return f"queue soak: {' '.join(f'{k}={told[k]}' for k in ('250', 'refused', 'lost'))} out={len(self.sink.accepted)} " \
            f"again={self.swallowed_count} kills: {' '.join(f'{k}={n}' for k, n in sorted(by_kind.items()))} differing={len(self.bad)}"

    def end(self):
        print(self.summary(), flush=True)
        if self.restarts_ms:
            print(f"queue soak: worker killed to worker ready: {min(self.restarts_ms)} to {max(self.restarts_ms)} ms")
        print("\n".join(self.bad[:50]))
        if self.bad:
            print(f"queue soak: {len(self.bad)} entries differ; seed {self.seed}; the folder stays: {self.server.dir}")
            self.server.own_dir = False
            made.discard(self.server.dir)
        code = self.server.remove()
        self.sink.stop()
        if code != 0:
            print(f"queue soak: the server ended with {code}")
        return 1 if self.bad or code != 0 else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--messages", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--senders", type=int, default=10)
    parser.add_argument("--rate", type=float, default=100, help="messages a second, about; 0: as many as can be")
    args = parser.parse_args()
    code = 0
    for store in ("sqlite", "postgres") if args.store == "both" else (args.store,):
        soak = QueueSoak(args, store)
        try:
            code |= soak.run()
        except BaseException:
            print("\n".join(soak.server.lines[-30:]))
            soak.server.kill()
            soak.sink.stop()
            raise
    return code


if __name__ == "__main__":
    sys.exit(main())
