#!/usr/bin/env python3
"""Reads every #include of libs/ and services/ and fails on an edge that allowed.txt does not have."""
import fnmatch
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)
FACADES = {"log", "metrics", "trace"}


def read_table(text):
    """({part: parts it may include}, [(header prefix, patterns of parts that may include it)])"""
    parts, third_party = {}, []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        head, _, tail = line.partition(":")
        names = set(tail.split())
        if "@facades" in names:
            names = names - {"@facades"} | FACADES
        if head.startswith("third-party "):
            third_party.append((head.removeprefix("third-party "), names))
        else:
            parts[head] = names
    return parts, third_party


def part_of(path):
    """libs/rerank/x.h -> rerank, services/gateway/main.cc -> services/gateway; None for anything else."""
    pieces = path.split("/")
    if len(pieces) > 2 and pieces[0] == "libs":
        return pieces[1]
    if len(pieces) > 2 and pieces[0] == "services":
        return "services/" + pieces[1]
    return None


def problems_in(path, text, parts, third_party):
    own = part_of(path)
    if own not in parts:
        yield f"{path}: the part '{own}' is not listed in tests/layering/allowed.txt"
        return
    for header in INCLUDE.findall(text):
        other = part_of(header)
        if other is not None:
            if other != own and other not in parts[own]:
                yield f"{path}: {own} may not include {other} ({header})"
            continue
        for prefix, allowed in third_party:
            if header.startswith(prefix) and not any(fnmatch.fnmatch(own, pattern) for pattern in allowed):
                yield f"{path}: {own} may not include {prefix} headers ({header})"


class LayeringTest(unittest.TestCase):
    def setUp(self):
        self.parts, self.third_party = read_table((HERE / "allowed.txt").read_text())

    def test_every_include_is_allowed(self):
        problems, files = [], 0
        for folder in ("libs", "services"):
            for path in sorted((ROOT / folder).rglob("*")):
                if path.suffix in (".h", ".cc"):
                    files += 1
                    name = path.relative_to(ROOT).as_posix()
                    problems += problems_in(name, path.read_text(), self.parts, self.third_party)
        self.assertGreater(files, 0)
        self.assertEqual(problems, [], "\n" + "\n".join(problems))

    def test_the_table_names_only_parts_it_lists(self):
        for part, allowed in self.parts.items():
            self.assertLessEqual(allowed, set(self.parts), f"in the line of {part}")

    def test_the_table_has_no_cycle(self):
        done, under_way = set(), []

        def visit(part):
            self.assertNotIn(part, under_way, " -> ".join(under_way + [part]))
            if part not in done:
                under_way.append(part)
                for other in sorted(self.parts[part]):
                    visit(other)
                done.add(under_way.pop())

        for part in sorted(self.parts):
            visit(part)

    def test_an_upward_edge_is_found(self):
        found = list(problems_in("libs/base/x.cc", '#include "libs/rpc/server.h"\n', self.parts, self.third_party))
        self.assertEqual(len(found), 1)

    def test_a_core_with_grpc_is_found(self):
        found = list(problems_in("libs/rerank/x.cc", "#include <grpcpp/grpcpp.h>\n", self.parts, self.third_party))
        self.assertEqual(len(found), 1)

    def test_an_unlisted_part_is_found(self):
        self.assertEqual(len(list(problems_in("libs/helper/x.cc", "", self.parts, self.third_party))), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
