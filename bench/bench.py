#!/usr/bin/python3
"""Posthorse beside Postfix, Dovecot and Cyrus: `make bench`. See README.md in this folder.

    bench/bench.py [--quick] [--only NAME[,NAME]] [--out DIR] [--ours-only | --peers-only] ..."""
from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import machine
import processes
import peers
import report
from cases import Case
from benches import BENCHES
from work import Plan, say

ROOT = Path(__file__).resolve().parent.parent


def arguments() -> argparse.Namespace:
    a = argparse.ArgumentParser(description="Measures Posthorse beside its peers.")
    a.add_argument("--quick", action="store_true",
                   help="one short round of less work: to see that all runs")
    a.add_argument("--only", default=",".join(BENCHES), metavar="NAME[,NAME]",
                   help="of " + ", ".join(BENCHES))
    a.add_argument("--out", type=Path, metavar="DIR", help="results (default: BUILD/bench-results)")
    a.add_argument("--build", type=Path, default=ROOT / "build", metavar="DIR",
                   help="meson's build folder (default: build)")
    a.add_argument("--folder", type=Path, default=Path("/var/tmp"), metavar="DIR",
                   help="where the servers keep their mail; on the disk to be measured"
                   " (default: /var/tmp)")
    a.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    a.add_argument("--rounds", type=int, help="default: 3; 1 when quick")
    a.add_argument("--seconds", type=float, help="of a timed run, about; default: 5; 1 when quick")
    a.add_argument("--peers-only", action="store_true", help="leave Posthorse out")
    a.add_argument("--ours-only", action="store_true", help="leave the peers out")
    a.add_argument("--no-wait", action="store_true", help="do not wait for a quiet machine")
    a.add_argument("--install", action="store_true", help="install the peers' packages if missing")
    parsed = a.parse_args()
    unknown = [name for name in parsed.only.split(",") if name not in BENCHES]
    if unknown:
        a.error(f"no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    return parsed


def plan_from(args: argparse.Namespace, folder: Path) -> Plan:
    sides = tuple(side for side, left_out in (("ours", args.peers_only), ("peers", args.ours_only))
                  if not left_out)
    build = args.build.resolve()
    return Plan(folder=folder, build=build, store=args.store, rounds=args.rounds or (1 if args.quick else 3),
                seconds=args.seconds or (1 if args.quick else 5), quick=args.quick, sides=sides,
                waits=not args.no_wait)


def on_signal(*_: object) -> NoReturn:
    """The first one ends the bench; the cleaning up is not disturbed by further ones."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def build_tools(build: Path) -> None:
    if not (build / "build.ninja").exists():
        sys.exit(f"bench: {build} is not built; run make, or name another with --build")
    done = subprocess.run(["ninja", "-C", str(build), "bench/load", "bench/disk", "bench/recur"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: the load cannot be built:\n{done.stdout[-2000:]}")


def run(args: argparse.Namespace, plan: Plan, out: Path) -> str:
    cases: list[Case] = []
    page = ""
    for name in args.only.split(","):
        with closing(BENCHES[name].run(plan)) as running:  # type: ignore[type-var]
            for case in running:
                cases.append(case)
                page = report.write(plan, out, cases)
    return page


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    processes.prepare()
    build_tools(args.build)
    if args.install and (missing := peers.missing_packages()):
        peers.install(missing)
    out = (args.out or args.build / "bench-results").resolve()
    folder = Path(tempfile.mkdtemp(prefix="posthorse-bench.", dir=args.folder))
    folder.chmod(0o755)  # the servers' own users pass through it
    try:
        page = run(args, plan_from(args, folder), out)
    except KeyboardInterrupt:
        say(f"ended; what was complete is in {out}")
        return 130
    finally:
        processes.end_descendants()
        shutil.rmtree(folder, ignore_errors=True)
    print(page)
    say(f"the page, results.json and the drawings are in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
