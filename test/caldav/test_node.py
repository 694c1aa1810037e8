"""Calendar programs of npm, at exact versions (test/node): tsdav, ical.js."""
import os, pathlib, random

import pytest

from test_programs import run, sqlite_only, url

NODE = pathlib.Path(__file__).resolve().parent.parent / "node"


def tsdav(shared, people, scenario, scheme="http", **more):
    assert run("node", NODE / "tsdav.mjs", scenario, url(shared, "", scheme), *people[:2], **more).endswith("ok\n")


@sqlite_only
def test_tsdav_discovers_from_the_origin(shared, people):
    tsdav(shared, people, "discovers")


@sqlite_only
def test_tsdav_over_tls(shared, people):
    tsdav(shared, people, "discovers", "https", env={**os.environ, "NODE_EXTRA_CA_CERTS": str(shared.dir / "cert.pem")})
    assert "ok\n" not in run("node", NODE / "tsdav.mjs", "discovers", url(shared, "", "https"), people[0], check=False)


@sqlite_only
def test_tsdav_makes_a_calendar_and_drops_it(shared, people):
    tsdav(shared, people, "makes_a_calendar")


def test_tsdav_makes_changes_by_etag(shared, people):
    tsdav(shared, people, "changes")


def test_tsdav_syncs_by_token_and_by_ctag(shared, people):
    tsdav(shared, people, "syncs")


@sqlite_only
def test_tsdav_asks_for_free_busy(shared, people):
    tsdav(shared, people, "frees")


def test_tsdav_goes_on_after_a_conflict(shared, people):
    tsdav(shared, people, "conflicts")


@sqlite_only
def test_ical_js_expands_what_the_server_keeps_as_the_server_does(shared, people):
    """Series as calendar programs write them, with zones, exceptions, more dates and moved instances."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(run("node", NODE / "series.mjs", url(shared, ""), people[0], seed, os.environ.get("SERIES", 100), seconds=1200))
