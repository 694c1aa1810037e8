"""The servers of the CalDAV cases: one for each engine."""
import itertools, pathlib, sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import server as servers
from telling import pytest_runtest_makereport

sys.dont_write_bytecode = True
STORES = ("sqlite", "postgres")
USERS = [f"user{n}" for n in range(300)]
unused = {store: itertools.count() for store in STORES}


def pytest_collection_modifyitems(items):
    """All of one engine first: its server is started once."""
    items.sort(key=lambda item: "postgres" in item.name)


@pytest.fixture(scope="session", params=STORES)
def shared(request):
    """A server that no test stops."""
    # All tests come from one address, and some of them guess at passwords.
    server = servers.Server(request.param, accounts=USERS, settings={"auth_failures_max": "1000"}).start()
    yield server
    assert server.remove() == 0


@pytest.fixture
def people(shared):
    """Three accounts that only this test uses."""
    return [USERS[next(unused[shared.store])] for _ in range(3)]
