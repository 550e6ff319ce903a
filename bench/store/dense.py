"""Vectors beside hnswlib: the same vectors, the same questions, one thread each, in turns."""
import pathlib
import statistics
import sys

import client
import comparison
from comparison import Row

HNSWLIB = [client.INSTALLED / "hnswlib" / "bin" / "python3", client.HERE / "hnswlib_worker.py"]
OURS = comparison.BUILD / "bench" / "dense_bench"
CACHE = comparison.ROOT / "build" / "bench-cache"  # vectors and a peer's large index take up to half an hour each
DIMENSION, HITS = 384, 10
SMALL, LARGE = 100_000, 1_000_000
# Settings of both, cheapest first; the first that reaches a recall is what is timed for it.
TARGETS = (0.8, 0.83, 0.86, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998, 0.999)
EFFORTS = (16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 288, 320, 352, 384, 448, 512)
HNSWLIB_BUILD = {"m": 16, "ef_construction": 200, "threads": 2}

R995 = Row("ann100k_r995_vs_hnswlib", "queries/s", 2.5)
R95 = Row("ann100k_r95_vs_hnswlib", "queries/s", 1.8)
R99 = Row("ann1m_r99_vs_hnswlib", "queries/s", 1.5)
FILTERED = Row("filtered_over_unfiltered", "us", 2, less_is_better=True)
MOST_MEMORY = 0.5  # of the peer's, with a million vectors
SHARES = (0.5, 0.01, 0.0001)  # of rows that a filter leaves
FILTERED_RECALL = 0.99


def vectors():
    """The files of both sizes, made on first use; vector_files.h and `grow` in dense_bench.cc say of what."""
    CACHE.mkdir(parents=True, exist_ok=True)
    files = {"base": CACHE / f"passages-{SMALL}.f32", "queries": CACHE / "questions.f32",
             "margins_for": CACHE / "other-questions.f32"}
    large = CACHE / f"passages-{LARGE}.f32"
    made = CACHE / "vectors.made"
    if not made.exists():
        with client.Worker("ours", [OURS]) as ours:
            print(f"bench: making vectors of {SMALL} passages, up to half an hour, once; its progress is in {ours.log}",
                  file=sys.stderr)
            ours.ask("embed", count=SMALL, **{name: str(path) for name, path in files.items()})
            ours.ask("build", base=str(files["base"]), dimension=DIMENSION)
            ours.ask("grow", path=str(large), count=LARGE)
        made.touch()
    return {name: str(path) for name, path in files.items()}, str(large)


def recall(found, truth):
    return statistics.fmean(len(set(a) & set(b)) / len(b) for a, b in zip(found, truth, strict=True))


class Ours:
    def __init__(self, worker, files, base):
        self.worker = worker
        self.built = worker.ask("build", base=base, dimension=DIMENSION, margins_for=files["margins_for"])
        self.files = files
        self.truth = self.keep_to(1)

    def keep_to(self, share):
        return self.worker.ask("truth", queries=self.files["queries"], k=HITS, share=share)["ids"]

    def search(self, target, runs=1):
        return self.worker.ask("search", recall=target, k=HITS, runs=runs)

    def reaching(self, wanted):
        """The cheapest target with which so many of the nearest are found, and how many are."""
        for target in TARGETS:
            found = self.search(target)["recall"]
            if found >= wanted:
                return target, found
        raise client.Refused(f"recall {wanted} is not reached")


class Peer:
    def __init__(self, worker, files, base):
        self.worker = worker
        self.built = worker.ask("build", base=base, dimension=DIMENSION, **HNSWLIB_BUILD)
        self.queries = files["queries"]

    def search(self, ef, runs=1):
        return self.worker.ask("search", queries=self.queries, dimension=DIMENSION, k=HITS, ef=ef, runs=runs)

    def reaching(self, wanted, truth):
        for ef in EFFORTS:
            found = recall(self.search(ef)["ids"], truth)
            if found >= wanted:
                return ef, found
        raise client.Refused(f"hnswlib does not reach recall {wanted}")


def per_second(search, setting):
    return lambda: 1 / statistics.median(search(setting)["seconds"])


def at_recall(table, row, wanted, ours, peer, note="", missed=None):
    target, found = ours.reaching(wanted)
    if peer is None:
        values, = comparison.rounds(per_second(ours.search, target))
        table.row(row, values, note=f"recall {found:.4f}{note}")
        return
    ef, peer_found = peer.reaching(wanted, ours.truth)
    values, others = comparison.rounds(per_second(ours.search, target), per_second(peer.search, ef))
    ratios = [a / b for a, b in zip(values, others)]
    table.row(row, values, others, missed=missed or row.missed(statistics.median(ratios)),
              note=f"recall {found:.4f} and {peer_found:.4f} with ef {ef}{note}")


def filtered(table, ours):
    """The worst of several shares, each at the recall that is promised."""
    def micros(target):
        return lambda: 1e6 * statistics.median(ours.search(target)["seconds"])

    ours.keep_to(1)
    target, _ = ours.reaching(FILTERED_RECALL)
    unfiltered, = comparison.rounds(micros(target))
    worst, notes = None, []
    for share in SHARES:
        ours.keep_to(share)
        target, found = ours.reaching(FILTERED_RECALL)
        values, = comparison.rounds(micros(target))
        table.detail(f"filtered to {100 * share:g} %", values, unfiltered, unit=f"us, recall {found:.4f}")
        if worst is None or statistics.median(values) > statistics.median(worst):
            worst, notes = values, f"{LARGE} vectors, {100 * share:g} % left"
    table.row(FILTERED, worst, unfiltered, note=notes)


def small(table, with_peer):
    files, _ = vectors()
    with client.Worker("ours", [OURS]) as worker:
        ours = Ours(worker, files, files["base"])
        table.detail("index of 100,000, built", [SMALL / ours.built["seconds"]], unit="vectors/s, one thread")
        if not with_peer:
            at_recall(table, R995, 0.995, ours, None)
            at_recall(table, R95, 0.95, ours, None)
            return
        with client.Worker("hnswlib", HNSWLIB) as peer_worker:
            peer = Peer(peer_worker, files, files["base"])
            at_recall(table, R995, 0.995, ours, peer)
            at_recall(table, R95, 0.95, ours, peer)


def large(table, with_peer):
    files, base = vectors()
    with client.Worker("ours", [OURS]) as worker:
        ours = Ours(worker, files, base)
        table.detail("index of 1,000,000, built", [LARGE / ours.built["seconds"]], unit="vectors/s, one thread")
        if with_peer:
            with client.Worker("hnswlib", HNSWLIB) as peer_worker:
                peer = Peer(peer_worker, files, base)
                share = ours.built["memory_bytes"] / peer.built["memory_bytes"]
                at_recall(table, R99, 0.99, ours, peer, f", memory {share:.2f} of the peer's",
                          missed=share > MOST_MEMORY)
        else:
            at_recall(table, R99, 0.99, ours, None)
        filtered(table, ours)
