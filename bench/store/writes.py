"""Rows of the store's bench that are about writing; bench/store/run measures them. Their worker is write_bench."""
from comparison import Row, rounds

BATCHES = 20  # of 1,000 chunks with vectors of 384 dimensions and texts of 600 bytes
SECONDS = 2
SEARCH_SECONDS = 4
SEARCHED_CHUNKS = 20_000
WRITERS = 16

ROWS = {row.name: row for row in (
    Row("upsert_vs_rocksdb", "chunks/s", 0.5),
    Row("group_commit_16_over_1", "upserts/s", 8.0),
    Row("p99_ingest_over_idle", "ms", 3.0, less_is_better=True),
)}


class Writes:
    """The rows; each method that is called like a row measures it."""

    def __init__(self, ours, table):
        self.ours, self.table = ours, table

    def upsert_vs_rocksdb(self, row):
        """Durable upserts, beside RocksDB alone writing the same bytes in the same batches."""
        def speed(op):
            def measure():
                answer = self.ours.ask(op, batches=BATCHES)
                return answer["chunks"] / answer["seconds"]
            return measure
        self.table.row(row, *rounds(speed("upserts"), speed("raw")), note="batches of 1,000")

    def group_commit_16_over_1(self, row):
        """Upserts of one chunk each: many writers share what one waits for alone."""
        def speed(writers):
            return lambda: self.ours.ask("single", writers=writers, seconds=SECONDS)["per_second"]
        self.table.row(row, *rounds(speed(WRITERS), speed(1)), note="16 writers over 1")

    def p99_ingest_over_idle(self, row):
        def p99(ingest):
            return lambda: 1e3 * self.ours.ask("searches", ingest=ingest, chunks=SEARCHED_CHUNKS,
                                               seconds=SEARCH_SECONDS)["p99"]
        self.table.row(row, *rounds(p99(True), p99(False)), note="hybrid, 20,000 chunks")
