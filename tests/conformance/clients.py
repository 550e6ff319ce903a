"""What the conformance tests share: the interpreter with the real clients, and a gateway to talk to."""
import contextlib
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ.get("RAGMESH_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BINARY = pathlib.Path(os.environ.get("RAGMESH_BINARY_DIR", SOURCE / "build" / "dev"))
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))


def python_with(module):
    """The interpreter that has `module`; skips the test when there is none."""
    python = os.environ.get("RAGMESH_TEST_PYTHON", str(SOURCE / "build" / "test-clients" / "python" / "bin" / "python3"))
    for candidate in (python, sys.executable):
        if pathlib.Path(candidate).exists() and subprocess.run(
                [candidate, "-c", f"import {module}"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return candidate
    raise unittest.SkipTest(f"the Python package {module} is not installed; ./dev test installs it")


@contextlib.contextmanager
def gateway():
    """URL of a gateway: RAGMESH_URL, or one started for the test."""
    if os.environ.get("RAGMESH_URL"):
        yield os.environ["RAGMESH_URL"]
        return
    import mesh
    serve = mesh.Serve()
    try:
        yield serve.url
    finally:
        serve.stop()
