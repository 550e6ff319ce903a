#!/usr/bin/env python3
"""Writes wordpiece.json: token ids and byte ranges from the reference implementation.

Needs the PyPI package tokenizers (0.23.3 wrote the committed file) and MiniLM's tokenizer.json:

    python3 make_wordpiece_vectors.py PATH/TO/tokenizer.json > wordpiece.json
"""
import json
import random
import sys

import tokenizers

HAND_MADE = [
    "", " ", "\n\t \r", "Hello, World!", "The quick brown fox.", "unaffable", "don't can't won't",
    "Caf\u00e9 cr\u00e8me br\u00fbl\u00e9e", "Cafe\u0301 cre\u0300me", "\u0130stanbul \u0131\u015f\u0131k",
    "STRASSE Stra\u00dfe \u1e9e", "\u03a3\u0391\u03a3 \u03a3\u0395\u03a3", "\u4f60\u597d\uff0c\u4e16\u754c",
    "\u6771\u4eac\u30bf\u30ef\u30fc\u3067\u3059", "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "Ti\u1ebfng Vi\u1ec7t",
    "emoji \U0001F600 \U0001F468\u200D\U0001F469\u200D\U0001F467 end", "\ufb01ne \ufb02ow \u2460 \u00bd \u2167",
    "a\u00adb soft\u00adhyphen", "zero\u200bwidth\u200djoin\ufeffbom", "nul\x00in\x01side\x7f", "rep\ufffdlacement",
    "non\u00a0breaking\u202fspace\u3000ideographic\u2028line\u2029para\u0085next", "tab\tvt\x0bff\x0cend",
    "$100.00 (50%) #tag @user a_b c-d e/f ~x^y`z |", "\u00a7 5 \u00b6 \u2020 \u2026 \u2014 \u201cquoted\u201d \u00abx\u00bb",
    "x" * 100, "x" * 101, "y" * 99 + "\u00e9", "z" * 100 + "\u0301", "w" * 250 + " tail", "\u00e9" * 101,
    "https://example.org/a/b?c=d&e=f#g", "ISO-8859-1 UTF-8 C++20 x86_64", "3.14159 1,000,000 1e-12 0x1F",
    "##ing ing## [ cls ] < s >", "\uf900 \U0002F800 \u9fff \u3400 \U00020000 \u3041", "\u212b \u2126 \u1e69 s\u0323\u0307",
    "\U0001D15E \u302e\u302f", "e\u0316\u0301\u0327x", "\ue000 private \U000F0000", "\u0378 unassigned \U0001FAE8",
    "\ua9e6 \u1885 \u1734 \u166d \U000111c9 \u0898", "na\u00efve co\u00f6perate fa\u00e7ade", "A" * 30 + "\u0300" * 30,
    "word " * 60, "\u2603" * 3 + "snow", "l\u2019\u00e9t\u00e9 \u00e0 No\u00ebl", "\u0391\u03b8\u03ae\u03bd\u03b1",
    "\u041c\u043e\u0441\u043a\u0432\u0430 \u0419\u043e\u0434 \u0401\u0436", "\u10d7\u10d1\u10d8\u10da\u10d8\u10e1\u10d8",
]


def random_texts(seed, count):
    """Strings over all planes; blocks where two Unicode versions may disagree on lower case are left out."""
    rng = random.Random(seed)
    pools = [
        [c for c in range(0x20, 0x250)], [c for c in range(0x250, 0x1900)], [c for c in range(0x1E00, 0x2C00)],
        [c for c in range(0x3000, 0xA640)], [c for c in range(0xF900, 0xFFFE)], [c for c in range(0x10000, 0x10D00)],
        [c for c in range(0x1D000, 0x1FB00)], [ord(c) for c in "abcdefghijklmnopqrstuvwxyz  \u0301\u0327.,"],
    ]
    texts = []
    for i in range(count):
        pool = pools[i % len(pools)]
        length = rng.randint(1, 40)
        texts.append("".join(chr(rng.choice(pool) if rng.random() < 0.7 else rng.choice(pools[-1]))
                             for _ in range(length)))
    return texts


def main():
    tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    cases = []
    for text in HAND_MADE + random_texts(20260101, 400):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        starts = [0]
        for character in text:
            starts.append(starts[-1] + len(character.encode()))
        ranges = [[starts[begin], starts[end]] for begin, end in encoding.offsets]
        cases.append({"text": text, "ids": encoding.ids, "ranges": ranges})
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in cases)
    print('{"tokenizers":"%s","cases":[\n%s\n]}' % (tokenizers.__version__, lines))


if __name__ == "__main__":
    main()
