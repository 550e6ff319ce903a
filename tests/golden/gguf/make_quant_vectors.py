#!/usr/bin/env python3
"""Writes quant_types.json: random blocks of every quantised tensor type and what they expand to.

The expansion is that of the `gguf` package (numpy, by the authors of the format). Run as

    python3 make_quant_vectors.py > quant_types.json
"""
import json

import gguf
import numpy

# Bytes of each block that are f16; random ones could be infinite or no number.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def main():
    random = numpy.random.default_rng(20240607)
    cases = []
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (128 // values if values < 128 else 2, size), dtype=numpy.uint8)
        for at in halves:
            scales = random.uniform(-0.1, 0.1, (len(blocks), 1)).astype(numpy.float16)
            blocks[:, at:at + 2] = scales.view(numpy.uint8)
        expanded = gguf.quants.dequantize(blocks, kind).astype("<f4")
        cases.append({"type": name, "number": int(kind), "block_values": values, "block_bytes": size,
                      "blocks": blocks.tobytes().hex(), "f32": expanded.tobytes().hex()})
    print('{"cases":[\n%s\n]}' % ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))


if __name__ == "__main__":
    main()
