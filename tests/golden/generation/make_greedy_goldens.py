#!/usr/bin/env python3
"""Writes greedy.json: what llama.cpp writes greedily in f32, 32 tokens after each of 200 prompts, with four models.

The weights are those of the quantised files, expanded to f32 by llama-quantize, which gives the same values as gguf-py;
keys and values are f32 too, and flash attention is off. A prompt is read in one call, eight answers are written at a
time. Needs bench/peers/install generator and a quarter of an hour of one core; RAGMESH_TESTDATA has the texts:

    build/peers/llama/bin/python3 tests/golden/generation/make_greedy_goldens.py > greedy.json
"""
import csv
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peers"))

import llama_cpp  # noqa: E402
import numpy as np  # noqa: E402

import client  # noqa: E402
import gguf_models  # noqa: E402
import llama_library  # noqa: E402

MODELS = ("135m_q4_1", "135m_q4_0", "135m_q8_0", "500m")
PROMPTS, WRITTEN, STREAMS, CONTEXT = 200, 32, 8, 512
CLOSE = 0.01  # logits; steps that were won by less are listed


def passage(corpora, row, size):
    """`size` characters, or a few less, around what answers a question, between words."""
    reference = json.loads(row["references"])[0]
    text = (corpora / (row["corpus_id"] + ".md")).read_text(encoding="utf-8")
    begin = max(0, reference["start_index"] - size // 3)
    return " ".join(text[begin:begin + size].split(" ")[1:-1]).strip()


def chat(message):
    return f"<|im_start|>user\n{message}<|im_end|>\n<|im_start|>assistant\n"


def prompts():
    """Questions of chunking_evaluation (MIT) alone and with a passage, bare and as a chat, 4 to about 300 tokens."""
    folder = pathlib.Path(os.environ["RAGMESH_TESTDATA"]) / "qa" / "chunking_evaluation"
    with open(folder / "questions_df.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number in range(PROMPTS):
        row = rows[number * len(rows) // PROMPTS]
        question = row["question"]
        size = 60 + 97 * number % 1021
        if number % 8 == 0:
            yield " ".join(question.split(" ")[:4 + number % 7])
        elif number % 4 == 0:
            yield question
        elif number % 4 == 1:
            yield passage(folder / "corpora", row, size)
        elif number % 4 == 2:
            yield chat(question)
        else:
            yield chat(passage(folder / "corpora", row, size) + "\n\n" + question)


class Reference:
    """llama.cpp with STREAMS streams that share nothing, all in f32."""

    def __init__(self, path):
        self.model = llama_library.load(path)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = STREAMS * CONTEXT, STREAMS, False
        params.n_batch = params.n_ubatch = CONTEXT
        params.n_threads = params.n_threads_batch = 1  # more wait for each other, long where others compute too
        params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.run = llama_cpp.llama_init_from_model(self.model, params)
        self.memory = llama_cpp.llama_get_memory(self.run)
        self.batch = llama_cpp.llama_batch_init(CONTEXT, 0, 1)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.words = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.run)
        llama_cpp.llama_model_free(self.model)

    def tokens(self, text):
        data, ids = text.encode(), (llama_cpp.llama_token * CONTEXT)()
        count = llama_cpp.llama_tokenize(self.vocabulary, data, len(data), ids, CONTEXT, True, True)
        if count < 1:
            raise ValueError(f"llama.cpp makes no tokens of {text!r}")
        return ids[:count]

    def read(self, rows):
        """Rows (token, position, stream, whether what follows is asked for)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for index, (token, position, stream, wanted) in enumerate(rows):
            batch.token[index], batch.pos[index], batch.logits[index] = token, position, wanted
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, stream
        if llama_cpp.llama_decode(self.run, batch) != 0:
            raise ValueError("llama_decode failed")

    def best(self, row):
        """(likeliest token, the second, by how much its logit is smaller) after a row of the last read."""
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.run, row), (self.words,))
        second, first = (int(token) for token in np.argpartition(logits, -2)[-2:])
        if logits[second] > logits[first]:
            first, second = second, first
        return first, second, float(logits[first]) - float(logits[second])

    def write(self, prompts):
        """For each: the tokens, an end of text the last of them, and [step, second token, margin] where close."""
        llama_cpp.llama_memory_clear(self.memory, True)
        written, close = [[] for _ in prompts], [[] for _ in prompts]

        def take(stream, row):
            first, second, margin = self.best(row)
            if margin < CLOSE:
                close[stream].append([len(written[stream]), second, round(margin, 6)])
            written[stream].append(first)

        for stream, ids in enumerate(prompts):
            self.read([(token, position, stream, position + 1 == len(ids)) for position, token in enumerate(ids)])
            take(stream, len(ids) - 1)
        while going := [stream for stream, tokens in enumerate(written) if len(tokens) < WRITTEN and
                        not llama_cpp.llama_vocab_is_eog(self.vocabulary, tokens[-1])]:
            self.read([(written[stream][-1], len(prompts[stream]) + len(written[stream]) - 1, stream, True)
                       for stream in going])
            for row, stream in enumerate(going):
                take(stream, row)
        return zip(written, close)


def golden(name, texts, folder):
    stored = gguf_models.require(name)
    expanded = pathlib.Path(folder) / "f32.gguf"
    subprocess.run([client.LLAMA_CPP / "llama-quantize", "--allow-requantize", stored, expanded, "F32", "1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reference = Reference(expanded)
    prompts = [reference.tokens(text) for text in texts]
    written, close = [], []
    for begin in range(0, len(prompts), STREAMS):
        for tokens, steps in reference.write(prompts[begin:begin + STREAMS]):
            close += [[len(written), *step] for step in steps]
            written.append(tokens)
        print(f"{name}: {len(written)} of {len(texts)} prompts", file=sys.stderr)
    reference.close()
    digest = hashlib.sha256(pathlib.Path(stored).read_bytes()).hexdigest()
    return {"name": name, "sha256": digest, "prompt_tokens": [len(ids) for ids in prompts], "written": written,
            "close": close}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def lines(values):
    return "[" + ",\n".join(compact(value) for value in values) + "]"


def text_of(model):
    fields = [f"{compact(key)}:{lines(value) if key == 'written' else compact(value)}" for key, value in model.items()]
    return "{" + ",\n".join(fields) + "}"


def main():
    llama_library.begin()
    texts = list(prompts())
    with tempfile.TemporaryDirectory() as folder:
        models = [golden(name, texts, folder) for name in MODELS]
    made = (f"llama.cpp {llama_library.VERSION}, weights expanded to f32, f32 keys and values, no flash attention; "
            "prompts from chunking_evaluation (MIT, Brandon Smith 2024); close: [prompt, step, second token, by how "
            f"much its logit was smaller] where that was less than {CLOSE}")
    print('{"how_made":', compact(made), ',\n"prompts":', lines(texts), ',\n"models":[',
          ",\n".join(text_of(model) for model in models), "]}", sep="")


if __name__ == "__main__":
    main()
