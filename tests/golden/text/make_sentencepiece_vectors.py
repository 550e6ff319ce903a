#!/usr/bin/env python3
"""Writes sentencepiece.json: small SentencePiece models as GGUF files hold them, and what the library makes of texts.

Needs sentencepiece; the models are trained on this repository's own documents:

    python3 make_sentencepiece_vectors.py
"""
import base64
import io
import json
import pathlib
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
# Source and target code points: letters of full width, a ligature, composed accents, spaces, one that goes away.
RULES = [*((chr(0xFEE0 + ord(c)), c) for c in "ABCabc019,!"), ("\ufb01", "fi"), ("e\u0301", "\u00e9"), ("A\u030a", "\u00c5"),
         ("\u2026", "..."), ("\u200b", ""), *((space, " ") for space in "\t\n\r\u00a0\u3000")]
# GGUF's keys; "runs" are user-defined tokens, as Gemma has them.
MODELS = {
    "llama": dict(model="llama", add_space_prefix=True, remove_extra_whitespaces=False, byte_fallback=True),
    "gemma": dict(model="llama", add_space_prefix=False, remove_extra_whitespaces=False, byte_fallback=True,
                  runs=["\n\n", "\n\n\n", "\t\t", "\u2581\u2581", "\u2581\u2581\u2581", "\u2581\u2581\u2581\u2581"]),
    "no-bytes": dict(model="llama", add_space_prefix=True, remove_extra_whitespaces=True, byte_fallback=False),
    "t5": dict(model="t5", add_space_prefix=True, remove_extra_whitespaces=True, byte_fallback=False, rules=RULES),
    "unigram-bytes": dict(model="t5", add_space_prefix=True, remove_extra_whitespaces=False, byte_fallback=True),
}
TEXTS = ["", " ", "   ", "a", " a", "a ", "reranker", "The reranker orders passages.", "  two  spaces   and a tab\there ", "line\nbreak\n\nparagraph\n\n\n\n\nend",
         "\uff21\uff22\uff23 full \ufb01ne\u2026 caf\u0065\u0301 \u0041\u030a", "zero\u200bwidth", "\u2581 underline \u2581\u2581x", "日本語のテキスト。中文", "Привет, мир",
         "🙂🙂 👩‍👩‍👧‍👦 flags 🇩🇪", "<s> </s> <unk> <0x0A>", "e\u0301\u0301 n\u0303", "Supercalifragilisticexpialidocious" * 2, "x" * 50, " " * 33 + "x",
         "3.14159 1,000 https://example.org/a?b=c#d", "\u2028line\u2029para\u0085nel", "if (a) {\n    return b;\n\t\t}\n", "the the  the   the    the", "été à la plage"]


def train(options):
    lines = [line for page in sorted((ROOT / "docs" / "adr").glob("000*.md")) for line in page.read_text().splitlines()]
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder) / "rules.tsv"
        rules.write_text("".join("%s\t%s\n" % tuple(" ".join("%X" % ord(c) for c in side) for side in rule) for rule in options.get("rules", [])))
        normalizer = dict(normalization_rule_tsv=str(rules)) if "rules" in options else dict(normalization_rule_name="identity")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=600, model_type="bpe" if options["model"] == "llama" else "unigram",
            num_threads=1, character_coverage=0.999, minloglevel=2, byte_fallback=options["byte_fallback"], split_digits=True,
            add_dummy_prefix=options["add_space_prefix"], remove_extra_whitespaces=options["remove_extra_whitespaces"],
            user_defined_symbols=options.get("runs", []), allow_whitespace_only_pieces=True, **normalizer)
    return model.getvalue()


def main():
    models, cases = [], [{"text": text} for text in TEXTS]
    for name, options in MODELS.items():
        proto = train(options)
        processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
        parsed = sentencepiece_model_pb2.ModelProto()
        parsed.ParseFromString(proto)
        keys = {key: options[key] for key in ("model", "add_space_prefix", "remove_extra_whitespaces")}
        charsmap = base64.b64encode(parsed.normalizer_spec.precompiled_charsmap).decode() if "rules" in options else ""
        models.append({"name": name, **keys, "precompiled_charsmap": charsmap, "tokens": [piece.piece for piece in parsed.pieces],
                       "scores": [round(piece.score, 4) for piece in parsed.pieces], "token_type": [piece.type for piece in parsed.pieces]})
        # The library rounds nothing, so it must read the scores that are written.
        for piece, score in zip(parsed.pieces, models[-1]["scores"]):
            piece.score = score
        processor = sentencepiece.SentencePieceProcessor(model_proto=parsed.SerializeToString())
        for case in cases:
            if "runs" in options and "\u2581" in case["text"]:
                continue  # the library finds runs of U+2581 of the text itself, this tokenizer those of spaces
            case[name] = processor.encode(case["text"])
    dump = lambda entries: ",\n".join(json.dumps(entry, ensure_ascii=True, separators=(",", ":")) for entry in entries)
    (HERE / "sentencepiece.json").write_text('{"sentencepiece":"%s","models":[\n%s\n],"cases":[\n%s\n]}\n' % (
        sentencepiece.__version__, dump(models), dump(cases)))


if __name__ == "__main__":
    main()
