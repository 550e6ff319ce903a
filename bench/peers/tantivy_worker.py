"""tantivy as a peer of the store's benchmark: BM25 over the same terms, in this process, by one thread."""
import importlib.metadata
import pathlib
import tempfile
import time

import serving
import tantivy


class Tantivy:
    """One segment, so that nothing is searched twice; frequencies and no positions, as ours."""

    def __init__(self):
        self.index = self.searcher = self.folder = None
        self.queries = []

    def info(self, _):
        return {"name": "tantivy", "version": importlib.metadata.version("tantivy"),
                "notes": "one memory-mapped segment; terms of a query as should clauses; no count of hits"}

    def build(self, request):
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
        builder.add_integer_field("slot", stored=False, indexed=False, fast=True)
        schema = builder.build()
        self.folder = tempfile.TemporaryDirectory()
        self.index = tantivy.Index(schema, path=self.folder.name)
        begin = time.process_time()
        writer = self.index.writer(heap_size=2_000_000_000, num_threads=1)
        with open(request["chunks_path"], encoding="utf-8") as chunks:
            for slot, line in enumerate(chunks):
                writer.add_document(tantivy.Document(body=line.rstrip("\n"), slot=slot))
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        seconds = time.process_time() - begin
        self.searcher = self.index.searcher()
        if self.searcher.num_segments != 1:
            raise ValueError(f"{self.searcher.num_segments} segments were made, one is measured")
        should = tantivy.Occur.Should
        self.queries = []
        with open(request["questions_path"], encoding="utf-8") as questions:
            for line in questions:
                terms = line.split()
                clauses = [(should, tantivy.Query.term_query(schema, "body", term, "freq")) for term in terms]
                self.queries.append(tantivy.Query.boolean_query(clauses))
        size = sum(path.stat().st_size for path in pathlib.Path(self.folder.name).iterdir())
        return {"chunks": self.searcher.num_docs, "bytes": size, "index_seconds": seconds}

    def search(self, request):
        search, k = self.searcher.search, request.get("k", 10)
        clock = time.perf_counter_ns
        best = [1 << 62] * len(self.queries)
        cpu = time.process_time()
        for _ in range(request.get("runs", 1)):
            for i, query in enumerate(self.queries):
                begin = clock()
                search(query, k, count=False)
                best[i] = min(best[i], clock() - begin)
        return {"micros": [nanos / 1e3 for nanos in best], "cpu_seconds": time.process_time() - cpu}

    def top(self, request):
        hits = []
        for query in self.queries:
            found = self.searcher.search(query, request.get("k", 10), count=False).hits
            slots = self.searcher.fast_field_values("slot", [address for _, address in found])
            hits.append([[slot, score] for slot, (score, _) in zip(slots, found)])
        return {"hits": hits}


if __name__ == "__main__":
    peer = Tantivy()
    serving.serve({"info": peer.info, "build": peer.build, "search": peer.search, "top": peer.top})
