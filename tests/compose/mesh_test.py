#!/usr/bin/env python3
"""Drives the seven containers: mesh_test.py URL PROJECT. Called by tests/compose/run."""
import json
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from mesh import Client, wait_until  # noqa: E402

URL, PROJECT = sys.argv[1], sys.argv[2]
STAGES = ["loader", "splitter", "embedder", "vector-store", "reranker", "generator", "gateway"]
FACT = b"# Pump P-7\n\nThe seal of pump P-7 is replaced every 400 operating hours.\n"


def podman(*arguments):
    return subprocess.run(["podman", *arguments], check=True, capture_output=True, text=True).stdout


def container(stage):
    return f"{PROJECT}_{stage}_1"


class Compose(Client):
    def __init__(self):
        self.url = URL

    def stages(self):
        return {s["info"]["stage"]: s for s in self.request("GET", "/v1/status", timeout=5)["stages"] if "info" in s}

    def stage_ready(self, stage):
        try:
            found = self.stages().get(stage, {})
        except OSError:
            return False
        return bool(found.get("reachable") and found["info"].get("ready"))


class ComposeTest(unittest.TestCase):
    """The tests run in the order of their names, over one mesh."""

    mesh = Compose()

    def ask(self):
        return self.mesh.ask("pumps", "How often is the seal of pump P-7 replaced?")

    def test_1_all_seven_become_ready_and_healthy(self):
        wait_until("the gateway to answer", self.mesh.ready, 60)
        for stage in STAGES[:-1]:
            wait_until(f"{stage} to be ready", lambda stage=stage: self.mesh.stage_ready(stage), 60)
        for stage in STAGES:
            podman("healthcheck", "run", container(stage))  # without systemd podman runs no checks by itself

    def test_2_containers_are_locked_down(self):
        for stage in STAGES:
            with self.subTest(stage):
                found = json.loads(podman("inspect", container(stage)))[0]
                self.assertEqual(found["Config"]["User"], "65532:65532")
                self.assertTrue(found["HostConfig"]["ReadonlyRootfs"])
                self.assertEqual(found.get("EffectiveCaps") or [], [])

    def test_3_a_question_is_answered_with_citations(self):
        self.mesh.create_collection("pumps")
        self.mesh.ingest("pumps", {"pump.md": FACT})
        events = self.ask()
        self.assertIn("400", events["text"])
        self.assertTrue(events.get("citation"), events.keys())

    def test_4_without_the_generator_the_answer_degrades_and_recovers(self):
        podman("kill", "--signal", "KILL", container("generator"))
        start = time.monotonic()
        events = self.ask()
        self.assertLess(time.monotonic() - start, 30)
        self.assertTrue(events.get("degraded"), events.keys())
        self.assertIn("400", json.dumps(events))
        podman("start", container("generator"))
        wait_until("generator to be ready again", lambda: self.mesh.stage_ready("generator"), 60)
        self.assertIn("400", self.ask()["text"])

    def test_5_containers_stop_cleanly(self):
        podman("stop", "-t", "30", container("reranker"))
        state = json.loads(podman("inspect", container("reranker")))[0]["State"]
        self.assertEqual(state["ExitCode"], 0, "SIGTERM must drain and end with 0, not be cut off by SIGKILL")


if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(ComposeTest))
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(0 if result.wasSuccessful() else 1)
