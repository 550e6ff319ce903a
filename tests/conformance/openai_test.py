"""An unmodified `openai` client with base_url lists models, embeds, and streams an answer with its sources."""
import json
import subprocess
import time
import unittest
import urllib.request

import clients

TEXT = b"The feed pump must be greased every 400 hours. Its casing weighs 85 kilograms.\n"


def post(url, body, content_type):
    request = urllib.request.Request(url, data=body, method="POST", headers={"content-type": content_type})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


class OpenAiTest(unittest.TestCase):
    def test_the_official_client(self):
        python = clients.python_with("openai")
        with clients.gateway() as url:
            name = f"conformance-{time.time_ns()}"
            post(f"{url}/v1/collections", json.dumps({"name": name}).encode(), "application/json")
            job = post(f"{url}/v1/collections/{name}/documents:upload?name=pump.txt", TEXT, "text/plain")["job"]["id"]
            with urllib.request.urlopen(f"{url}/v1/jobs/{job}:watch", timeout=120) as events:
                last = events.read().decode().strip().splitlines()[-1]
            self.assertIn("JOB_STATE_SUCCEEDED", last)
            script = clients.SOURCE / "tests" / "conformance" / "openai_client.py"
            done = subprocess.run([python, script, f"{url}/v1", name], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
