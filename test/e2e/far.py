"""far: foreign calendar systems of the tests: a door before one, which breaks as it is told, and a file of free/busy to fetch."""
import http.client, http.server, ssl, subprocess, sys, threading

import server as servers
from packages import unpacked
from processes import Process, free_port, wait_listening


def certificate(folder, name, alt="IP:127.0.0.1"):
    """Self-signed, for alt: the paths of certificate and key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName={alt}", "-addext", "basicConstraints=critical,CA:TRUE",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o644)
    cert.chmod(0o644)
    return cert, key


class Door:
    """HTTP on a port of its own before another one. mode: open, slow (delay seconds late), hung, garbage, refused (503),
    endless (100 MB), other (of somebody else). asked: the requests that came."""

    def __init__(self, port, cert=None):
        self.behind, self.mode, self.delay, self.asked = port, "open", 1.5, 0
        self.ending = threading.Event()
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                door.asked += 1
                door.answer(self, body)

            do_GET = do_POST = do_REPORT = do_PROPFIND = do_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, block_on_close = True, False

            def handle_error(self, request, client_address):
                pass    # who asked left

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*cert)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()

    def say(self, request, status, text, kind="application/xml"):
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def answer(self, request, body):
        mode = self.mode
        if mode == "hung":
            self.ending.wait(60)
        elif mode == "garbage":
            self.say(request, 200, b"<html>Welcome to the \xff\xfe proxy")
        elif mode == "refused":
            self.say(request, 503, b"later")
        elif mode == "endless":
            request.send_response(200)
            request.send_header("Content-Type", "application/xml")
            request.send_header("Content-Length", str(100 << 20))
            request.end_headers()
            for _ in range(100):
                request.wfile.write(b" " * (1 << 20))
        elif mode == "other":
            self.say(request, 200, b'<?xml version="1.0"?><C:schedule-response xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:'
                     b'caldav"><C:response><C:recipient><D:href>mailto:else@example.com</D:href></C:recipient>'
                     b'<C:request-status>2.0;Success</C:request-status></C:response></C:schedule-response>')
        else:
            if mode == "slow":
                self.ending.wait(self.delay)
            self.pass_on(request, body)

    def pass_on(self, request, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=20)
        try:
            headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "connection")}
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            self.say(request, answer.status, answer.read(), answer.headers.get("Content-Type", "text/plain"))
        except OSError:
            self.say(request, 502, b"nobody is behind the door")
        finally:
            connection.close()


class Files(Door):
    """Paths and what lies there."""

    def __init__(self, files):
        super().__init__(0)
        self.files = files

    def pass_on(self, request, body):
        text = self.files.get(request.path)
        self.say(request, 404 if text is None else 200, text or b"", "text/calendar")


def radicale(folder):
    """Radicale from Debian's package: (its process, its port); users user and asker have the password pass."""
    root = unpacked("radicale") / "usr/lib/python3/dist-packages"
    port = free_port()
    (folder / "users").write_text("user:pass\nasker:pass\n")
    (folder / "config").write_text(f"[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = htpasswd\nhtpasswd_filename = {folder}/users\n"
                                   "htpasswd_encryption = plain\ndelay = 0\n[rights]\ntype = authenticated\n"
                                   f"[storage]\nfilesystem_folder = {folder}/collections\n[logging]\nlevel = warning\n")
    process = Process(["/usr/bin/python3", "-m", "radicale", "--config", f"{folder}/config"], folder / "out", {"PYTHONPATH": str(root)})
    wait_listening(process, "radicale", [port])
    return process, port


def cyrus(folder):
    """Cyrus as the bench has it, with the same users; its `ports` and stop()."""
    sys.path.append(str(servers.ROOT / "bench"))
    from peers import Cyrus
    server = Cyrus(folder, ["user", "asker"])
    server.start()
    return server
