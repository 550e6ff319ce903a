"""MiniLM-L6 as an ONNX graph, written node by node in the pattern that PyTorch's exporter gives a BERT model.

That pattern is what the optimizers of the runtimes know: the fusions of ONNX Runtime match it node for node.
"""
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import minilm
from minilm import EPSILON, HEADS, HIDDEN, LAYERS, POSITIONS

SCORE_SEED = 7


def read_safetensors(path):
    """{name: array} of the F32 tensors: a length, a JSON header with byte ranges, then the bytes."""
    blob = np.memmap(path, dtype=np.uint8, mode="r")
    header_bytes = int(blob[:8].view("<u8")[0])
    header = json.loads(blob[8:8 + header_bytes].tobytes())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(blob[begin:end].tobytes(), dtype="<f4").reshape(entry["shape"])
    return tensors


class Graph:
    """Appends nodes; every method returns the name of the tensor it made."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, value, dtype=np.float32):
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def linear(self, x, weight, bias):
        """PyTorch keeps weights as [out, in]; MatMul wants [in, out]."""
        return self.node("Add", self.node("MatMul", x, self.constant(weight.T)), self.constant(bias))

    def norm(self, x, gamma, beta):
        return self.node("LayerNormalization", x, self.constant(gamma), self.constant(beta), axis=-1, epsilon=EPSILON)

    def gelu(self, x):
        """The exact one, by erf."""
        erf = self.node("Erf", self.node("Div", x, self.constant(2**0.5)))
        product = self.node("Mul", x, self.node("Add", erf, self.constant(1)))
        return self.node("Mul", product, self.constant(0.5))

    def ints(self, *values):
        return self.constant(values, np.int64)


def embeddings(graph, w):
    length = graph.node("Gather", graph.node("Shape", "input_ids"), graph.constant(1, np.int64), axis=0)
    positions = graph.node("Slice", graph.constant(np.arange(POSITIONS).reshape(1, POSITIONS), np.int64), graph.ints(0),
                           graph.node("Unsqueeze", length, graph.ints(0)), graph.ints(1), graph.ints(1))
    word, kind, position = (
        graph.node("Gather", graph.constant(w[f"embeddings.{table}_embeddings.weight"]), ids)
        for table, ids in (("word", "input_ids"), ("token_type", "token_type_ids"), ("position", positions)))
    total = graph.node("Add", graph.node("Add", word, kind), position)
    return graph.norm(total, w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"])


def mask_bias(graph):
    """0 at real tokens, -10000 at padding, broadcast over heads and rows of the score matrix."""
    mask = graph.node("Unsqueeze", graph.node("Unsqueeze", "attention_mask", graph.ints(1)), graph.ints(2))
    absent = graph.node("Sub", graph.constant(1), graph.node("Cast", mask, to=TensorProto.FLOAT))
    return graph.node("Mul", absent, graph.constant(-10000))


def layer(graph, w, prefix, x, bias):
    def linear(name, value):
        return graph.linear(value, w[f"{prefix}.{name}.weight"], w[f"{prefix}.{name}.bias"])

    def norm(name, value):
        return graph.norm(value, w[f"{prefix}.{name}.weight"], w[f"{prefix}.{name}.bias"])

    def heads(name, order):
        split = graph.node("Reshape", linear(f"attention.self.{name}", x), graph.ints(0, 0, HEADS, HIDDEN // HEADS))
        return graph.node("Transpose", split, perm=order)

    q, k, v = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = graph.node("Div", graph.node("MatMul", q, k), graph.constant((HIDDEN // HEADS)**0.5))
    weight = graph.node("Softmax", graph.node("Add", scores, bias), axis=-1)
    joined = graph.node("Transpose", graph.node("MatMul", weight, v), perm=[0, 2, 1, 3])
    context = graph.node("Reshape", joined, graph.ints(0, 0, HIDDEN))
    x = norm("attention.output.LayerNorm", graph.node("Add", linear("attention.output.dense", context), x))
    inner = graph.gelu(linear("intermediate.dense", x))
    return norm("output.LayerNorm", graph.node("Add", linear("output.dense", inner), x))


def sentence_vector(graph, hidden):
    """The sum over real tokens, scaled to length 1: the same vector as that of the mean."""
    mask = graph.node("Unsqueeze", graph.node("Cast", "attention_mask", to=TensorProto.FLOAT), graph.ints(1))
    total = graph.node("Squeeze", graph.node("MatMul", mask, hidden), graph.ints(1))
    return graph.node("LpNormalization", total, axis=-1, p=2)


def score(graph, hidden):
    """A cross-encoder's head: dense and tanh at [CLS], then one logit. Its weights are random; speed is the same."""
    random = np.random.default_rng(SCORE_SEED)
    dense, classifier = (random.normal(0, 0.02, (rows, HIDDEN)).astype(np.float32) for rows in (HIDDEN, 1))
    first = graph.node("Gather", hidden, graph.constant(0, np.int64), axis=1)
    pooled = graph.node("Tanh", graph.linear(first, dense, np.zeros(HIDDEN, np.float32)))
    return graph.linear(pooled, classifier, np.zeros(1, np.float32))


TASKS = {"embed": (sentence_vector, HIDDEN), "rerank": (score, 1)}


def build(task):
    """The whole model for 'embed' ([texts, 384] unit vectors) or 'rerank' ([pairs, 1] logits)."""
    w, graph = read_safetensors(minilm.model_file("model.safetensors")), Graph()
    hidden, bias = embeddings(graph, w), mask_bias(graph)
    for index in range(LAYERS):
        hidden = layer(graph, w, f"encoder.layer.{index}", hidden, bias)
    head, width = TASKS[task]
    graph.node("Identity", head(graph, hidden))
    graph.nodes[-1].output[0] = "result"
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, ["batch", width])
    model = helper.make_model(helper.make_graph(graph.nodes, f"minilm-{task}", inputs, [result], graph.initializers),
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8  # the version of opset 17
    onnx.checker.check_model(model)
    return model
