"""The bench worker protocol (README.md) for encoders written in Python: what all of them share.

A peer gives an Engine; serve() reads requests from stdin and answers on stdout. An engine offers several ways to run a
task (a session option, another form of the graph), and each workload is timed with the way that is fastest for it.
"""
import dataclasses
import functools
import json
import os

import numpy as np

import serving

# Runtimes read these as they are loaded, so this module is imported before any of them. They then neither report what
# they do over the network, which would also take time from what is measured, nor write into the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

CLS, SEP = 101, 102
RERANK_BATCHES = (1, 4, 10, 20, 50)  # of 100 pairs, none leaves a remainder
# Ways are tried on part of a workload: enough tokens to tell them apart, without measuring everything many times.
TRIAL_TOKENS = 4096


@dataclasses.dataclass(frozen=True)
class Batch:
    """Texts of one forward call, padded to the longest: three [texts, tokens] arrays of int64."""
    ids: np.ndarray
    mask: np.ndarray
    kinds: np.ndarray

    def inputs(self):
        """By the names that models of the BERT family use."""
        return {"input_ids": self.ids, "attention_mask": self.mask, "token_type_ids": self.kinds}


class Engine:
    """What a peer provides."""
    name = version = notes = ""
    precisions = ()

    def ways(self, task, precision, threads):
        """{label: function from a list of batches to a list of [texts, width] arrays} for 'embed' or 'rerank'.

        Labels and their functions stay the same over calls with the same arguments.
        """
        raise NotImplementedError


def random_texts(lengths, seed):
    random = np.random.default_rng(seed)
    texts = []
    for length in lengths:
        ids = random.integers(1000, 30000, length)
        ids[0], ids[-1] = CLS, SEP
        texts.append(ids)
    return texts


def padded(texts, batch_size):
    """Batches of texts sorted by length, so that little is padded, and each text's place in that order."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    batches = []
    for begin in range(0, len(order), batch_size):
        rows = [texts[index] for index in order[begin:begin + batch_size]]
        ids = np.zeros((len(rows), len(rows[-1])), np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(rows):
            ids[row, :len(text)] = text
            mask[row, :len(text)] = 1
        batches.append(Batch(ids, mask, np.zeros_like(ids)))
    return batches, order


def pair_batches(pairs, tokens, batch_size):
    """Pairs of a short query and a passage: token types 0, then 1."""
    batches, _ = padded(random_texts([tokens] * pairs, seed=1), batch_size)
    for batch in batches:
        batch.kinds[:, min(16, tokens // 2):] = 1
    return batches


def trial_part(batches):
    """Batches spread evenly over the workload, TRIAL_TOKENS in all if there are as many, and at least one."""
    tokens = sum(batch.ids.size for batch in batches)
    return batches[::-(-tokens // TRIAL_TOKENS)]


def seconds_for_each_token(run, batches):
    return serving.seconds_of(run, batches) / sum(batch.ids.size for batch in batches)


class Worker:
    def __init__(self, engine):
        self.engine = engine
        self.chosen = serving.Chosen()

    def timed(self, workload, options, runs):
        """The workload by the fastest of {label: (run, batches)}."""
        label = self.chosen.fastest(workload, {
            label: functools.partial(seconds_for_each_token, run, trial_part(batches))
            for label, (run, batches) in options.items()})
        run, batches = options[label]
        run(batches)
        return {"seconds": [serving.seconds_of(run, batches) for _ in range(runs)], "way": label}

    def ways(self, task, request):
        if request["precision"] not in self.engine.precisions:
            raise ValueError(f"precision '{request['precision']}' is not offered")
        ways = self.engine.ways(task, request["precision"], request["threads"])
        wanted = {label: run for label, run in ways.items() if label.startswith(request.get("way", ""))}
        if not wanted:
            raise ValueError(f"way '{request['way']}' is not offered")
        return wanted

    def info(self, _):
        return {"name": self.engine.name, "version": self.engine.version, "precisions": list(self.engine.precisions),
                "notes": self.engine.notes}

    def encode(self, request):
        batches, _ = padded(random_texts(request["lengths"], request.get("seed", 1)), request.get("batch", 32))
        options = {label: (run, batches) for label, run in self.ways("embed", request).items()}
        workload = json.dumps({key: value for key, value in request.items() if key not in ("runs", "seed")})
        return self.timed(workload, options, request.get("runs", 5))

    def encode_texts(self, request):
        batches, order = padded(request["ids"], 8)
        run = next(iter(self.ways("embed", request).values()))
        vectors = np.concatenate(run(batches))
        return {"vectors": vectors[np.argsort(order)].astype(float).tolist()}

    def rerank(self, request):
        options = {}
        for size in RERANK_BATCHES:
            batches = pair_batches(request["pairs"], request["tokens"], size)
            for label, run in self.ways("rerank", request).items():
                options[f"{label}, batch {size}"] = run, batches
        workload = json.dumps({key: value for key, value in request.items() if key != "runs"})
        return self.timed(workload, options, request.get("runs", 5))


def serve(engine):
    worker = Worker(engine)
    serving.serve({"info": worker.info, "encode": worker.encode, "encode_texts": worker.encode_texts,
                   "rerank": worker.rerank})
