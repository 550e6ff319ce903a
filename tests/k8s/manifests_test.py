#!/usr/bin/env python3
"""Checks the Kubernetes manifests without a cluster: manifests_test.py [--update]

k8s/rendered/ holds what `kubectl kustomize` makes of each overlay. It is checked against the API's own schemas
(tests/k8s/schemas), against the call graph, and against Pod Security 'restricted'. --update renders it anew.
"""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RENDERED = ROOT / "k8s" / "rendered"
OVERLAYS = ["k3s", "microshift", "sno"]
STAGES = {"loader", "splitter", "embedder", "vector-store", "reranker", "generator", "gateway"}

try:
    import jsonschema
    import yaml
except ImportError:
    print("skipped: the Python packages jsonschema and PyYAML are absent; ./dev test installs them")
    sys.exit(77)


def render(overlay):
    return subprocess.run(["kubectl", "kustomize", ROOT / "k8s" / "overlays" / overlay], check=True,
                          capture_output=True, text=True).stdout


def objects(overlay):
    return [o for o in yaml.safe_load_all((RENDERED / f"{overlay}.yaml").read_text()) if o]


def of_kind(found, *kinds):
    return [o for o in found if o["kind"] in kinds]


def workloads(found):
    return of_kind(found, "Deployment", "StatefulSet")


@functools.cache
def validator(kind, api_version):
    group, _, version = api_version.rpartition("/")
    name = "-".join(p for p in (kind, group.split(".")[0], version) if p).lower()
    return jsonschema.Draft7Validator(json.loads((HERE / "schemas" / f"{name}.json").read_text()))


def selects(selector, labels):
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    return all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))


def calls_allowed(found):
    """{(from, to)} of gRPC calls that the policies let through in both directions."""
    labels = {w["metadata"]["name"]: w["spec"]["template"]["metadata"]["labels"] for w in workloads(found)}
    policies = of_kind(found, "NetworkPolicy")

    def open_to(own, other, direction, peers):
        for policy in policies:
            if not selects(policy["spec"]["podSelector"], labels[own]):
                continue
            for rule in policy["spec"].get(direction, []):
                if 9000 not in [p["port"] for p in rule.get("ports", [])]:
                    continue
                if peers not in rule or any(selects(p["podSelector"], labels[other]) for p in rule[peers]
                                            if "podSelector" in p and "namespaceSelector" not in p):
                    return True
        return False

    return {(a, b) for a in labels for b in labels if a != b
            and open_to(a, b, "egress", "to") and open_to(b, a, "ingress", "from")}


class ManifestsTest(unittest.TestCase):
    def each_overlay(self):
        for overlay in OVERLAYS:
            yield objects(overlay)

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is absent")
    def test_rendered_files_are_what_the_overlays_make(self):
        for overlay in OVERLAYS:
            self.assertEqual([o for o in yaml.safe_load_all(render(overlay)) if o], objects(overlay),
                             "run: python3 tests/k8s/manifests_test.py --update")

    def test_every_object_fits_the_schema_of_the_api(self):
        for found in self.each_overlay():
            for o in found:
                problems = [e.message for e in validator(o["kind"], o["apiVersion"]).iter_errors(o)]
                self.assertEqual(problems, [], f"{o['kind']} {o['metadata']['name']}")

    @unittest.skipUnless(shutil.which("kubeconform"), "kubeconform is absent")
    def test_kubeconform_agrees(self):
        files = [str(RENDERED / f"{overlay}.yaml") for overlay in OVERLAYS]
        location = str(HERE / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json")
        subprocess.run(["kubeconform", "-strict", "-schema-location", location, *files], check=True)

    def test_all_seven_stages_are_there(self):
        for found in self.each_overlay():
            self.assertEqual({w["metadata"]["name"] for w in workloads(found)}, STAGES)

    def test_network_policies_are_the_call_graph(self):
        for found in self.each_overlay():
            self.assertEqual(calls_allowed(found), {("gateway", stage) for stage in STAGES - {"gateway"}})

    def test_nothing_is_allowed_by_default(self):
        for found in self.each_overlay():
            deny = [p for p in of_kind(found, "NetworkPolicy") if p["spec"]["podSelector"] == {}]
            self.assertEqual([sorted(p["spec"]["policyTypes"]) for p in deny], [["Egress", "Ingress"]])

    def test_pods_are_restricted(self):
        for found in self.each_overlay():
            for w in workloads(found):
                pod = w["spec"]["template"]["spec"]
                container, = pod["containers"]
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertNotIn("runAsUser", pod["securityContext"])  # OpenShift gives its own
                self.assertFalse(pod["automountServiceAccountToken"])
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]}})
                self.assertNotIn("hostPath", json.dumps(pod))
                self.assertEqual(set(container["resources"]), {"requests", "limits"})

    def test_readiness_asks_for_a_service_that_the_protos_have(self):
        known = set()
        for proto in (ROOT / "protos" / "ragmesh").rglob("*.proto"):
            text = proto.read_text()
            package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
            known |= {f"{package[1]}.{s}" for s in re.findall(r"^service (\w+)", text, re.MULTILINE)}
        for found in self.each_overlay():
            for w in workloads(found):
                probe = w["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
                self.assertIn(probe["grpc"]["service"], known)

    def test_services_and_budgets_select_exactly_one_workload(self):
        for found in self.each_overlay():
            labels = [w["spec"]["template"]["metadata"]["labels"] for w in workloads(found)]
            for o in of_kind(found, "Service", "PodDisruptionBudget"):
                selector = o["spec"]["selector"] if o["kind"] == "Service" else o["spec"]["selector"]["matchLabels"]
                self.assertEqual(sum(selects({"matchLabels": selector}, l) for l in labels), 1, o["metadata"]["name"])

    def test_programs_know_the_flags_that_manifests_pass(self):
        bin_folder = pathlib.Path(os.environ.get("RAGMESH_BINARY_DIR", ROOT / "build" / "dev")) / "bin"
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        commands = [(w["metadata"]["name"], w["spec"]["template"]["spec"]["containers"][0]["args"])
                    for found in self.each_overlay() for w in workloads(found)]
        commands += [(name, service["command"]) for name, service in compose.items()]
        for stage, arguments in commands:
            program = bin_folder / f"ragmesh-{stage}"
            if not program.exists():
                self.skipTest(f"{program.name} is not built")
            known = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
            for argument in arguments:
                self.assertIn(argument.split("=")[0], known, stage)


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        RENDERED.mkdir(exist_ok=True)
        for name in OVERLAYS:
            (RENDERED / f"{name}.yaml").write_text(render(name))
        sys.exit(0)
    unittest.main(verbosity=2)
