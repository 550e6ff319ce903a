"""The decoders that the generator is measured with, as GGUF files that both sides read.

As a program it makes those that nobody offers, with llama.cpp's own quantizer: SmolLM2-135M in Q4_0 and Q8_0 out of its
Q4_1. So they know no more than Q4_1 does; speed does not depend on what the weights are.
"""
import functools
import hashlib
import subprocess

import client
import model_cache

SMOL, QWEN = "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"
OBTAINED = {"135m_q4_1": SMOL, "500m": QWEN}  # the second is in Q4_K_M
MADE = {"135m_q4_0": "Q4_0", "135m_q8_0": "Q8_0"}


def path(name):
    """Of the file, whether it is there or not."""
    if name in MADE:
        return model_cache.MADE / f"{SMOL}-{MADE[name].lower()}.gguf"
    return model_cache.model_file(OBTAINED[name], "model.gguf")


def require(name):
    """The path of the file; client.Refused, with the way to get it, when it is not there."""
    file = path(name)
    if not file.exists():
        way = "bench/peers/install generator" if name in MADE else f"./dev models pull {OBTAINED[name]}"
        raise client.Refused(f"the model {name} is missing; run {way}")
    return str(file)


@functools.cache
def digest(file):
    """SHA-256 of the file at this path, by which packed weights are kept."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def main():
    model_cache.MADE.mkdir(parents=True, exist_ok=True)
    try:
        source = require("135m_q4_1")
    except client.Refused as refusal:
        raise SystemExit(f"peers: {refusal}") from None
    for name, kind in MADE.items():
        unfinished = path(name).with_suffix(".part")
        quantize = client.LLAMA_CPP / "llama-quantize"
        subprocess.run([quantize, "--allow-requantize", source, unfinished, kind], check=True)
        unfinished.rename(path(name))


if __name__ == "__main__":
    main()
