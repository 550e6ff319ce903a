"""One process and seven, whatever they keep of passages, give the same greedy answer, citations and passages."""
import unittest

import corpus
import mesh


def essence(events):
    """What must be equal: times and scores of the clock are left out."""
    citations = [{key: value for key, value in c.items() if key != "support"} for c in events.get("citation", [])]
    passages = [(p["chunkId"], p["text"]) for p in events["retrieval"][0].get("passages", [])]
    answer = events["answer"][0]
    return events["text"], citations, passages, answer["kind"], answer.get("sentences")


def passage_vectors(running):
    """By what embedder and reranker say whose token vectors are whose."""
    infos = [s["info"] for s in running.request("GET", "/v1/status")["stages"]]
    return {i["stage"]: i["features"].get("passage_vectors") for i in infos if i["stage"] in ("embedder", "reranker")}


class SameAnswerTest(unittest.TestCase):
    def answers(self, form, keep):
        flag = f"--keep_tokens={keep}"
        running = form(extra=[flag] if form is mesh.Serve else {"gateway": [flag]})
        try:
            running.create_collection("site")
            running.ingest("site", corpus.SMALL)
            made = passage_vectors(running)
            self.assertTrue(made["embedder"])
            self.assertEqual(made["embedder"], made["reranker"])  # so that what is kept is used
            scores = [[p["scores"] for p in running.search("site", question)["passages"]] for question in corpus.QUESTIONS]
            return [essence(running.ask("site", question)) for question in corpus.QUESTIONS], scores
        finally:
            running.stop()

    def test_serve_and_mesh_agree_whatever_they_keep(self):
        expected = self.answers(mesh.Serve, "none")
        for form, keep in ((mesh.Serve, "vectors"), (mesh.Mesh, "ids"), (mesh.Mesh, "vectors")):
            with self.subTest(form=form.__name__, keep=keep):
                self.assertEqual(self.answers(form, keep), expected)
        for text, _, passages, _, _ in expected[0]:
            self.assertTrue(text)
            self.assertTrue(passages)
        self.assertTrue(any(citations for _, citations, _, _, _ in expected[0]))


if __name__ == "__main__":
    unittest.main()
