#!/usr/bin/env python3
"""Writes xlmr.safetensors and xlmr.json: the tiny XLM-R cross-encoder of the test data, and what ONNX Runtime makes of it.

The model is a classifier of two layers with random weights, exported to ONNX (Apache-2.0). Needs numpy, onnx, onnxruntime and safetensors:

    python3 make_xlmr_vectors.py $RAGMESH_TESTDATA/llm/tiny-random-xlmr-cross-encoder-onnx/model.onnx
"""
import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime
import safetensors.numpy

HERE = pathlib.Path(__file__).resolve().parent

def make_up_weights(model, random):
    """Gives biases and norms, which the exporter folded into one, values of their own, and makes the matrices ten times as
    large: as they are, the logit hardly depends on the input."""
    values = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in [node for node in model.graph.node if node.op_type == "Identity"]:
        model.graph.node.remove(node)
        values[node.output[0]] = values[node.input[0]]
    for name, value in values.items():
        values[name] = value * 10 if value.ndim == 2 else value + random.normal(0, 0.1, value.shape).astype("float32")
    del model.graph.initializer[:]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in values.items())
    return values


def tensors_of(model, values):
    tensors = {name: value for name, value in values.items() if not name.startswith("onnx::")}
    for node in model.graph.node:  # "/roberta/encoder/layer.0/output/dense/MatMul" names what its operand does not
        if node.op_type == "MatMul" and node.input[1] in values:
            tensors[node.name.strip("/").replace("/", ".").replace("MatMul", "weight")] = values[node.input[1]].T
    return {name: numpy.ascontiguousarray(value) for name, value in sorted(tensors.items())}


def main():
    model = onnx.load(sys.argv[1])
    random = numpy.random.default_rng(20)
    tensors = tensors_of(model, make_up_weights(model, random))
    safetensors.numpy.save_file(tensors, HERE / "xlmr.safetensors")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    cases = []
    for length in (4, 5, 9, 17, 33, 62):
        ids = [0, *(int(i) for i in random.integers(3, 100, length - 2)), 2]
        logit = session.run(None, {"input_ids": numpy.array([ids]), "attention_mask": numpy.ones((1, length), "int64")})
        cases.append({"ids": ids, "logit": float(logit[0][0, 0])})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (HERE / "xlmr.json").write_text('{"onnxruntime":"%s","cases":[\n%s\n]}\n' % (onnxruntime.__version__, lines))


if __name__ == "__main__":
    main()
