#!/usr/bin/env python3
"""The parts of ./dev that need no build: its help, its package list, its test summary."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CTEST = '<testsuite>{}</testsuite>'
GTEST = '<testsuites><testsuite>{}</testsuite></testsuites>'


def dev(*arguments):
    return subprocess.run([ROOT / "dev", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def summary(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (pathlib.Path(folder) / name).write_text(text)
        return subprocess.run([sys.executable, ROOT / "tests" / "summary.py", folder], capture_output=True, text=True)


class HelpTest(unittest.TestCase):
    def test_help_names_every_command(self):
        commands = re.findall(r"^cmd_(\w+)\(\)", (ROOT / "dev").read_text(), re.MULTILINE)
        text = dev("help").stdout
        self.assertIn("demo", commands)
        for command in set(commands) - {"help"}:
            self.assertRegex(text, rf"\./dev {command}\b")

    def test_unknown_command_fails_and_says_where_the_list_is(self):
        result = dev("tset")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("./dev help", result.stderr)

    def test_demo_of_a_folder_that_is_not_there_fails_before_it_builds(self):
        result = dev("demo", "/no/such/folder", "why?")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("/no/such/folder", result.stderr)

    def test_demo_of_a_folder_wants_a_question(self):
        result = dev("demo", str(ROOT))
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("question", result.stderr)


class PackageListTest(unittest.TestCase):
    def test_each_line_is_a_comment_a_section_or_a_package(self):
        for line in (ROOT / "libs/cmake/debian-packages.txt").read_text().splitlines():
            self.assertRegex(line, r"^(#.*|\[[a-z]+\] .+|[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?)?$")

    def test_a_section_holds_no_package_twice(self):
        text = (ROOT / "libs/cmake/debian-packages.txt").read_text()
        for section in re.split(r"^\[", text, flags=re.MULTILINE)[1:]:
            names = section.splitlines()[1:]
            names = [n for n in names if n]
            self.assertEqual(len(names), len(set(names)), section.splitlines()[0])


class SummaryTest(unittest.TestCase):
    def test_counts_cases_of_googletest_and_other_tests_as_one(self):
        result = summary({
            "ctest.xml": CTEST.format('<testcase name="a_test" status="run"/><testcase name="script" status="run"/>'),
            "a_test.xml": GTEST.format('<testcase name="X" classname="T" status="run"/>'
                                       '<testcase name="Y" classname="T" status="run"/>')})
        self.assertEqual(result.stdout.splitlines()[-1], "3 passed, 0 failed")
        self.assertEqual(result.returncode, 0)

    def test_names_what_failed_and_why_others_were_skipped(self):
        result = summary({
            "ctest.xml": CTEST.format('<testcase name="a_test" status="fail"/>'),
            "a_test.xml": GTEST.format(
                '<testcase name="X" classname="T" status="run"><failure message="m"/></testcase>'
                '<testcase name="Y" classname="T" status="run"><skipped message="f.cc:1&#10;no model"/></testcase>')})
        self.assertIn("FAILED   T.X", result.stdout)
        self.assertIn("no model", result.stdout)
        self.assertEqual(result.stdout.splitlines()[-1], "0 passed, 1 failed, 1 skipped")
        self.assertEqual(result.returncode, 1)

    def test_a_program_that_crashed_is_one_failure(self):
        result = summary({"ctest.xml": CTEST.format('<testcase name="a_test" status="fail"/>')})
        self.assertEqual(result.stdout.splitlines()[-1], "0 passed, 1 failed")

    def test_a_program_that_fails_after_its_cases_passed_is_a_failure(self):
        result = summary({
            "ctest.xml": CTEST.format('<testcase name="a_test" status="fail"/>'),
            "a_test.xml": GTEST.format('<testcase name="X" classname="T" status="run"/>')})
        self.assertEqual(result.stdout.splitlines()[-1], "1 passed, 1 failed")

    def test_nothing_run_is_not_a_success(self):
        self.assertEqual(summary({"ctest.xml": CTEST.format("")}).returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
