"""ONNX Runtime as a bench worker; README.md says what its best is."""
import functools

import worker  # before the runtime

import numpy as np
import onnxruntime

import minilm

# ONNX Runtime's own optimizer fuses residual and norm into SkipLayerNormalization. That kernel is slower than an Add
# and a LayerNormalization, so two of the three forms of the graph do without it. Which form is the fastest depends on
# the shape.
FORMS = {"fused": [], "no skip-norm": ["SkipLayerNormFusion"], "plain": ["SkipLayerNormFusion"]}
INT_TYPES = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}


def session_options(threads, spinning):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.log_severity_level = 3
    return options


@functools.cache
def session(task, precision, form, threads, spinning):
    return onnxruntime.InferenceSession(minilm.onnx_file(task, precision, form), session_options(threads, spinning),
                                        providers=["CPUExecutionProvider"], disabled_optimizers=FORMS[form])


def run(model, batches):
    results = []
    for batch in batches:
        arrays = batch.inputs()
        feed = {entry.name: arrays[entry.name].astype(INT_TYPES[entry.type], copy=False)
                for entry in model.get_inputs()}
        results.append(model.run(None, feed)[0])
    return results


class OnnxRuntime(worker.Engine):
    name = "onnxruntime"
    version = onnxruntime.__version__
    precisions = ("f32", "int8")
    notes = "per workload the fastest of " + ", ".join(FORMS) + " graph, with and without spinning threads"

    def ways(self, task, precision, threads):
        return {f"{form}{', spinning' if spinning else ''}":
                functools.partial(run, session(task, precision, form, threads, spinning))
                for form in FORMS for spinning in ((True, False) if threads > 1 else (False,))}


if __name__ == "__main__":
    worker.serve(OnnxRuntime())
