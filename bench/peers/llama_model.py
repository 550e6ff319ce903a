"""Writes MiniLM as a GGUF file that llama.cpp loads: its BERT architecture, without a tokenizer, since ids are given.

What its own converter and quantizer do: matrices and the table of words in the wanted type, everything else in f32.
"""
import json

import gguf
import numpy as np

import minilm

TYPES = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16,
         "int8": gguf.GGMLQuantizationType.Q8_0}
TABLES = {"embeddings.word_embeddings.weight": "token_embd.weight",
          "embeddings.position_embeddings.weight": "position_embd.weight",
          "embeddings.token_type_embeddings.weight": "token_types.weight"}
PARTS = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
         "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}


def tensors():
    """(name in GGUF, values) of all f32 tensors in model.safetensors that the encoder uses."""
    data = minilm.model_file("model.safetensors").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    names = {**TABLES}
    for kind in ("weight", "bias"):
        names[f"embeddings.LayerNorm.{kind}"] = f"token_embd_norm.{kind}"
        for layer in range(minilm.LAYERS):
            for part, short in PARTS.items():
                names[f"encoder.layer.{layer}.{part}.{kind}"] = f"blk.{layer}.{short}.{kind}"
    header = json.loads(data[8:end])
    for name, short in names.items():
        begin, stop = header[name]["data_offsets"]
        yield short, np.frombuffer(data[end + begin:end + stop], np.float32).reshape(header[name]["shape"])


def stored(name, values, kind):
    """The type it is stored in."""
    if values.ndim == 1 or name in ("position_embd.weight", "token_types.weight"):
        return gguf.GGMLQuantizationType.F32
    return kind


def make(precision):
    """The path of the file, which is written once."""
    path = minilm.MODELS / f"embed-{precision}.gguf"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, "bert")
    writer.add_block_count(minilm.LAYERS)
    writer.add_context_length(minilm.POSITIONS)
    writer.add_embedding_length(minilm.HIDDEN)
    writer.add_feed_forward_length(minilm.INNER)
    writer.add_head_count(minilm.HEADS)
    writer.add_layer_norm_eps(minilm.EPSILON)
    writer.add_causal_attention(False)
    writer.add_vocab_size(minilm.WORDS)
    writer.add_token_type_count(minilm.KINDS)
    writer.add_tokenizer_model("no_vocab")
    for name, values in tensors():
        kind = stored(name, values, TYPES[precision])
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.rename(path)
    return path
