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
OVERLAYS = ["gpu", "k3s", "microshift", "sno"]
MODEL_SERVER = "model-server"  # in the overlay gpu alone; no stage of ours
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


def stages(found):
    return [w for w in workloads(found) if w["metadata"]["name"] != MODEL_SERVER]


def named(found, kind, name):
    o, = [o for o in of_kind(found, kind) if o["metadata"]["name"] == name]
    return o


@functools.cache
def validator(kind, api_version):
    group, _, version = api_version.rpartition("/")
    name = "-".join(p for p in (kind, group.split(".")[0], version) if p).lower()
    return jsonschema.Draft7Validator(json.loads((HERE / "schemas" / f"{name}.json").read_text()))


def selects(selector, labels):
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    return all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))


def calls_allowed(found, port):
    """{(from, to)} of calls to that port that the policies let through in both directions."""
    labels = {w["metadata"]["name"]: w["spec"]["template"]["metadata"]["labels"] for w in workloads(found)}
    policies = of_kind(found, "NetworkPolicy")

    def open_to(own, other, direction, peers):
        for policy in policies:
            if not selects(policy["spec"]["podSelector"], labels[own]):
                continue
            for rule in policy["spec"].get(direction, []):
                if port not in [p["port"] for p in rule.get("ports", [])]:
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
            self.assertEqual({w["metadata"]["name"] for w in stages(found)}, STAGES)

    def test_network_policies_are_the_call_graph(self):
        for found in self.each_overlay():
            self.assertEqual(calls_allowed(found, 9000), {("gateway", stage) for stage in STAGES - {"gateway"}})

    def test_only_the_generator_reaches_the_model_server_and_it_reaches_nobody(self):
        found = objects("gpu")
        self.assertEqual({(a, b) for a, b in calls_allowed(found, 8080) if b != "gateway"},
                         {("generator", MODEL_SERVER)})
        policy = named(found, "NetworkPolicy", MODEL_SERVER)["spec"]
        self.assertEqual(sorted(policy["policyTypes"]), ["Egress", "Ingress"])
        self.assertNotIn("egress", policy)
        for overlay in set(OVERLAYS) - {"gpu"}:
            self.assertNotIn(MODEL_SERVER, json.dumps(objects(overlay)))

    def test_the_model_server_has_a_gpu_and_runs_on_gpu_nodes_alone(self):
        found = objects("gpu")
        server = named(found, "Deployment", MODEL_SERVER)["spec"]
        container, = server["template"]["spec"]["containers"]
        for kind in ("requests", "limits"):
            self.assertEqual(container["resources"][kind]["nvidia.com/gpu"], 1)
        self.assertEqual(server["strategy"], {"type": "Recreate"})  # two pods would want one GPU
        self.assertEqual({"startupProbe", "readinessProbe", "livenessProbe"} - set(container), set())
        job = named(found, "Job", "model-server-pull")["spec"]["template"]["spec"]
        for pod in (server["template"]["spec"], job):  # a claim of one node is filled where it is read
            self.assertEqual(pod["tolerations"],
                             [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}])
            term, = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
                "nodeSelectorTerms"]
            self.assertEqual(term["matchExpressions"],
                             [{"key": "nvidia.com/gpu.present", "operator": "In", "values": ["true"]}])
            claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
            self.assertEqual(claims, ["model-server-models"])
        for w in stages(found):
            self.assertNotIn("nvidia.com/gpu", json.dumps(w))

    def test_the_model_server_reads_the_file_that_its_job_pulls(self):
        found = objects("gpu")
        container, = named(found, "Deployment", MODEL_SERVER)["spec"]["template"]["spec"]["containers"]
        job = named(found, "Job", "model-server-pull")["spec"]["template"]["spec"]
        pull, = job["initContainers"]
        name = pull["args"][-1]
        self.assertEqual(pull["args"], ["models", "pull", name])
        catalogue = json.loads((ROOT / "libs" / "model_store" / "catalogue.json").read_text())
        model, = [m for m in catalogue["models"] if m["name"] == name]
        file, = [f for f in model["files"] if f["name"] == "model.gguf"]
        self.assertIn(f"--model=/models/sha256/{file['sha256']}", container["args"])
        self.assertIn(f"--alias={name}", container["args"])

    def test_the_generator_writes_with_the_model_server_and_falls_back(self):
        found = objects("gpu")
        arguments = named(found, "Deployment", "generator")["spec"]["template"]["spec"]["containers"][0]["args"]
        self.assertIn("--generator_backend=openai", arguments)
        self.assertIn("--generator_fallback=engine", arguments)
        port = named(found, "Service", MODEL_SERVER)["spec"]["ports"][0]["port"]
        self.assertIn(f"--generator_url=http://{MODEL_SERVER}:{port}", arguments)

    def test_the_model_servers_image_keeps_its_own_tag_in_the_sites_registry(self):
        found = objects("gpu")
        settings = named(found, "ConfigMap", "ragmesh-images")["data"]
        container, = named(found, "Deployment", MODEL_SERVER)["spec"]["template"]["spec"]["containers"]
        registry, _, image = container["image"].partition("/")
        self.assertEqual(registry, settings["registry"])
        self.assertNotEqual(image.rpartition(":")[2], settings["tag"])

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
                if w["metadata"]["name"] != MODEL_SERVER:  # whose image names no user
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
            for w in stages(found):
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
                    for found in self.each_overlay() for w in stages(found)]
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
