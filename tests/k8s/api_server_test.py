#!/usr/bin/env python3
"""Applies every overlay to a real API server: api_server_test.py FOLDER

FOLDER holds kube-apiserver, etcd and kubectl. Both servers run on free loopback ports over a temporary folder and end
with the test. Pod Security admission is on, and the overlays' namespace enforces 'restricted'.
"""
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(sys.argv[1]).resolve()
OVERLAYS = ["gpu", "k3s", "microshift", "sno"]


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class ApiServer:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        etcd, peer, api = free_ports(3)
        token = secrets.token_hex(16)
        (self.folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
        for command in (["genrsa", "-out", "sa.key", "2048"], ["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"]):
            subprocess.run(["openssl", *command], cwd=self.folder, check=True, capture_output=True)
        self.url = f"https://127.0.0.1:{api}"
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "t",
                  "clusters": [{"name": "t", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
                  "users": [{"name": "t", "user": {"token": token}}],
                  "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}]}
        (self.folder / "config").write_text(json.dumps(config))
        self.processes = [self.start("etcd", [
            f"--data-dir={self.folder}/etcd", f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}", f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync"])]
        self.processes.append(self.start("kube-apiserver", [
            f"--etcd-servers=http://127.0.0.1:{etcd}", f"--secure-port={api}", "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder}/certs", f"--token-auth-file={self.folder}/tokens.csv",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-key-file={self.folder}/sa.pub",
            f"--service-account-signing-key-file={self.folder}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            # no controller makes the 'default' account here, and without it pods are refused before Pod Security
            "--disable-admission-plugins=ServiceAccount"]))
        deadline = time.monotonic() + 120
        while self.kubectl("get", "--raw", "/readyz", check=False).returncode != 0:
            if time.monotonic() > deadline or any(p.poll() is not None for p in self.processes):
                raise RuntimeError((self.folder / "kube-apiserver.log").read_text()[-4000:])
            time.sleep(0.3)

    def start(self, program, arguments):
        log = open(self.folder / f"{program}.log", "wb")
        return subprocess.Popen([BIN / program, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kubectl(self, *arguments, check=True, stdin=None):
        environment = dict(os.environ, KUBECONFIG=str(self.folder / "config"), HOME=str(self.folder))
        result = subprocess.run([BIN / "kubectl", *arguments], env=environment, input=stdin, capture_output=True, text=True)
        if check and result.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments[:4])}: {result.stderr}")
        return result

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


class ApiServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="ragmesh-k8s-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.api = ApiServer(cls.folder.name)
        cls.addClassCleanup(cls.api.stop)

    def apply(self, overlay):
        manifest = str(ROOT / "k8s" / "rendered" / f"{overlay}.yaml")
        # A namespace made in the same dry run does not exist for what comes after it, so it is applied for good.
        self.api.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", manifest)

    def pods(self):
        """A pod from the template of every workload that is applied."""
        listed = json.loads(self.api.kubectl("-n", "ragmesh", "get", "deploy,sts", "-o", "json").stdout)["items"]
        for workload in listed:
            template = workload["spec"]["template"]
            template["spec"]["volumes"] = template["spec"].get("volumes", []) + [
                {"name": claim["metadata"]["name"], "emptyDir": {}}
                for claim in workload["spec"].get("volumeClaimTemplates", [])]
            yield {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
                   "metadata": {"name": workload["metadata"]["name"] + "-0", "namespace": "ragmesh",
                                "labels": template["metadata"]["labels"]}}

    def create(self, pod):
        return self.api.kubectl("create", "--dry-run=server", "-f", "-", check=False, stdin=json.dumps(pod))

    def check_overlay(self, overlay, count=7):
        self.apply(overlay)
        self.apply(overlay)  # again: nothing in it conflicts with what the server filled in
        pods = list(self.pods())
        self.assertEqual(len(pods), count)
        for pod in pods:
            result = self.create(pod)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("Warning", result.stderr)

    def test_k3s_overlay_is_accepted(self):
        self.check_overlay("k3s")

    def test_gpu_overlay_is_accepted(self):
        self.check_overlay("gpu", count=8)  # the model server too
        self.api.kubectl("-n", "ragmesh", "delete", "deployment", "model-server")  # the others have none

    def test_sno_overlay_is_accepted(self):
        self.check_overlay("sno")

    def test_microshift_overlay_is_accepted(self):
        self.check_overlay("microshift")

    def test_a_pod_that_asks_for_more_is_refused(self):
        self.apply("k3s")
        pod = next(self.pods())
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        result = self.create(pod)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("violates PodSecurity", result.stderr)

    def test_a_misspelt_field_is_refused(self):
        manifest = (ROOT / "k8s" / "rendered" / "k3s.yaml").read_text().replace("readinessProbe:", "redinessProbe:", 1)
        result = self.api.kubectl("apply", "--server-side", "--validate=strict", "--dry-run=server", "-f", "-",
                                  check=False, stdin=manifest)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("redinessProbe", result.stderr)


if __name__ == "__main__":
    outcome = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(ApiServerTest))
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{max(outcome.testsRun - failed, 0)} passed, {failed} failed")
    sys.exit(0 if outcome.wasSuccessful() else 1)
