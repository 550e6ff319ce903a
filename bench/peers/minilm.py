"""What MiniLM-L6 is, and where the files of it are that the peers read."""
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "build" / "peers" / "models"

LAYERS, HEADS, HIDDEN, INNER, EPSILON = 6, 12, 384, 1536, 1e-12
WORDS, POSITIONS, KINDS = 30522, 512, 2


def model_file(name):
    """The path of a file of all-minilm-l6-v2 in the cache that `ragmesh models pull` fills."""
    catalogue = json.loads((ROOT / "libs" / "model_store" / "catalogue.json").read_text(encoding="utf-8"))
    model = next(m for m in catalogue["models"] if m["name"] == "all-minilm-l6-v2")
    digest = next(f["sha256"] for f in model["files"] if f["name"] == name)
    user_cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    cache = pathlib.Path(os.environ.get("RAGMESH_MODEL_CACHE") or user_cache / "ragmesh" / "models")
    path = cache / "sha256" / digest
    if not path.exists():
        raise SystemExit(f"peers: {name} of all-minilm-l6-v2 is not in {cache}; run ./dev models pull")
    return path


def onnx_file(task, precision, form):
    """Where make_models.py keeps a form of the graph, such as fused."""
    return MODELS / f"{task}-{precision}-{form.replace(' ', '-')}.onnx"


def openvino_int8_file(task):
    return MODELS / f"{task}-int8-openvino.xml"
