"""The page in a real browser against a real gateway: tests/web/page_test.mjs with RAGMESH_URL."""
import os
import subprocess
import unittest

import clients


class PageTest(unittest.TestCase):
    def test_page(self):
        with clients.gateway() as url:
            done = subprocess.run([clients.SOURCE / "tests" / "web" / "run_page_test.sh"], check=False, text=True,
                                  capture_output=True, env={**os.environ, "RAGMESH_URL": url})
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
