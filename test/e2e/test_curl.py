"""curl sends by SMTP and submission and reads by IMAP."""
import subprocess

MESSAGE = "From: alice@example.test\r\nTo: bob@example.test\r\nSubject: {}\r\n\r\nby curl\r\n"


def curl(*args, data=None):
    return subprocess.run(["curl", "-sS", "--max-time", "20", *args], input=data, text=True,
                          capture_output=True, check=True).stdout


def send(url, user, subject, *more):
    curl(url, "--mail-from", f"{user}@example.test", "--mail-rcpt", f"{user}@example.test", "-T", "-", *more,
         data=MESSAGE.format(subject))


def test_smtp_and_imap(shared, user):
    send(f"smtp://{shared.ports['smtp']}", user, "plain")
    text = curl(f"imap://{user}:horse@{shared.ports['imap']}/INBOX;MAILINDEX=1")
    assert "Subject: plain" in text and text.endswith("by curl\n")


def test_starttls_everywhere(shared, user):
    send(f"smtp://{shared.ports['smtp']}", user, "tls", "--ssl-reqd", "-k")
    text = curl(f"imap://{shared.ports['imap']}/INBOX;UID=1", "--ssl-reqd", "-k", "-u", f"{user}:horse")
    assert "with ESMTPS id" in text and "(tls TLS_" in text


def test_submission_then_imaps(shared, user):
    send(f"smtp://{shared.ports['submission']}", user, "submitted", "--ssl-reqd", "-k", "-u", f"{user}:horse")
    assert "\\HasNoChildren" in curl("-k", f"imaps://{user}:horse@{shared.ports['imaps']}/")
    text = curl("-k", f"imaps://{user}:horse@{shared.ports['imaps']}/INBOX;UID=1;SECTION=HEADER")
    assert "with ESMTPSA" in text and "Message-ID: <" in text


def test_search_and_append(shared, user, tmp_path):
    url = f"imap://{user}:horse@{shared.ports['imap']}/INBOX"
    (tmp_path / "message").write_text(MESSAGE.format("appended"))
    curl(url, "-T", str(tmp_path / "message"))
    assert curl(url + "?SUBJECT%20appended").split() == ["*", "SEARCH", "1"]
    assert curl(url + "?SUBJECT%20nothing").split() == ["*", "SEARCH"]


def test_counters(shared, user):
    send(f"smtp://{shared.ports['smtp']}", user, "count me")
    assert "200" in curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{shared.ports['admin']}/metrics")
