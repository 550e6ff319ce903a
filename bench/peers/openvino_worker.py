"""OpenVINO as a bench worker; README.md says what its best is."""
import functools

import worker  # before the runtime

import openvino

import minilm

CORE = openvino.Core()
# int8 is a model of its own, quantised ahead by NNCF; what stays in floating point there runs in f32.
HINTS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}


def model_file(task, precision):
    return minilm.openvino_int8_file(task) if precision == "int8" else minilm.onnx_file(task, "f32", "plain")


# Every shape keeps its own buffers. A workload tries fewer than so many.
@functools.lru_cache(maxsize=16)
def compiled(task, precision, threads, hint, shape):
    """A model for one shape of batch, which OpenVINO plans better than one for all; with shape None, for all."""
    model = CORE.read_model(model_file(task, precision))
    if shape:
        model.reshape({entry.any_name: list(shape) for entry in model.inputs})
    return CORE.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": hint,
                                             "INFERENCE_PRECISION_HINT": HINTS[precision]})


@functools.lru_cache(maxsize=16)
def queue(model):
    return openvino.AsyncInferQueue(model, model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))


def run(task, precision, threads, hint, batches):
    shapes = {batch.ids.shape for batch in batches}
    requests = queue(compiled(task, precision, threads, hint, shapes.pop() if len(shapes) == 1 else None))
    results = [None] * len(batches)

    def keep(request, index):
        results[index] = request.get_output_tensor(0).data.copy()

    requests.set_callback(keep)
    for index, batch in enumerate(batches):
        requests.start_async(batch.inputs(), index)
    requests.wait_all()
    return results


class OpenVino(worker.Engine):
    name = "openvino"
    version = openvino.__version__.split("-")[0]
    notes = "per workload the faster of the latency and the throughput hint; a model for each shape of batch"
    precisions = ("f32", "bf16", "int8")

    def ways(self, task, precision, threads):
        return {hint.lower(): functools.partial(run, task, precision, threads, hint)
                for hint in (("LATENCY", "THROUGHPUT") if threads > 1 else ("LATENCY",))}


if __name__ == "__main__":
    worker.serve(OpenVino())
