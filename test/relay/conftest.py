"""The servers of the relay tests: a relay, the sink where its reports come home, and the sink far away."""
import pathlib, sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import processes
from relaying import HOME, Relay
from server import Smtp
from sink import EXTENSIONS, Sink
from telling import pytest_runtest_makereport

sys.dont_write_bytecode = True
processes.prepare()
STORES = ("sqlite", "postgres")


def pytest_collection_modifyitems(items):
    """All of one engine first: its server is started once."""
    items.sort(key=lambda item: "postgres" in item.name)


@pytest.fixture(scope="session", autouse=True)
def relays():
    """One plain failure, instead of one for each test, where mail is not relayed yet."""
    relay = Relay().start()
    try:
        with Smtp(relay.port("smtp")) as smtp:
            smtp.command("MAIL FROM:<a@home.example>")
            code, lines = smtp.command("RCPT TO:<b@away.example>")
        if code != 250:
            pytest.exit(f"this posthorse does not relay yet: RCPT for another domain is answered {code} {lines[0]}", 1)
    finally:
        relay.remove()


@pytest.fixture(scope="session")
def home():
    """Takes what is sent to the senders' domain."""
    with Sink(name=f"mx.{HOME}") as sink:
        yield sink


@pytest.fixture(scope="module")
def away_sink():
    """Without CHUNKING, so that each command has its reply."""
    with Sink(name="mx.away.example", extensions=[e for e in EXTENSIONS if e != "CHUNKING"]) as sink:
        yield sink


@pytest.fixture
def away(away_sink):
    """The next hop for away.example and some more; without the faults of the test before."""
    away_sink.up()
    away_sink.clear()
    yield away_sink
    away_sink.up()
    away_sink.clear()


def started(store, home, away_sink, **settings):
    relay = Relay(store, settings).start()
    relay.connection("home", HOME, f"127.0.0.1:{home.port}")
    for domain in ("away", "never", "times", "late", "expires"):
        relay.connection(domain, f"{domain}.example", f"127.0.0.1:{away_sink.port}")
    return relay


@pytest.fixture(scope="module", params=STORES)
def relay(request, home, away_sink):
    """Sends home.example home and some domains away, on each engine."""
    relay = started(request.param, home, away_sink)
    yield relay
    assert relay.remove() == 0


@pytest.fixture(scope="module")
def sqlite_relay(home, away_sink):
    """As relay, for what does not depend on the engine."""
    relay = started("sqlite", home, away_sink)
    yield relay
    assert relay.remove() == 0
