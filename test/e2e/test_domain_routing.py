"""Mail finds its way through a domain: accounts on other servers, and a foreign domain by its gateways."""
import itertools, json, os, pathlib, re, signal, sys, time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from server import Imap, Smtp, free_base_port, wait_until
from sink import Sink
from test_cluster import Member, make_domain, revive_all

A, B, C = "a.test", "b.test", "c.test"
FAST = {"relay_networks": "127.0.0.0/8", "queue_retry_min_ms": 200, "queue_retry_max_ms": 1000, "queue_probe_ms": 200, "listen_transfer": "127.0.0.1:0",
        "smtp_out_connect_timeout_ms": 1000, "smtp_out_timeout_ms": 3000,
        "auth_plain_without_tls": "yes", "domains": "example.test example.net"}


def put(member, kind, name, text):
    status, answer = member.api("/v1/directory/edit", {"kind": kind, "name": name, "text": text})
    assert status == 200, answer


def everywhere(members, kind, name, text):
    """An edit on the first, seen by all."""
    put(members[0], kind, name, text)
    seen = [m.api(f"/v1/directory/show?kind={kind}&name={name}")[1] for m in members[:1]][0]["text"]
    for member in members:
        wait_until(lambda: member.api(f"/v1/directory/show?kind={kind}&name={name}")[1].get("text") == seen,
                   20, f"{name} on {member.name}")


def gateway_text(server, port, more=""):
    return f"domain = BTEx\nmail_server = {server}\nhost = 127.0.0.1:{port}\n{more}"


def route(member, address, *more):
    done = member.run("route", address, "--json", *more)
    return json.loads(done.stdout)["routes"][0]["targets"][0]["plan"]


def has_account(member, name):
    line = next((l for l in member.run("account", "list").stdout.splitlines() if l.startswith(name + " ")), "no account here")
    return "no account here" not in line


def servers_of(plan):
    return [hop.get("server", hop.get("host")) for hop in plan["hops"]]


@pytest.fixture(scope="module")
def exchange():
    with Sink(name="exchange.example") as sink:
        yield sink


@pytest.fixture(scope="module")
def domain(exchange):
    members = make_domain(settings=FAST, listen=("smtp", "imap"))
    for member in members:
        name = member.name[0] + "lice"
        done = member.api("/v1/account/add", {"name": name, "password": "horse"})
        assert done[0] == 200, done
    everywhere(members, "foreign-domain", "btex-b", gateway_text(B, exchange.port))
    everywhere(members, "foreign-domain", "btex-a", gateway_text(A, exchange.port))   # the newest is first
    yield members
    for member in members:
        member.remove()


@pytest.fixture
def ready(domain, exchange):
    revive_all(domain)
    exchange.up()
    return domain


# --- which way: posthorse route ---

def test_an_account_is_on_the_server_that_made_it(ready):
    for member in ready:
        for other in ready:
            name = other.name[0] + "lice"
            wait_until(lambda: name in member.run("directory", "list", "--json").stdout)
            targets = json.loads(member.run("route", f"{name}@example.test", "--json").stdout)["routes"][0]["targets"]
            if other is member:
                assert targets[0]["account"] == name
            else:
                assert servers_of(targets[0]["plan"]) == [other.name]


def test_an_account_given_to_another_server_is_made_there(ready):
    a, b, c = ready
    status, answer = a.api("/v1/account/add", {"name": "moved", "password": "horse", "servers": [C, B]})
    assert status == 200, answer
    for member in (b, c):
        wait_until(lambda: has_account(member, "moved"), 20, f"the account on {member.name}")
    assert not has_account(a, "moved")
    assert servers_of(route(a, "moved@example.test")) == [C, B]
    line = next(l for l in a.run("cluster", "accounts").stdout.splitlines() if l.startswith("moved "))
    assert line.split()[1:] == ["no", C, "(up),", B, "(up)"]


def test_the_document_changed_last_is_first_until_another_is_edited(ready, exchange):
    a, b, c = ready
    assert servers_of(route(c, "user@BTEx")) == [A, B]
    everywhere(ready, "foreign-domain", "btex-b", gateway_text(B, exchange.port, "full_name = Edited\n"))
    assert servers_of(route(c, "user@BTEx")) == [B, A]
    everywhere(ready, "foreign-domain", "btex-a", gateway_text(A, exchange.port, "full_name = Edited\n"))
    assert servers_of(route(c, "user@BTEx")) == [A, B]
    everywhere(ready, "foreign-domain", "btex-b", gateway_text(B, exchange.port, "priority = 1\n"))
    assert servers_of(route(c, "user@BTEx")) == [B, A]   # the priority is looked at before the time
    everywhere(ready, "foreign-domain", "btex-b", gateway_text(B, exchange.port))
    everywhere(ready, "foreign-domain", "btex-a", gateway_text(A, exchange.port))


@pytest.mark.parametrize("supposed,want", [
    ("down=a.test", [B]), ("busy=a.test", [B, A]), ("restricted=a.test", [B]), ("suspect=a.test", [B, A]),
    ("down=a.test,down=b.test", [A, B]), ("busy=a.test,down=b.test", [A]), ("restricted=a.test,restricted=b.test", [])])
def test_route_tells_what_would_be(ready, supposed, want):
    plan = route(ready[2], "user@BTEx", "--if", supposed)
    assert servers_of(plan) == want
    assert [c["name"] for c in plan["candidates"]] == ["gateway a.test of btex-a", "gateway b.test of btex-b"]
    assert all(c["why"] for c in plan["candidates"])


def test_route_as_another_server_sees_it(ready, exchange):
    a, b, c = ready
    assert servers_of(route(c, "user@BTEx", "--from", B)) == [A, "127.0.0.1"]
    assert servers_of(route(c, "user@BTEx", "--from", A)) == ["127.0.0.1", B]
    assert servers_of(route(c, "alice@example.test", "--from", B)) == [A]
    refused = c.run("route", "user@BTEx", "--from", "nobody.test", check=False)
    assert refused.returncode != 0 and "no server document" in refused.stderr
    refused = c.run("route", "user@BTEx", "--if", "dead=a.test", check=False)
    assert refused.returncode != 0 and "restricted" in refused.stderr


def test_readers_hide_a_document_from_servers_that_are_none(ready, exchange):
    a, b, c = ready
    everywhere([a], "foreign-domain", "btex-a", gateway_text(A, exchange.port, f"reader = {A}\n"))
    wait_until(lambda: servers_of(route(c, "user@BTEx")) == [B], 20, "c seeing one document")
    wait_until(lambda: servers_of(route(b, "user@BTEx")) == ["127.0.0.1"], 20, "b seeing its own")
    assert servers_of(route(a, "user@BTEx")) == ["127.0.0.1", B]
    # The edit that used to break it: saved again without a word of readers, it stays hidden.
    status, answer = a.api("/v1/directory/edit", {"kind": "foreign-domain", "name": "btex-a",
                                                   "text": gateway_text(A, exchange.port)})
    if status == 200:
        wait_until(lambda: servers_of(route(c, "user@BTEx")) == [B], 5)
    else:
        assert "widen" in json.dumps(answer)
    status, answer = a.api("/v1/directory/edit", {"kind": "foreign-domain", "name": "btex-a",
                                                   "text": gateway_text(A, exchange.port), "widen": True})
    assert status == 200, answer
    wait_until(lambda: servers_of(route(c, "user@BTEx")) == [A, B], 20, "c seeing both again")


# --- mail on its way ---

numbers = itertools.count(1)


def give(member, rcpt, sender="carol@example.test"):
    """By SMTP to one server; gives the Message-ID once it has been taken."""
    ident = f"<{next(numbers)}.domain@example.test>"
    with Smtp(member.port("smtp")) as smtp:
        codes = smtp.mail(sender, [rcpt], f"Message-ID: {ident}\r\nSubject: x\r\n\r\nHello.\r\n".encode())
    assert codes[-1] == 250, codes
    return ident


def way(sink, ident, seconds=20):
    """The servers it passed, as the Received lines tell, the first one first."""
    message = sink.wait_accepted(1, seconds, id=ident)[0]
    lines = re.sub(rb"\r\n[ \t]", b" ", sink.text(message)).decode().split("\r\n")
    return [m[1] for l in reversed(lines) if (m := re.match(r"Received: .* by (\S+) with", l))]


def subjects(member, user, ident):
    with Imap(member.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        lines = imap.ok(f'UID SEARCH HEADER Message-ID "{ident}"')
    return sum(len(l.split()) - 2 for l in lines if l.startswith("* SEARCH"))


def test_both_up_mail_goes_by_the_first_gateway(ready, exchange):
    a, b, c = ready
    assert way(exchange, give(c, "user@BTEx")) == [C, A]
    assert way(exchange, give(a, "user@BTEx")) == [A]


def test_the_primary_down_mail_goes_by_the_second_within_three_seconds(ready, exchange):
    a, b, c = ready
    a.kill()
    begun = time.monotonic()
    ident = give(c, "user@BTEx")
    assert way(exchange, ident) == [C, B]
    took = time.monotonic() - begun
    print(f"kill -9 of the first gateway to the next message at the foreign system: {took * 1000:.0f} ms")
    assert took < 3
    assert way(exchange, give(b, "user@BTEx")) == [B]


def test_the_primary_hangs_mail_goes_by_the_second(ready, exchange):
    a, b, c = ready
    pid = a.worker()
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert way(exchange, give(c, "user@BTEx")) == [C, B]
        print(f"SIGSTOP of the first gateway to the next message: {(time.monotonic() - begun) * 1000:.0f} ms")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_connection_begun_before_the_primary_was_known_to_hang_is_given_up(ready, exchange):
    """By default such a connection has 30 s to be made; the primary is known to be down after 0.8 s."""
    a, b, c = ready
    c.set(smtp_out_connect_timeout_ms=30000, smtp_out_cache_ms=0)
    pid = a.worker()
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        ident = give(c, "user@BTEx")
        assert c.states()[A] == "up"
        assert way(exchange, ident) == [C, B]
        took = time.monotonic() - begun
        print(f"SIGSTOP of the first gateway to the message that was on its way there: {took * 1000:.0f} ms")
        assert took < 3
    finally:
        os.kill(pid, signal.SIGCONT)
        c.set(smtp_out_connect_timeout_ms=FAST["smtp_out_connect_timeout_ms"], smtp_out_cache_ms=2000)


def test_the_primary_busy_mail_goes_by_the_second(ready, exchange):
    a, b, c = ready
    a.set(server_availability_threshold=100)
    try:
        wait_until(lambda: c.states()[A] == "busy")
        assert way(exchange, give(c, "user@BTEx")) == [C, B]
        c.set(cluster_pass_busy="no")
        assert way(exchange, give(c, "user@BTEx")) == [C, A]
    finally:
        c.set(cluster_pass_busy="yes")
        a.set(server_availability_threshold=0)


def test_both_down_mail_is_held_and_goes_when_one_is_back(ready, exchange):
    a, b, c = ready
    a.kill()
    b.kill()
    idents = [give(c, "user@BTEx") for _ in range(5)]
    wait_until(lambda: c.states() == {A: "down", B: "down"})
    assert not any(exchange.messages(id=i) for i in idents)
    b.start()
    wait_until(lambda: c.states()[B] == "up", 30)
    begun = time.monotonic()
    for ident in idents:
        assert way(exchange, ident) == [C, B]
    print(f"held mail at the foreign system {(time.monotonic() - begun) * 1000:.0f} ms after its gateway was up")
    assert time.monotonic() - begun < 5 and all(len(exchange.messages(id=i)) == 1 for i in idents)


def test_the_foreign_system_away_from_the_first_gateway_mail_goes_by_the_second(ready, exchange):
    """The first gateway runs, its host does not answer: it hands over to the second."""
    a, b, c = ready
    everywhere(ready, "foreign-domain", "btex-a", gateway_text(A, 9))
    try:
        assert way(exchange, give(a, "user@BTEx")) == [A, B]
        assert way(exchange, give(c, "user@BTEx"))[-1] == B
    finally:
        everywhere(ready, "foreign-domain", "btex-a", gateway_text(A, exchange.port))


def test_an_account_elsewhere_gets_its_mail_and_waits_for_its_server(ready, exchange):
    a, b, c = ready
    ident = give(c, "alice@example.test")
    wait_until(lambda: subjects(a, "alice", ident) == 1, 20, "the mail in alice's inbox")
    a.kill()
    ident = give(c, "alice@example.test")
    wait_until(lambda: c.states()[A] == "down")
    said = c.run("directory", "lint", check=False).stdout
    assert any("alice" in l and "every server that holds the account is down" in l for l in said.splitlines()), said
    a.start()
    wait_until(lambda: subjects(a, "alice", ident) >= 1, 30, "the mail that waited")
    assert subjects(a, "alice", ident) == 1


def test_an_account_on_several_servers_gets_its_mail_at_one_that_is_up(ready):
    a, b, c = ready
    status, answer = b.api("/v1/account/add", {"name": "pair", "password": "horse", "servers": [C, B]})
    assert status == 200, answer
    wait_until(lambda: all(has_account(m, "pair") for m in (b, c)))
    wait_until(lambda: servers_of(route(a, "pair@example.test")) == [C, B])
    ident = give(a, "pair@example.test")
    wait_until(lambda: subjects(c, "pair", ident) == 1, 20, "the mail at the leading server")
    c.kill()
    ident = give(a, "pair@example.test")
    wait_until(lambda: subjects(b, "pair", ident) == 1, 20, "the mail at the other one")


def test_a_group_reaches_members_on_all_servers_once(ready):
    everywhere(ready, "group", "everyone", "member = alice\nmember = blice\nmember = clice\n")
    for member in ready:
        ident = give(member, "everyone@example.test")
        for other in ready:
            wait_until(lambda: subjects(other, other.name[0] + "lice", ident) == 1, 20, f"a copy on {other.name}")


def test_mail_that_waited_through_a_restart_goes_when_its_server_is_back(ready):
    """Long before the next try would be due."""
    a, b, c = ready
    c.set(queue_retry_min_ms="10 min", queue_retry_max_ms="10 min", queue_probe_ms="10 min")
    try:
        a.kill()
        ident = give(c, "alice@example.test")
        wait_until(lambda: c.states()[A] == "down")
        c.stop()
        c.start()
        wait_until(lambda: c.states()[A] == "down")
        wait_until(lambda: "down after" in c.run("route", "alice@example.test").stdout, 20, "a try after the restart")
        a.start()
        wait_until(lambda: c.states()[A] == "up", 30)
        wait_until(lambda: subjects(a, "alice", ident) == 1, 10, "the mail in alice's inbox")
    finally:
        c.set(queue_retry_min_ms=200, queue_retry_max_ms=1000, queue_probe_ms=200)


# --- one SMTP domain of two systems: who lives where is decided for each address ---

@pytest.fixture
def other_system(ready):
    """It has carl@example.net, and gives what it does not know to ours (b); a and b are the gateways there."""
    base = free_base_port(3)
    other = Member("other.test", base, {**FAST, "domains": "example.net", "listen_cluster": "", "listen_transfer": "",
                                        "listen_smtp": f"127.0.0.1:{base + 1}", "listen_imap": f"127.0.0.1:{base + 2}"})
    other.ports = {"smtp": f"127.0.0.1:{base + 1}", "imap": f"127.0.0.1:{base + 2}"}
    other.start()
    assert other.api("/v1/account/add", {"name": "carl", "password": "horse"})[0] == 200
    put(other, "foreign-domain", "ours", f"domain = Ours\nmail_server = other.test\nshared_domain = example.net\n"
        f"host = 127.0.0.1:{ready[1].port('smtp')}\n")
    for name, server in (("net-b", B), ("net-a", A)):
        everywhere(ready, "foreign-domain", name, f"domain = Other\nmail_server = {server}\nshared_domain = example.net\n"
                   f"host = 127.0.0.1:{base + 1}\n")
    yield other
    for name in ("net-a", "net-b"):
        status, answer = ready[2].api("/v1/directory/remove", {"kind": "foreign-domain", "name": name})
        assert status == 200, answer
    assert other.remove() == 0


def inbox(member, user):
    with Imap(member.port("imap"), user) as imap:
        imap.ok("SELECT INBOX")
        return [text for text in imap.ok("UID FETCH 1:* BODY.PEEK[]") if "BODY[]" in text]


def passed(member, ident):
    return sum("event=smtp_accepted " in l and f"message_id={ident} " in l for l in member.lines)


def test_a_domain_of_two_systems_each_has_its_own_people(ready, other_system):
    for member in (*ready, other_system):
        ours, theirs = give(member, "alice@example.net"), give(member, "carl@example.net")
        wait_until(lambda: subjects(ready[0], "alice", ours) == 1, 20, f"alice's mail, given to {member.name}")
        wait_until(lambda: subjects(other_system, "carl", theirs) == 1, 20, f"carl's mail, given to {member.name}")
        assert passed(other_system, ours) == (member is other_system)   # who is here gets it here
    assert servers_of(route(ready[2], "carl@example.net")) == [A, B]


def test_the_second_gateway_takes_what_the_domain_shares_when_the_first_is_down(ready, other_system):
    ready[0].kill()
    ident = give(ready[2], "carl@example.net")
    wait_until(lambda: subjects(other_system, "carl", ident) == 1, 20, "the mail by the second gateway")
    assert passed(ready[1], ident) == 1


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_what_nobody_has_in_either_system_comes_back_and_does_not_go_round(ready, other_system, at):
    members = (*ready, other_system)
    ident = give(members[at], "nowhere@example.net", sender="alice@example.net")

    def reports():
        return [text for text in inbox(ready[0], "alice") if "multipart/report" in text and ident in text]
    wait_until(reports, 30, "the report")
    for member in members:
        wait_until(lambda: not json.loads(member.run("queue", "list", "--json").stdout)["summary"]["recipients"], 20,
                   f"an empty queue on {member.name}")
    assert len(reports()) == 1 and "5.4.6" in reports()[0]
    rounds = [passed(member, ident) for member in members]
    print(f"given to {members[at].name}: taken {rounds} times by {[m.name for m in members]}")
    assert max(rounds) <= 6 and sum(rounds) <= 18   # smtp_received_own_max is 4
