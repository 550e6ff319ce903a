#!/usr/bin/env python3
"""Writes cross_encoder.json: logits of transformers' BertForSequenceClassification on made-up weights.

Needs torch, transformers and tokenizers. The weights are those of tests/unit/embedding/tiny_encoder.h:

    python3 make_cross_encoder_vectors.py > cross_encoder.json
"""
import json
import string

import numpy
import tokenizers
import torch
import transformers

MASK = (1 << 64) - 1


def made_up(name, shape):
    seed = 14695981039346656037
    for byte in name.encode():
        seed = ((seed ^ byte) * 1099511628211) & MASK
    count = int(numpy.prod(shape))
    with numpy.errstate(over="ignore"):
        z = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64((seed + 0x9E3779B97F4A7C15) & MASK)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    value = ((z >> numpy.uint64(40)).astype(numpy.float64) / 8388608.0 - 1.0).astype(numpy.float32)
    scale = numpy.float32(0.1) if "LayerNorm.weight" in name else numpy.float32(0.3)
    value = value * scale + (numpy.float32(1) if "LayerNorm.weight" in name else numpy.float32(0))
    return torch.from_numpy(value.reshape(shape).copy())


def make_model():
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, type_vocab_size=2, num_labels=1)
    model = transformers.BertForSequenceClassification(config).eval()
    state = {name: made_up(name, tuple(tensor.shape)) if tensor.dtype == torch.float32 else tensor
             for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    return model


def make_tokenizer():
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    vocabulary.update({letter: 5 + i for i, letter in enumerate(string.ascii_lowercase)})
    vocabulary.update({"##" + letter: 31 + i for i, letter in enumerate("abcdefghi")})
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(64, strategy="longest_first")
    return tokenizer


def main():
    model, tokenizer = make_model(), make_tokenizer()
    letters = " ".join(string.ascii_lowercase)
    pairs = [("a", "b"), ("a b c", "c d e f"), ("abc", "bad cab"), ("x y", ""), ("Q?", letters), (letters, "z"),
             ("a b", " ".join([letters] * 4)), (" ".join([letters] * 3), "a b c"),
             (" ".join([letters] * 2), " ".join([letters[::-1]] * 2)), ("unknown words", "here too")]
    cases = []
    for query, passage in pairs:
        encoding = tokenizer.encode(query, passage)
        with torch.no_grad():
            logit = model(input_ids=torch.tensor([encoding.ids]), token_type_ids=torch.tensor([encoding.type_ids]),
                          attention_mask=torch.ones(1, len(encoding.ids), dtype=torch.long)).logits[0, 0].item()
        cases.append({"query": query, "passage": passage, "ids": encoding.ids, "types": encoding.type_ids,
                      "logit": logit})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    print('{"transformers":"%s","torch":"%s","cases":[\n%s\n]}' % (transformers.__version__, torch.__version__, lines))


if __name__ == "__main__":
    main()
