"""imap: a thin blocking IMAP client for timing; what it costs is little more than recv()."""
from __future__ import annotations

import functools
import re
import socket
import ssl
import time

TAG = b"zQ1x"


class ImapError(Exception):
    pass


class Imap:
    def __init__(self, port: int, user: str, tls: bool = False, source: str = "",
                 timeout: float = 600) -> None:
        self.sock = socket.create_connection(
            ("127.0.0.1", port), timeout, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls_context().wrap_socket(self.sock)
        greeting = self.sock.recv(4096)
        if not greeting.startswith(b"* OK"):
            raise ImapError(f"greeting: {greeting[:200]!r}")
        self.command(f"LOGIN {user} pass")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, keep: bool) -> tuple[bytes, int, bytes]:
        """Reads up to the tagged line: that line, how many bytes came, and (if kept) all."""
        tail, total, kept = b"", 0, []
        while True:
            data = self.sock.recv(1 << 20)
            if not data:
                raise ImapError(f"closed after {tail[-200:]!r}")
            total += len(data)
            if keep:
                kept.append(data)
            tail = (tail + data[-4096:])[-8192:]
            line = tail[tail.rfind(b"\r\n", 0, -2) + 2 if b"\r\n" in tail[:-2] else 0:]
            if tail.endswith(b"\r\n") and line.startswith(TAG + b" "):
                return line, total, b"".join(kept)

    def command(self, text: str, keep: bool = False) -> tuple[int, bytes]:
        """How many bytes came, and (if kept) all of them; an error unless the answer is OK."""
        self.send(TAG + b" " + text.encode() + b"\r\n")
        line, total, data = self.answer(keep)
        if not line.startswith(TAG + b" OK"):
            raise ImapError(f"{text}: {line[:300].decode(errors='replace').strip()}")
        return total, data

    def timed(self, text: str) -> float:
        begun = time.perf_counter()
        self.command(text)
        return time.perf_counter() - begun

    def message_count(self, folder: str = "INBOX") -> int:
        _, data = self.command(f"STATUS {folder} (MESSAGES)", keep=True)
        found = re.search(rb"MESSAGES (\d+)", data)
        if found is None:
            raise ImapError(f"STATUS: {data[:200]!r}")
        return int(found[1])

    def idle(self) -> None:
        """Enters IDLE (RFC 2177) and stays there."""
        self.send(TAG + b" IDLE\r\n")
        data = b""
        while b"+" not in data:
            part = self.sock.recv(4096)
            if not part or part.startswith(TAG):
                raise ImapError(f"IDLE: {part[:200]!r}")
            data += part

    def append(self, folder: str, messages: list[bytes]) -> None:
        """MULTIAPPEND (RFC 3502) with non-synchronising literals (RFC 7888)."""
        parts = [TAG + b" APPEND " + folder.encode()]
        for message in messages:
            parts += [b" {%d+}\r\n" % len(message), message]
        self.send(b"".join(parts) + b"\r\n")
        line, _, _ = self.answer(False)
        if not line.startswith(TAG + b" OK"):
            raise ImapError(f"APPEND: {line[:300]!r}")

    def close(self) -> None:
        self.sock.close()


@functools.cache
def tls_context() -> ssl.SSLContext:
    """One for all connections: it is dear to make. The servers' certificates are their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
