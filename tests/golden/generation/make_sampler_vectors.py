#!/usr/bin/env python3
"""Writes sampler_vectors.json: what may be drawn, and how likely, for seeded logits and many settings.

Written from the definitions of llama.cpp's samplers (tools/server/README.md and src/llama-sampling.cpp), as plainly as they can be
told: every filter sorts everything, DRY compares every suffix. Run it without arguments after a change of definition.
"""
import json
import math
import pathlib
import random
import struct

DEFAULTS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "xtc_probability": 0.0, "xtc_threshold": 0.1,
            "repeat_penalty": 1.0, "repeat_last_n": 64, "frequency_penalty": 0.0, "presence_penalty": 0.0, "dry_multiplier": 0.0,
            "dry_base": 1.75, "dry_allowed_length": 2, "dry_penalty_last_n": -1, "logit_bias": {}}


def f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def last(context, count):
    return context if count < 0 else context[len(context) - min(count, len(context)):]


def softmax(pairs, temperature=1.0):
    top = max(logit for logit, _ in pairs)
    weights = [math.exp((logit - top) / temperature) for logit, _ in pairs]
    total = sum(weights)
    return [weight / total for weight in weights]


def penalise(logits, context, s):
    recent = last(context, s["repeat_last_n"])
    for token in set(recent):
        count = recent.count(token)
        logits[token] = logits[token] * s["repeat_penalty"] if logits[token] <= 0 else logits[token] / s["repeat_penalty"]
        logits[token] -= count * s["frequency_penalty"] + s["presence_penalty"]


def dry(logits, context, breakers, s):
    text = last(context, s["dry_penalty_last_n"])
    if s["dry_multiplier"] == 0 or len(text) <= s["dry_allowed_length"]:
        return
    limit = len(text)
    for at in range(len(text) - 1, -1, -1):
        if text[at] in breakers:
            limit = len(text) - 1 - at
            break
    longest = {}
    for at in range(1, len(text)):  # text[at] follows what ends before it
        length = 0
        while length < at and length < limit and text[at - 1 - length] == text[len(text) - 1 - length]:
            length += 1
        if length >= s["dry_allowed_length"]:
            longest[text[at]] = max(longest.get(text[at], 0), length)
    for token, length in longest.items():
        if token not in breakers:
            logits[token] -= s["dry_multiplier"] * s["dry_base"] ** (length - s["dry_allowed_length"])


def candidates(logits, context, breakers, s):
    logits = list(logits)
    for token, bias in s["logit_bias"].items():
        logits[int(token)] = -math.inf if bias <= -100 else logits[int(token)] + bias
    penalise(logits, context, s)
    dry(logits, context, breakers, s)
    pairs = sorted(((logit, token) for token, logit in enumerate(logits) if logit > -math.inf), key=lambda pair: (-pair[0], pair[1]))
    if s["top_k"] > 0:
        pairs = pairs[:s["top_k"]]
    if s["typical_p"] < 1:
        probabilities = softmax(pairs)
        entropy = -sum(p * math.log(p) for p in probabilities if p > 0)
        order = sorted(range(len(pairs)), key=lambda i: abs(-math.log(probabilities[i]) - entropy))
        kept, total = [], 0.0
        for i in order:
            kept.append(pairs[i])
            total += probabilities[i]
            if total > s["typical_p"]:
                break
        pairs = sorted(kept, key=lambda pair: (-pair[0], pair[1]))
    if s["top_p"] < 1:
        kept, total = [], 0.0
        for pair, p in zip(pairs, softmax(pairs)):
            kept.append(pair)
            total += p
            if total >= s["top_p"]:
                break
        pairs = kept
    if s["min_p"] > 0:
        best = softmax(pairs)[0]
        pairs = [pair for pair, p in zip(pairs, softmax(pairs)) if p >= s["min_p"] * best]
    if s["xtc_probability"] == 1 and s["xtc_threshold"] <= 0.5 and len(pairs) > 1:
        above = sum(p >= s["xtc_threshold"] for p in softmax(pairs))
        if above > 1:
            pairs = pairs[above - 1:]
    return {token: p for (_, token), p in zip(pairs, softmax(pairs, s["temperature"]))}


def settings(rng):
    """Settings with one to five of the knobs turned."""
    knobs = {
        "temperature": lambda: rng.choice([0.3, 0.7, 1.5, 2.0]), "top_k": lambda: rng.choice([1, 5, 20, 1000]),
        "top_p": lambda: rng.choice([0.1, 0.5, 0.9, 0.99]), "min_p": lambda: rng.choice([0.02, 0.1, 0.5]),
        "typical_p": lambda: rng.choice([0.2, 0.6, 0.95]), "xtc_probability": lambda: 1.0, "xtc_threshold": lambda: rng.choice([0.02, 0.2, 0.6]),
        "repeat_penalty": lambda: rng.choice([0.8, 1.1, 1.5]), "repeat_last_n": lambda: rng.choice([-1, 0, 4, 16]),
        "frequency_penalty": lambda: rng.choice([-1.0, 0.2, 1.0]), "presence_penalty": lambda: rng.choice([-0.5, 0.5, 2.0]),
        "dry_multiplier": lambda: rng.choice([0.5, 2.0]), "dry_base": lambda: rng.choice([1.0, 1.2, 3.0]),
        "dry_allowed_length": lambda: rng.choice([0, 1, 3]), "dry_penalty_last_n": lambda: rng.choice([0, 8, 20]),
        "logit_bias": lambda: {"3": -100, "7": 2.5, "11": -1.25}}
    s = {name: knobs[name]() for name in rng.sample(sorted(knobs), rng.randint(1, 5))}
    if any(name.startswith("dry_") for name in s):
        s.setdefault("dry_multiplier", 1.0)
    return s


def main():
    rng = random.Random(20240611)
    cases = []
    for number in range(80):
        size = rng.choice([12, 30, 60])
        spread = rng.choice([0.5, 2.0, 5.0])
        logits = [f32(round(rng.gauss(0, spread), 3)) for _ in range(size)]
        context = [rng.randrange(min(size, 8 if number % 2 else 3)) for _ in range(rng.choice([0, 5, 30]))]
        breakers = sorted(rng.sample(range(8), number % 3))
        chosen = settings(rng)
        found = candidates(logits, context, breakers, {**DEFAULTS, **chosen})
        cases.append({"sampling": chosen, "logits": [round(logit, 3) for logit in logits], "context": context, "breakers": breakers,
                      "candidates": {str(token): float(f"{p:.6g}") for token, p in sorted(found.items())}})
    path = pathlib.Path(__file__).with_name("sampler_vectors.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
