#!/usr/bin/env python3
"""hnswlib behind the bench worker protocol: vectors come from files of floats, an index is kept in a file."""
import pathlib
import time

import hnswlib
import numpy as np

import serving

ROWS_AT_ONCE = 20_000


class Worker:
    def __init__(self):
        self.index, self.base, self.queries = None, None, None

    @staticmethod
    def info(_):
        return {"name": "hnswlib", "version": hnswlib.__version__ if hasattr(hnswlib, "__version__") else "0.8.0"}

    @staticmethod
    def vectors(path, dimension):
        return np.memmap(path, np.float32, "r").reshape(-1, dimension)

    def build(self, request):
        """One that was built before with the same settings is read from its file."""
        dimension, m, effort = request["dimension"], request["m"], request["ef_construction"]
        self.base = self.vectors(request["base"], dimension)
        self.index = hnswlib.Index("ip", dimension)
        kept = pathlib.Path(f"{request['base']}.m{m}.ef{effort}.hnsw")
        begin = time.perf_counter()
        if kept.exists():
            self.index.load_index(str(kept), max_elements=len(self.base) + request.get("spare", 0))
        else:
            self.index.init_index(len(self.base) + request.get("spare", 0), M=m, ef_construction=effort)
            self.index.set_num_threads(request["threads"])
            for first in range(0, len(self.base), ROWS_AT_ONCE):
                rows = np.array(self.base[first:first + ROWS_AT_ONCE])
                self.index.add_items(rows, np.arange(first, first + len(rows)))
            self.index.save_index(str(kept))
        return {"seconds": time.perf_counter() - begin, "memory_bytes": self.index.index_file_size()}

    def search(self, request):
        self.queries = self.vectors(request["queries"], request["dimension"])
        self.index.set_num_threads(1)
        self.index.set_ef(max(request["ef"], request["k"]))
        queries = np.array(self.queries)
        ids, _ = self.index.knn_query(queries, request["k"])
        seconds = []
        for _ in range(request.get("runs", 1)):
            begin = time.perf_counter()
            self.index.knn_query(queries, request["k"])
            seconds.append((time.perf_counter() - begin) / len(queries))
        return {"seconds": seconds, "ids": ids.tolist()}


if __name__ == "__main__":
    WORKER = Worker()
    serving.serve({"info": WORKER.info, "build": WORKER.build, "search": WORKER.search})
