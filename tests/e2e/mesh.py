"""Starts ragmesh in either of its forms and talks to it over HTTP, for the end-to-end tests.

`Serve` is one process, `Mesh` is seven. Both give the same `url`, `kill(stage)`, `start(stage)` and `stop()`.
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ.get("RAGMESH_BINARY_DIR", "build/dev")) / "bin"
SOURCE = pathlib.Path(os.environ.get("RAGMESH_SOURCE_DIR", "."))
STAGES = ["loader", "splitter", "embedder", "vector-store", "reranker", "generator"]


def free_ports(count):
    """Ports that were free a moment ago; all are held open together so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class HttpError(Exception):
    def __init__(self, code, body):
        super().__init__(f"HTTP {code}: {body}")
        self.code = code
        self.body = body


def wait_until(what, condition, seconds=60.0):
    """Polls `condition` until it is true; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Process:
    """One child process, its log, and how it was started."""

    def __init__(self, name, command, log_folder):
        self.name, self.command = name, command
        self.log = pathlib.Path(log_folder) / f"{name}.log"
        self.child = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self, sig=signal.SIGKILL):
        if self.child.poll() is None:
            self.child.send_signal(sig)
        return self.child.wait(timeout=30)

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


class Client:
    """What both forms share: HTTP calls to the gateway."""

    url = ""

    def request(self, method, path, body=None, raw=None, headers=None, timeout=120):
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=dict(headers or {}))
        if body is not None:
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise HttpError(error.code, error.read().decode("utf-8", "replace")) from None

    def stream(self, path, body, timeout=120):
        """Yields the messages of a server stream."""
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), method="POST", headers={
            "content-type": "application/json", "accept": "application/x-ndjson"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                for line in response:
                    if line.strip():
                        yield json.loads(line)
        except urllib.error.HTTPError as error:
            raise HttpError(error.code, error.read().decode("utf-8", "replace")) from None

    def ready(self):
        """True when the gateway answers and no stage is still loading."""
        try:
            stages = self.request("GET", "/v1/status", timeout=5)["stages"]
        except (OSError, HttpError):
            return False
        return all(s.get("info", {}).get("features", {}).get("state") != "starting" for s in stages)

    def create_collection(self, name, **settings):
        return self.request("POST", "/v1/collections", {"name": name, **settings})

    def upload(self, collection, name, data):
        path = f"/v1/collections/{collection}/documents:upload?name={urllib.request.quote(name)}"
        return self.request("POST", path, raw=data, headers={"content-type": "application/octet-stream"})["job"]["id"]

    def job(self, job_id):
        return self.request("GET", f"/v1/jobs/{job_id}")["job"]

    def wait_for_job(self, job_id, seconds=120):
        ended = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
        wait_until(f"job {job_id} to end", lambda: self.job(job_id)["state"] in ended, seconds)
        return self.job(job_id)

    def ingest(self, collection, files):
        """Uploads {name: bytes} and waits; every document must get in."""
        jobs = [self.upload(collection, name, data) for name, data in files.items()]
        for job in jobs:
            ended = self.wait_for_job(job)
            assert ended["state"] == "JOB_STATE_SUCCEEDED", (ended, self.job_documents(job))

    def job_documents(self, job_id):
        return self.request("GET", f"/v1/jobs/{job_id}/documents").get("documents", [])

    def search(self, collection, query, **options):
        return self.request("POST", f"/v1/collections/{collection}:search", {"query": query, **options})

    def ask(self, collection, question, **options):
        """The whole answer as {kind: [events]}, with "text" joined."""
        events = {}
        for message in self.stream(f"/v1/collections/{collection}:ask", {"question": question, **options}):
            message = message.get("result", message)
            for kind, event in message.items():
                events.setdefault(kind, []).append(event)
        events["text"] = "".join(event.get("text", "") for event in events.get("token", []))
        return events

    def index(self, collection):
        """Everything stored, in a form that two stores can be compared by."""
        documents = self.request("GET", f"/v1/collections/{collection}/documents?page_size=1000").get("documents", [])
        result = {}
        for document in documents:
            path = f"/v1/collections/{collection}/documents/{urllib.request.quote(document['id'], safe='')}"
            chunks = self.request("GET", path + "/chunks?page_size=1000").get("chunks", [])
            text = self.request("GET", path)["document"]["text"]
            result[document["id"]] = (document["name"], text, json.dumps(chunks, sort_keys=True))
        return result


class Serve(Client):
    """All stages in one process."""

    def __init__(self, state=None, extra=()):
        self.folder = pathlib.Path(state or tempfile.mkdtemp(prefix="ragmesh-e2e-"))
        grpc_port, http_port, admin_port = free_ports(3)
        self.url = f"http://127.0.0.1:{http_port}"
        self.grpc = f"127.0.0.1:{grpc_port}"
        self.admin = f"http://127.0.0.1:{admin_port}"
        self.process = Process("serve", [
            str(BIN / "ragmesh"), "serve", f"--listen={self.grpc}", f"--http_listen=127.0.0.1:{http_port}",
            f"--admin_listen=127.0.0.1:{admin_port}", f"--data_dir={self.folder / 'data'}", *extra], self.folder)
        wait_until("ragmesh serve to answer", self.ready)

    def kill_all(self):
        self.process.kill()

    def restart(self):
        self.process.start()
        wait_until("ragmesh serve to answer again", self.ready)

    def stop(self):
        return self.process.kill(signal.SIGTERM)


class Mesh(Client):
    """Seven processes on loopback ports."""

    def __init__(self, state=None, extra=None):
        self.folder = pathlib.Path(state or tempfile.mkdtemp(prefix="ragmesh-e2e-"))
        extra = extra or {}
        ports = free_ports(2 * len(STAGES) + 3)
        self.address = {stage: f"127.0.0.1:{ports[i]}" for i, stage in enumerate(STAGES)}
        self.admin = {stage: f"127.0.0.1:{ports[len(STAGES) + i]}" for i, stage in enumerate(STAGES)}
        gateway_grpc, gateway_http, gateway_admin = ports[-3:]
        self.url = f"http://127.0.0.1:{gateway_http}"
        self.grpc = f"127.0.0.1:{gateway_grpc}"
        self.processes = {}
        for stage in STAGES:
            command = [str(BIN / f"ragmesh-{stage}"), f"--listen={self.address[stage]}",
                       f"--admin_listen={self.admin[stage]}", *extra.get(stage, ())]
            if stage == "vector-store":
                command.append(f"--data_dir={self.folder / 'store'}")
            self.processes[stage] = Process(stage, command, self.folder)
        peers = [f"--{stage.replace('-', '_')}={self.address[stage]}" for stage in STAGES]
        self.processes["gateway"] = Process("gateway", [
            str(BIN / "ragmesh-gateway"), f"--listen={self.grpc}", f"--http_listen=127.0.0.1:{gateway_http}",
            f"--admin_listen=127.0.0.1:{gateway_admin}", f"--data_dir={self.folder / 'gateway'}", *peers,
            *extra.get("gateway", ())], self.folder)
        self.wait_ready()

    def stage_ready(self, stage):
        try:
            status = self.request("GET", "/v1/status", timeout=5)
        except (OSError, HttpError):
            return False
        return any(s.get("info", {}).get("stage") == stage and s.get("reachable") and s["info"].get("ready")
                   for s in status["stages"])

    def wait_ready(self):
        for stage in STAGES:
            wait_until(f"{stage} to be ready", lambda stage=stage: self.stage_ready(stage))

    def kill(self, stage):
        self.processes[stage].kill()

    def start(self, stage):
        self.processes[stage].start()
        if stage == "gateway":
            wait_until("the gateway to answer", self.ready)
        else:
            wait_until(f"{stage} to be ready", lambda: self.stage_ready(stage))

    def kill_all(self):
        for process in self.processes.values():
            process.child.kill()
        for process in self.processes.values():
            process.child.wait(timeout=30)

    def restart(self):
        for process in self.processes.values():
            process.start()
        self.wait_ready()

    def stop(self):
        for process in reversed(self.processes.values()):
            process.kill(signal.SIGTERM)
