#!/usr/bin/env python3
"""Adds up one test run: summary.py RESULTS_DIR

RESULTS_DIR holds ctest.xml, CTest's own JUnit report, and one XML per GoogleTest program. Cases of GoogleTest programs
are counted one by one; every other test counts as one. A program that failed without a failed case (a crash, a time
limit, a leak found at exit) counts as one failure. The last line is 'N passed, N failed', with ', N skipped' when
there are any; exit status 1 when something failed or nothing ran.
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def cases_of_program(report):
    """(name, outcome, reason) of each case in a GoogleTest report."""
    for case in xml.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            yield name, "failed", ""
        elif skipped is not None:
            yield name, "skipped", (skipped.get("message") or "").strip().splitlines()[-1:]
        elif case.get("status") == "run":
            yield name, "passed", ""


def outcomes(results):
    for test in xml.parse(results / "ctest.xml").getroot().iter("testcase"):
        name, status = test.get("name"), test.get("status")
        report = results / f"{name}.xml"
        if status == "disabled":
            continue
        cases = []
        if report.exists():
            try:
                cases = list(cases_of_program(report))
            except xml.ParseError:  # the program died while it wrote its report
                cases = []
        yield from cases
        failed = status == "fail"
        if failed and not any(outcome == "failed" for _, outcome, _ in cases):
            yield name, "failed", ""
        elif not cases and not failed:
            reason = test.find("skipped")
            if status == "notrun":
                yield name, "skipped", [reason.get("message")] if reason is not None else []
            else:
                yield name, "passed", ""


def main():
    found = list(outcomes(pathlib.Path(sys.argv[1])))
    count = {outcome: sum(1 for _, o, _ in found if o == outcome) for outcome in ("passed", "failed", "skipped")}
    reasons = {}
    for name, outcome, reason in found:
        if outcome == "skipped":
            reasons.setdefault(reason[0] if reason else "no reason given", []).append(name)
    print()
    for reason, names in sorted(reasons.items()):
        print(f"skipped  {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") + f": {reason}")
    for name, outcome, _ in found:
        if outcome == "failed":
            print(f"FAILED   {name}")
    line = f"{count['passed']} passed, {count['failed']} failed"
    print(line + (f", {count['skipped']} skipped" if count["skipped"] else ""))
    return 0 if count["passed"] and not count["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
