#!/usr/bin/env python3
"""Writes architectures.json: logits and greedy tokens of transformers on made-up weights, one tiny model per variant.

Needs torch, transformers and gguf. The weights are those of tests/unit/generation/tiny_model.h; each is made under its
name in a GGUF file and given to transformers as llama.cpp's converter would have read it, backwards:

    python3 make_architecture_goldens.py > architectures.json
"""
import json
import math

import gguf
import numpy
import torch
import transformers

MASK = (1 << 64) - 1
VOCABULARY = 96
TOKENS = 60
WRITTEN = 16
SHARED = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
          "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
          "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def made_up(name, shape):
    seed = 14695981039346656037
    for byte in name.encode():
        seed = ((seed ^ byte) * 1099511628211) & MASK
    with numpy.errstate(over="ignore"):
        z = numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint64) + numpy.uint64((seed + 0x9E3779B97F4A7C15) & MASK)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    value = ((z >> numpy.uint64(40)).astype(numpy.float64) / 8388608.0 - 1.0).astype(numpy.float32)
    if name.endswith("norm.weight"):
        value = value * numpy.float32(0.1) + numpy.float32(1)
    else:
        value = value * numpy.float32(0.1 if name == "token_embd.weight" else 0.3)
    return torch.from_numpy(value.reshape(shape).copy())


def from_pairs(weight, heads):
    """Undoes the converter's permutation of llama's q and k: it turns halves (i, i + d/2) into pairs (2i, 2i + 1)."""
    rows = weight.reshape(heads, weight.shape[0] // heads // 2, 2, -1)
    return rows.swapaxes(1, 2).reshape(weight.shape)


def fill(model, kind, layers):
    """Gives the model its weights; the GGUF tensors as (name, shape, fastest dimension last)."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[kind.upper()], layers)
    config, tensors = model.config, []
    state = model.state_dict()
    for name, old in state.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        weight = made_up(stored, tuple(old.shape))
        tensors.append([stored, list(old.shape)])
        if kind == "llama" and name.endswith("q_proj.weight"):
            weight = from_pairs(weight, config.num_attention_heads)
        if kind == "llama" and name.endswith("k_proj.weight"):
            weight = from_pairs(weight, config.num_key_value_heads)
        if kind in ("gemma2", "gemma3") and name.endswith("norm.weight"):
            weight = weight - 1
        state[name] = weight
    model.load_state_dict(state)
    model.tie_weights()
    return tensors


def metadata(kind, config, extra):
    llm, attention, rope = gguf.Keys.LLM, gguf.Keys.Attention, gguf.Keys.Rope
    values = {llm.BLOCK_COUNT: config.num_hidden_layers, llm.CONTEXT_LENGTH: config.max_position_embeddings,
              llm.EMBEDDING_LENGTH: config.hidden_size, llm.FEED_FORWARD_LENGTH: config.intermediate_size,
              attention.HEAD_COUNT: config.num_attention_heads, attention.HEAD_COUNT_KV: config.num_key_value_heads,
              attention.LAYERNORM_RMS_EPS: config.rms_norm_eps, **extra}
    head = getattr(config, "head_dim", None)
    if head and head * config.num_attention_heads != config.hidden_size:
        values |= {attention.KEY_LENGTH: head, attention.VALUE_LENGTH: head}
    return {"general.architecture": kind, **{key.format(arch=kind): value for key, value in values.items()}}


def llama3_divisors(rope, dim):
    divisors = []
    for j in range(0, dim, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (j / dim)
        turns = rope["original_max_position_embeddings"] / wave
        smooth = (turns - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        smooth = min(1.0, max(0.0, smooth))
        divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return divisors


def logits_of(model, tokens):
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]


def greedy(model, tokens):
    """The next tokens, and by how much the closest of them won."""
    written, margin = [], math.inf
    for _ in range(WRITTEN):
        best = torch.topk(logits_of(model, tokens + written)[-1], 2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        written.append(int(best.indices[0]))
    return written, margin


def case(name, kind, model_class, config, extra, given=None, context=0):
    """`given`: tensors that are not made up; `context`: what the decoder is told it will serve."""
    config._attn_implementation = "eager"
    model = model_class(config).eval()
    tensors = fill(model, kind, config.num_hidden_layers)
    for salt in range(100):  # the first text whose greedy tokens are not too close to call
        tokens = [(i * i * 7 + 13 * i + salt) % VOCABULARY for i in range(TOKENS)]
        written, margin = greedy(model, tokens)
        if margin > 2e-3:
            break
    else:
        raise ValueError(name + ": every text is too close to call")
    logits = logits_of(model, tokens)
    positions = {str(p): [round(x, 6) for x in logits[p].tolist()] for p in (0, 1, 19, TOKENS - 1)}
    return {"name": name, "context": context, "metadata": metadata(kind, config, extra), "tensors": tensors,
            "given": given or {}, "tokens": tokens, "logits": positions, "greedy": written}


def cases():
    rope, attention, llm = gguf.Keys.Rope, gguf.Keys.Attention, gguf.Keys.LLM
    llama, phi3 = transformers.LlamaForCausalLM, transformers.Phi3ForCausalLM
    yield case("llama", "llama", llama, transformers.LlamaConfig(**SHARED, tie_word_embeddings=True),
               {rope.DIMENSION_COUNT: 16})
    linear = {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0}
    yield case("llama_linear", "llama", llama, transformers.LlamaConfig(**SHARED, rope_parameters=linear),
               {rope.FREQ_BASE: 500.0, rope.SCALING_TYPE: "linear", rope.SCALING_FACTOR: 4.0})
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 32, "rope_theta": 1000.0}
    yield case("llama3", "llama", llama, transformers.LlamaConfig(**SHARED, rope_parameters=llama3),
               {rope.FREQ_BASE: 1000.0}, given={"rope_freqs.weight": llama3_divisors(llama3, 16)})
    yield case("mistral_window", "llama", transformers.MistralForCausalLM,
               transformers.MistralConfig(**SHARED, sliding_window=13, head_dim=24), {attention.SLIDING_WINDOW: 13})
    yield case("qwen2", "qwen2", transformers.Qwen2ForCausalLM,
               transformers.Qwen2Config(**SHARED, tie_word_embeddings=True), {})
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 2000.0}
    yield case("qwen2_yarn", "qwen2", transformers.Qwen2ForCausalLM,
               transformers.Qwen2Config(**SHARED, rope_parameters=yarn),
               {rope.FREQ_BASE: 2000.0, rope.SCALING_TYPE: "yarn", rope.SCALING_FACTOR: 4.0,
                rope.SCALING_ORIG_CTX_LEN: 64})
    yield case("qwen3", "qwen3", transformers.Qwen3ForCausalLM,
               transformers.Qwen3Config(**SHARED, head_dim=24, tie_word_embeddings=True), {})
    yield case("gemma2", "gemma2", transformers.Gemma2ForCausalLM,
               transformers.Gemma2Config(**SHARED | {"num_hidden_layers": 3}, head_dim=24, query_pre_attn_scalar=24,
                                         sliding_window=13, attn_logit_softcapping=5.0, final_logit_softcapping=7.0),
               {attention.SLIDING_WINDOW: 13, llm.ATTN_LOGIT_SOFTCAPPING: 5.0, llm.FINAL_LOGIT_SOFTCAPPING: 7.0})
    both = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    yield case("gemma3", "gemma3", transformers.Gemma3ForCausalLM,
               transformers.Gemma3TextConfig(**SHARED | {"num_hidden_layers": 7}, head_dim=24,
                                             query_pre_attn_scalar=24, sliding_window=13, rope_parameters=both),
               {attention.SLIDING_WINDOW: 13, rope.FREQ_BASE: 1e6, rope.SCALING_TYPE: "linear",
                rope.SCALING_FACTOR: 8.0})
    kinds = ["full_attention", "sliding_attention", "sliding_attention"]
    yield case("gemma3_pattern", "gemma3", transformers.Gemma3ForCausalLM,
               transformers.Gemma3TextConfig(**SHARED | {"num_hidden_layers": 3}, query_pre_attn_scalar=50,
                                             head_dim=16, sliding_window=13, layer_types=kinds,
                                             final_logit_softcapping=9.0,
                                             rope_parameters={"full_attention": {"rope_type": "default",
                                                                                 "rope_theta": 1e6},
                                                              "sliding_attention": {"rope_type": "default",
                                                                                    "rope_theta": 300.0}}),
               {attention.SLIDING_WINDOW: 13, attention.SLIDING_WINDOW_PATTERN: [k != kinds[0] for k in kinds],
                attention.SCALE: 50 ** -0.5, rope.FREQ_BASE: 1e6, rope.FREQ_BASE_SWA: 300.0,
                llm.FINAL_LOGIT_SOFTCAPPING: 9.0})
    yield case("phi3", "phi3", phi3,
               transformers.Phi3Config(**SHARED, sliding_window=13, rope_parameters={
                   "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75},
                   original_max_position_embeddings=256),
               {rope.DIMENSION_COUNT: 12, attention.SLIDING_WINDOW: 13, rope.SCALING_ORIG_CTX_LEN: 256})
    brief, long = [1.0 + 0.1 * i for i in range(6)], [1.0 + 1.5 * i for i in range(6)]
    for name, original, context in (("phi3_longrope_long", 32, 0), ("phi3_longrope_short", 128, 128)):
        longrope = {"rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75, "short_factor": brief,
                    "long_factor": long, "original_max_position_embeddings": original}
        scale = SHARED["max_position_embeddings"] / original
        yield case(name, "phi3", phi3,
                   transformers.Phi3Config(**SHARED, rope_parameters=longrope,
                                           original_max_position_embeddings=original),
                   {rope.DIMENSION_COUNT: 12, attention.SLIDING_WINDOW: 0, rope.SCALING_ORIG_CTX_LEN: original,
                    rope.SCALING_ATTN_FACTOR: math.sqrt(1 + math.log(scale) / math.log(original))},
                   given={"rope_factors_long.weight": long, "rope_factors_short.weight": brief}, context=context)


def main():
    torch.manual_seed(1)
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases())
    print('{"transformers":"%s","torch":"%s","cases":[\n%s\n]}' % (transformers.__version__, torch.__version__, lines))


if __name__ == "__main__":
    main()
