"""A collection takes another embedder through the command line, is killed in the middle, serves all the time, and goes back."""
import json
import subprocess
import threading
import unittest

import corpus
import mesh

OLD, NEW = "all-minilm-l6-v2", "bge-small-en-v1.5"
QUESTION = "How often is the oil changed?"


def command(running, *words, check=True):
    done = subprocess.run([str(mesh.BIN / "ragmesh"), *words, "--server", running.grpc, "--quiet"],
                          capture_output=True, text=True, timeout=300, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{words}: {done.returncode} {done.stdout} {done.stderr}")
    return done


def installed():
    done = subprocess.run([str(mesh.BIN / "ragmesh"), "models", "list", "--json"], capture_output=True, text=True,
                          timeout=60, check=True)
    models = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    return {m["name"] for m in models if m.get("installed")}


class ChangeModelTest(unittest.TestCase):
    def setUp(self):
        if not {OLD, NEW} <= installed():
            self.skipTest(f"needs both embedders: ragmesh models pull {OLD} {NEW}")
        self.running = mesh.Serve(extra=[f"--embedder_model={OLD}", f"--next_embedder_model={NEW}"])

    def tearDown(self):
        self.running.stop()

    def collection(self):
        return self.running.request("GET", "/v1/collections/site")

    def dense(self):
        found = self.running.search("site", QUESTION, mode="SEARCH_MODE_DENSE", skipRerank=True)
        self.assertEqual(found.get("degraded", []), [])
        self.assertTrue(found["passages"])
        return found["passages"]

    def test_changes_through_a_kill_and_goes_back(self):
        running = self.running
        running.create_collection("site")
        files = {**corpus.SMALL, **{f"extra{i}.md": f"# Extra {i}\n\nPump {i} needs {i} litres of oil.\n".encode()
                                    for i in range(60)}}
        running.ingest("site", files)
        before = running.index("site")
        old_scores = [p["scores"]["dense"] for p in self.dense()]
        job = json.loads(command(running, "collections", "change-model", "site", f"--embedder={NEW}", "--detach",
                                 "--json").stdout)
        running.kill_all()
        running.restart()
        ended = running.wait_for_job(job["id"])
        self.assertEqual(ended["state"], "JOB_STATE_SUCCEEDED", ended)
        self.assertEqual(self.collection()["collection"]["embedderModel"], NEW)
        self.assertEqual(self.collection()["previousEmbedderModel"], OLD)
        self.assertEqual(running.index("site"), before)  # documents and chunks as they were
        new_scores = [p["scores"]["dense"] for p in self.dense()]
        self.assertNotEqual(new_scores, old_scores)
        answer = running.ask("site", QUESTION)
        self.assertEqual(answer.get("degraded", []), [])

        # Written since, it is there after going back; nobody who searches meanwhile sees an error.
        running.ingest("site", {"late.md": b"# Late\n\nThe late pump needs seven litres of oil.\n"})
        stop, failures = threading.Event(), []

        def search():
            while not stop.is_set():
                try:
                    self.dense()
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(repr(error))
        searcher = threading.Thread(target=search)
        searcher.start()
        try:
            back = command(running, "collections", "rollback", "site")
        finally:
            stop.set()
            searcher.join()
        self.assertEqual(failures, [])
        self.assertIn(OLD, back.stdout)
        self.assertEqual(self.collection()["collection"]["embedderModel"], OLD)
        self.assertEqual([p["scores"]["dense"] for p in self.dense()][:1], old_scores[:1])
        found = running.search("site", "late pump seven litres")["passages"]
        self.assertTrue(any("seven litres" in p["text"] for p in found))

        names = [c["name"] for c in running.request("GET", "/v1/collections")["collections"]]
        self.assertEqual(names, ["site"])
        command(running, "collections", "finish", "site")
        self.assertNotEqual(command(running, "collections", "rollback", "site", check=False).returncode, 0)
        self.assertFalse(self.collection().get("canRollBack", False))
        command(running, "collections", "delete", "site", "--yes")
        self.assertEqual(running.request("GET", "/v1/collections").get("collections", []), [])


if __name__ == "__main__":
    unittest.main()
