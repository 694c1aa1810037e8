"""The fixtures of the pair: one PostgreSQL, servers a.test and b.test on it."""
import pathlib, sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from pairing import USERS, PairServer, Proxy, new_postgres, where
from telling import pytest_runtest_makereport


@pytest.fixture(scope="session")
def database():
    server = new_postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def pair_of_all(database):
    pair = [PairServer("a.test", where(database)), PairServer("b.test", where(database))]
    for server in pair:
        server.start()
    pair[0].add_users()
    pair[1].await_user(USERS[-1])
    yield pair
    for server in pair:
        server.remove()


@pytest.fixture
def pair(pair_of_all):
    """Both run."""
    for server in pair_of_all:
        if server.process.poll() is not None:
            server.start()
    return pair_of_all


@pytest.fixture
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.close()
