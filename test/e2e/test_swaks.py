"""swaks submits, delivers by LMTP over TCP and over a unix socket."""
import subprocess

from server import Imap, Server, free_base_port


def swaks(*args):
    done = subprocess.run(["swaks", "--hide-all", *args], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def received(server, user):
    with Imap(server.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        return " ".join(imap.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (RECEIVED)]"))


def test_submission_with_plain_under_tls(shared, user):
    swaks("--server", "127.0.0.1", "--port", str(shared.port("submission")), "--tls", "--auth", "PLAIN", "--auth-user",
          user, "--auth-password", "horse", "--from", f"{user}@example.test", "--to", f"{user}@example.test")
    assert "with ESMTPSA" in received(shared, user)


def test_wrong_password_is_refused(shared, user):
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(shared.port("submission")), "--tls", "--auth",
                           "PLAIN", "--auth-user", user, "--auth-password", "mule", "--to", f"{user}@example.test"],
                          text=True, capture_output=True)
    assert "535 5.7.8" in done.stdout and done.returncode == 28


def test_lmtp(shared, user, user2):
    swaks("--protocol", "LMTP", "--server", "127.0.0.1", "--port", str(shared.port("lmtp")),
          "--to", f"{user}@example.test,{user2}@example.test")
    assert "with LMTP" in received(shared, user) and "with LMTP" in received(shared, user2)


def test_pipelined(shared, user):
    swaks("--pipeline", "--server", "127.0.0.1", "--port", str(shared.port("smtp")), "--to", f"{user}@example.test")
    assert "with ESMTP " in received(shared, user)


def test_lmtp_over_a_unix_socket(own):
    own.start()
    own.stop()
    config, path = own.dir / "posthorse.ini", own.dir / "lmtp.sock"
    port = free_base_port()
    if own.store == "postgres":  # the sandbox's database ended with it
        own.pg_ctl("start", "-o", f"-c unix_socket_directories={own.dir}/postgres -c listen_addresses=")
    lines = [l for l in config.read_text().splitlines() if not l.startswith("listen_")]
    config.write_text("\n".join(lines + [f"listen_lmtp = {path}", f"listen_imap = 127.0.0.1:{port}"]) + "\n")
    served = Server(own.store, dir=own.dir, config=config).start()
    try:
        served.ports = {"imap": f"127.0.0.1:{port}"}
        swaks("--protocol", "LMTP", "--socket", str(path), "--to", "bob@example.test")
        assert "([local])" in received(served, "bob")
    finally:
        assert served.stop() == 0
    assert not served.seen("event=worker_died")
