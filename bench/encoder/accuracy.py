"""How near the encoder's vectors come to the reference implementation's, over every document of SciFact.

f32 is held against sentence-transformers, the other precisions against our f32. Documents are title and text, cut to
the model's 256 tokens; all get the token ids of our tokenizer, which golden tests hold against the reference's.
"""
import json
import statistics
import sys

import client
import golden
from machine import machine

REFERENCE = "sentence-transformers"
AT_ONCE = 512  # documents of one request
THREADS = 2
# (precision, statistic that must reach it, floor)
FLOORS = {"f32": ("least", golden.F32_COSINE), "bf16": ("least", 0.9999), "int8": ("mean", 0.999)}


def vectors(worker, precision, documents):
    for begin in range(0, len(documents), AT_ONCE):
        ids = [document["ids"] for document in documents[begin:begin + AT_ONCE]]
        yield from worker.ask("encode_texts", precision=precision, threads=THREADS, ids=ids)["vectors"]
        print(f"bench: {worker.name} {precision}: {min(begin + AT_ONCE, len(documents))} of {len(documents)} documents",
              file=sys.stderr)


def report(precision, other, documents, cosines, as_json):
    """Whether the floor is reached."""
    statistic, floor = FLOORS[precision]
    least = min(range(len(cosines)), key=cosines.__getitem__)
    row = {"name": f"cosine_{precision}_to_{other}", "documents": len(cosines), "mean": statistics.mean(cosines),
           "least": cosines[least], "least_document": documents[least]["id"], "floor": {statistic: floor}}
    reached = row[statistic] >= floor
    if as_json:
        print(json.dumps(row), flush=True)
    else:
        print(f"{precision + ' to ' + other:30} mean {row['mean']:.7f}, least {row['least']:.7f} (document "
              f"{row['least_document']}); floor: {statistic} {floor}{'' if reached else '  MISSED'}", flush=True)
    return reached


def measure(ours, as_json):
    """The exit status: 0, or what is wrong."""
    if REFERENCE not in client.installed(client.ENCODERS):
        return f"bench: {REFERENCE} is missing; run bench/peers/install --all"
    with client.Worker("ours", ours) as worker:
        documents = worker.ask("documents")["documents"]
        if not as_json:
            print(f"{machine()}\n{len(documents)} documents of SciFact, cosine", flush=True)
        exact = list(vectors(worker, "f32", documents))
        with client.start(client.ENCODERS, REFERENCE) as reference:
            others = {("f32", REFERENCE): list(vectors(reference, "f32", documents))}
        offered = worker.ask("info")["precisions"]
        others |= {(precision, "f32"): list(vectors(worker, precision, documents))
                   for precision in ("bf16", "int8") if precision in offered}
    reached = [report(precision, other, documents, list(map(golden.cosine, exact, theirs)), as_json)
               for (precision, other), theirs in others.items()]
    return 0 if all(reached) else "bench: a floor is missed"
