"""cases: what was measured, beside whom, and what is to be reached."""
from __future__ import annotations

import statistics
from dataclasses import dataclass, field

OURS = "posthorse"


@dataclass
class Case:
    """One line of the results: the same work done by several sides, some rounds each."""
    bench: str
    name: str
    unit: str
    more_is_better: bool = True
    beside: tuple[str, ...] = ()  # the best of these is what ours is compared with
    goal_ratio: float | None = None  # times as good as that
    goal_value: float | None = None  # this much of the unit, at least or at most
    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # why a side has no or few samples

    def median(self, side: str) -> float | None:
        values = self.samples.get(side)
        return statistics.median(values) if values else None

    def best_beside(self) -> tuple[str, float] | None:
        """The best of the sides that ours stands beside."""
        known = [(side, value) for side in self.beside if (value := self.median(side)) is not None]
        if not known:
            return None
        return (max if self.more_is_better else min)(known, key=lambda pair: pair[1])

    def ratio(self) -> float | None:
        """How many times as good ours is as the best beside it; over 1 is better."""
        ours, best = self.median(OURS), self.best_beside()
        if not ours or best is None or not best[1]:
            return None
        return ours / best[1] if self.more_is_better else best[1] / ours

    def goal(self) -> str:
        if self.goal_ratio is not None:
            return f"{self.goal_ratio:.3g}x"
        if self.goal_value is not None:
            side = "least" if self.more_is_better else "most"
            return f"at {side} {self.goal_value:g} {self.unit.split()[0]}"
        return ""

    def as_json(self) -> dict[str, object]:
        best = self.best_beside()
        return {"bench": self.bench, "case": self.name, "unit": self.unit,
                "more_is_better": self.more_is_better, "samples": self.samples,
                "medians": {side: self.median(side) for side in self.samples},
                "beside": best[0] if best else None, "ratio": self.ratio(),
                "goal_ratio": self.goal_ratio, "goal_value": self.goal_value, "notes": self.notes}


def number(value: float) -> str:
    """Three digits that matter, thousands with commas."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"
