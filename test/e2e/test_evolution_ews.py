"""evolution-ews, by its own library, in a process without windows; run by `make soak`, since its packages are many."""
import calendar, json, pathlib, re, subprocess

import pytest
import server as servers
from evolution_ews import DOMAIN
from far import certificate
from server import PASSWORD, wait_until
from test_calendar import bring, event, file_of
from test_cluster import make_domain
from test_ctl import Ctl
from test_domain_routing import FAST

PEOPLE = ["amy", "ben", "cleo", "dora", "oak"]
SAYS = pathlib.Path(__file__).with_name("evolution_ews.py")
FROM = calendar.timegm((2026, 11, 23, 0, 0, 0))
DAY = 86400


def at(user):
    return f"{user}@{DOMAIN}"


def run(*words, before=()):
    done = subprocess.run([*before, "/usr/bin/python3", str(SAYS), *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request):
    server = servers.Server(request.param, accounts=PEOPLE, settings={"log_level": "debug"}).start()
    yield server
    assert server.remove() == 0


def says(server, user, step, password=PASSWORD, **more):
    told, noise = run(f"http://127.0.0.1:{server.port('http')}/EWS/Exchange.asmx", user, password, step, json.dumps(more))
    assert "CRITICAL" not in noise, noise
    return told


def free_busy(server, user, *who):
    told = says(server, user, "busy", who=[at(w) if "@" not in w else w for w in who], start=FROM, end=FROM + 2 * DAY)
    return [re.findall(r"(?m)^FREEBUSY;([^:\r]*):(\S+)", c) for c in told["ok"]]


def test_it_logs_in_and_takes_the_server_for_one_of_2013_or_later(shared):
    assert says(shared, "amy", "version") == {"ok": "2013"}
    assert says(shared, "amy", "version", password="wrong") == {"error": "rejected"}


def test_it_sees_who_is_busy_when(shared):
    bring(Ctl(shared), "amy", file_of(event("one", "LOCATION:Room 4\n", "20261123T100000Z", "Budget"),
                                      event("two", "CLASS:PRIVATE\n", "20261123T140000Z", "Doctor")))
    bring(Ctl(shared), "ben", file_of(event("three", "STATUS:TENTATIVE\n", "20261124T110000Z", "Maybe"),
                                      event("four", "X-MICROSOFT-CDO-BUSYSTATUS:OOF\n", "20261124T150000Z", "Away")))
    amy, ben, cleo = free_busy(shared, "amy", "amy", "ben", "cleo")
    assert amy == [("FBTYPE=BUSY;X-SUMMARY=Budget;X-LOCATION=Room 4", "20261123T100000Z/20261123T110000Z"),
                   ("FBTYPE=BUSY", "20261123T140000Z/20261123T150000Z")]
    assert ben == [("FBTYPE=BUSY-TENTATIVE", "20261124T110000Z/20261124T120000Z"),
                   ("FBTYPE=BUSY-UNAVAILABLE", "20261124T150000Z/20261124T160000Z")]
    assert cleo == []


def test_of_whom_nothing_is_known_it_is_told_so(shared):
    """Its windows ask for each person alone: one error ends the library's list."""
    told = says(shared, "amy", "busy", who=[at("nobody")], start=FROM, end=FROM + DAY)
    assert told == {"error": "Nobody has this address"}
    told = says(shared, "amy", "busy", who=["a@other.test"], start=FROM, end=FROM + DAY)
    assert told == {"error": "Nothing says how the system of this address is asked"}
    assert says(shared, "amy", "busy", who=[at("cleo")], start=FROM, end=FROM + 100 * DAY)["error"]


def test_it_is_away_and_back(shared):
    assert says(shared, "cleo", "oof")["ok"]["state"] == "Disabled"
    told = says(shared, "cleo", "oof", state="Scheduled", audience="All", start=FROM, end=FROM + DAY, inside="Back & rested\non <Monday>",
                outside="Away")["ok"]
    assert told == {"state": "Scheduled", "audience": "All", "start": FROM, "end": FROM + DAY, "inside": "Back & rested\non <Monday>",
                    "outside": "Away"}
    shown = Ctl(shared).json("oof", "show", "cleo")
    assert (shown["state"], shown["inside"], shown["outside"]) == ("scheduled", "Back & rested\non <Monday>", "Away")
    assert says(shared, "cleo", "oof", state="Disabled", audience="None", inside="", outside="")["ok"]["state"] == "Disabled"


def test_it_finds_people(shared):
    for contacts in (False, True):
        assert says(shared, "amy", "names", who="ben", contacts=contacts)["ok"] == [["ben", at("ben"), "SMTP"]]
    assert says(shared, "amy", "names", who=at("ben"))["ok"] == [["ben", at("ben"), "SMTP"]]
    assert says(shared, "amy", "names", who="nobody at all") == {"error": "Nobody has this name"}


def test_it_gets_the_zones_that_a_meeting_has(shared):
    assert says(shared, "amy", "zones", ids=["W. Europe Standard Time"])["ok"] == {"W. Europe Standard Time": [2, 1]}
    assert says(shared, "amy", "zones", ids=["UTC"])["ok"] == {"UTC": [1, 1]}
    assert says(shared, "amy", "zones", ids=["Middle Earth Standard Time"]) == {"error": "There is no zone of that name"}


def test_it_asks_for_a_folder_and_its_other_id(shared):
    [[name, ident]] = says(shared, "amy", "folder", name="calendar")["ok"]
    assert name == "Calendar" and says(shared, "amy", "same_id", ident=ident) == {"ok": ident}


def test_what_is_not_served_is_an_error_that_is_told_once(shared):
    none = {"error": "This server does not have that operation"}
    who = at("amy")
    asked = [("hierarchy", {}), ("listed", {}), ("photo", {"who": who}), ("expires", {"who": who}), ("subscribe", {"ident": "x"}),
             ("members", {"group": at("rooms")}), ("delegates", {"who": who})]
    for step, more in asked:
        since = len(shared.lines)
        assert says(shared, "amy", step, **more) == none, step
        done = [re.search(r"operation=(\w*)", l)[1] for l in shared.lines[since:] if "event=ews_request" in l]
        assert len([o for o in done if o not in ("", "GetFolder")]) == 1, (step, done)


def test_free_time_and_names_of_another_server():
    members = make_domain(("a.test", "b.test"), settings={**FAST, "auth_plain_without_tls": "yes"}, listen=("smtp", "http"))
    try:
        for member, name in zip(members, ("amy", "ben")):
            assert member.api("/v1/account/add", {"name": name, "password": PASSWORD})[0] == 200
        bring(Ctl(members[0]), "amy", file_of(event("one", "", "20261123T100000Z", "Budget")))
        wait_until(lambda: '"amy"' in members[1].run("directory", "list", "--json").stdout, what="amy on the second")
        wait_until(lambda: free_busy(members[1], "ben", "amy") == [[("FBTYPE=BUSY", "20261123T100000Z/20261123T110000Z")]], 20,
                   "what the first server knows")
        assert says(members[1], "ben", "names", who="amy")["ok"] == [["amy", at("amy"), "SMTP"]]
    finally:
        for member in members:
            member.remove()


class Apart(servers.Server):
    """In a network of its own, whose port 443 is its to take, with names and authorities of its own. For one that has loopback
    addresses alone GLib resolves no name."""

    def command(self):
        hosts, trusted = self.dir / "hosts", self.dir / "trusted.pem"
        hosts.write_text(f"127.0.0.1 localhost autodiscover.{DOMAIN}\n")
        return ["unshare", "--mount", "--net", "sh", "-c", "ip link set lo up && ip address add 192.0.2.1/32 dev lo && "
                f"mount --bind {hosts} /etc/hosts && mount --bind {trusted} /etc/ssl/certs/ca-certificates.crt && exec \"$@\"", "sh", *super().command()]


def test_an_address_alone_leads_it_to_the_server():
    """Autodiscover over TLS by https://autodiscover.DOMAIN, whose certificate is of an authority that it trusts."""
    folder = servers.make_dir()
    cert, key = certificate(folder, "far", f"DNS:autodiscover.{DOMAIN}")
    server = Apart("sqlite", dir=folder, base_port=443 - servers.KINDS.index("https"), accounts=["amy"],
                   settings={"tls_certificate_file": cert, "tls_key_file": key, "http_url": f"https://autodiscover.{DOMAIN}"})
    (folder / "trusted.pem").write_text(cert.read_text())
    try:
        server.start()
        inside = ["nsenter", "-t", str(server.process.pid), "-m", "-n"]
        told, _ = run("", "amy", PASSWORD, "discover", before=inside)
        assert told == {"ok": f"https://autodiscover.{DOMAIN}/EWS/Exchange.asmx"}
        assert run(told["ok"], "amy", PASSWORD, "version", before=inside)[0] == {"ok": "2013"}
        assert run("", "amy", "wrong", "discover", before=inside)[0]["error"]
    finally:
        assert server.remove() == 0
