"""How far next-token distributions are from our exact mode's: our fast mode's, and llama.cpp's on the same windows.

The text is the beginning of rag-mini-wikipedia, in windows of 512 tokens that know nothing of each other. llama.cpp
runs as it does by itself; its logits come to our worker as a file, so that one and the same code judges both.
"""
import math
import pathlib
import statistics
import sys
import tempfile

import client
import gguf_models
from comparison import Row, THREADS

WINDOW, WINDOWS = 512, 16
MODELS = ("135m_q4_0", "135m_q4_1", "135m_q8_0", "500m")


def windows(ours, peer, model, folder):
    """For each window what was summed over it: of ours, of the peer."""
    ids = ours.ask("text", model=model, threads=THREADS, count=WINDOW * WINDOWS)["ids"]
    logits = str(pathlib.Path(folder) / "logits")
    for begin in range(0, len(ids), WINDOW):
        request = {"model": model, "threads": THREADS, "ids": ids[begin:begin + WINDOW]}
        peer.ask("write_logits", path=logits, **request)
        yield ours.ask("divergence", **request), ours.ask("divergence", logits=logits, **request)


class Means:
    """Over all windows of one side."""

    def __init__(self, sums):
        def total(field):
            return sum(window[field] for window in sums)
        tokens = total("tokens")
        self.kl = total("kl") / tokens
        self.perplexity = math.exp(total("loss") / tokens)
        self.exact_perplexity = math.exp(total("reference_loss") / tokens)
        self.same_best = 100 * total("same_best") / tokens


def ratio_of_sums(pairs):
    """(least, ratio, most): the ratio of the sums of pairs, and what it is within, two standard errors away."""
    ratio = sum(a for a, _ in pairs) / sum(b for _, b in pairs)
    if len(pairs) < 2:
        return ratio, ratio, ratio
    spread = math.sqrt(sum((a - ratio * b) ** 2 for a, b in pairs) / (len(pairs) - 1) / len(pairs))
    error = 2 * spread / statistics.mean(b for _, b in pairs)
    return ratio - error, ratio, ratio + error


def report(name, taken, table):
    """Ours are further away when that is beyond what the choice of windows would make of equal ones."""
    ours, peer = (Means(sums) for sums in zip(*taken))
    ratios = ratio_of_sums([(a["kl"], b["kl"]) for a, b in taken])
    row = Row(f"kl_{name}_vs_llamacpp", "KL to the exact mode", 1.0, less_is_better=True)
    table.row(row, [ours.kl], [peer.kl], ratios, missed=row.missed(ratios[0]))
    table.detail("perplexity", [ours.perplexity], [peer.perplexity], unit=f"exact mode: {ours.exact_perplexity:.4g}")
    table.detail("the same likeliest token", [ours.same_best], [peer.same_best], unit="% of places")


def measure(ours, table):
    with client.start(client.GENERATORS, "llama.cpp") as peer, tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            try:
                taken = []
                for window in windows(ours, peer, gguf_models.require(name), folder):
                    taken.append(window)
                    print(f"bench: {name}: {len(taken)} of {WINDOWS} windows", file=sys.stderr)
                report(name, taken, table)
            except client.Refused as refusal:
                print(f"bench: {name} was not measured: {refusal}", file=sys.stderr)
