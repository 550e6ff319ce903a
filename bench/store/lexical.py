"""BM25 beside tantivy: the same terms, the same questions, one thread each, in turns."""
import pathlib
import tempfile

import client
import comparison

CHUNKS, QUESTIONS, HITS = 200_000, 1_000, 10
TANTIVY = [client.INSTALLED / "tantivy" / "bin" / "python3", client.HERE / "tantivy_worker.py"]
OURS = comparison.BUILD / "bench" / "lexical_bench"
SCORE_TOLERANCE = 1e-4  # relative: the peer's scores are 32-bit
PEER_FACTOR = 2.2  # the peer's scores have the factor k1 + 1, which changes no order

BM25_VS_PEER = comparison.Row("bm25_vs_peer", "us, p50", 1, less_is_better=True)


def quantile(values, share):
    return sorted(values)[int(len(values) * share)]


def same_hits(ours, peer):
    """Whether both have the same scores in the same order, and the same chunks but where scores are equal."""
    for mine, theirs in zip(ours, peer, strict=True):
        scores = [score for _, score in mine]
        others = [score / PEER_FACTOR for _, score in theirs]
        if len(scores) != len(others):
            return False
        if any(abs(a - b) > SCORE_TOLERANCE * a for a, b in zip(scores, others)):
            return False
        lowest = scores[-1] * (1 + SCORE_TOLERANCE) if scores else 0
        if {slot for slot, score in mine if score > lowest} - {slot for slot, _ in theirs}:
            return False
    return True


def lexical(table, with_peer):
    """The row bm25_vs_peer, and details: with chunks in the order of their documents, where neighbours overlap, and
    shuffled, where nothing helps."""
    with client.Worker("ours", [OURS]) as ours, tempfile.TemporaryDirectory() as folder:
        for order in ("documents", "shuffled"):
            paths = {name: str(pathlib.Path(folder) / f"{order}.{name}") for name in ("chunks_path", "questions_path")}
            made = ours.ask("corpus", chunks=CHUNKS, questions=QUESTIONS, shuffled=order == "shuffled", **paths)
            if not with_peer:
                one_order(table, ours, None, order, made, paths)
                continue
            with client.Worker("tantivy", TANTIVY) as peer:
                one_order(table, ours, peer, order, made, paths)


def one_order(table, ours, peer, order, made, paths):
    if peer:
        # The peer keeps lengths in a byte each; with lengths rounded as it does, both must find the same.
        ours.ask("build", round_lengths=True, **paths)
        peer.ask("build", **paths)
        if not same_hits(ours.ask("top", k=HITS)["hits"], peer.ask("top", k=HITS)["hits"]):
            raise client.Refused("ours and the peer do not find the same chunks")
    built = ours.ask("build", **paths)
    workers = [ours, peer] if peer else [ours]
    answers = comparison.rounds(*(lambda worker=worker: worker.ask("search", runs=2, k=HITS) for worker in workers))
    times = [[quantile(answer["micros"], 0.5) for answer in each] for each in answers]
    if order == "documents":
        note = f"{made['chunks']} chunks, {made['questions']} questions, top {HITS}"
        table.row(BM25_VS_PEER, times[0], times[1] if peer else None, note=note)
        megabytes = built["bytes"] / made["chunks"]
        table.detail("postings image", [megabytes], unit="MB for each million chunks, without positions")
    else:
        table.detail("bm25, chunks shuffled", times[0], times[1] if peer else None, unit="us, p50")
    for share in (0.9, 0.99):
        values = [[quantile(answer["micros"], share) for answer in each] for each in answers]
        table.detail(f"bm25, {order}", values[0], values[1] if peer else None, unit=f"us, p{100 * share:g}")
    # Processor time does not count the work of others on the machine.
    cpu = [[1e6 * answer["cpu_seconds"] / (2 * made["questions"]) for answer in each] for each in answers]
    table.detail(f"bm25, {order}", cpu[0], cpu[1] if peer else None, unit="us of processor time, mean")
