#!/usr/bin/env python3
"""Writes unigram_tokenizer.json, a small SentencePiece model, and unigram.json, what the tokenizers library makes of texts.

Needs sentencepiece and tokenizers; the model is trained on this repository's own documents:

    python3 make_unigram_vectors.py
"""
import base64
import io
import json
import pathlib
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
import tokenizers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
# Source and target code points: letters of full width, a ligature, composed accents, spaces, one that goes away.
RULES = [*((chr(0xFEE0 + ord(c)), c) for c in "ABCabc019,!"), ("\ufb01", "fi"), ("e\u0301", "\u00e9"), ("A\u030a", "\u00c5"),
         ("\u2026", "..."), ("\u200b", ""), *((space, " ") for space in "\t\n\r\u00a0\u3000")]
TEXTS = ["", " ", "a", "reranker", "The reranker orders passages.", "  two  spaces   and a tab\there ", "line\nbreak\r\nand\u3000wide",
         "\uff21\uff22\uff23 full \ufb01ne\u2026 caf\u0065\u0301 \u0041\u030a", "zero\u200bwidth", "\u200b", "\u2581 underline \u2581\u2581x",
         "日本語のテキスト。中文", "Привет, мир", "🙂🙂 👩‍👩‍👧‍👦 flags 🇩🇪🇫🇷", "<s> </s> <unk> <mask>", "e\u0301\u0301 n\u0303 क्षि",
         "Supercalifragilisticexpialidocious" * 3, "x" * 200, "3.14159 1,000 https://example.org/a?b=c#d", "\u2028line\u2029para\u0085nel",
         "a\u0000b", "ﬁﬁﬁ ＡＡ！"]


def train():
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder) / "rules.tsv"
        rules.write_text("".join("%s\t%s\n" % tuple(" ".join("%X" % ord(c) for c in side) for side in rule) for rule in RULES))
        model = io.BytesIO()
        lines = [line for page in sorted((ROOT / "docs" / "adr").glob("000*.md")) for line in page.read_text().splitlines()]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=400, model_type="unigram", num_threads=1,
            normalization_rule_tsv=str(rules), character_coverage=0.999, minloglevel=2)
    return model.getvalue()


def tokenizer_of(proto):
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(proto)
    # As XLM-R numbers them: four tokens of structure first, then the pieces behind SentencePiece's own three.
    vocabulary = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0],
                  *([processor.id_to_piece(i), round(processor.get_score(i), 4)] for i in range(3, processor.get_piece_size())),
                  ["<mask>", 0.0]]
    special = [{"id": i, "content": piece, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False} for i, (piece, _) in enumerate(vocabulary) if piece.startswith("<") and piece.endswith(">")]
    end = lambda token: {"SpecialToken": {"id": token, "type_id": 0}}
    text = lambda name: {"Sequence": {"id": name, "type_id": 0}}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
            "normalizer": {"type": "Precompiled",
                           "precompiled_charsmap": base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}]},
            "post_processor": {"type": "TemplateProcessing", "single": [end("<s>"), text("A"), end("</s>")],
                               "pair": [end("<s>"), text("A"), end("</s>"), end("</s>"), text("B"), end("</s>")],
                               "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (("<s>", 0), ("</s>", 2))}},
            "decoder": None, "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": False}}


def as_bge_m3(tokenizer):
    """The form of later models: spaces are joined, and they alone part words."""
    return {**tokenizer,
            "normalizer": {"type": "Sequence", "normalizers": [
                tokenizer["normalizer"], {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
            "pre_tokenizer": tokenizer["pre_tokenizer"]["pretokenizers"][1]}


def main():
    xlmr = tokenizer_of(train())
    (HERE / "unigram_tokenizer.json").write_text(json.dumps(xlmr, ensure_ascii=False, separators=(",", ":")) + "\n")
    cases = [{"text": text} for text in TEXTS]
    for name, tokenizer in (("xlm-roberta", xlmr), ("bge-m3", as_bge_m3(xlmr))):
        # Ours finds no tokens of structure in a text, so here nothing can spell them.
        model = {**tokenizer["model"], "vocab": [[piece + "\U0010fffd" if piece.startswith("<") else piece, score]
                                                 for piece, score in tokenizer["model"]["vocab"]]}
        reference = tokenizers.Tokenizer.from_str(
            json.dumps({**tokenizer, "model": model, "added_tokens": [], "post_processor": None}))
        for case in cases:
            case[name] = reference.encode(case["text"], add_special_tokens=False).ids
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (HERE / "unigram.json").write_text('{"tokenizers":"%s","cases":[\n%s\n]}\n' % (tokenizers.__version__, lines))


if __name__ == "__main__":
    main()
