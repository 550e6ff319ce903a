"""Starts bench workers and talks to them; README.md has the protocol. Standard library only."""
import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INSTALLED = ROOT / "build" / "peers"
LOGS = ROOT / "build" / "logs"

PEERS = {
    "llama.cpp": [INSTALLED / "llama" / "bin" / "python3", HERE / "llama_worker.py"],
    "onednn": [INSTALLED / "onednn" / "gemm"],
    "onnxruntime": [INSTALLED / "python" / "bin" / "python3", HERE / "ort_worker.py"],
    "openvino": [INSTALLED / "python" / "bin" / "python3", HERE / "openvino_worker.py"],
    "sentence-transformers": [INSTALLED / "torch" / "bin" / "python3", HERE / "sentence_transformers_worker.py"],
}


def installed():
    """The names of the peers that bench/peers/install has put here."""
    return [name for name, command in PEERS.items() if command[0].exists()]


class Refused(Exception):
    """The worker does not offer what was asked for."""


class Worker:
    """One process. It answers one request at a time, and ends when its stdin is closed."""

    def __init__(self, name, command):
        self.name = name
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"bench-{name}.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1)

    def ask(self, op, **fields):
        try:
            self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SystemExit(f"bench: the worker {self.name} ended when it was asked for '{op}'; its log is {self.log}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(f"{self.name}: {answer['error']}")
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(name):
    return Worker(name, PEERS[name])
