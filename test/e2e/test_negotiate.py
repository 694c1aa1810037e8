"""Log-in over HTTP by Kerberos and NTLM: a realm of Debian's krb5-kdc, curl, requests_ntlm, and tokens made by hand."""
import base64, hashlib, http.client, itertools, os, ssl, subprocess, time

import gssapi, pytest, requests, requests_ntlm, urllib3
import kerberos
import server as servers
from kerberos import Client, KERBEROS, NTLM, SPNEGO
from server import PASSWORD, wait_until
from test_ctl import Ctl

EWS = "/EWS/Exchange.asmx"
urllib3.disable_warnings()
addresses = itertools.count(2)


@pytest.fixture(scope="module")
def folder():
    return servers.make_dir()


@pytest.fixture(scope="module")
def realm(folder):
    (folder / "home").mkdir()
    realm = kerberos.Realm(folder / "home").start()
    realm.people("alice", "alice/admin", "sales", "nobody-here", "gone", "trusted")
    realm.services = realm.keytab("http.keytab", "HTTP/localhost", "imap/localhost")
    realm.people("krbtgt/EXAMPLE.TEST@OTHER.TEST", password="between")
    os.environ.update(realm.env)    # of GSSAPI in this process
    yield realm
    realm.stop()


@pytest.fixture(scope="module")
def other(folder, realm):
    """A realm whose KDC has a key with ours: its tickets can be read here."""
    (folder / "other").mkdir()
    other = kerberos.Realm(folder / "other", "OTHER.TEST", [realm]).start()
    other.people("alice")
    other.people("krbtgt/EXAMPLE.TEST@OTHER.TEST", password="between")
    yield other
    other.stop()


@pytest.fixture(scope="module")
def house(folder, realm):
    ntlm = folder / "ntlm"
    ntlm.write_text("EXAMPLE:alice:horse\nELSEWHERE:alice:horse\n")
    ntlm.chmod(0o644)
    shown = folder / "shown"    # the tickets that were
    shown.mkdir()
    shown.chmod(0o777)
    config = folder / "server.conf"    # the server's own, so that a test can change it
    config.write_text(realm.config.read_text())
    house = servers.Server("sqlite", accounts=["alice", "bob", "gone", "asks"], settings={
        "http_negotiate": "yes", "http_ntlm": "yes", "http_keytab": realm.services, "http_realms": "example.test EXAMPLE",
        "ews_foreign_users": "asks"}, env={"KRB5_CONFIG": str(config), "NTLM_USER_FILE": str(ntlm),
        "KRB5RCACHENAME": f"file2:{shown}/rcache"})
    house.krb5 = config
    house.start()
    yield house
    assert house.remove() == 0


@pytest.fixture(scope="module")
def alice(realm):
    return realm.ticket("alice")


class Link:
    """One connection to the server, from an address of its own, so that failures are this test's alone."""

    def __init__(self, house, kind="https", address=None):
        self.address = address or f"127.0.7.{next(addresses)}"
        options = {"timeout": 60, "source_address": (self.address, 0)}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = house.port(kind)
        self.http = (http.client.HTTPSConnection("127.0.0.1", port, context=context, **options) if kind == "https" else
                     http.client.HTTPConnection("127.0.0.1", port, **options))

    def ask(self, token=None, scheme="Negotiate", path=EWS, method="GET", **headers):
        if token is not None:
            headers["Authorization"] = f"{scheme} {base64.b64encode(token).decode()}".rstrip()
        self.http.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = self.http.getresponse()
        answer.text = answer.read()
        return answer

    def offers(self, answer):
        return answer.headers.get_all("WWW-Authenticate") or []

    def came(self, answer, scheme="Negotiate"):
        """The token in the answer."""
        [token] = [o.split(" ")[1] for o in self.offers(answer) if o.startswith(scheme + " ")]
        return base64.b64decode(token)

    def run(self, client, scheme="Negotiate", **headers):
        """A whole exchange; the last answer."""
        answer = self.ask(client.token(), scheme, **headers)
        while answer.status == 401 and any(o.startswith(scheme + " ") for o in self.offers(answer)):
            answer = self.ask(client.token(self.came(answer, scheme)), scheme, **headers)
        return answer

    def end_point(self):
        if self.http.sock is None:
            self.http.connect()
        return b"tls-server-end-point:" + hashlib.sha256(self.http.sock.getpeercert(True)).digest()


def told(house, link, *words, what="event=auth_failed"):
    """There is such a line about who asks from there, with these words; of a tuple with one of them."""
    def fits(line):
        return what in line and f"peer={link.address} " in line and all(
            any(w in line for w in (word if isinstance(word, tuple) else (word,))) for word in words)
    return wait_until(lambda: any(map(fits, list(house.lines))), what=f"a line of {what} with {words}")


def curl(house, *arguments, cache=None, path=EWS):
    done = subprocess.run(["curl", "-sSk", "--max-time", "60", "-w", "\n%{http_code} %{num_connects}", *arguments,
                           f"https://localhost:{house.port('https')}{path}"], capture_output=True, text=True, timeout=90,
                          env={**os.environ, "KRB5CCNAME": f"FILE:{cache}"})
    assert done.returncode == 0, done.stderr
    text, numbers = done.stdout.rsplit("\n", 1)
    return int(numbers.split()[0]), text


# --- Kerberos ---


def test_curl_logs_in_with_a_ticket_and_asks_ews_and_caldav(house, alice):
    question = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><ResolveNames '
                'xmlns="http://schemas.microsoft.com/exchange/services/2006/messages" ReturnFullContactData="false">'
                "<UnresolvedEntry>bob</UnresolvedEntry></ResolveNames></s:Body></s:Envelope>")
    code, text = curl(house, "--negotiate", "-u", ":", "-H", "Content-Type: text/xml", "-d", question, cache=alice)
    assert code == 200 and "bob@example.test" in text
    code, text = curl(house, "--negotiate", "-u", ":", "-X", "PROPFIND", "-H", "Depth: 0", cache=alice, path="/dav/principals/alice/")
    assert code == 207
    assert house.await_line("event=auth_ok proto=http mechanism=Kerberos name=alice") and house.seen("detail=alice@EXAMPLE.TEST")


def test_curl_without_a_ticket_is_asked_for_one_or_a_password(house, folder):
    code, _ = curl(house, "--negotiate", "-u", ":", cache=folder / "none")
    assert code == 401
    assert curl(house, "-u", f"alice:{PASSWORD}", cache=folder / "none")[0] == 200
    link = Link(house)
    answer = link.ask()
    assert answer.status == 401 and [o.split(" ")[0] for o in link.offers(answer)] == ["Negotiate", "NTLM", "Basic"]


def test_the_server_shows_that_it_is_the_one(house, alice):
    """Mutual authentication: the token in the answer completes the client's side."""
    client, link = Client(alice, mutual=True), Link(house)
    answer = link.ask(client.token())
    assert answer.status == 200 and not client.context.complete
    assert client.token(link.came(answer)) is None and client.context.complete


def test_a_ticket_is_for_its_request_alone(house, alice):
    link = Link(house)
    answer = link.run(Client(alice))
    assert answer.status == 200 and answer.headers["Persistent-Auth"] == "false"
    assert link.ask().status == 401


def test_a_ticket_without_spnego_around_it(house, alice):
    assert Link(house).run(Client(alice, mechanism=KERBEROS)).status == 200


def test_a_ticket_by_a_proxy_of_this_machine(house, alice):
    assert Link(house, "http").run(Client(alice)).status == 200


def test_a_ticket_that_was_shown_before(house, folder, alice):
    token, link = Client(alice).token(), Link(house)
    assert link.ask(token).status == 200
    again = link.ask(token)
    assert again.status == 401 and link.offers(again)[0] == "Negotiate"
    assert told(house, link, "why=token", "replay") and (folder / "shown" / "rcache").stat().st_size > 0


def test_a_ticket_for_another_service_whose_key_is_in_the_same_keytab(house, alice):
    link = Link(house)
    assert link.run(Client(alice, service="imap@localhost")).status == 401
    assert told(house, link, "why=token", "another service")


def test_a_ticket_of_another_realm_that_ours_trusts(house, other):
    """It is good, but its alice is not ours."""
    cache = other.ticket("alice@OTHER.TEST")
    os.environ["KRB5_CONFIG"], before = str(other.config), os.environ["KRB5_CONFIG"]
    try:
        link = Link(house)
        assert link.run(Client(cache)).status == 401
    finally:
        os.environ["KRB5_CONFIG"] = before
    assert told(house, link, "why=realm", "detail=alice@OTHER.TEST")


@pytest.mark.parametrize("name, why", [("alice/admin", "realm"), ("nobody-here", "nobody"), ("sales", "nobody"), ("gone", "disabled")])
def test_a_principal_that_is_nobody_here(house, realm, name, why):
    """Another instance of alice, nobody, somebody's other name, and who may not log in."""
    if name in ("sales", "gone"):
        change = ("account", "set", "alice", "--alias", "sales") if name == "sales" else ("account", "disable", "gone")
        Ctl(house).run(*change)
    link = Link(house)
    assert link.run(Client(realm.ticket(name))).status == 401
    assert told(house, link, f"why={why}")


def short(realm):
    """A token of a ticket that ends soon, and when; on a slow machine that is over too soon."""
    for seconds in (2, 6, 20):
        ends = time.time() + seconds + 1
        try:
            return Client(realm.ticket("alice", more=("-l", f"{seconds}s"))).token(), ends
        except gssapi.exceptions.GSSError as why:
            last = why
    raise last


def test_a_ticket_that_is_shown_after_its_end(house, realm):
    """That it has ended, or that it is shown too late: the library finds the one or the other first."""
    config = house.krb5.read_text()
    house.krb5.write_text(config.replace("[libdefaults]\n", "[libdefaults]\nclockskew = 1\n"))
    try:
        (token, ends), link = short(realm), Link(house)
        wait_until(lambda: time.time() > ends + 1, 60, "the ticket's end and the skew")
        assert link.ask(token).status == 401
    finally:
        house.krb5.write_text(config)
    assert told(house, link, "why=token", ("expired", "skew"))


def test_a_ticket_bound_to_this_connection_and_to_another(house, alice):
    link = Link(house)
    assert link.run(Client(alice, binding=link.end_point())).status == 200
    assert link.run(Client(alice, binding=b"tls-server-end-point:" + 32 * b"x")).status == 401
    assert told(house, link, "why=token", "hannel bindings")


def test_garbage_is_refused_and_harms_nobody(house, alice):
    worker, good = house.worker(), Client(alice).token()
    tokens = [b"", b"\0", b"`", b"\x60\x82\xff\xff", b"NTLMSSP\0", b"NTLMSSP\0\1\0\0\0", b"NTLMSSP\0\3\0\0\0" + 80 * b"\xff", 48000 * b"\x60",
              os.urandom(300), *(good[:n] for n in range(1, len(good), 97)),
              *(good[:n] + bytes([good[n] ^ 0x55]) + good[n + 1:] for n in range(0, len(good), 61))]
    for token in tokens:
        assert Link(house).ask(token).status == 401, token
    for header in ("Negotiate", "Negotiate !!", "Negotiate  YQ", "NTLM", "Negotiate" + 9000 * " ", "negotiateYQ==", "Digest x"):
        assert Link(house).ask(Authorization=header).status == 401, header
    assert Link(house).ask(100000 * b"\x60").status == 431
    assert Link(house).run(Client(alice)).status == 200 and house.worker() == worker


def test_too_many_bad_tokens_and_the_address_waits(house, alice):
    link = Link(house)
    codes = [link.ask(b"garbage").status for _ in range(12)]
    assert codes[:10] == 10 * [401] and codes[-1] == 429
    assert link.run(Client(alice)).status == 429 and told(house, link, what="event=auth_throttled")
    assert Link(house).run(Client(alice)).status == 200


def test_a_keytab_that_is_not_there_is_said_at_once_and_passwords_go_on(house, realm, alice):
    since = len(house.lines)
    house.set(http_keytab="/nonexistent/keytab")
    try:
        assert house.await_line("event=negotiate_lacks", since=since)
        link = Link(house)
        assert link.run(Client(alice)).status == 503 and told(house, link, "why=library")
        assert link.ask(f"alice:{PASSWORD}".encode(), "Basic").status == 200
    finally:
        house.set(http_keytab=realm.services)
    assert link.run(Client(alice)).status == 200


def test_it_is_off_by_default(house, alice):
    house.set(http_negotiate="no", http_ntlm="no")
    try:
        link = Link(house)
        answer = link.run(Client(alice))
        assert answer.status == 401 and [o.split(" ")[0] for o in link.offers(answer)] == ["Basic"]
    finally:
        house.set(http_negotiate="yes", http_ntlm="yes")


# --- NTLM ---


def ntlm(user="alice", domain="EXAMPLE", mechanism=NTLM):
    name = gssapi.Name(f"{user}@{domain}", gssapi.NameType.user)
    client = Client.__new__(Client)
    held = gssapi.raw.acquire_cred_with_password(name, PASSWORD.encode(), mechs=[NTLM, SPNEGO], usage="initiate").creds
    client.context = gssapi.SecurityContext(name=gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service),
                                            creds=gssapi.Credentials(held), mech=mechanism, usage="initiate")
    return client


def session(house, user, password):
    session = requests.Session()
    session.trust_env, session.verify = False, False
    session.auth = requests_ntlm.HttpNtlmAuth(user, password)
    return session.get(f"https://127.0.0.1:{house.port('https')}{EWS}"), session


def test_requests_ntlm_logs_in_and_the_connection_stays_so(house):
    answer, session_ = session(house, "EXAMPLE\\alice", PASSWORD)
    assert answer.status_code == 200 and answer.headers["Persistent-Auth"] == "true"
    again = session_.get(answer.url)
    assert again.status_code == 200 and "Authorization" not in again.request.headers
    assert house.seen("mechanism=NTLM name=alice")


@pytest.mark.parametrize("user, password", [("EXAMPLE\\alice", "wrong"), ("EXAMPLE\\bob", PASSWORD), ("ELSEWHERE\\alice", PASSWORD)])
def test_requests_ntlm_with_a_wrong_password_of_nobody_and_of_another_domain(house, user, password):
    assert session(house, user, password)[0].status_code == 401


@pytest.mark.parametrize("scheme, mechanism", [("NTLM", NTLM), ("Negotiate", NTLM), ("Negotiate", SPNEGO)])
def test_ntlm_binds_its_connection_and_no_other(house, scheme, mechanism):
    link = Link(house)
    assert link.run(ntlm(mechanism=mechanism), scheme).status == 200 and link.ask().status == 200
    assert Link(house, address=link.address).ask().status == 401
    assert link.ask(b"alice:wrong", "Basic").status == 401
    assert link.ask().status == 401    # whoever logs in anew is no longer who was there


def test_ntlm_by_a_proxy_is_for_one_request(house):
    for link, more in ((Link(house, "http"), {}), (Link(house), {"X_Forwarded_For": "192.0.2.1"})):
        answer = link.run(ntlm(), "NTLM", **more)
        assert answer.status == 200 and answer.headers["Persistent-Auth"] == "false" and link.ask().status == 401


def test_legs_on_two_connections_come_to_nothing(house):
    client, one, two = ntlm(), Link(house), Link(house)
    token = client.token(one.came(one.ask(client.token(), "NTLM"), "NTLM"))
    assert two.ask(token, "NTLM").status == 401
    assert one.ask(token, "NTLM").status == 200


# --- asking others ---


def test_a_foreign_posthorse_is_asked_with_a_ticket(house, realm, folder):
    """The asking server has a keytab of its own principal; nobody runs kinit."""
    keys = realm.keytab("client.keytab", "asks")
    asking = servers.Server("sqlite", accounts=["carol"], settings={"domains": "asking.test"}, env={
        "KRB5_CONFIG": str(realm.config), "KRB5_CLIENT_KTNAME": str(keys), "KRB5CCNAME": "MEMORY:asking"})
    try:
        asking.start()
        ctl = Ctl(asking)
        ctl.run("directory", "edit", "foreign-domain", "home", "--file", "-", input=(
            "domain = example.test\nmail_server = mail.example.test\ncalendar_server = mail.example.test\nhost = 127.0.0.1:25\n"
            f"calendar = ews http://localhost:{house.port('http')}{EWS}\ncalendar_auth = negotiate\n"))
        answer = ctl.json("freebusy", "bob@example.test", "--from", "2026-11-23", "--to", "2026-11-23")
        [attendee] = answer["attendees"]
        assert attendee["result"] == "fresh" and attendee["busy"], attendee
    finally:
        asking.remove()
    assert house.seen("mechanism=Kerberos name=asks")
