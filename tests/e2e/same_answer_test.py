"""One process and seven give the same greedy answer, the same citations and the same passages."""
import unittest

import corpus
import mesh


def essence(events):
    """What must be equal: times and scores of the clock are left out."""
    citations = [{key: value for key, value in c.items() if key != "support"} for c in events.get("citation", [])]
    passages = [(p["chunkId"], p["text"]) for p in events["retrieval"][0].get("passages", [])]
    answer = events["answer"][0]
    return events["text"], citations, passages, answer["kind"], answer.get("sentences")


class SameAnswerTest(unittest.TestCase):
    def answers(self, form):
        running = form()
        try:
            running.create_collection("site")
            running.ingest("site", corpus.SMALL)
            return [essence(running.ask("site", question)) for question in corpus.QUESTIONS]
        finally:
            running.stop()

    def test_serve_and_mesh_agree(self):
        one, seven = self.answers(mesh.Serve), self.answers(mesh.Mesh)
        self.assertEqual(one, seven)
        for text, citations, passages, _, _ in one:
            self.assertTrue(text)
            self.assertTrue(passages)
        self.assertTrue(any(citations for _, citations, _, _, _ in one))


if __name__ == "__main__":
    unittest.main()
