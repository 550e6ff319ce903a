"""Starts bench workers and talks to them; README.md has the protocol. Standard library only."""
import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INSTALLED = ROOT / "build" / "peers"
LLAMA_CPP = INSTALLED / "llama_cpp" / "bin"  # programs and libraries
LOGS = ROOT / "build" / "logs"

ENCODERS = {
    "llama.cpp": [INSTALLED / "llama" / "bin" / "python3", HERE / "llama_worker.py"],
    "onednn": [INSTALLED / "onednn" / "gemm"],
    "onnxruntime": [INSTALLED / "python" / "bin" / "python3", HERE / "ort_worker.py"],
    "openvino": [INSTALLED / "python" / "bin" / "python3", HERE / "openvino_worker.py"],
    "sentence-transformers": [INSTALLED / "torch" / "bin" / "python3", HERE / "sentence_transformers_worker.py"],
}
GENERATORS = {
    "llama.cpp": [INSTALLED / "llama" / "bin" / "python3", HERE / "llama_generator_worker.py"],
}


def installed(peers):
    """The names of those that bench/peers/install has put here."""
    return [name for name, command in peers.items() if command[0].exists()]


def end(process):
    """Waits until it has ended by itself, or makes it."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
        end(self.process)


def start(peers, name):
    return Worker(name, peers[name])
