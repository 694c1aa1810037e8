"""peer: another mail server of the tests: takes, puts off or refuses what is sent to it, as it is told."""
import socket, socketserver, threading


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        peer = self.server.peer
        peer.connections.add(self.connection)
        self.say("220 peer.test ESMTP")
        sender, rcpts = None, []
        while (line := self.rfile.readline()):
            verb = line[:4].upper().strip()
            if verb in (b"EHLO", b"HELO"):
                self.say("250-peer.test\r\n250 8BITMIME")
            elif verb == b"MAIL":
                sender, rcpts = line.decode().split("<")[1].split(">")[0], []
                self.say("250 2.1.0 ok")
            elif verb == b"RCPT":
                address = line.decode().split("<")[1].split(">")[0]
                answer = peer.answer_to(address)
                if answer[0] == "2":
                    rcpts.append(address)
                self.say(answer)
            elif verb == b"DATA":
                if not rcpts:
                    self.say("554 5.5.1 nobody")
                    continue
                self.say("354 go on")
                data = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    data += line[1:] if line.startswith(b".") else line
                peer.took(sender, rcpts, data)
                self.say("250 2.0.0 taken")
            elif verb == b"QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")


class Peer:
    """On a port of its own; stop() frees it and start() takes it again."""

    def __init__(self, port=0):
        self.port = port
        self.answers = {}  # the local part, or "*": what RCPT is told
        self.mails = []  # (sender, recipients, text)
        self.lock = threading.Lock()
        self.gate = threading.Event()  # RCPT of "slow" waits for it
        self.asked = threading.Event()
        self.server = None
        self.connections = set()

    def start(self):
        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, block_on_close = True, True, False
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.peer = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            for connection in list(self.connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.connections.clear()
            self.server = None

    def answer_to(self, address):
        local = address.split("@")[0]
        if local == "slow":
            self.asked.set()
            self.gate.wait(60)
        return self.answers.get(local, self.answers.get("*", "250 2.1.5 ok"))

    def took(self, sender, rcpts, data):
        with self.lock:
            self.mails.append((sender, rcpts, data))

    def rcpts(self):
        with self.lock:
            return sorted(r for _, rcpts, _ in self.mails for r in rcpts)
