"""sentence-transformers as a bench worker; README.md says what its best is."""
import functools
import json
import logging

import worker  # before the runtime

import sentence_transformers
import torch
from sentence_transformers.sentence_transformer import modules

import minilm

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
CONFIG = {"model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": minilm.LAYERS,
          "hidden_size": minilm.HIDDEN, "num_attention_heads": minilm.HEADS, "intermediate_size": minilm.INNER,
          "vocab_size": minilm.WORDS, "max_position_embeddings": minilm.POSITIONS, "type_vocab_size": minilm.KINDS,
          "hidden_act": "gelu", "layer_norm_eps": minilm.EPSILON}


def model_folder():
    """The files of the model cache under the names that transformers looks for."""
    folder = minilm.MODELS / "transformers"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).exists():
            (folder / name).symlink_to(minilm.model_file(name))
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    return str(folder)


@functools.cache
def model(precision):
    encoder = modules.Transformer(model_folder(), max_seq_length=256)
    pipeline = sentence_transformers.SentenceTransformer(
        modules=[encoder, modules.Pooling(minilm.HIDDEN, pooling_mode="mean"), modules.Normalize()], device="cpu")
    return pipeline.to(TYPES[precision]).eval()


def run(precision, threads, batches):
    torch.set_num_threads(threads)
    with torch.inference_mode():
        outputs = [model(precision)({name: torch.from_numpy(array) for name, array in batch.inputs().items()})
                   for batch in batches]
        return [output["sentence_embedding"].float().numpy() for output in outputs]


class SentenceTransformers(worker.Engine):
    name = "sentence-transformers"
    version = f"{sentence_transformers.__version__}, torch {torch.__version__}"
    precisions = tuple(TYPES)
    notes = "tokens are given, so that no time goes into the tokenizer"

    def ways(self, task, precision, threads):
        if task != "embed":
            raise ValueError(f"task '{task}' is not offered")
        return {"eager": functools.partial(run, precision, threads)}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    worker.serve(SentenceTransformers())
