"""A store of a million chunks: what it takes to open, and what it keeps in memory."""
import statistics

import client
import comparison
import dense
from comparison import Row

OURS = comparison.BUILD / "bench" / "scale_bench"
STORE = dense.CACHE / f"store-{dense.LARGE}"
MEMORY = Row("mb_per_million", "MB", 700, less_is_better=True)
OPEN_SECONDS = 1
MEGABYTE = 1e6
DOCUMENTS = 20  # of 100 chunks each, that a filter leaves


def filled():
    """The store's folder, filled on first use."""
    files, base = dense.vectors()
    made = STORE.with_suffix(".made")
    if not made.exists():
        with client.Worker("ours", [OURS]) as ours:
            ours.ask("fill", store=str(STORE), vectors=base)
        made.touch()
    return str(STORE), files["queries"]


def scale(table, _):
    """Resident memory that a process gains by opening the store and answering every question of the sets."""
    store, queries = filled()
    opened, resident, median, filtered = [], [], [], []
    for _ in range(comparison.ROUNDS):
        with client.Worker("ours", [OURS]) as ours:
            answer = ours.ask("open", store=store)
            opened.append(answer["seconds"])
            found = ours.ask("search", queries=queries)
            resident.append(found["resident_bytes"] / MEGABYTE / (answer["chunks"] / 1e6))
            median.append(1e6 * found["median"])
            filtered.append(1e6 * ours.ask("search", queries=queries, documents=DOCUMENTS)["median"])
    table.detail("dense search through the store", median, unit="us, p50")
    table.detail(f"the same in {DOCUMENTS} documents", filtered, median, unit="us, p50")
    late = statistics.median(opened) > OPEN_SECONDS
    table.detail("open", opened, unit=f"s, at most {OPEN_SECONDS}" + ("  MISSED" if late else ""))
    table.row(MEMORY, resident, note="resident per million chunks, after searches", missed=MEMORY.missed(statistics.median(resident)))
