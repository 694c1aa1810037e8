"""pair: two servers of one cluster, each with a store of its own, on one machine and one disk: what
copies on a second server (`shadow`) cost."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

from cases import OURS, Case
from several import Several
from work import KIB, RCPTS, Plan, counted, interleave, plural, serving, sized

NAMES = ("a.test", "b.test")
SINGLE = "shadow = off"


class Pair(Several):
    """The first one takes the mail."""

    def __init__(self, folder: Path, binary: Path, side: str, shadow: str) -> None:
        super().__init__(folder / shadow, binary, side, NAMES, settings={"shadow": shadow})

    def start(self) -> None:
        super().start()
        self.edit("cluster", "pair", "".join(f"member = {name}\n" for name in NAMES))
        self.await_event(self.processes[NAMES[0]], "shadow_settled")
        self.add([f"u{n + 1}" for n in range(RCPTS)], NAMES[0])


def pair_side(plan: Plan, pair: Pair, sessions: int) -> Callable[[], float]:
    rate: list[float] = []

    def send(count: int) -> float:
        return plan.load("smtp", pair.ports["smtp"], sessions=sessions, count=count, size=10 * KIB,
                         users=RCPTS)["rate"]

    def run() -> float:
        if not rate:
            rate.append(send(200))
        return send(counted(plan, rate[0]))

    return run


def bench_shadow(plan: Plan) -> Iterator[Case]:
    if "ours" not in plan.sides:
        return
    lost: dict[str, str] = {}
    binary = plan.build / "posthorse"
    pairs = [Pair(plan.folder, binary, SINGLE, "off"), Pair(plan.folder, binary, OURS, "required")]
    with serving(pairs, lost) as up:  # type: ignore[arg-type]
        for sessions in plan.pick([1, 10, 100], [10]):
            case = Case("shadow", f"{sized(10 * KIB)}, {plural(sessions)}", "msg/s", goal_ratio=0.6,
                        beside=(SINGLE,), notes=dict(lost))
            yield interleave(plan, case, {
                side: pair_side(plan, pair, sessions) for side, pair in up.items()})
