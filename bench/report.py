"""report: the results as a page of Markdown tables, as JSON and as drawings."""
from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path

from cases import OURS, Case, number
from svg import Bar, Chart, Group, draw
from benches import BENCHES
from work import Plan

ORDER = (OURS, "postfix + dovecot", "dovecot", "dovecot hibernating", "dovecot fast log-in",
         "cyrus", "postfix", "opensmtpd", "exim")
SECTIONS = {**{name: (bench.title, bench.about) for name, bench in BENCHES.items()},
            "disk": ("LMTP as a share of the disk's rate",
                     "The disk: equal records, one fdatasync() for all that wait, the same run.")}


def command_line(*command: str) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return ""
    return run.stdout.strip().splitlines()[0] if run.stdout.strip() else ""


def processor() -> str:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.split(":", 1)[1].strip()
    return platform.machine()


def conditions(plan: Plan) -> dict[str, str]:
    here = str(Path(__file__).parent)
    return {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "posthorse": command_line("git", "-C", here, "describe", "--always", "--dirty")
        + f", store {plan.store}",
        "processors": f"{os.cpu_count()} x {processor()}, the load on the same ones",
        "kernel": platform.release(),
        "folder": command_line("findmnt", "-no", "FSTYPE,SOURCE", "-T", str(plan.folder)),
        "postfix": command_line("postconf", "-h", "mail_version"),
        "dovecot": command_line("dovecot", "--version"),
        "cyrus": "3.6 (Debian's packages, unpacked)",
        "opensmtpd, exim": "6.8.0p2, 4.96 (Debian's packages, unpacked)",
        "rounds": f"{plan.rounds} of about {plan.seconds:g} s, medians (least to most)"
        + (", quick: smaller work, figures only roughly right" if plan.quick else ""),
        "not quiet": f"{plan.runs_not_quiet} of {plan.runs} runs began beside other work"
        if plan.waits else "not waited for",
    }


def sides_of(cases: list[Case]) -> list[str]:
    present = {side for case in cases for side in (*case.samples, *case.notes)}
    return [side for side in ORDER if side in present]


def cell(case: Case, side: str) -> str:
    values = case.samples.get(side)
    if not values:
        return "–" if side not in case.notes else "*" + case.notes[side].split(":")[0] + "*"
    middle = case.median(side)
    assert middle is not None
    if len(values) == 1:
        return number(middle)
    return f"{number(middle)} ({number(min(values))} to {number(max(values))})"


def ratio_text(case: Case) -> str:
    ratio = case.ratio()
    if ratio is None:
        return "–"
    best = case.best_beside()
    return f"{number(ratio)}x {best[0]}" if best else "–"


def table(cases: list[Case]) -> list[str]:
    sides = sides_of(cases)
    lines = ["| work | unit | " + " | ".join(sides) + " | ratio | goal |",
             "|---|---|" + "---|" * (len(sides) + 2)]
    for case in cases:
        cells = [case.name, case.unit, *(cell(case, side) for side in sides), ratio_text(case),
                 case.goal() or "–"]
        lines.append("| " + " | ".join(cells) + " |")
    notes = {f"{side}: {why}" for case in cases for side, why in case.notes.items()}
    return lines + [""] + [f"* {note}" for note in sorted(notes)] + ([""] if notes else [])


def grouped(cases: list[Case]) -> dict[str, list[Case]]:
    sections: dict[str, list[Case]] = {}
    for case in cases:
        sections.setdefault(case.bench, []).append(case)
    return sections


def page(plan: Plan, cases: list[Case], drawings: dict[str, list[str]]) -> str:
    lines = ["# Posthorse beside its peers", ""]
    lines += [f"* {name}: {value}" for name, value in conditions(plan).items()]
    lines += ["", "A ratio over 1 means that Posthorse is the better one, in rate, time or memory."]
    for name, section in grouped(cases).items():
        title, about = SECTIONS[name]
        lines += ["", f"## {title}", "", about, "", *table(section)]
        lines += [f"![{title}]({file})" for file in drawings.get(name, [])]
    return "\n".join(lines) + "\n"


def measured_bars(case: Case) -> list[Bar]:
    bars = []
    for side in ORDER:
        values, middle = case.samples.get(side), case.median(side)
        if values and middle is not None:
            label = f"{number(middle)} {case.unit.split()[0]}"
            bars.append(Bar(side, middle, label, min(values), max(values)))
    return bars


def measured_chart(title: str, about: str, cases: list[Case]) -> Chart | None:
    groups = [Group(case.name, bars, case.goal_value,
                    f"{case.goal_value:g} {case.unit.split()[0]}" if case.goal_value else "")
              for case in cases if (bars := measured_bars(case))]
    return Chart(title, about, cases[0].unit, groups) if groups else None


def ratio_chart(title: str, cases: list[Case]) -> Chart | None:
    groups = []
    for case in cases:
        ratio = case.ratio()
        if ratio is not None and case.goal_value is None:
            bar = Bar(OURS, ratio, ratio_text(case), ratio, ratio)
            groups.append(Group(case.name, [bar], case.goal_ratio,
                                case.goal() if case.goal_ratio else ""))
    return Chart(title + ": ratios", "Ratio of medians; over 1 Posthorse is the better one.",
                 "times as good", groups) if groups else None


def draw_all(folder: Path, cases: list[Case]) -> dict[str, list[str]]:
    """The names of the drawings made for each section."""
    made: dict[str, list[str]] = {}
    for name, section in grouped(cases).items():
        title, about = SECTIONS[name]
        charts = {f"{name}-ratio": ratio_chart(title, section)}
        for unit in sorted({case.unit for case in section}):
            same = [case for case in section if case.unit == unit]
            suffix = "" if unit == section[0].unit else "-" + unit
            charts[name + suffix] = measured_chart(title, about, same)
        for stem, chart in charts.items():
            if chart:
                (folder / f"{stem}.svg").write_text(draw(chart))
                made.setdefault(name, []).append(f"{stem}.svg")
    return made


def write(plan: Plan, folder: Path, cases: list[Case]) -> str:
    """Writes everything that is known so far; gives the page."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {"conditions": conditions(plan), "cases": [case.as_json() for case in cases]}
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = page(plan, cases, draw_all(folder, cases))
    (folder / "results.md").write_text(text)
    return text
