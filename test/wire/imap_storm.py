#!/usr/bin/python3
"""Many IMAP clients change one mailbox at once; each must always know what it holds.

    imap_storm.py [--store sqlite|postgres] [--server BIN] [--clients N] [--seconds S] [--seed N]

Every client keeps the list that the protocol makes it keep (EXISTS, EXPUNGE, VANISHED, FETCH) and
looks after each few steps whether UID FETCH 1:* says the same: numbers, UIDs and flags. Half of the
clients use QRESYNC. At the end all have the same mailbox, and MODSEQs never went back.
"""
import argparse, pathlib, random, re, socket, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import run

FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "work"]


class Client(threading.Thread):
    def __init__(self, server, user, seed, until, qresync):
        super().__init__()
        self.random = random.Random(seed)
        self.until, self.qresync = until, qresync
        host, port = server.ports["imap"].rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), 30)
        self.file = self.sock.makefile("rb")
        self.count, self.messages, self.vanished = 0, [], []
        self.number, self.steps, self.highest = 0, 0, 0
        self.failure = None
        self.user = user
        self.talk = []

    def line(self):
        line = self.file.readline().decode()
        if not line:
            raise AssertionError("the server hung up")
        self.talk = self.talk[-60:] + [line.rstrip()]
        return line.rstrip("\r\n")

    def command(self, text, data=b""):
        self.number += 1
        tag = f"t{self.number}"
        self.talk.append(f"C: {tag} {text}")
        self.sock.sendall(f"{tag} {text}\r\n".encode() + data)
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                assert not line.startswith(tag + " BAD"), line
                break
            self.untagged(line)
        # VANISHED names UIDs, so a client with QRESYNC asks for those of what is new.
        if self.qresync and any(m[0] is None for m in self.messages):
            first = next(n for n, m in enumerate(self.messages, 1) if m[0] is None)
            self.command(f"FETCH {first}:* (UID FLAGS)")
        return line

    def untagged(self, line):
        found = re.match(r"\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((.*)\))?$", line)
        if line.startswith("* VANISHED "):
            gone = set()
            for part in line.split()[-1].split(","):
                first, _, last = part.partition(":")
                gone.update(range(int(first), int(last or first) + 1))
            for uid in sorted(gone):
                self.vanish(uid)
        if not found:
            return
        number, word = int(found.group(1)), found.group(2)
        if word == "EXISTS":
            assert number >= len(self.messages), "EXISTS took messages away"
            self.messages += [[None, None] for _ in range(number - len(self.messages))]
        elif word == "EXPUNGE":
            assert 1 <= number <= len(self.messages), f"EXPUNGE of {number} of {len(self.messages)}"
            del self.messages[number - 1]
        else:
            self.fetched(number, found.group(3))

    def vanish(self, uid):
        """Takes the message away; of one that was only counted yet the place follows from those
        whose UIDs are known."""
        place = 0
        for index, message in enumerate(self.messages):
            if message[0] == uid:
                del self.messages[index]
                return
            if message[0] is not None and message[0] < uid:
                place = index + 1
        assert place < len(self.messages) and self.messages[place][0] is None, f"VANISHED {uid}?"
        del self.messages[place]

    def fetched(self, number, items):
        assert 1 <= number <= len(self.messages), f"FETCH of {number} of {len(self.messages)}"
        message = self.messages[number - 1]
        uid = re.search(r"UID (\d+)", items)
        flags = re.search(r"FLAGS \(([^)]*)\)", items)
        if uid:
            assert message[0] in (None, int(uid.group(1))), f"{number} is {message[0]}: {items}"
            message[0] = int(uid.group(1))
        if flags:
            message[1] = set(flags.group(1).split()) - {"\\Recent"}

    def learn(self):
        """What the server says now, kept beside what was known."""
        self.command("NOOP")
        self.command("UID FETCH 1:* (FLAGS)")
        uids = [m[0] for m in self.messages if m[0] is not None]
        assert uids == sorted(set(uids)), "UIDs do not ascend"

    def some_set(self):
        total = len(self.messages)
        first = self.random.randint(1, total)
        last = min(total, first + self.random.randint(0, 5))
        return f"{first}:{last}"

    def step(self):
        what = self.random.random()
        if what < (0.25 if len(self.messages) < 300 else 0) or not self.messages:
            body = f"Subject: {self.user}\r\n\r\n{self.random.random()}\r\n".encode()
            self.command(f"APPEND INBOX {{{len(body)}+}}", body + b"\r\n")
        elif what < 0.6:
            sign, silent = self.random.choice(["+", "-", ""]), self.random.choice(["", ".SILENT"])
            flags = " ".join(self.random.sample(FLAGS, self.random.randint(0, 2)))
            numbers = self.some_set()
            self.command(f"STORE {numbers} {sign}FLAGS{silent} ({flags})")
            if silent:  # the client is to know what it asked for; here it simply asks again
                first, last = map(int, numbers.split(":"))
                for message in self.messages[first - 1:last]:
                    message[1] = None
        elif what < 0.7:
            self.command("EXPUNGE")
        elif what < 0.8:
            self.command(f"FETCH {self.some_set()} (UID BODY.PEEK[TEXT])")
        elif what < 0.85:
            self.command(f"COPY {self.some_set()} INBOX")
        elif what < 0.9:
            self.command("UID SEARCH DELETED BODY 0")
        elif what < 0.95:
            self.idle()
        else:
            self.learn()

    def idle(self):
        self.number += 1
        self.talk.append("C: IDLE")
        self.sock.sendall(f"t{self.number} IDLE\r\n".encode())
        time.sleep(self.random.random() * 0.05)
        self.sock.sendall(b"DONE\r\n")
        while True:
            line = self.line()
            if line.startswith(f"t{self.number} "):
                break
            self.untagged(line)
        self.command("NOOP")

    def run(self):
        try:
            self.line()
            self.command(f"LOGIN {self.user} {run.PASSWORD}")
            if self.qresync:
                self.command("ENABLE QRESYNC")
            self.command("SELECT INBOX")
            self.command("UID FETCH 1:* (FLAGS)")
            while time.monotonic() < self.until:
                self.step()
                self.steps += 1
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def settle(self):
        try:
            self.learn()
            self.learn()
            return [(m[0], tuple(sorted(m[1]))) for m in self.messages]
        except (AssertionError, OSError) as failure:
            self.failure = failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--server", default=str(run.ROOT / "build" / "posthorse"))
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    server = run.Server(args, ["storm"])
    until = time.monotonic() + args.seconds
    clients = [Client(server, "storm", args.seed + n, until, n % 2 == 1)
               for n in range(args.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    ends = [client.settle() for client in clients if client.failure is None]
    ends = [end for end in ends if end is not None]
    failed = [client for client in clients if client.failure is not None]
    print(f"TAP version 13\n1..2\n# seed {args.seed}, {sum(c.steps for c in clients)} steps")
    print(f"{'not ' if failed else ''}ok 1 - every client always knew its mailbox")
    for client in failed:
        print(f"# {client.name}{' QRESYNC' if client.qresync else ''}: {client.failure}")
        print("".join(f"#   {line}\n" for line in client.talk[-25:]), end="")
    same = all(end == ends[0] for end in ends)
    print(f"{'' if same else 'not '}ok 2 - at the end all have the same mailbox")
    if not same:
        for end in ends:
            print("#", end[:20])
    return 0 if server.stop() and same and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
