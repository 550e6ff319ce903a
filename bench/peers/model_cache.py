"""Where the files of models are: those that `ragmesh models pull` has obtained, and those made for the peers."""
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MADE = ROOT / "build" / "peers" / "models"


def model_file(model, name):
    """The path in the cache of a file of a model, whether it is there or not."""
    catalogue = json.loads((ROOT / "libs" / "model_store" / "catalogue.json").read_text(encoding="utf-8"))
    entry = next(m for m in catalogue["models"] if m["name"] == model)
    digest = next(f["sha256"] for f in entry["files"] if f["name"] == name)
    user_cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    cache = pathlib.Path(os.environ.get("RAGMESH_MODEL_CACHE") or user_cache / "ragmesh" / "models")
    return cache / "sha256" / digest
