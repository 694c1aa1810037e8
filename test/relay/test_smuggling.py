"""SMTP smuggling: one message here that is two elsewhere. Every known form, in both directions.

The sink takes any lone dot for the end of a message, as the laxest of servers do; Postfix, OpenSMTPD and Exim are as
Debian has them. A form may be refused, mended or passed on, whatever is safe; what must never be is a second message."""
import base64

import pytest

import mta
from relaying import HOME, Relay, Report, new_id
from server import Closed, Imap, Smtp, make_dir, wait_until
from sink import Sink

ENDS = ("\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\0\n", "\n\0", "\0\r\n")
FORMS = sorted({a + dot + b for a in ENDS for b in ENDS for dot in (".", "\0.", ".\0", "..")} - {"\r\n.\r\n"})
# The real end, with more behind it, is pipelining and no smuggling: it is left out for DATA alone.
EVIL = "evil@smuggled.example"
SECOND = f"MAIL FROM:<{EVIL}>\r\nRCPT TO:<{{rcpt}}>\r\nDATA\r\nMessage-ID: <{{how}}@evil>\r\n\r\nsmuggled\r\n"


def name_of(form):
    return form.replace("\r", "CR").replace("\n", "LF").replace("\0", "NUL")


@pytest.fixture(scope="module")
def lax():
    """Believes any dot, and knows no BDAT."""
    with Sink(lax=True, extensions=["PIPELINING", "8BITMIME", "DSN", "SIZE 104857600"], tls=False) as sink:
        yield sink


@pytest.fixture(scope="module")
def strict():
    """Knows no BDAT either, and tells exactly what came."""
    with Sink(extensions=["PIPELINING", "8BITMIME"], tls=False) as sink:
        yield sink


@pytest.fixture(scope="module")
def chunking():
    with Sink(lax=True, tls=False) as sink:
        yield sink


@pytest.fixture(scope="module")
def peers():
    peers = [kind(make_dir()) for kind in mta.MTAS.values()]
    try:
        for peer in peers:
            peer.start()
        yield peers
    finally:
        for peer in peers:
            peer.stop()


@pytest.fixture(scope="module")
def relay(lax, strict, chunking, peers):
    # One that forks for each message may be slow.
    relay = Relay(settings={"smtp_out_timeout_ms": "20 s", "queue_timeout_ms": "2 min"}).start()
    for name, sink in (("lax", lax), ("strict", strict), ("chunking", chunking)):
        relay.connection(name, f"{name}.example", f"127.0.0.1:{sink.port}")
    for peer in peers:
        relay.connection(peer.side, peer.domain, f"127.0.0.1:{peer.port}")
    relay.connection("home", HOME, f"127.0.0.1:{lax.port}")   # reports go to the laxest too
    yield relay
    assert relay.remove() == 0


def smuggled(sinks, peers):
    """What got to any of them as the second of two: where, which, and by which form."""
    found = [(sink.command[-1], m["n"], m["id"]) for sink in sinks for m in sink.messages()
             if EVIL == m["from"] or (m["id"] or "").endswith("@evil>")]
    return found + [(peer.side, path.name, m["message-id"]) for peer in peers for path, m in zip(peer.paths(), peer.messages())
                    if EVIL in (m["return-path"] or "") or (m["message-id"] or "").endswith("@evil>")]


@pytest.fixture
def everywhere(relay, lax, strict, chunking, peers):
    """A recipient at each destination, and a look at whether anything was smuggled to any of them."""
    sinks = lax, strict, chunking
    rcpts = ["x@lax.example", "x@strict.example", "x@chunking.example", *(f"x@{p.domain}" for p in peers)]
    before = set(smuggled(sinks, peers))
    yield rcpts
    ident = relay.send(rcpts)
    for sink in sinks:
        sink.wait_accepted(1, 30, id=ident)
    for peer in peers:
        wait_until(lambda: any(m["message-id"] == ident for m in peer.messages()), 30, f"the last at {peer.side}")
    wait_until(lambda: not relay.queue(), 30, "an empty queue")
    new = set(smuggled(sinks, peers)) - before
    assert not new, f"{len(new)} smuggled: {sorted({how for _, _, how in new})}"


def text_with(form, rcpt, ident):
    """A message, the form, and what would be a second one to whoever takes it for an end."""
    return (f"Message-ID: {ident}\r\nSubject: first\r\n\r\nfirst{form}" + SECOND.format(rcpt=rcpt, how=name_of(form))).encode()


# --- inbound, by DATA ---

@pytest.mark.parametrize("greet", ["EHLO", "HELO"])
def test_no_form_ends_a_message_that_comes_in(relay, everywhere, lax, greet):
    """One connection for each: MAIL behind the form must never be answered as a command."""
    for form in FORMS:
        if form.endswith("\r\n.\r\n"):
            continue
        ident = new_id()
        with Smtp(relay.port("smtp"), greet=greet) as smtp:
            for command in (f"MAIL FROM:<a@{HOME}>", "RCPT TO:<x@lax.example>", "DATA"):
                code, _ = smtp.command(command)
            assert code == 354
            smtp.send(text_with(form, "x@lax.example", ident) + b".\r\n")
            code, lines = smtp.reply()
            smtp.send("NOOP\r\n")
            try:
                after = smtp.reply()
                assert after[0] in (250, 421), (name_of(form), code, lines, after)
            except Closed:
                pass
        assert code // 100 in (2, 5), name_of(form)
        if code == 250:   # taken whole: then it is one message to all, also to the laxest
            lax.wait_accepted(1, 20, id=ident)
            assert len(lax.messages(id=ident)) == 1, name_of(form)


@pytest.mark.parametrize("form", ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r.\n", "\n.\r", "\r\n.\r\r\n",
                                  "\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n"], ids=name_of)
def test_the_known_forms_are_refused(relay, form):
    """Those of the 2023 paper, and what was found since; a NUL is no part of mail at all."""
    with Smtp(relay.port("smtp")) as smtp:
        codes = smtp.mail(f"a@{HOME}", ["x@lax.example"], text_with(form, "x@lax.example", new_id()))
        assert codes[-1] // 100 == 5, codes


# --- inbound, by BDAT ---

def bdat(smtp, rcpts, *chunks):
    """The replies to each command and chunk."""
    replies = [smtp.command(f"MAIL FROM:<a@{HOME}> BODY=8BITMIME")[0]]
    replies += [smtp.command(f"RCPT TO:<{r}>")[0] for r in rcpts]
    for n, chunk in enumerate(chunks):
        smtp.send(f"BDAT {len(chunk)}{' LAST' if n == len(chunks) - 1 else ''}\r\n".encode() + chunk)
        replies.append(smtp.reply()[0])
    return replies


@pytest.mark.parametrize("lies", [
    b"BDAT 100 LAST\r\nMAIL FROM:<" + EVIL.encode() + b">\r\nRCPT TO:<x@lax.example>\r\nDATA\r\n",   # no MAIL before it
    b"BDAT 0\r\nBDAT -1 LAST\r\n", b"BDAT 18446744073709551616 LAST\r\n", b"BDAT 1x LAST\r\n", b"BDAT LAST\r\n",
    b"BDAT 0x10 LAST\r\n", b"BDAT 5 FIRST\r\n", b"BDAT\r\n",
], ids=range(8))
def test_what_bdat_lies_about_is_no_command(relay, everywhere, lies):
    """A chunk that is refused is read all the same (RFC 3030, 3); where its length is unknown, the connection ends."""
    with Smtp(relay.port("smtp")) as smtp:
        smtp.send(lies)
        smtp.send(b"x" * 200 + b"\r\nNOOP\r\n")
        answers = []
        try:
            while True:
                answers.append(smtp.line(2))
        except (Closed, TimeoutError):
            pass
    assert not any(a.startswith(("250 2.1.0", "354")) for a in answers), answers


def test_a_chunk_that_holds_commands_is_text(relay, everywhere, lax):
    ident = new_id()
    with Smtp(relay.port("smtp")) as smtp:
        text = text_with("\r\n.\r\n", "x@lax.example", ident) + b".\r\n"
        assert bdat(smtp, ["x@lax.example"], text[:60], b"", text[60:])[-1] == 250
    lax.wait_accepted(1, 20, id=ident)
    assert len(lax.messages(id=ident)) == 1


def test_data_after_bdat_is_refused(relay, everywhere):
    with Smtp(relay.port("smtp")) as smtp:
        smtp.command(f"MAIL FROM:<a@{HOME}>")
        smtp.command("RCPT TO:<x@lax.example>")
        smtp.send(b"BDAT 12\r\nSubject: a\r\n")
        assert smtp.reply()[0] == 250
        assert smtp.command("DATA")[0] == 503


# --- outbound: what lies in the store goes out as one message ---

def give_all(port, rcpts, login=None):
    """Sends each form by BDAT, where any bytes may stand; gives the ids of those that were taken."""
    taken = {}
    for form in [*FORMS, "\r\n.\r\n"]:
        ident = new_id()
        with Smtp(port) as smtp:
            if login:
                assert smtp.command("AUTH PLAIN " + base64.b64encode(f"\0{login}\0horse".encode()).decode())[0] == 235
            sender = f"{login}@example.test" if login else f"a@{HOME}"
            text = text_with(form, rcpts[0], ident).replace(b"Subject", f"From: {sender}\r\nSubject".encode(), 1)
            assert smtp.command(f"MAIL FROM:<{sender}> BODY=8BITMIME")[0] == 250
            for rcpt in rcpts:
                assert smtp.command(f"RCPT TO:<{rcpt}>")[0] == 250
            smtp.send(f"BDAT {len(text)} LAST\r\n".encode() + text)
            if smtp.reply()[0] == 250:
                taken[ident] = form
    assert "\r\n.\r\n" in taken.values()   # that one is good mail
    return taken


def once_everywhere(taken, sinks, peers):
    for sink in sinks:
        for ident, form in taken.items():
            sink.wait_accepted(1, 30, id=ident)
            assert len(sink.messages(id=ident)) == 1, name_of(form)
    for peer in peers:
        wait_until(lambda: {m["message-id"] for m in peer.messages()} >= set(taken), 120, f"all at {peer.side}")
        for ident, form in taken.items():
            assert sum(m["message-id"] == ident for m in peer.messages()) == 1, (peer.side, name_of(form))


def test_no_form_taken_by_bdat_goes_out_as_two(relay, everywhere, lax, strict, chunking, peers):
    once_everywhere(give_all(relay.port("smtp"), everywhere), (lax, strict, chunking), peers)


def test_no_form_submitted_goes_out_as_two(relay, everywhere, lax, strict, chunking, peers):
    once_everywhere(give_all(relay.port("submission"), everywhere, "alice"), (lax, strict, chunking), peers)


def test_no_form_kept_by_imap_and_sent_again_goes_out_as_two(relay, everywhere, lax, strict, chunking, peers):
    """What a client appended to a folder is fetched and submitted as it came."""
    taken = {}
    with Imap(relay.port("imap"), "bob") as imap:
        for form in [*FORMS, "\r\n.\r\n"]:
            ident = new_id()
            text = text_with(form, everywhere[0], ident).replace(b"Subject", b"From: bob@example.test\r\nSubject", 1)
            if not imap.append("Drafts", text)[0].startswith("OK"):
                continue
            imap.ok("SELECT Drafts")   # reports may come into INBOX meanwhile
            lines = imap.ok("FETCH * BODY.PEEK[]")
            stored = next(l for l in lines if "BODY[]" in l).split("BODY[] ", 1)[1].rsplit(")", 1)[0]
            stored = stored.encode("utf-8", "surrogateescape")
            with Smtp(relay.port("submission")) as smtp:
                assert smtp.command("AUTH PLAIN " + base64.b64encode(b"\0bob\0horse").decode())[0] == 235
                smtp.command("MAIL FROM:<bob@example.test> BODY=8BITMIME")
                for rcpt in everywhere:
                    smtp.command(f"RCPT TO:<{rcpt}>")
                smtp.send(f"BDAT {len(stored)} LAST\r\n".encode() + stored)
                if smtp.reply()[0] == 250:
                    taken[ident] = form
    once_everywhere(taken, (lax, strict, chunking), peers)


def test_no_form_in_a_report_makes_it_two(relay, everywhere, lax):
    """The report carries the message home, to a sink that believes any dot."""
    lax.fault("rcpt", "reply 550 5.1.1 nobody", match="refused@")
    reported = {}
    for form in [*FORMS, "\r\n.\r\n"]:
        ident = new_id()
        with Smtp(relay.port("smtp")) as smtp:
            text = text_with(form, "x@lax.example", ident)
            smtp.command(f"MAIL FROM:<a@{HOME}> RET=FULL BODY=8BITMIME")
            smtp.command("RCPT TO:<refused@lax.example>")
            smtp.send(f"BDAT {len(text)} LAST\r\n".encode() + text)
            if smtp.reply()[0] == 250:
                reported[ident] = form
    for ident, form in reported.items():
        def found():
            return [m for m in lax.messages(**{"from": ""}) if ident.encode() in lax.text(m)]
        lax.wait(found, 30, f"the report about {name_of(form)}")
        assert len(found()) == 1 and Report(lax.text(found()[0])).rcpts[0]["action"] == "failed"


def test_dots_at_every_edge_of_a_buffer_are_doubled(relay, everywhere, lax, strict):
    """Lines of a dot alone, shifted so that each place in a line meets the edge of whatever is sent at once."""
    for shift in range(4):
        body = b"x" * shift + b"\r\n" + b".\r\n" * 60000
        ident = new_id()
        with Smtp(relay.port("smtp")) as smtp:
            assert bdat(smtp, ["x@lax.example", "x@strict.example"],
                        f"Message-ID: {ident}\r\n\r\n".encode() + body)[-1] == 250
        found = strict.wait_accepted(1, 30, id=ident)[0]
        assert strict.text(found).split(b"\r\n\r\n", 1)[1] == body
        lax.wait_accepted(1, 30, id=ident)
        assert len(lax.messages(id=ident)) == 1


def test_a_line_too_long_is_not_cut_into_a_lone_dot(relay, everywhere, lax, strict, peers):
    """A line cut at 998 or 1000 (or 2048) leaves a dot at the next line's beginning."""
    idents = []
    for length in (997, 998, 999, 1000, 1001, 1998, 2000, 2047, 2048, 4096, 8192, 65536):
        ident = new_id()
        text = f"Message-ID: {ident}\r\n\r\n".encode() + b"x" * length + b".\r\n" + SECOND.format(rcpt="x@lax.example", how=f"line-of-{length}").encode()
        with Smtp(relay.port("smtp")) as smtp:
            if bdat(smtp, ["x@lax.example", "x@strict.example"], text)[-1] == 250:
                idents.append(ident)
    for ident in idents:
        lax.wait_accepted(1, 30, id=ident)
        strict.wait_accepted(1, 30, id=ident)
        assert len(lax.messages(id=ident)) == len(strict.messages(id=ident)) == 1


@pytest.mark.parametrize("address", [f'"a\r\nRCPT TO:<{EVIL}>"@lax.example', f'"a\rRCPT TO:<{EVIL}>\r"@lax.example',
                                     f'"a\nRCPT TO:<{EVIL}>\n"@lax.example', '"a\0b"@lax.example', 'a@lax.example\rDATA\r'],
                         ids=["CRLF", "CR", "LF", "NUL", "CR-DATA"])
def test_an_address_carries_no_command(relay, everywhere, lax, address):
    with Smtp(relay.port("smtp")) as smtp:
        smtp.command(f"MAIL FROM:<a@{HOME}>")
        smtp.send(f"RCPT TO:<{address}>\r\nNOOP\r\n")
        first = smtp.reply()
        assert first[0] // 100 == 5, first


@pytest.mark.parametrize("params", ["ENVID=a+0D+0ARCPT+20TO", "ENVID=a+0ADATA"])
def test_xtext_carries_no_command(relay, everywhere, chunking, params):
    """Encoded CR and LF (RFC 3461, 4): refused, or passed on encoded."""
    with Smtp(relay.port("smtp")) as smtp:
        if smtp.command(f"MAIL FROM:<a@{HOME}> {params}")[0] != 250:
            return
        ident = new_id()
        smtp.command("RCPT TO:<x@chunking.example>")
        smtp.command("DATA")
        smtp.send(f"Message-ID: {ident}\r\n\r\nx\r\n.\r\n")
        assert smtp.reply()[0] == 250
    found = chunking.wait_accepted(1, 20, id=ident)[0]
    assert found["params"].get("ENVID", params[6:]) == params[6:]
