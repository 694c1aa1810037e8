"""The servers of the end-to-end tests: one for each engine for all tests that leave it running."""
import itertools, pathlib, sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import server as servers
from telling import pytest_runtest_makereport

sys.dont_write_bytecode = True
STORES = ("sqlite", "postgres")
USERS = [f"user{n}" for n in range(140)]
CROWD = [f"crowd{n}" for n in range(200)]
unused = {store: itertools.count(10) for store in STORES}  # those before are for who names them


def pytest_collection_modifyitems(items):
    """All of one engine first: its server is started once."""
    items.sort(key=lambda item: "postgres" in item.name)


@pytest.fixture(scope="session", params=STORES)
def shared(request):
    """A server that no test stops."""
    server = servers.Server(request.param, accounts=USERS + CROWD).start()
    yield server
    assert server.remove() == 0


@pytest.fixture(params=STORES)
def own(request):
    """A server for this test alone, not yet started."""
    server = servers.Server(request.param)
    yield server
    server.remove()


@pytest.fixture
def sqlite():
    """As own, for what does not depend on the engine."""
    server = servers.Server("sqlite")
    yield server
    server.remove()


@pytest.fixture
def user(shared):
    """An account that only this test uses."""
    return USERS[next(unused[shared.store])]


@pytest.fixture
def user2(shared):
    return USERS[next(unused[shared.store])]
