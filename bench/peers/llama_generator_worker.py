"""llama.cpp as the generator's peer, by its C interface; README.md says what its best is.

Workloads are those of llama-bench and llama-batched-bench, and made in the same way: nothing is sampled.
"""
import functools
import itertools
import json
import time

import serving

import llama_cpp
import numpy as np

import llama_library

REPACKED = {"weights repacked": True, "weights as stored": False}
MOST_TOKENS = 1024  # that a request may add to a cache
CALL_TOKENS = (128, 512)  # of a prompt at once, n_ubatch
PASSES_TRIED, TOKENS_TRIED = 4, 16


class Context:
    """Streams whose first `depth` positions are read and stay; what follows is written again and again."""

    def __init__(self, model, threads, flash, streams=1, depth=0, call_tokens=max(CALL_TOKENS), unified=True):
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = streams * (depth + MOST_TOKENS)
        params.n_batch, params.n_ubatch, params.n_seq_max = MOST_TOKENS, call_tokens, streams
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type, params.kv_unified = flash, unified
        self.run = llama_cpp.llama_init_from_model(model, params)
        if not self.run:
            raise ValueError("llama.cpp cannot make a context")
        self.memory = llama_cpp.llama_get_memory(self.run)
        self.words = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self.batch = llama_cpp.llama_batch_init(MOST_TOKENS, 0, 1)
        self.depth, self.streams = depth, streams
        for stream in range(streams if depth else 0):
            self.fill(self.random_ids(depth, seed=stream), [stream] * depth, 0)
            self.decode()

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.run)

    def random_ids(self, count, seed=1):
        return np.random.default_rng(seed).integers(0, self.words, count).tolist()

    def fill(self, ids, streams, position, outputs="last"):
        """The batch: tokens of streams; those of one stream stand one after another from `position` on."""
        batch, placed = self.batch, {}
        batch.n_tokens = len(ids)
        for index, (token, stream) in enumerate(zip(ids, streams)):
            batch.token[index], batch.pos[index] = token, position + placed.setdefault(stream, 0)
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, stream
            batch.logits[index] = outputs == "all" or index == len(ids) - 1
            placed[stream] += 1

    def decode(self):
        if llama_cpp.llama_decode(self.run, self.batch) != 0:
            raise ValueError("llama_decode failed")
        llama_cpp.llama_synchronize(self.run)

    def rewind(self):
        for stream in range(self.streams):
            llama_cpp.llama_memory_seq_rm(self.memory, stream, self.depth, -1)

    def logits(self, rows):
        """Of the last read, [rows, words]; valid until the next one."""
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits(self.run), (rows, self.words))


def write_tokens(context, ids):
    """One after another; what a call takes beside the work of llama.cpp is a thousandth."""
    context.rewind()
    context.fill(ids[:1], [0], context.depth)
    begin = time.perf_counter()
    for place, token in enumerate(ids, context.depth):
        context.batch.token[0], context.batch.pos[0] = token, place
        context.decode()
    return time.perf_counter() - begin


def read_tokens(context, ids, streams, outputs):
    context.rewind()
    context.fill(ids, streams, context.depth, outputs)
    return serving.seconds_of(context.decode)


class Worker:
    def __init__(self):
        self.chosen = serving.Chosen()
        self.contexts = {}

    @staticmethod
    @functools.cache
    def model(path, repack=True):
        return llama_library.load(path, repack)

    def open(self, request, ways, **more):
        """{label: context} of a request's workload: of all ways, and of the chosen one alone once there is one."""
        workload = json.dumps({key: value for key, value in request.items() if key != "runs"})
        if workload not in self.contexts:
            self.contexts[workload] = {
                ", ".join(labels): Context(self.model(request["model"], REPACKED[labels[1]]), request["threads"],
                                           llama_library.FLASH[labels[0]], **more,
                                           **dict(pair for label in labels[2:] for pair in ways[label].items()))
                for labels in itertools.product(llama_library.FLASH, REPACKED, *([ways] if ways else []))}
        return workload, self.contexts[workload]

    def timed(self, request, ways, measure, tried, **more):
        """measure(context) and tried(context) return seconds; the second takes less time and chooses the way."""
        workload, contexts = self.open(request, ways, **more)
        label = self.chosen.fastest(workload, {label: functools.partial(tried, context)
                                               for label, context in contexts.items()})
        for other in set(contexts) - {label}:
            contexts.pop(other).close()
        context = contexts[label]
        tried(context)
        return {"seconds": [measure(context) for _ in range(request.get("runs", 1))], "way": label}

    def info(self, _):
        return {"name": "llama.cpp", "version": llama_library.VERSION,
                "notes": llama_cpp.llama_print_system_info().decode()}

    def load(self, request):
        def work():
            Context(self.model(request["model"]), request["threads"], llama_library.FLASH["flash attention"])
        return {"seconds": serving.seconds_of(work)}

    def decode(self, request):
        def measure(context, count):
            return write_tokens(context, context.random_ids(count))
        return self.timed(request, {}, functools.partial(measure, count=request["tokens"]),
                          functools.partial(measure, count=min(request["tokens"], TOKENS_TRIED)),
                          depth=request.get("depth", 0))

    def prefill(self, request):
        def measure(context):
            return read_tokens(context, context.random_ids(request["tokens"]), [0] * request["tokens"], "last")
        return self.timed(request, {f"{count} tokens a call": {"call_tokens": count} for count in CALL_TOKENS}, measure,
                          measure)

    def a_pass(self, request):
        rows, streams = request["rows"], request.get("of", "streams") == "streams"

        def measure(context):
            return read_tokens(context, context.random_ids(rows), range(rows) if streams else [0] * rows, "all")
        ways = {"one cache": {"unified": True}, "a cache for each stream": {"unified": False}} if streams else {}
        return self.timed(request, ways, measure, lambda context: sum(measure(context) for _ in range(PASSES_TRIED)),
                          depth=request.get("depth", 0), streams=rows if streams else 1)

    @functools.cache
    def plain(self, path, threads):
        """A context as llama.cpp sets it up by itself."""
        return Context(self.model(path), threads, llama_library.FLASH["flash attention"])

    def all_logits(self, request):
        context = self.plain(request["model"], request["threads"])
        context.rewind()
        context.fill(request["ids"], [0] * len(request["ids"]), 0, "all")
        context.decode()
        return context.logits(len(request["ids"]))

    def logits(self, request):
        last = self.all_logits(request)[-1]
        best = np.argsort(-last)[:request.get("top", 8)]
        return {"top": [[int(token), float(last[token])] for token in best]}

    def write_logits(self, request):
        self.all_logits(request).astype(np.float32).tofile(request["path"])
        return {}


if __name__ == "__main__":
    llama_library.begin()
    worker = Worker()
    serving.serve({"info": worker.info, "load": worker.load, "decode": worker.decode, "prefill": worker.prefill,
                   "pass": worker.a_pass, "logits": worker.logits, "write_logits": worker.write_logits})
