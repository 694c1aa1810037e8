"""Python's smtplib and imaplib, and raw sockets where they are too polite."""
import base64, email.message, hashlib, hmac, imaplib, smtplib, ssl, time

import pytest

from server import Imap, Line, Smtp

UNTRUSTED = ssl._create_unverified_context()


def messages(server, user, folder="INBOX", items="BODY.PEEK[]"):
    """The messages of a folder as imaplib gives them."""
    with imaplib.IMAP4("127.0.0.1", server.port("imap")) as imap:
        imap.login(user, "horse")
        imap.select(folder, readonly=True)
        return [part[1] for part in imap.fetch("1:*", f"({items})")[1] if isinstance(part, tuple)]


def letter(subject="hello", body="body\r\n", **fields):
    return ("".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in {"Subject": subject, **fields}.items()) +
            "\r\n" + body).encode()


def test_one_body_for_many_recipients(shared, user, user2):
    with smtplib.SMTP("127.0.0.1", shared.port("smtp")) as smtp:
        smtp.sendmail("a@example.net", [f"{user}@example.test", f"{user2}@example.test", f"{user}+x@example.test"],
                      letter())
    guids = []
    for name in (user, user2):
        with Imap(shared.port("imap"), name) as imap:
            imap.ok("SELECT INBOX")
            lines = imap.ok("FETCH 1:* (EMAILID)")
            assert len(lines) == 1
            guids.append(lines[0].split("EMAILID")[1])
    assert guids[0] == guids[1]


def test_size_is_announced_and_kept(shared, user):
    with smtplib.SMTP("127.0.0.1", shared.port("smtp")) as smtp:
        smtp.ehlo()
        limit = int(smtp.esmtp_features["size"])
        assert limit == 256 << 20
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            smtp.sendmail("a@example.net", [f"{user}@example.test"], letter(), [f"SIZE={limit + 1}"])
        assert refused.value.smtp_code == 552


def test_smtputf8_and_8bitmime(shared, user):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "grün@bücher.example", f"{user}@example.test", "Grüße"
    message.set_content("Straße\n", cte="8bit")
    with smtplib.SMTP("127.0.0.1", shared.port("smtp")) as smtp:
        smtp.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    text = messages(shared, user)[0].decode()
    assert "Return-Path: <grün@bücher.example>" in text and "Subject: Grüße" in text and "Straße" in text
    assert "with UTF8ESMTP" in text


def test_submission_over_tls_mends_the_header(shared, user, user2):
    with smtplib.SMTP("127.0.0.1", shared.port("submission")) as smtp:
        smtp.starttls(context=UNTRUSTED)
        smtp.login(user, "horse")
        smtp.sendmail(f"{user}@example.test", [f"{user2}@example.test"], letter(Bcc="secret@example.test"))
    head = messages(shared, user2)[0].decode().split("\r\n\r\n")[0]
    assert "secret" not in head and "\r\nDate: " in head and "\r\nMessage-ID: <" in head


@pytest.mark.parametrize("sender", ["{other}@example.test", "{own}@example.net"])
def test_the_sender_belongs_to_the_login(shared, user, user2, sender):
    with smtplib.SMTP("127.0.0.1", shared.port("submission")) as smtp:
        smtp.starttls(context=UNTRUSTED)
        smtp.login(user, "horse")
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            smtp.sendmail(sender.format(own=user, other=user2), [f"{user2}@example.test"], letter())
        assert refused.value.smtp_code == 553


def test_no_submission_without_log_in(shared, user):
    with smtplib.SMTP("127.0.0.1", shared.port("submission")) as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            smtp.sendmail(f"{user}@example.test", [f"{user}@example.test"], letter())
        assert refused.value.smtp_code == 530


def test_aliases_plus_addresses_and_postmaster(shared, user):
    shared.sql(f"UPDATE document SET body = 'alias = {user}.alias\nalias = sales@sales.example\n' || body "
               f"WHERE kind = 'person' AND name = '{user}'")
    shared.reload()
    rcpts = [f"{user.upper()}.Alias@example.test", f"{user}+tag@example.test", f"{user}.alias+tag@EXAMPLE.test",
             "sales@sales.example"]
    with smtplib.SMTP("127.0.0.1", shared.port("smtp")) as smtp:
        for rcpt in rcpts:
            assert smtp.sendmail("a@example.net", [rcpt], letter(rcpt)) == {}
        assert smtp.sendmail("a@example.net", ["postmaster@example.test"], letter(user)) == {}
        assert smtp.docmd("MAIL FROM:<>")[0] == 250
        assert smtp.docmd("RCPT TO:<Postmaster>")[0] == 250
        assert smtp.docmd("RCPT TO:<x.alias@example.test>")[0] == 550
    assert len(messages(shared, user)) == len(rcpts)
    assert any(f"Subject: {user}".encode() in m for m in messages(shared, "alice"))  # the administrator


def test_pipelined_transactions_in_one_write(shared, user):
    with Smtp(shared.port("smtp")) as smtp:
        one = f"MAIL FROM:<>\r\nRCPT TO:<{user}@example.test>\r\nDATA\r\nSubject: p\r\n\r\nx\r\n.\r\n"
        smtp.send(50 * one + "QUIT\r\n")
        codes = [smtp.reply()[0] for _ in range(4 * 50 + 1)]
    assert codes == 50 * [250, 250, 354, 250] + [221]
    assert len(messages(shared, user)) == 50


def test_chunks_of_every_size_make_the_same_message(shared, user):
    text = letter("chunks", "".join(f"line {n}\r\n.\r\n" for n in range(2000)))
    with Smtp(shared.port("smtp")) as smtp:
        for size in (1, 7, 4096, len(text)):
            smtp.command("MAIL FROM:<>")
            smtp.command(f"RCPT TO:<{user}@example.test>")
            body = text if size > 1 else text[:300]
            chunks = [body[at:at + size] for at in range(0, len(body), size)]
            smtp.send(b"".join(b"BDAT %d\r\n%s" % (len(c), c) for c in chunks) + b"BDAT 0 LAST\r\n")
            assert [smtp.reply()[0] for _ in range(len(chunks) + 1)] == (len(chunks) + 1) * [250]
    got = messages(shared, user)
    assert got[0].endswith(text[:300]) and all(m.endswith(text) for m in got[1:]) and len(got) == 4


def test_starttls_injection_is_thrown_away(shared, user):
    with Smtp(shared.port("smtp")) as smtp:
        smtp.send(f"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<{user}@example.test>\r\n")
        assert smtp.reply()[0] == 220
        smtp.starttls()
        assert smtp.command("DATA")[0] == 503
        assert smtp.command("EHLO good")[0] == 250
        assert smtp.command("DATA")[0] == 503
    with Imap(shared.port("imap")) as imap:
        imap.send("a STARTTLS\r\nb LOGIN evil evil\r\n")
        assert imap.line().startswith("a OK")
        imap.starttls()
        imap.send("c NOOP\r\n")
        assert imap.line().startswith("c OK")


def test_big_message_and_long_lines(shared, user):
    body = ("x" * 5000 + "\r\n") * 2000 + "y" * 3_000_000 + "\r\n"
    with smtplib.SMTP("127.0.0.1", shared.port("smtp")) as smtp:
        smtp.sendmail("a@example.net", [f"{user}@example.test"], letter("big", body))
    assert messages(shared, user)[0].endswith(body.encode())


class Scram:
    """SCRAM-SHA-256 by RFC 5802, as a callable for smtplib and imaplib."""

    def __init__(self, user, password):
        self.user, self.password, self.first = user, password, f"n={user},r=rOprNGfwEbeRWgbNEkqO"

    def respond(self, challenge):
        if not challenge:
            return "n,," + self.first
        if challenge.startswith("v="):
            assert challenge == "v=" + base64.b64encode(self.server_signature).decode()
            return ""
        nonce, salt, count = (part[2:] for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(salt), int(count))
        final = f"c=biws,r={nonce}"
        message = f"{self.first},{challenge},{final}".encode()

        def mac(key, text):
            return hmac.new(key, text, "sha256").digest()
        client = mac(salted, b"Client Key")
        signature = mac(hashlib.sha256(client).digest(), message)
        self.server_signature = mac(mac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        return f"{final},p={base64.b64encode(proof).decode()}"


def test_scram(shared, user):
    scram = Scram(user, "horse")
    with smtplib.SMTP("127.0.0.1", shared.port("submission")) as smtp:
        smtp.ehlo()
        assert smtp.auth("SCRAM-SHA-256", lambda c=None: scram.respond((c or b"").decode()))[0] == 235
        smtp.sendmail(f"{user}@example.test", [f"{user}@example.test"], letter())
    scram = Scram(user, "horse")
    with imaplib.IMAP4("127.0.0.1", shared.port("imap")) as imap:
        assert imap.authenticate("SCRAM-SHA-256", lambda c: scram.respond(c.decode()).encode())[0] == "OK"
        assert imap.select() == ("OK", [b"1"])
    with smtplib.SMTP("127.0.0.1", shared.port("submission")) as smtp:
        smtp.ehlo()
        scram = Scram(user, "mule")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth("SCRAM-SHA-256", lambda c=None: scram.respond((c or b"").decode()))


def test_imaplib_round(shared, user):
    with imaplib.IMAP4_SSL("127.0.0.1", shared.port("imaps"), ssl_context=UNTRUSTED) as imap:
        imap.login(user, "horse")
        assert imap.create("Work/Sub")[0] == "OK"
        assert imap.append("Work/Sub", "(\\Flagged)", '"17-Jul-1996 02:44:25 -0700"', letter())[0] == "OK"
        assert imap.select("Work/Sub") == ("OK", [b"1"])
        assert imap.uid("STORE", "1", "+FLAGS", "(\\Seen custom)")[0] == "OK"
        assert b"\\Flagged \\Seen custom" in imap.fetch("1", "(FLAGS)")[1][0].replace(b" \\Recent", b"")
        assert b"17-Jul-1996 02:44:25 -0700" in imap.fetch("1", "(INTERNALDATE)")[1][0]
        assert imap.uid("SEARCH", None, "KEYWORD custom") == ("OK", [b"1"])
        assert imap.copy("1", "INBOX")[0] == "OK"
        assert imap.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
        assert imap.expunge() == ("OK", [b"1"])
        assert imap.rename("Work/Sub", "Elsewhere")[0] == "OK"
        names = b" ".join(imap.list()[1])
        assert b"Elsewhere" in names and b"Sub" not in names
        assert imap.delete("Elsewhere")[0] == "OK"
        assert imap.status("INBOX", "(MESSAGES UNSEEN)")[1] == [b"INBOX (MESSAGES 1 UNSEEN 0)"]


def test_delivery_reaches_idle_at_once(shared, user):
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        tag = imap.begin("IDLE")
        assert imap.line().startswith("+")
        with Smtp(shared.port("lmtp"), greet="LHLO") as smtp:
            begun = time.monotonic()
            assert smtp.mail("", [f"{user}@example.test"], letter(), lmtp=True)[-1] == 250
        assert imap.line(5) == "* 1 EXISTS"
        print(f"delivered to IDLE in {1000 * (time.monotonic() - begun):.1f} ms")
        imap.send("DONE\r\n")
        assert imap.end(tag)[0].startswith("OK")


# --- slow peers ---

def test_dribbling_peers_hold_up_nobody(shared, user):
    slow = [Line(shared.port("smtp")) for _ in range(300)]
    for line in slow:
        line.send("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<%s@example.test>\r\nDATA\r\nSubject: slo" % user)
    more = [Imap(shared.port("imap")) for _ in range(300)]
    for line in more:
        line.send("a LOGIN us")
    begun = time.monotonic()
    with smtplib.SMTP("127.0.0.1", shared.port("lmtp")) as smtp:
        smtp.docmd("LHLO", "c")
        smtp.docmd("MAIL", "FROM:<>")
        smtp.docmd("RCPT", f"TO:<{user}@example.test>")
        smtp.docmd("DATA")
        smtp.send(b"Subject: quick\r\n\r\nx\r\n.\r\n")
        assert smtp.getreply()[0] == 250
    took = time.monotonic() - begun
    print(f"a delivery beside 600 dribbling peers: {1000 * took:.1f} ms")
    assert len(messages(shared, user)) == 1
    for line in slow:
        line.send("w\r\n\r\nx\r\n.\r\n")
    for line in slow:
        while not line.line().startswith("250 2.0.0 Accepted"):
            pass
        line.close()
    for line in more:
        line.close()
    assert len(messages(shared, user)) == 301


def test_readers_that_never_read_hold_up_nobody(shared, user):
    with smtplib.SMTP("127.0.0.1", shared.port("smtp")) as smtp:
        smtp.sendmail("a@example.net", [f"{user}@example.test"], letter("50 MB", ("z" * 998 + "\r\n") * 50_000))
    stuck = []
    for _ in range(20):
        imap = Imap(shared.port("imap"), user)
        imap.ok("SELECT INBOX")
        imap.begin("FETCH 1 BODY.PEEK[]")
        stuck.append(imap)
    for imap in stuck:
        assert imap.line().startswith("* 1 FETCH")  # it has begun, and no more is read
    begun = time.monotonic()
    with Smtp(shared.port("smtp")) as smtp:
        assert smtp.mail("", [f"{user}@example.test"], letter())[-1] == 250
    with Imap(shared.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        assert any("50 MB" in l for l in imap.ok("FETCH 1 ENVELOPE"))
    print(f"delivery and log-in beside 20 readers that do not read: {1000 * (time.monotonic() - begun):.1f} ms")
    for imap in stuck:
        imap.close()
