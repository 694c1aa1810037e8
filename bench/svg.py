"""svg: bar drawings by hand: bars in named groups, a scale with its unit, goals as lines."""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH = 860
LEFT = 200  # where the bars begin
RIGHT = 690  # where the longest ends; its figure stands behind it
TOP = 78
BAR, STEP, NAME, GAP = 16, 21, 22, 12
LOG_SPAN = 30  # largest by smallest value from which a logarithmic scale is used
FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"
COLOURS = {"posthorse": "#c2571a", "dovecot": "#4a7fb5", "dovecot hibernating": "#93b7d8",
           "dovecot fast log-in": "#93b7d8", "postfix + dovecot": "#4a7fb5", "cyrus": "#6a9a5b"}


@dataclass
class Bar:
    label: str
    value: float
    text: str
    low: float
    high: float


@dataclass
class Group:
    name: str
    bars: list[Bar]
    goal: float | None = None
    goal_text: str = ""


@dataclass
class Chart:
    title: str
    subtitle: str
    unit: str
    groups: list[Group] = field(default_factory=list)


class Scale:
    """Where on the drawing a value lies."""

    def __init__(self, chart: Chart) -> None:
        values = [v for g in chart.groups for v in
                  ([b.high for b in g.bars] + [b.value for b in g.bars] + [g.goal or 0]) if v > 0]
        self.high = max(values, default=1)
        low = min(values, default=1)
        self.log = self.high / low > LOG_SPAN
        self.low = 10 ** math.floor(math.log10(low / 1.5)) if self.log else 0.0
        self.ticks = self.decades() if self.log else self.steps()
        self.high = max(self.high, self.ticks[-1]) if not self.log else self.high

    def decades(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.floor(math.log10(self.high))
        return [10.0 ** e for e in range(first, last + 1)]

    def steps(self) -> list[float]:
        rough = self.high / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        return [i * step for i in range(math.ceil(self.high / step) + 1)]

    def x(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = value / self.high
        return LEFT + (RIGHT - LEFT) * share


def text(x: float, y: float, what: str, size: int = 12, extra: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' {extra}>{escape(what)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' {style}/>"


def draw_scale(scale: Scale, bottom: float, unit: str) -> list[str]:
    out = []
    for tick in scale.ticks:
        x = scale.x(tick)
        out.append(line(x, TOP - 6, x, bottom, "stroke='#e2e2dc'"))
        out.append(text(x, bottom + 16, f"{tick:,.10g}", 11, "text-anchor='middle' fill='#666'"))
    kind = ", logarithmic" if scale.log else ""
    out.append(text((LEFT + RIGHT) / 2, bottom + 34, unit + kind, 12,
                    "text-anchor='middle' fill='#444'"))
    return out


def draw_bar(scale: Scale, y: float, bar: Bar) -> list[str]:
    end = scale.x(bar.value)
    middle = y + BAR / 2
    out = [text(LEFT - 8, middle + 4, bar.label, 12, "text-anchor='end'"),
           f"<rect x='{LEFT}' y='{y:.1f}' width='{max(1.0, end - LEFT):.1f}' height='{BAR}' "
           f"fill='{COLOURS.get(bar.label, '#c2571a')}'/>"]
    whisker = end
    if bar.high > bar.low:
        whisker = max(end, scale.x(bar.high))
        out.append(line(scale.x(bar.low), middle, whisker, middle, "stroke='#222'"))
    out.append(text(whisker + 6, middle + 4, bar.text))
    return out


def draw_group(scale: Scale, y: float, group: Group) -> tuple[list[str], float]:
    out = [text(16, y + 14, group.name, 13, "font-weight='bold'")]
    top = y + NAME
    y = top
    for bar in group.bars:
        out += draw_bar(scale, y, bar)
        y += STEP
    if group.goal:
        x = scale.x(group.goal)
        out.append(line(x, top - 4, x, y - 1,
                        "stroke='#a01818' stroke-width='2' stroke-dasharray='5 3'"))
        out.append(text(x + 4, top - 7, "goal " + group.goal_text, 11, "fill='#a01818'"))
    return out, y + GAP


def draw(chart: Chart) -> str:
    scale = Scale(chart)
    parts: list[str] = []
    y: float = TOP
    for group in chart.groups:
        drawn, y = draw_group(scale, y, group)
        parts += drawn
    head = [text(16, 28, chart.title, 18, "font-weight='bold'"),
            text(16, 50, chart.subtitle, 12, "fill='#555'")]
    height = y + 46
    return "\n".join(
        [f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height:.0f}' "
         f"viewBox='0 0 {WIDTH} {height:.0f}' {FONT} fill='#1a1a1a'>",
         "<rect width='100%' height='100%' fill='#fdfdf9'/>",
         *draw_scale(scale, y, chart.unit), *head, *parts, "</svg>", ""])
