"""Writes the models that the runtimes run into build/peers/models, and makes sure that they are what they should be.

For each task ('embed', 'rerank') and precision (f32, int8) ONNX Runtime gets three forms of the graph: plain, as an
exporter writes it; fused, by onnxruntime.transformers.optimizer; and fused but for SkipLayerNormalization. OpenVINO
fuses the plain f32 form by itself, and gets an int8 model that NNCF quantises.
"""
import collections
import logging
import pathlib
import statistics
import tempfile

import worker  # before the runtimes

import nncf
import numpy as np
import onnx
import onnxruntime
import openvino
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

import golden
import minilm
import minilm_graph
import ort_worker

# The operators that a session must really run, counted after all of its own optimizations. 6 layers: 6 attentions,
# 6 GELUs, 12 norms after a residual, and 18 int8 products besides those for query, key and value. 0 means none at all:
# a FastGelu would be an approximation, and a slower norm is what the second and third form are there to avoid.
EXPECTED = {
    ("f32", "fused"): {"EmbedLayerNormalization": 1, "Attention": 6, "SkipLayerNormalization": 12, "BiasGelu": 6},
    ("f32", "no skip-norm"): {"EmbedLayerNormalization": 1, "Attention": 6, "LayerNormalization": 12, "BiasGelu": 6,
                              "SkipLayerNormalization": 0},
    ("f32", "plain"): {"FusedMatMul": 6, "LayerNormalization": 13, "BiasGelu": 6, "SkipLayerNormalization": 0},
    ("int8", "fused"): {"QEmbedLayerNormalization": 1, "QAttention": 6, "SkipLayerNormalization": 12, "BiasGelu": 6,
                        "DynamicQuantizeMatMul": 18},
    ("int8", "no skip-norm"): {"QEmbedLayerNormalization": 1, "QAttention": 6, "LayerNormalization": 12, "Gelu": 6,
                               "DynamicQuantizeMatMul": 18, "SkipLayerNormalization": 0},
    ("int8", "plain"): {"MatMulIntegerToFloat": 18, "FusedMatMul": 6, "LayerNormalization": 13, "Gelu": 6,
                        "DynamicQuantizeMatMul": 18, "SkipLayerNormalization": 0},
}


def fusions(form):
    options = FusionOptions("bert")
    if form == "no skip-norm":
        options.enable_skip_layer_norm = False
        # Left alone, the bias goes into the int8 product; the f32 session still makes a BiasGelu of it.
        options.enable_bias_gelu = False
    return options


def write_onnx(task):
    plain = minilm.onnx_file(task, "f32", "plain")
    onnx.save(minilm_graph.build(task), plain)
    for form in ort_worker.FORMS:
        f32 = minilm.onnx_file(task, "f32", form)
        if form != "plain":
            # opt_level 0: the session does its own optimizations when it is made.
            optimizer.optimize_model(str(plain), model_type="bert", num_heads=minilm.HEADS, hidden_size=minilm.HIDDEN,
                                     opt_level=0, optimization_options=fusions(form)).save_model_to_file(str(f32))
        # Types cannot be inferred behind the fused operators; everything that is quantised is f32.
        quantize_dynamic(f32, minilm.onnx_file(task, "int8", form), per_channel=True, reduce_range=False,
                         weight_type=QuantType.QInt8, extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


def running_operators(task, precision, form):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "running.onnx"
        options = ort_worker.session_options(threads=1, spinning=False)
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(minilm.onnx_file(task, precision, form), options,
                                     disabled_optimizers=ort_worker.FORMS[form])
        return collections.Counter(node.op_type for node in onnx.load(path).graph.node)


def check_operators(task, precision, form):
    counts = running_operators(task, precision, form)
    for operator, count in {**EXPECTED[precision, form], "FastGelu": 0}.items():
        if counts[operator] < count or (count == 0 and counts[operator]):
            raise SystemExit(f"peers: {task} {precision} {form}: {counts[operator]} {operator}, expected {count}: "
                             f"{dict(counts)}")
    named = ", ".join(f"{count} {operator}" for operator, count in EXPECTED[precision, form].items() if count)
    print(f"  {task} {precision} {form}: {named}", flush=True)


def check_vectors(label, run, precision):
    batches, order = worker.padded(golden.texts()[0], 8)
    cosines = golden.cosines(np.concatenate(run(batches))[np.argsort(order)].astype(float))
    print(f"  embed {precision} {label}: cosine to the reference mean {statistics.mean(cosines):.6f}, "
          f"least {min(cosines):.6f}", flush=True)
    if precision == "f32" and min(cosines) < golden.F32_COSINE:
        raise SystemExit("peers: these f32 vectors are not those of the model")


def check_scores():
    """All forms of the cross-encoder must give the same f32 scores."""
    batches = worker.pair_batches(pairs=8, tokens=64, batch_size=8)
    scores = [np.concatenate(run(batches)) for run in ort_worker.OnnxRuntime().ways("rerank", "f32", 1).values()]
    if not all(np.allclose(scores[0], other, atol=1e-4) for other in scores[1:]):
        raise SystemExit("peers: the forms of the cross-encoder disagree")


def write_openvino_int8(task):
    """Full int8, calibrated on the reference texts: activations then have fixed scales, unlike in ONNX Runtime."""
    batches, _ = worker.padded(golden.texts()[0], 1)
    inputs = [batch.inputs() for batch in batches]
    model = openvino.Core().read_model(minilm.onnx_file(task, "f32", "plain"))
    quantised = nncf.quantize(model, nncf.Dataset(inputs), model_type=nncf.ModelType.TRANSFORMER,
                              subset_size=len(inputs))
    openvino.save_model(quantised, minilm.openvino_int8_file(task), compress_to_fp16=False)


def main():
    logging.getLogger().setLevel(logging.ERROR)  # advice about preprocessing, which the forms of the graph stand in for
    minilm.MODELS.mkdir(parents=True, exist_ok=True)
    for task in minilm_graph.TASKS:
        print(f"models: {task}, for ONNX Runtime", flush=True)
        write_onnx(task)
        for precision, form in EXPECTED:
            check_operators(task, precision, form)
        print(f"models: {task}, int8 for OpenVINO", flush=True)
        write_openvino_int8(task)
    for precision in ("f32", "int8"):
        for label, run in ort_worker.OnnxRuntime().ways("embed", precision, 1).items():
            check_vectors(label, run, precision)
    check_scores()


if __name__ == "__main__":
    main()
