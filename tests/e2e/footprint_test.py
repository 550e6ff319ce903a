"""All stages in one process, without weights: ready within a second, under 150 MB."""
import tempfile
import time
import unittest

import mesh


class FootprintTest(unittest.TestCase):
    def test_small_and_quick_without_weights(self):
        empty = tempfile.mkdtemp(prefix="ragmesh-no-models-")
        begin = time.monotonic()
        serve = mesh.Serve(extra=[f"--model_cache={empty}"])
        seconds = time.monotonic() - begin
        try:
            self.assertLess(serve.process.rss_bytes(), 150 * 2**20)
            self.assertLess(seconds, 1.0)
            stages = {s["info"]["stage"]: s["info"] for s in serve.request("GET", "/v1/status")["stages"]}
            for stage in ("embedder", "reranker", "generator"):
                self.assertFalse(stages[stage].get("ready", False))
                self.assertIn("ragmesh models pull", stages[stage]["notReadyReason"])
            # A collection can be made and asked; there is no embedder, and the answer says so.
            serve.create_collection("site")
            self.assertEqual(serve.request("GET", "/v1/collections/site")["collection"]["embedderModel"], "")
            events = serve.ask("site", "Who inspects the boiler?")
            self.assertEqual(events["answer"][0]["kind"], "ANSWER_KIND_NOT_FOUND")
        finally:
            self.assertEqual(serve.stop(), 0)


if __name__ == "__main__":
    unittest.main()
