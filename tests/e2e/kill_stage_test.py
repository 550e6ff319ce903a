"""kill -9 of any single stage during questions: no hang, a stated degradation, recovery."""
import threading
import time
import unittest

import corpus
import mesh

EXPECTED = {  # what the answer says while the stage is away; the ingest stages are not part of a question
    "embedder": {"embedder"},
    "reranker": {"reranker"},
    "generator": {"generator"},
    "loader": set(),
    "splitter": set(),
}


class KillStageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = mesh.Mesh()
        cls.mesh.create_collection("site")
        cls.mesh.ingest("site", corpus.SMALL)

    @classmethod
    def tearDownClass(cls):
        cls.mesh.stop()

    def ask(self, i, mode="ANSWER_MODE_AUTO"):
        begin = time.monotonic()
        events = self.mesh.ask("site", corpus.QUESTIONS[i % len(corpus.QUESTIONS)], mode=mode)
        self.assertLess(time.monotonic() - begin, 30)
        return events, {d["stage"] for d in events.get("degraded", [])}

    def test_each_stage(self):
        for stage, expected in EXPECTED.items():
            with self.subTest(stage=stage):
                # The stage dies while twenty questions are under way on four clients.
                results, failures = [], []

                def client(first):
                    for i in range(5):
                        try:
                            results.append(self.ask(first + i))
                        except Exception as error:  # noqa: BLE001 any failure is counted
                            failures.append(error)

                clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
                for thread in clients:
                    thread.start()
                time.sleep(0.3)
                self.mesh.kill(stage)
                for thread in clients:
                    thread.join(timeout=120)
                    self.assertFalse(thread.is_alive(), "a question hangs")
                self.assertEqual(failures, [])
                self.assertEqual(len(results), 20)
                for events, _ in results:
                    self.assertIn("done", events)

                _, degraded = self.ask(0, "ANSWER_MODE_GENERATED" if stage == "generator" else "ANSWER_MODE_AUTO")
                self.assertEqual(degraded, expected)
                self.mesh.start(stage)
                mesh.wait_until("the answer to be whole again", lambda: self.ask(0)[1] == set(), 30)

    def test_without_the_store_a_question_fails_at_once_and_typed(self):
        self.mesh.kill("vector-store")
        try:
            begin = time.monotonic()
            with self.assertRaises(mesh.HttpError) as caught:
                self.mesh.search("site", "pump")
            self.assertEqual(caught.exception.code, 503)
            self.assertLess(time.monotonic() - begin, 15)
        finally:
            self.mesh.start("vector-store")
        self.assertTrue(self.mesh.search("site", "pump")["passages"])


if __name__ == "__main__":
    unittest.main()
