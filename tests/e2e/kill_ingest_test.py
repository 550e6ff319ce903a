"""kill -9 of everything during ingest: after restart the jobs finish and the index equals a clean ingest."""
import random
import time
import unittest

import corpus
import mesh


class KillIngestTest(unittest.TestCase):
    def crash_and_compare(self, form):
        documents = {**corpus.docs(), **corpus.SMALL}
        clean = form()
        try:
            clean.create_collection("site")
            clean.ingest("site", documents)
            expected = clean.index("site")
        finally:
            clean.stop()

        crashed = form()
        try:
            crashed.create_collection("site")
            jobs = [crashed.upload("site", name, data) for name, data in documents.items()]
            for round_number in range(3):
                time.sleep(random.Random(round_number).uniform(0.05, 0.6))
                crashed.kill_all()
                crashed.restart()
            for job in jobs:
                self.assertEqual(crashed.wait_for_job(job)["state"], "JOB_STATE_SUCCEEDED")
            self.assertEqual(crashed.index("site"), expected)
        finally:
            crashed.stop()

    def test_one_process(self):
        self.crash_and_compare(mesh.Serve)

    def test_seven_processes(self):
        self.crash_and_compare(mesh.Mesh)


if __name__ == "__main__":
    unittest.main()
