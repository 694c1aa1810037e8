"""caldav: the benches of calendars, beside Cyrus."""
from __future__ import annotations

import itertools
import statistics
import threading
import time
from typing import Callable, Iterator

from cases import Case
from dav import (ASK_TAGS, ASK_TOKEN, Dav, DavError, plain_event, query, sync, token_of, year_of)
from ours import Posthorse
from peers import Cyrus, Server
from work import Plan, RunFailed, counted, interleave, serving

NAMES = [f"u{n}" for n in range(1, 71)]
LOADERS = 10
PUTTERS, INVITED = NAMES[:10], NAMES[10:20]
LARGE = "u70"  # whose calendar holds LARGE_EVENTS
ASKED = NAMES[:50]
EVENTS, RECURRING, DAYS = 200, 20, 14
numbers = itertools.count(1)


def path_of(server: Server, user: str) -> str:
    return server.calendar.format(user)  # type: ignore[attr-defined,no-any-return]


def tried(work: Callable[[], None]) -> None:
    try:
        work()
    except (DavError, OSError) as error:
        raise RunFailed(str(error)) from error


def together(jobs: list[Callable[[], None]]) -> float:
    """All at once; gives the seconds until the last is done."""
    failed: list[Exception] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except (DavError, OSError) as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RunFailed(str(failed[0]))
    return time.perf_counter() - begun


def put_all(server: Server, user: str, objects: list[tuple[str, bytes]], path: str = "") -> None:
    dav = Dav(server.ports["http"], user)
    for name, text in objects:
        dav.put((path or path_of(server, user)) + name, text)
    dav.close()


def count_of(server: Server, user: str) -> int:
    """How many objects a person's calendar holds. Asking makes it, where it was not there."""
    dav = Dav(server.ports["http"], user)
    dav.request("PROPFIND", path_of(server, user).rsplit("/", 2)[0] + "/", ASK_TAGS, depth="0")
    count = dav.request("PROPFIND", path_of(server, user), ASK_TAGS, depth="1").count(b"getetag>\"")
    dav.close()
    return count


# --- PUT ----------------------------------------------------------------------------------------


def put_once(server: Server, clients: int, count: int, invites: bool) -> float:
    """Events a second."""
    jobs = []
    for user, guest in list(zip(PUTTERS, INVITED))[:clients]:
        uids = [f"put{next(numbers)}@bench.test" for _ in range(count // clients)]
        objects = [(f"{uid}.ics", plain_event(user, uid, (guest,) if invites else ())) for uid in uids]
        jobs.append(lambda user=user, objects=objects: put_all(server, user, objects))
    guests = INVITED[:clients] if invites else []
    before = [count_of(server, guest) for guest in guests]
    seconds = together(jobs)
    for guest, had in zip(guests, before):
        if (got := count_of(server, guest) - had) != count // clients:
            raise RunFailed(f"{guest} was invited to {count // clients} events and has {got}")
    return count // clients * clients / seconds


def put_side(plan: Plan, server: Server, clients: int, invites: bool) -> Callable[[], float]:
    rate: list[float] = []

    def run() -> float:
        if not rate:
            rate.append(put_once(server, clients, 20 * clients, invites))
        return put_once(server, clients, counted(plan, rate[0], 10 * clients), invites)

    return run


# --- sync-collection ----------------------------------------------------------------------------


def fill_large(server: Server, count: int) -> None:
    objects = [(f"{n}.ics", plain_event(LARGE, f"large{n}@bench.test")) for n in range(count)]
    together([lambda part=objects[n::LOADERS]: put_all(server, LARGE, part) for n in range(LOADERS)])


def sync_side(server: Server, times: int) -> Callable[[], float]:
    """Milliseconds of one sync after one change."""
    def run() -> float:
        taken: list[float] = []

        def work() -> None:
            dav, path = Dav(server.ports["http"], LARGE), path_of(server, LARGE)
            token = token_of(dav.request("PROPFIND", path, ASK_TOKEN, depth="0"))
            for n in range(times):
                uid = f"large{n}@bench.test"
                dav.put(f"{path}{n}.ics", plain_event(LARGE, uid).replace(b"Room 12", b"Room %d" % next(numbers)))
                body = sync(token)
                begun = time.perf_counter()
                reply = dav.request("REPORT", path, body)
                taken.append((time.perf_counter() - begun) * 1000)
                token = token_of(reply)
                if reply.count(b"getetag>\"") != 1:
                    raise DavError(f"not one change: {reply[:400]!r}")
            dav.close()

        tried(work)
        return statistics.median(taken)

    return run


# --- calendar-query -----------------------------------------------------------------------------


def fill_year(server: Server, people: list[str]) -> None:
    def load(users: list[str]) -> None:
        for user in users:
            put_all(server, user, year_of(user, EVENTS, RECURRING), query_path(server, user, make=True))

    together([lambda users=people[n::LOADERS]: load(users) for n in range(LOADERS)])


def query_path(server: Server, user: str, make: bool = False) -> str:
    path = path_of(server, user).rsplit("/", 2)[0] + "/year/"
    if make:
        dav = Dav(server.ports["http"], user)
        dav.request("MKCALENDAR", path)
        dav.close()
    return path


def query_side(server: Server, asked: list[str], times: int, found: dict[str, int]) -> Callable[[], float]:
    """Seconds for all calendars, asked one after the other."""
    def run() -> float:
        taken: list[float] = []

        def work() -> None:
            body = query(DAYS)
            people = [Dav(server.ports["http"], user) for user in asked]
            for dav in people:
                dav.request("PROPFIND", query_path(server, dav.user), ASK_TOKEN, depth="0")
            for _ in range(times):
                begun = time.perf_counter()
                replies = [dav.request("REPORT", query_path(server, dav.user), body, depth="1") for dav in people]
                taken.append(time.perf_counter() - begun)
                found[server.side] = sum(reply.count(b"BEGIN:VEVENT") for reply in replies)
            for dav in people:
                dav.close()
            if len(set(found.values())) > 1:
                raise DavError(f"the sides find different events: {found}")

        tried(work)
        return statistics.median(taken)

    return run


# --- all ----------------------------------------------------------------------------------------


def loaded(up: dict[str, Server], case: Case, fill: Callable[[Server], None]) -> dict[str, Server]:
    """The sides that could be filled."""
    ready = {}
    for side, server in up.items():
        try:
            fill(server)
            ready[side] = server
        except (RunFailed, DavError, OSError) as error:
            case.notes[side] = f"cannot be filled: {error}"
    return ready


def bench_caldav(plan: Plan) -> Iterator[Case]:
    lost: dict[str, str] = {}
    ours = [Posthorse(plan.folder, plan.build / "posthorse", plan.store, names=NAMES)]
    servers: list[Server] = [*(ours if "ours" in plan.sides else []), *plan.peers(Cyrus(plan.folder, names=NAMES))]
    with serving(servers, lost) as up:
        for server in up.values():
            for user in NAMES:
                tried(lambda user=user, server=server: void(count_of(server, user)))  # type: ignore[misc]
        for invites in (False, True):
            for clients in plan.pick([1, 10], [10]):
                name = f"PUT of {'an event with an attendee' if invites else 'an event'}, {clients} client" + "s" * (clients > 1)
                case = Case("caldav", name, "PUT/s", beside=("cyrus",), goal_ratio=3, notes=dict(lost))
                yield interleave(plan, case, {side: put_side(plan, server, clients, invites)
                                              for side, server in up.items()})
        large = 1000 if plan.quick else 10000
        case = Case("caldav", f"sync-collection after one change among {large:,} events", "ms",
                    more_is_better=False, beside=("cyrus",), goal_ratio=1 / 0.3, notes=dict(lost))
        ready = loaded(up, case, lambda server: fill_large(server, large))
        yield interleave(plan, case, {side: sync_side(server, 20) for side, server in ready.items()})
        asked = ASKED[:10] if plan.quick else ASKED
        case = Case("caldav", f"calendar-query of {DAYS} days, {len(asked)} calendars of {EVENTS} events, "
                    f"{RECURRING} of them recurring", "s",
                    more_is_better=False, beside=("cyrus",), goal_ratio=5, notes=dict(lost))
        ready = loaded(up, case, lambda server: fill_year(server, asked))
        found: dict[str, int] = {}
        yield interleave(plan, case, {side: query_side(server, asked, 5, found) for side, server in ready.items()})


def void(_: object) -> None:
    pass
