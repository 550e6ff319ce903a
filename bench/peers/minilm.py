"""What MiniLM-L6 is, and where the files of it are that the peers read."""
import model_cache

MODELS = model_cache.MADE

LAYERS, HEADS, HIDDEN, INNER, EPSILON = 6, 12, 384, 1536, 1e-12
WORDS, POSITIONS, KINDS = 30522, 512, 2


def model_file(name):
    """The path of a file of all-minilm-l6-v2."""
    path = model_cache.model_file("all-minilm-l6-v2", name)
    if not path.exists():
        raise SystemExit(f"peers: {name} of all-minilm-l6-v2 is not in the model cache; run ./dev models pull")
    return path


def onnx_file(task, precision, form):
    """Where make_models.py keeps a form of the graph, such as fused."""
    return MODELS / f"{task}-{precision}-{form.replace(' ', '-')}.onnx"


def openvino_int8_file(task):
    return MODELS / f"{task}-int8-openvino.xml"
