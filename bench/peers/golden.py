"""Reference vectors of MiniLM, computed by sentence-transformers in f32, and how near others come to them."""
import json
import math
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TESTDATA = pathlib.Path(os.environ.get("RAGMESH_TESTDATA", ROOT / ".." / "shared" / "testdata"))

MAX_TOKENS = 256
# What another order of the same f32 sums leaves is a hundred times smaller; anything beyond this is another model.
F32_COSINE = 0.99999


def truncated(ids):
    """A text that is too long keeps what fits, and [SEP] as its last token."""
    return ids if len(ids) <= MAX_TOKENS else ids[:MAX_TOKENS - 1] + ids[-1:]


def texts():
    """([token ids of each text], [its reference vector])"""
    entries = json.loads((TESTDATA / "golden" / "minilm.json").read_text(encoding="utf-8"))["texts"]
    return [truncated(entry["ids"]) for entry in entries], [entry["embedding"] for entry in entries]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)


def cosines(vectors):
    """Of the vectors for texts(), each to its reference."""
    return [cosine(vector, reference) for vector, reference in zip(vectors, texts()[1])]
