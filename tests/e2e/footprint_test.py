"""All stages in one process, without weights: ready within a second, under 150 MB, and of use."""
import tempfile
import time
import unittest

import corpus
import mesh


def serve_without_weights():
    empty = tempfile.mkdtemp(prefix="ragmesh-no-models-")
    return mesh.Serve(extra=[f"--model_cache={empty}"])


class FootprintTest(unittest.TestCase):
    def test_small_and_quick_without_weights(self):
        begin = time.monotonic()
        serve = serve_without_weights()
        seconds = time.monotonic() - begin
        try:
            self.assertLess(serve.process.rss_bytes(), 150 * 2**20)
            self.assertLess(seconds, 1.0)
            stages = {s["info"]["stage"]: s["info"] for s in serve.request("GET", "/v1/status")["stages"]}
            for stage in ("embedder", "reranker", "generator"):
                self.assertFalse(stages[stage].get("ready", False))
                self.assertIn("ragmesh models pull", stages[stage]["notReadyReason"])
        finally:
            self.assertEqual(serve.stop(), 0)

    def test_reads_searches_and_quotes_without_weights(self):
        serve = serve_without_weights()
        try:
            serve.create_collection("site")
            self.assertEqual(serve.request("GET", "/v1/collections/site")["collection"]["embedderModel"], "")
            serve.ingest("site", corpus.SMALL)
            events = serve.ask("site", "How often is the seal of pump P-17 replaced?")
            self.assertEqual(events["answer"][0]["kind"], "ANSWER_KIND_EXTRACTIVE")
            self.assertIn("every 18 months", events["text"])
            self.assertEqual(events["citation"][0]["documentName"], "pump.md")
            self.assertEqual({d["stage"] for d in events["degraded"]}, {"generator"})
            events = serve.ask("site", "Who inspects the boiler?")
            self.assertEqual(events["answer"][0]["kind"], "ANSWER_KIND_NOT_FOUND")
        finally:
            self.assertEqual(serve.stop(), 0)


if __name__ == "__main__":
    unittest.main()
