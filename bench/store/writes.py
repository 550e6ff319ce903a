"""Writing, beside RocksDB alone, beside one writer, and what it does to searches."""
import client
import comparison
import dense
from comparison import Row, rounds

BATCHES = 20  # of 1,000 chunks with vectors of 384 dimensions and texts of 600 bytes
SECONDS = 2
SEARCH_SECONDS = 4
SEARCHED_CHUNKS = 20_000
WRITERS = 16
PRETENDED_SYNCS_MS = [0.3, 1, 3]

OURS = comparison.BUILD / "bench" / "write_bench"

UPSERT = Row("upsert_vs_rocksdb", "chunks/s", 0.5)
GROUP = Row("group_commit_16_over_1", "upserts/s", 8.0)
INGEST = Row("p99_ingest_over_idle", "ms", 3.0, less_is_better=True)


def upsert_vs_rocksdb(table, ours):
    """Durable upserts, beside RocksDB alone writing the same bytes in the same batches."""
    def speed(op):
        def measure():
            answer = ours.ask(op, batches=BATCHES)
            return answer["chunks"] / answer["seconds"]
        return measure
    table.row(UPSERT, *rounds(speed("upserts"), speed("raw")), note="batches of 1,000")


def group_commit_16_over_1(table, ours):
    """Upserts of one chunk each: many writers share what one waits for alone. So the ratio grows with that wait: below
    the row, as it would be on disks that sync in a given time."""
    def speed(writers, **disk):
        return lambda: ours.ask("single", writers=writers, seconds=SECONDS, **disk)["per_second"]
    table.row(GROUP, *rounds(speed(WRITERS), speed(1)), note=f"{WRITERS} writers over 1")
    for sync_ms in [] if table.as_json else PRETENDED_SYNCS_MS:
        table.detail(f"as on a disk that syncs in {sync_ms} ms",
                     *rounds(speed(WRITERS, sync_ms=sync_ms), speed(1, sync_ms=sync_ms)), unit=GROUP.unit)


def p99_ingest_over_idle(table, ours):
    files, _ = dense.vectors()

    def p99(ingest):
        return lambda: 1e3 * ours.ask("searches", ingest=ingest, chunks=SEARCHED_CHUNKS, vectors=files["base"],
                                      seconds=SEARCH_SECONDS)["p99"]
    table.row(INGEST, *rounds(p99(True), p99(False)), note=f"hybrid, {SEARCHED_CHUNKS} chunks")


def writes(table, _):
    with client.Worker("ours", [OURS]) as ours:
        upsert_vs_rocksdb(table, ours)
        group_commit_16_over_1(table, ours)
        p99_ingest_over_idle(table, ours)
