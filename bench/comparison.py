"""Measures taken in turns by ours and by a peer, and the table of their ratios."""
import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import sys
import time

import client
from machine import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("RAGMESH_BINARY_DIR", ROOT / "build" / "dev"))
os.environ.setdefault("RAGMESH_TESTDATA", str(ROOT / ".." / "shared" / "testdata"))

ROUNDS = 7
# Runtimes let their threads spin for a moment after the last call; none may do so while the next one is timed.
PAUSE_SECONDS = 0.05
QUIET_LOAD = 0.3
THREADS = 2


@dataclasses.dataclass(frozen=True)
class Row:
    """What is promised: ours divided by the peer is at least the floor, or at most where less is better. Without a
    floor nothing is."""
    name: str
    unit: str
    floor: float | None
    less_is_better: bool = False

    def missed(self, ratio):
        if self.floor is None:
            return False
        return ratio > self.floor if self.less_is_better else ratio < self.floor


def rounds(*measures):
    """One list of ROUNDS values for each measure, taken in turns."""
    values = [[] for _ in measures]
    for _ in range(ROUNDS):
        for measure, taken in zip(measures, values):
            time.sleep(PAUSE_SECONDS)
            taken.append(measure())
    return values


def seconds(worker, op, runs=1, **request):
    """A measure: the median time of a request's runs."""
    return lambda: statistics.median(worker.ask(op, runs=runs, **request)["seconds"])


def rate(work, measure):
    return lambda: work / measure()


def number(value, width=10):
    if value is None:
        return f"{'-':>{width}}"
    return f"{value:{width}.0f}" if value >= 1000 else f"{value:{width}.4g}"


class Table:
    """Rows with a promise go to the table and to JSON; details and ceilings only to the table."""

    def __init__(self, as_json):
        self.as_json = as_json
        self.missed = []  # names of rows
        if not as_json:
            print(machine())
            print(f"{'':44} {'ours':>10} {'peer':>10} {'ratio':>7} {'least':>7} {'most':>7}  {'floor':>6} "
                  f"{'share':>6}  unit")

    def row(self, row, ours, peer=None, ratios=None, share=None, note="", missed=None):
        """ours and peer are values of each round; ratios too, when they are not simply ours divided by peer; missed,
        when that is more than a median on the wrong side of the floor."""
        if ratios is None and peer and all(peer):
            ratios = [a / b for a, b in zip(ours, peer)]
        unit = f"{row.unit}, {note}" if note else row.unit
        ratio, spread = (statistics.median(ratios), [min(ratios), max(ratios)]) if ratios else (None, None)
        ours, peer = statistics.median(ours), statistics.median(peer) if peer else None
        if missed is None:
            missed = ratio is not None and row.missed(ratio)
        if missed:
            self.missed.append(row.name)
        if self.as_json:
            print(json.dumps({"name": row.name, "unit": unit, "ours": ours, "peer": peer, "ratio": ratio,
                              "floor": row.floor, "spread": spread}), flush=True)
            return
        bound = "" if row.floor is None else f"{'<=' if row.less_is_better else '>='} {row.floor:g}"
        self.line(row.name, ours, peer, ratio, spread, bound, share, unit + ("  MISSED" if missed else ""))

    def say_what_is_missed(self):
        if self.missed:
            print("bench: short of the floor: " + ", ".join(self.missed), file=sys.stderr)

    def detail(self, name, ours, peer=None, share=None, unit=""):
        if not self.as_json:
            ratios = [a / b for a, b in zip(ours, peer)] if peer else None
            self.line("  " + name, statistics.median(ours), statistics.median(peer) if peer else None,
                      statistics.median(ratios) if ratios else None, [min(ratios), max(ratios)] if ratios else None,
                      "", share, unit)

    @staticmethod
    def line(name, ours, peer, ratio, spread, bound, share, unit):
        least, most = spread or (None, None)
        percent = f"{100 * share:5.0f}%" if share else ""
        print(f"{name:44} {number(ours)} {number(peer)} {number(ratio, 7)} {number(least, 7)} {number(most, 7)}  "
              f"{bound:>6} {percent:>6}  {unit}", flush=True)


class Ceilings:
    """What this machine can do at all, as our worker measures it, once for each."""

    def __init__(self, ours, table):
        self.ours, self.table = ours, table
        self.known = {}

    def of(self, op, field, **request):
        """The largest value; None when our worker cannot tell."""
        key = op, *request.values()
        if key not in self.known:
            try:
                value = self.ours.ask(op, **request)[field]
                self.known[key] = max(value) if isinstance(value, list) else value
            except client.Refused:
                self.known[key] = None
        return self.known[key]

    def operations(self, precision, threads=THREADS):
        """A second."""
        gops = self.of("peak", "gops", precision=precision, threads=threads)
        return 1e9 * gops if gops else None

    def show_operations(self):
        for precision in ("f32", "bf16", "int8"):
            for threads in (1, 2):
                if self.operations(precision, threads):
                    self.table.detail(f"ceiling {precision}, threads {threads}",
                                      [self.operations(precision, threads) / 1e9], unit="GOP/s")


def share_of(per_second, ceiling):
    return per_second / ceiling if ceiling else None


def arguments(part, description, rows, accuracy_help, accuracy_parts=()):
    """The options of bench/PART/run. --only is a row, or with --accuracy one of accuracy_parts."""
    parser = argparse.ArgumentParser(prog=f"bench/{part}/run", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="measure the peers too")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    only = "one row of: " + ", ".join(rows)
    if accuracy_parts:
        only += "; with --accuracy one of: " + ", ".join(accuracy_parts)
    parser.add_argument("--only", metavar="NAME", help=only)
    parser.add_argument("--accuracy", action="store_true", help=accuracy_help)
    parser.add_argument("--ours", nargs="+", default=[BUILD / "bench" / f"{part}_bench"], metavar="COMMAND",
                        help="another worker in the place of ours")
    wanted = parser.parse_args()
    known = accuracy_parts if wanted.accuracy and accuracy_parts else list(rows)
    if wanted.only and wanted.only not in known:
        parser.error(f"--only {wanted.only}: choose from {', '.join(known)}")
    if not pathlib.Path(wanted.ours[0]).exists():
        sys.exit(f"bench: {wanted.ours[0]} is missing; run ./dev bench {part}, which builds it")
    return wanted


def warn_unless_quiet():
    if os.getloadavg()[0] > QUIET_LOAD:
        print(f"bench: the load of this machine is above {QUIET_LOAD}; figures will be worse than they could be",
              file=sys.stderr)


def measure(bench, rows):
    """Each row by the method that is called like it."""
    for name, row in rows.items():
        try:
            getattr(bench, name)(row)
        except client.Refused as refusal:
            print(f"bench: {name} was not measured: {refusal}", file=sys.stderr)
    bench.table.say_what_is_missed()
