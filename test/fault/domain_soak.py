#!/usr/bin/python3
"""domain_soak: three servers of a domain, each in a network namespace, faults at random moments, and an exact ledger.

    domain_soak.py [--rounds N] [--messages N] [--seed N] [--rate N] [--hold S] [--faults NAME,...] [--takeover MS]

Servers a, b and c are a cluster, each keeps copies of what the others have queued and takes over; a and b are gateways of the foreign domain BTEx, whose mail system is a sink. Senders give mail to each of the
servers: for BTEx, for accounts on one server, and for accounts on b and c. One after the other servers are killed, stopped
(SIGSTOP), cut off both ways or one way, slowed, made to lose packets, or find their disk full; some of them while the foreign
system is away, so that they have mail queued: what they had said 250 to is delivered by another one before they come back.
In the end:

* each message answered with 250 is there: in the account's inbox or at the sink, or a report of its failure came; one refused
  is not there; one whose answer was lost is there once or not at all;
* in no inbox is one twice. At the sink, and in the second server's copy of an account that two servers hold, a second copy may
  be where a fault swallowed the 250 of the first: these are counted;
* the queues are empty, and `posthorse store check` finds no fault.

Prints the seed, a line per round, and for each kind of fault how long after it the next message was delivered of those that
were given to another server after the fault and whose first way led to the one at fault, though there was a second way; how
long the slowest of those took that were given during the fault; and how long after its end mail came to the server's own accounts.
Needs root, and touches neither network nor mounts outside its own namespaces.
"""
import argparse, collections, json, os, pathlib, random, re, shutil, signal, statistics, subprocess, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e")]
import netspace
from netspace import HUB, Machine
from server import BINARY, Closed, Imap, Smtp, wait_until
from sink import Sink
from test_cluster import Member, await_all_up

# Retries are quick; what concerns health, time-outs and ways is as it is by default.
SETTINGS = {"relay_networks": HUB, "auth_plain_without_tls": "yes", "queue_retry_min_ms": 500, "queue_retry_max_ms": 2000}
PORTS = {"cluster": 8026, "transfer": 8025, "smtp": 2525, "imap": 1143}
DISK = "256m"
ACCOUNTS = {"alice": "a", "blice": "b", "clice": "c", "bc": "bc", "cb": "cb", "carol": "a"}   # and who holds them, the first first
FLOWS = ([(s, "BTEx") for s in "abc"] * 2 + [(s, n) for s in "abc" for n in ("alice", "blice", "clice")] +
         [("a", "bc"), ("a", "cb")] * 3 + [("b", "cb"), ("c", "bc"), ("c", "BTEx"), ("b", "BTEx")])
WAYS = {"BTEx": "ab", "bc": "bc", "cb": "cb"}   # first the servers that have it, in order, where there are two
ANSWER_S = 3               # a client's patience: another connection, another message
CUT_S = (-1.0, 5.0)        # around a fault, when answers may be lost
DRAIN_S = 120
LOAD = 20                # messages that a server has queued when it is at fault
TAKEN_S = 60
SECOND_WAY_MS = 9000     # a message in a link that was cut is taken back and sent another way


class NetMember(Member):
    """A server in a namespace of its own, its data on a small disk of its own."""

    def __init__(self, letter, number, takeover_ms):
        self.machine = Machine(number)
        self.lines = self.earlier = []
        address = self.machine.address
        super().__init__(f"{letter}.test", PORTS["cluster"],
                         {**SETTINGS, "shadow_takeover_ms": takeover_ms, **{f"listen_{kind}": f"{address}:{port}" for kind, port in PORTS.items()}})
        self.letter, self.address, self.earlier = letter, address, []
        netspace.run("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755,uid={self.data.stat().st_uid}", "none", self.data)
        self.fall_count = 0

    def start(self, wait=True):
        self.earlier += self.lines
        return super().start(wait)

    def count(self, event):
        """Of all its lives."""
        return sum(f"event={event} " in line for line in self.earlier + self.lines)

    def command(self):
        return [*self.machine.inside, *super().command()]

    def run(self, *words, check=True):
        done = subprocess.run([*self.machine.inside, BINARY, *words, "-c", str(self.config)], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(f"{words}: {done.returncode} {done.stderr}")
        return done

    def remove(self):
        try:
            return self.stop()
        finally:
            self.machine.end()
            netspace.run("umount", "-l", self.data)
            if self.own_dir:
                shutil.rmtree(self.dir, ignore_errors=True)


class Message:
    __slots__ = "flow", "begun", "answered", "told", "came"

    def __init__(self, flow):
        self.flow, self.begun, self.answered, self.told, self.came = flow, time.time(), 0, "lost", []


class Sender(threading.Thread):
    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.number = soak, number
        self.member = soak.members[number % 3]
        self.flows = [f for f in FLOWS if f[0] == self.member.letter]
        self.random = random.Random(f"{soak.seed} sender {number}")
        self.answered_at = 0

    def run(self):
        sequence = 0
        while not self.soak.over.is_set():
            try:
                with Smtp(PORTS["smtp"], timeout=ANSWER_S, host=self.member.address) as smtp:
                    while not self.soak.over.is_set():
                        sequence += 1
                        self.send(smtp, f"<{self.soak.seed}.{self.number}.{sequence}@domain.soak>")
                        self.soak.over.wait(self.random.expovariate(self.soak.args.rate / self.soak.args.senders))
            except (Closed, TimeoutError, ValueError):
                self.soak.over.wait(0.05)

    def send(self, smtp, ident):
        flow = self.random.choice(self.flows)
        rcpt = "user@BTEx" if flow[1] == "BTEx" else f"{flow[1]}@example.test"
        body = f"Message-ID: {ident}\r\nFrom: carol@example.test\r\nSubject: soak\r\n\r\n" + \
            ("x" * 70 + "\r\n") * self.random.choice((1, 10, 50, 140))
        message = self.soak.ledger[ident] = Message(flow)
        code = smtp.mail("carol@example.test", [rcpt], body.encode())[-1]
        message.answered = time.time()
        message.told = "250" if code == 250 else "refused"
        self.soak.answered += code == 250
        self.answered_at = time.time()


class Watcher(threading.Thread):
    """Sees mail come into an inbox, from inside the server's machine: no link's fault blinds it."""

    def __init__(self, soak, member, account):
        super().__init__(daemon=True)
        self.soak, self.member, self.account, self.last_uid = soak, member, account, 0

    def run(self):
        self.member.machine.enter()
        while not self.soak.over_watching.is_set():
            try:
                with Imap(PORTS["imap"], self.account, host=self.member.address, timeout=30) as imap:
                    imap.ok("SELECT INBOX")
                    while not self.soak.over_watching.is_set():
                        self.look(imap)
                        self.idle(imap)
            except (Closed, TimeoutError, ValueError, AssertionError):
                self.soak.over_watching.wait(0.05)

    def look(self, imap):
        came = time.time()
        for uid, ident in message_ids(imap, self.last_uid + 1):
            if uid > self.last_uid and (message := self.soak.ledger.get(ident)):
                message.came.append((came, self.member.letter))
            self.last_uid = max(self.last_uid, uid)

    def idle(self, imap):
        """Not for ever: what came during the FETCH was announced with it, and is not again."""
        tag, until = imap.begin("IDLE"), time.monotonic() + 2
        while not self.soak.over_watching.is_set() and time.monotonic() < until:
            try:
                if "EXISTS" in imap.line(timeout=0.5):
                    break
            except TimeoutError:
                pass
        imap.send("DONE\r\n")
        imap.end(tag)


def message_ids(imap, first_uid=1):
    """(UID, Message-ID) of each message."""
    found = []
    for line in imap.ok(f"UID FETCH {first_uid}:* (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
        uid, ident = re.search(r"UID (\d+)", line), re.search(r"<[^>]*@domain.soak>", line)
        if uid:
            found.append((int(uid[1]), ident and ident[0]))
    return found


class Fault:
    """One round's."""

    def __init__(self, name, member):
        self.name, self.member, self.at, self.ended = name, member, 0, 0


Found = collections.namedtuple("Found", "ms by worst_ms")


class DomainSoak:
    def __init__(self, args):
        self.args, self.seed = args, args.seed
        self.random = random.Random(args.seed)
        self.ledger = {}
        self.answered = 0
        self.over, self.over_watching = threading.Event(), threading.Event()
        self.rounds, self.bad = [], []
        self.again = collections.Counter()
        self.members, self.sink = [], None

    # --- the domain ---

    def make(self):
        netspace.make_hub()
        machine = Machine(9)
        self.sink = Sink(host=machine.address, port=2525, log=False, bodies=False, tls=False, name="exchange.example")
        self.sink.command = [*machine.inside, *self.sink.command]
        self.sink.start()
        self.sink_machine = machine
        for number, letter in enumerate("abc", 1):
            self.members.append(NetMember(letter, number, self.args.takeover))
        a = self.members[0]
        a.run("domain", "init")
        a.start()
        for member in self.members[1:]:
            done = member.run("domain", "join", f"{a.address}:{PORTS['cluster']}", a.invite(member.name), check=False)
            assert done.returncode == 0, done.stderr
            member.start()
        await_all_up(self.members)
        for name, letters in ACCOUNTS.items():
            self.put("/v1/account/add", name=name, password="horse", servers=[f"{l}.test" for l in letters])
        for letter in "ba":   # the newest is first
            self.put("/v1/directory/edit", kind="foreign-domain", name=f"btex-{letter}",
                     text=f"domain = BTEx\nmail_server = {letter}.test\nhost = {machine.address}:2525\n")
        for member in self.members:
            for rcpt in ("user@BTEx", "bc@example.test", "cb@example.test"):
                ways = [f"{l}.test" for l in WAYS[rcpt.split("@")[0].replace("user", "BTEx")]]
                wait_until(lambda: self.ways(member, rcpt) == ways, 20, f"the way from {member.name} to {rcpt}")
            for name in [n for n, l in ACCOUNTS.items() if member.letter in l]:
                wait_until(lambda: f"{name} " in member.run("account", "list").stdout, 20, f"{name} on {member.name}")

        self.put("/v1/directory/edit", kind="cluster", name="all", text="".join(f"member = {m.name}\n" for m in self.members))
        for member in self.members:
            wait_until(lambda: member.count("shadow_settled") == 2, 20, f"{member.name} settled with both others")

    def put(self, path, **args):
        status, answer = self.members[0].api(path, args)
        assert status == 200, answer

    def ways(self, member, rcpt):
        """The servers it would try; itself where the mail is for it."""
        target = json.loads(member.run("route", rcpt, "--json").stdout)["routes"][0]["targets"][0]
        if "plan" not in target:
            return [f"{l}.test" for l in ACCOUNTS.get(rcpt.split("@")[0], "")] if "account" in target else []
        return [hop.get("server", member.name) for hop in target["plan"]["hops"]]

    # --- the faults: each does it, and gives what ends it ---

    def kill_server(self, member):
        member.kill()
        return member.start

    def kill_worker(self, member):
        old = member.worker()
        os.kill(old, signal.SIGKILL)
        return lambda: wait_until(lambda: member.worker() not in (None, old), 30, "the next worker")

    def stop_worker(self, member):
        worker = member.worker()
        os.kill(worker, signal.SIGSTOP)
        return lambda: os.kill(worker, signal.SIGCONT)

    def cut(self, member, inward="drop", outward="drop"):
        member.machine.drop(inward, outward)
        return member.machine.mend

    def cut_in(self, member):
        return self.cut(member, outward="")

    def cut_out(self, member):
        return self.cut(member, inward="")

    def lossy(self, member):
        return self.cut(member, *["numgen random mod 100 < 30 drop"] * 2)

    def slow(self, member):
        member.machine.slow("300kbit")
        return member.machine.fast

    def full_disk(self, member):
        """The store has room of its own for a while: the fault begins when it is felt."""
        since = len(member.lines)
        path = member.data / "filler"
        with open(path, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue
        member.await_line("disk is full", 20, since)
        return path.unlink

    # --- the same of a server that has mail queued for the foreign system ---

    def loaded(self, member, fault):
        self.sink_machine.drop("drop", "drop")
        wait_until(lambda: self.queued(member) >= LOAD, 30, f"mail queued on {member.name}")
        return self.by_others(member, fault(member))

    def by_others(self, member, end):
        at = time.time()
        self.sink_machine.mend()

        def end_when_delivered():
            # What was answered later may have been heard before it was said.
            wait_until(lambda: not self.left(at - 0.1), TAKEN_S, f"all mail for the foreign system, {member.name} being away")
            print(f"  all that {member.name} had queued came by others, {time.time() - at:.1f} s after the fault", flush=True)
            end()
        return end_when_delivered

    def left(self, since):
        """What the domain had taken for the foreign system before, and nobody delivered."""
        self.collect()
        return [i for i, m in list(self.ledger.items())
                if m.flow[1] == "BTEx" and m.told == "250" and m.answered < since and not m.came]

    def kill_loaded(self, member):
        return self.loaded(member, self.kill_server)

    def stop_loaded(self, member):
        return self.loaded(member, self.stop_worker)

    def cut_loaded(self, member):
        return self.loaded(member, self.cut)

    KINDS = ("kill_server", "stop_worker", "cut", "full_disk", "kill_loaded", "cut_in", "kill_worker", "cut_out", "cut_loaded",
             "slow", "lossy", "stop_loaded")

    def one_round(self, number):
        kinds = self.args.faults.split(",") if self.args.faults else self.KINDS
        target = self.args.messages * (number + 1) // (self.args.rounds + 2)
        await_all_up(self.members)
        calm = time.time()
        wait_until(lambda: all(s.answered_at > calm for s in self.senders), 60, "an answer to each sender")
        wait_until(lambda: self.answered >= target, 120, "messages after the last fault")
        self.over.wait(self.random.uniform(0, 0.2))
        # All kinds in turn; the servers so that in three turns each meets each.
        kind, member = kinds[number % len(kinds)], self.members[(number + number // len(kinds) + self.shift) % 3]
        if kind.endswith("_loaded"):
            member = self.members[0]   # the first gateway has what is queued for the foreign system
        fault = Fault(kind, member)
        end = getattr(self, fault.name)(fault.member)
        fault.at = time.time()
        self.rounds.append(fault)
        self.over.wait(self.random.uniform(0.8, 1.2) * self.args.hold)
        end()
        fault.ended = time.time()
        self.collect()
        found = self.found(fault)
        print(f"round {number + 1}: {fault.name} of {fault.member.letter}: answered {self.answered}; next message "
              f"{f'after {found.ms} ms by {found.by}' if found else 'never'}", flush=True)

    # --- what came of it ---

    def came(self, begun, until, flows):
        """(when given, when delivered, by which server) of the messages that were given between begun and until."""
        return [(m.begun, c[0][0], self.by(c[0][1])) for m in list(self.ledger.values())
                if begun < m.begun < until and m.flow in flows and (c := list(m.came))]

    def by(self, place):
        """The letter of the server that delivered it."""
        return place if isinstance(place, str) else next(m.letter for m in self.members if m.address == place["peer"])

    def found(self, fault):
        """After the fault: ms to the next message delivered, by which server; the longest that one given during it took."""
        letter = fault.member.letter
        flows = {(s, d) for s, d in FLOWS if s != letter and WAYS.get(d, "-")[0] == letter and s not in ACCOUNTS.get(d, "")}
        came = self.came(fault.at, fault.ended, flows)
        first = min(came, key=lambda c: c[1], default=None)
        return first and Found(round((first[1] - fault.at) * 1000), first[2], round(max(c[1] - c[0] for c in came) * 1000))

    def back_ms(self, fault):
        """From the fault's end to the first mail in an account that the server alone holds."""
        letter = fault.member.letter
        came = self.came(fault.at, time.time(), {(s, d) for s, d in FLOWS if ACCOUNTS.get(d) == letter})
        came = [at for _, at, _ in came if at >= fault.ended]
        return round((min(came) - fault.ended) * 1000) if came else None

    def collect(self):
        """What the sink has is noted as the watchers note theirs."""
        with self.sink.changed:
            entries = self.sink.accepted[self.collected:]
            self.collected += len(entries)
        for entry in entries:
            if message := self.ledger.get(entry["id"]):
                message.came.append((entry["at"], entry))
            else:
                self.bad.append(f"the sink has {entry['id']}, which nobody sent")

    collected = 0

    def run(self):
        self.shift = self.random.randrange(3)
        print(f"domain soak: seed={self.seed} rounds={self.args.rounds} messages={self.args.messages}", flush=True)
        self.make()
        watchers = [Watcher(self, m, n) for n, l in ACCOUNTS.items() for m in self.members if m.letter in l and n != "carol"]
        self.senders = [Sender(self, n) for n in range(self.args.senders)]
        for thread in (*watchers, *self.senders):
            thread.start()
        for number in range(self.args.rounds):
            self.one_round(number)
        wait_until(lambda: self.answered >= self.args.messages, 300, "the rest of the messages")
        self.over.set()
        for sender in self.senders:
            sender.join(2 * ANSWER_S)
        self.drain()
        self.over_watching.set()
        for watcher in watchers:
            watcher.join(35)
        self.check()
        return self.end()

    def missing(self):
        self.collect()
        return [i for i, m in list(self.ledger.items()) if m.told == "250" and not m.came]

    def drain(self):
        begun = time.monotonic()
        try:
            wait_until(lambda: not self.missing() or self.over.wait(0.2) is None, DRAIN_S, "all that was promised")
            wait_until(lambda: not any(self.queued(m) for m in self.members), DRAIN_S, "empty queues")
        except TimeoutError as why:
            self.bad.append(f"{why}: {[(i, self.ledger[i].flow, self.ledger[i].begun) for i in self.missing()]}")
        print(f"domain soak: the last came {time.monotonic() - begun:.1f} s after the last was taken", flush=True)

    def queued(self, member):
        return json.loads(member.run("queue", "list", "--json").stdout)["summary"]["recipients"]

    def near_fault(self, at):
        return any(f.at + CUT_S[0] <= at <= f.ended + CUT_S[1] for f in self.rounds)

    def inboxes(self):
        """Message-ID -> the servers in whose inbox it is, as often as it is."""
        found = collections.defaultdict(list)
        for name, letters in ACCOUNTS.items():
            for member in self.members:
                if member.letter not in letters:
                    continue
                with Imap(PORTS["imap"], name, host=member.address) as imap:
                    imap.ok("SELECT INBOX")
                    for _, ident in message_ids(imap):
                        found[ident].append((name, member.letter))
        return found

    def reported(self):
        """The messages whose failure carol was told of."""
        a = self.members[0]
        with Imap(PORTS["imap"], "carol", host=a.address) as imap:
            imap.ok("SELECT INBOX")
            return set(re.findall(r"<[^>]*@domain.soak>", "\n".join(imap.ok("UID FETCH 1:* BODY.PEEK[TEXT]"))))

    def check(self):
        self.collect()
        found, failed = self.inboxes(), self.reported()
        for ident in found.keys() - self.ledger.keys() - {None}:
            self.bad.append(f"{ident} is in {found[ident]}, and nobody sent it")
        for ident, message in self.ledger.items():
            places = found.get(ident, [])
            at_sink = [entry for _, entry in message.came if not isinstance(entry, str)]
            self.check_one(ident, message, places, at_sink, ident in failed)
        for member in self.members:
            done = member.run("store", "check", check=False)
            if done.returncode != 0:
                self.bad.append(f"store check on {member.name}: {done.stdout}{done.stderr}")

    def check_one(self, ident, message, places, at_sink, failed):
        told = f"{ident} {message.flow} at {message.begun:.1f}, told {message.told},"
        if message.told == "250" and not places and not at_sink and not failed:
            self.bad.append(f"{told} came never")
        if (message.told == "refused" or failed) and (places or at_sink):
            self.bad.append(f"{told} {'reported as failed, ' * failed}is in {places or 'the sink'}")
        if any(name != message.flow[1] for name, _ in places) or (at_sink and message.flow[1] != "BTEx"):
            self.bad.append(f"{told} is in another's inbox: {places}")
        if len(places) != len(set(places)):
            self.bad.append(f"{told} is twice in an inbox: {places}")
        again = len(at_sink) - 1 if at_sink else len(set(places)) - 1
        if again > 0:
            self.again["sink" if at_sink else "two servers' copies"] += again
            first = at_sink[0]["at"] if at_sink else min(c for c, _ in message.came)
            print(f"  {told} came again: {[(round(e['at'], 2), self.by(e)) for e in at_sink] or message.came}")
            if not self.near_fault(first):
                self.bad.append(f"{told} came again, and no fault had swallowed the answer: {places or at_sink}")
        if failed:
            self.again["reported as failed"] += 1

    def figures(self):
        by_kind = collections.defaultdict(list)
        for fault in self.rounds:
            by_kind[fault.name].append((fault, self.found(fault), self.back_ms(fault)))
        print("fault            ms to the next message, by which server; worst of those given meanwhile; "
              "the fault's end to mail in its own accounts")
        for name, rounds in by_kind.items():
            for fault, found, back_ms in rounds:
                ms, by, worst_ms = found or ("never", "-", "-")
                if name.startswith("cut") and found and worst_ms > SECOND_WAY_MS:
                    self.bad.append(f"{name} of {fault.member.letter}: a message with a second way took {worst_ms} ms")
                print(f"{name:11} of {fault.member.letter} {ms:>8} {by:>3} {worst_ms:>8} {'never' if back_ms is None else back_ms:>8}")
        every = [found and found.ms for rounds in by_kind.values() for _, found, _ in rounds]
        known = sorted(ms for ms in every if ms is not None)
        if known:
            print(f"domain soak: fault to next delivered message: median {statistics.median(known):.0f} ms, worst {known[-1]} ms"
                  f"{', never ' + str(every.count(None)) + ' times' if None in every else ''} (wanted: under 1000, under 3000)")
        late = sorted((m.came[0][0] - m.begun) * 1000 for m in self.ledger.values() if m.came)
        if late:
            print(f"domain soak: given to delivered: median {late[len(late) // 2]:.0f} ms, 99 % in {late[len(late) * 99 // 100]:.0f}"
                  f" ms, worst {late[-1]:.0f} ms")

    def end(self):
        told = collections.Counter(m.told for m in self.ledger.values())
        self.figures()
        copies = {k: sum(m.count(f"shadow_{k}") for m in self.members) for k in ("taken", "takeover", "given_up", "lost")}
        print(f"domain soak: copies: {' '.join(f'{k}={n}' for k, n in copies.items())}")
        print(f"domain soak: {' '.join(f'{k}={told[k]}' for k in ('250', 'refused', 'lost'))} came again: "
              f"{dict(self.again) or 'none'} differing={len(self.bad)}")
        print("\n".join(self.bad[:50]))
        code = 1 if self.bad else 0
        for member in self.members:
            left = member.remove()
            if left != 0:
                print(f"domain soak: {member.name} ended with {left}")
                code = 1
        self.sink.stop()
        self.sink_machine.end()
        if code:
            print(f"domain soak: seed {self.seed}")
        return code


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--senders", type=int, default=9)
    parser.add_argument("--rate", type=float, default=100, help="messages a second, about")
    parser.add_argument("--hold", type=float, default=1.5, help="seconds that a fault lasts, about")
    parser.add_argument("--takeover", type=int, default=1000, help="shadow_takeover_ms")
    parser.add_argument("--faults", default="", help="these kinds alone")
    parser.add_argument("--logs", help="folder for the servers' logs, if it fails")
    args = parser.parse_args()
    soak = DomainSoak(args)
    try:
        return soak.run()
    except BaseException:
        for member in soak.members:
            print("\n".join(member.lines[-20:]))
            if member.process and member.process.poll() is None:
                member.kill()
            member.machine.end()
        if soak.sink:
            soak.sink.stop()
        raise
    finally:
        if args.logs:
            for member in soak.members:
                pathlib.Path(args.logs, member.name + ".log").write_text("\n".join(member.lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
