"""llama.cpp as a bench worker, by its C interface; README.md says what its best is."""
import ctypes
import functools

import worker  # before the runtime

import llama_cpp
import numpy as np

import llama_library
import llama_model
import minilm

# One call computes the scores of all its tokens with each other and masks those of other texts, so that its work and
# memory grow with the square of this. Longer batches are cut; of these limits the fastest is taken.
CALL_TOKENS = (256, 512, 1024)
POOLING = {"embed": llama_cpp.LLAMA_POOLING_TYPE_MEAN, "rerank": llama_cpp.LLAMA_POOLING_TYPE_CLS}


@functools.cache
def model(precision):
    return llama_library.load(llama_model.make(precision))


@functools.cache
def context(precision, pooling, flash, threads):
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = max(CALL_TOKENS)
    params.n_seq_max = 256  # the most that it takes
    params.n_threads = params.n_threads_batch = threads
    params.pooling_type, params.flash_attn_type = pooling, flash
    params.embeddings = params.kv_unified = True
    return llama_cpp.llama_init_from_model(model(precision), params)


def array(kind, values):
    return (kind * len(values))(*values)


def vectors(run, texts):
    """Of texts that fit one call."""
    tokens = np.concatenate(texts).tolist()
    positions = [position for text in texts for position in range(len(text))]
    of_text = array(ctypes.c_int32, range(len(texts)))
    size = ctypes.sizeof(ctypes.c_int32)
    pointers = [ctypes.cast(ctypes.addressof(of_text) + index * size, ctypes.POINTER(ctypes.c_int32))
                for index, text in enumerate(texts) for _ in text]
    batch = llama_cpp.llama_batch(
        n_tokens=len(tokens), token=array(ctypes.c_int32, tokens), pos=array(ctypes.c_int32, positions),
        n_seq_id=array(ctypes.c_int32, [1] * len(tokens)), seq_id=array(ctypes.POINTER(ctypes.c_int32), pointers),
        logits=array(ctypes.c_int8, [1] * len(tokens)))
    if llama_cpp.llama_encode(run, batch) != 0:
        raise ValueError("llama_encode failed")
    rows = [np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_seq(run, index), (minilm.HIDDEN,)).copy()
            for index in range(len(texts))]
    return np.stack(rows)


def calls(batch, most):
    """The texts of a batch without their padding, as many together as one call takes."""
    texts, tokens = [], 0
    for row, mask in zip(batch.ids, batch.mask):
        length = int(mask.sum())
        if texts and tokens + length > most:
            yield texts
            texts, tokens = [], 0
        texts.append(row[:length])
        tokens += length
    yield texts


def encode(run, most, batches):
    results = [np.concatenate([vectors(run, texts) for texts in calls(batch, most)]) for batch in batches]
    return [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in results]


def rerank(run, most, batches):
    """Token types are all 0, the only ones it has, at the same cost; the head is a thousandth of the work."""
    random = np.random.default_rng(1)
    pooler, classifier = (random.standard_normal((minilm.HIDDEN, outputs)).astype(np.float32)
                          for outputs in (minilm.HIDDEN, 1))
    return [np.tanh(rows @ pooler) @ classifier for rows in encode(run, most, batches)]


class LlamaCpp(worker.Engine):
    name = "llama.cpp"
    version = llama_library.VERSION
    precisions = tuple(llama_model.TYPES)
    notes = "int8 is Q8_0; per workload the fastest of " + ", ".join(map(str, CALL_TOKENS)) + " tokens a call, " + \
        ", ".join(llama_library.FLASH)

    def ways(self, task, precision, threads):
        step = {"embed": encode, "rerank": rerank}[task]
        return {f"{label}, {most} tokens": functools.partial(
                    step, context(precision, POOLING[task], flash, threads), most)
                for label, flash in llama_library.FLASH.items() for most in CALL_TOKENS}


if __name__ == "__main__":
    llama_library.begin()
    worker.serve(LlamaCpp())
