"""Each file below cases/ is one case; cases.py says how it is written."""
import pathlib

import pytest

import server as servers
from cases import Runner

CASES = pathlib.Path(__file__).resolve().parent / "cases"
PATHS = sorted(CASES.glob("*/*.case"))


@pytest.mark.parametrize("path", PATHS, ids=[str(p.relative_to(CASES).with_suffix("")) for p in PATHS])
def test_case(shared, people, path):
    Runner(shared, people, servers.PASSWORD).run(path)
