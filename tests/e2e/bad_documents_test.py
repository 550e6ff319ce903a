"""Documents that are broken, hostile or merely strange: each gets in or gets a typed reason, and loses nothing else."""
import tempfile
import unittest

import mesh

TAKEN = {
    "long-line.txt": b"the pump runs and the valve is shut. " * (10 * 2**20 // 37),
    "long-word.txt": b"a" * 2**20 + b"\n\nThe pump is red.\n",
    "not-utf-8.txt": b"The pump \xff\xfe is red.\n",
}
REFUSED = {
    "empty.txt": (b"", "EMPTY_DOCUMENT"),
    "blank.txt": (b" \n" * 1000, "EMPTY_DOCUMENT"),
    "noise.bin": (bytes(range(256)) * 40, "UNSUPPORTED_MEDIA_TYPE"),
    "deep.json": (b"[" * 100_000 + b"]" * 100_000, "LIMIT_EXCEEDED"),
    "cut.docx": (b"PK\x03\x04" + bytes(60), "UNSUPPORTED_MEDIA_TYPE"),
}


def reason(error):
    return next((d["reason"] for d in error.get("details", []) if "reason" in d), None)


class BadDocumentsTest(unittest.TestCase):
    def test_each_gets_in_or_gets_its_reason(self):
        serve = mesh.Serve(extra=[f"--model_cache={tempfile.mkdtemp(prefix='ragmesh-no-models-')}"])
        try:
            serve.create_collection("site")
            jobs = {name: serve.upload("site", name, data) for name, data in TAKEN.items()}
            refused = {}
            for name, (data, _) in REFUSED.items():
                try:
                    jobs[name] = serve.upload("site", name, data)
                except mesh.HttpError as error:  # what needs no parser to be refused is refused at once
                    refused[name] = error.body
            for name in TAKEN:
                self.assertEqual(serve.wait_for_job(jobs[name])["state"], "JOB_STATE_SUCCEEDED", name)
            for name, (_, expected) in REFUSED.items():
                with self.subTest(name=name):
                    if name in refused:
                        self.assertIn(expected, refused[name])
                        continue
                    self.assertEqual(serve.wait_for_job(jobs[name])["state"], "JOB_STATE_FAILED")
                    error = serve.job_documents(jobs[name])[0]["error"]
                    self.assertEqual(reason(error), expected, error)
            self.assertEqual({document["name"] for document in serve.request(
                "GET", "/v1/collections/site/documents")["documents"]}, set(TAKEN))
            self.assertTrue(serve.search("site", "red pump")["passages"])
        finally:
            self.assertEqual(serve.stop(), 0)

    def test_a_body_over_the_limit_is_refused_by_name(self):
        serve = mesh.Serve(extra=["--max_document=1MiB",
                                  f"--model_cache={tempfile.mkdtemp(prefix='ragmesh-no-models-')}"])
        try:
            serve.create_collection("site")
            with self.assertRaises(mesh.HttpError) as caught:
                serve.upload("site", "big.txt", b"a pump " * 2**18)
            self.assertEqual(caught.exception.code, 413)
            self.assertIn("LIMIT_EXCEEDED", caught.exception.body)
        finally:
            self.assertEqual(serve.stop(), 0)


if __name__ == "__main__":
    unittest.main()
