#!/usr/bin/python3
"""Reads the delivery reports that dsn_write writes with Python's email package: each is a
multipart/report of three parts (RFC 6522) whose fields say what they should (RFC 3464, 6533)."""
import email, email.policy, email.utils, subprocess, sys

BOUNDARY = b"\r\n--0123456789abcdef0123456789abcdef"
ACTIONS = {"whole": "failed", "whole_eight_bit": "failed", "global": "failed", "global_whole": "failed"}
SUBJECTS = {"failed": "Not delivered: ", "delayed": "Not delivered yet: ", "delivered": "Delivered: ",
            "relayed": "Passed on: ", "expanded": "Delivered to the group: "}


def words_of(part):
    return part.get_payload(decode=True).decode("utf-8")


def groups_of(part, raw, wide):
    """The blocks of fields of a delivery-status. Python knows no global one, so it is cut out by hand."""
    if not wide:
        return part.get_payload()
    blocks = raw.split(BOUNDARY)[2].split(b"\r\n\r\n")[1:]
    return [email.message_from_bytes(b + b"\r\n\r\n", policy=email.policy.SMTPUTF8) for b in blocks if b.strip()]


def check(name, raw):
    message = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)
    wide, whole = name.startswith("global"), "whole" in name
    action = ACTIONS.get(name, name)
    assert not message.defects, message.defects
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == ("global-" if wide else "") + "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["From"].addresses[0].display_name == "Mail Delivery System"
    assert message["To"].addresses[0].addr_spec == "alice@example.test"
    title = "Grüße aus Köln" if wide else "Lunch on Friday"
    assert message["Subject"] == SUBJECTS[action] + title, message["Subject"]
    assert message["Date"].datetime.isoformat() == "2025-06-03T10:12:06+00:00"
    if not wide:
        assert message["In-Reply-To"] == message["References"] == "<lunch@example.test>"
    words, status, original = message.get_payload()
    for part in message.walk():
        assert not part.defects, (part.get_content_type(), part.defects)

    text = words_of(words)
    assert title in text and ("bob@example.net" in text) == (not wide) and "{" not in text, text
    assert max(map(len, text.splitlines())) <= 76, text
    assert status.get_content_type() == "message/" + ("global-" if wide else "") + "delivery-status"
    fields, *rcpts = groups_of(status, raw, wide)
    assert fields["Original-Envelope-Id"] == "QQ+314"
    assert fields["Reporting-MTA"] == "dns; mail.example.test"
    assert email.utils.parsedate_to_datetime(fields["Arrival-Date"]).isoformat() == "2025-06-03T10:12:03+00:00"
    assert len(rcpts) == (2 if name == "delayed" else 1)
    for rcpt in rcpts:
        assert rcpt["Action"] == action
        assert rcpt["Status"][0] == {"failed": "5", "delayed": "4"}.get(action, "2")
        assert (rcpt["Will-Retry-Until"] is not None) == (action == "delayed")
    if wide:
        assert rcpts[0]["Final-Recipient"] == "utf-8; grün@bücher.example"
        assert rcpts[0]["Original-Recipient"] == "utf-8; grün@bücher.example"
    elif name == "delayed":
        assert rcpts[1]["Original-Recipient"] == "rfc822; carol+news@example.net"
        assert rcpts[1]["Final-Recipient"] == "rfc822; carol@corp.example"
    else:
        assert rcpts[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 No such user"
        assert rcpts[0]["Remote-MTA"] == "dns; mx.example.net"

    kind = ("message/global" if wide else "message/rfc822") if whole else \
        ("message/global-headers" if wide else "text/rfc822-headers")
    assert original.get_content_type() == kind, original.get_content_type()
    part = raw.split(BOUNDARY)[3]
    assert ("Subject: " + title).encode() in part
    if whole:
        assert part.endswith({"whole": b"Shall we?\r\n-- \r\nA.\r\n"}.get(name, b"e\r\n" if not wide else b"ln\r\n"))


def main():
    writer = sys.argv[1]
    names = subprocess.run([writer], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    print(f"TAP version 13\n1..{len(names)}")
    for number, name in enumerate(names, 1):
        raw = subprocess.run([writer, name], stdout=subprocess.PIPE, check=True).stdout
        try:
            check(name, raw)
            print(f"ok {number} - {name}")
        except Exception as why:
            print(f"not ok {number} - {name}\n# {why!r}")


main()
