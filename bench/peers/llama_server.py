"""llama-server as the peer of the whole stage: prompts over HTTP on this machine. Standard library only."""
import contextlib
import http.client
import json
import socket
import subprocess
import time

import client

PROGRAM = client.LLAMA_CPP / "llama-server"
START_SECONDS = 60
# How it may be set up; the fastest is taken.
WAYS = {f"{flash}, {tokens} tokens a call": ["--flash-attn", value, "--ubatch-size", str(tokens)]
        for flash, value in (("flash attention", "on"), ("no flash attention", "off")) for tokens in (128, 512)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, model, threads, context, way):
        self.port = free_port()
        self.log = client.LOGS / "bench-llama-server.log"
        client.LOGS.mkdir(parents=True, exist_ok=True)
        count = str(threads)
        command = [PROGRAM, "--model", model, "--host", "127.0.0.1", "--port", self.port, "--ctx-size", context,
                   "--threads", count, "--threads-batch", count, "--parallel", 1, "--cache-ram", 0, "--no-webui",
                   "--offline", *WAYS[way]]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.wait_until_ready()

    def wait_until_ready(self):
        end = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
                probe.request("GET", "/health")
                if probe.getresponse().status == 200:
                    return
            time.sleep(0.05)
        self.process.kill()
        raise SystemExit(f"bench: llama-server did not become ready; its log is {self.log}")

    def first_token(self, prompt):
        """(seconds until the first token has come, tokens of the prompt); nothing is kept from earlier prompts."""
        body = json.dumps({"prompt": prompt, "n_predict": 1, "temperature": 0, "cache_prompt": False, "stream": True})
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.connect()  # it closes each one after its answer
            begin = time.perf_counter()
            connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            if reply.status != 200:
                raise client.Refused(f"llama-server: {reply.read().decode()}")
            first = reply.readline()
            seconds = time.perf_counter() - begin
            rest = reply.read()
        events = [json.loads(line.split(b": ", 1)[1]) for line in (first + rest).splitlines()
                  if line.startswith(b"data: {")]
        return seconds, max(event.get("tokens_evaluated", 0) for event in events)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        client.end(self.process)
