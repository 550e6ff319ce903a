"""What answers lose when passages are taken over from other prompts: questions of XQuAD to the five paragraphs of their
article, in an order of their own each, greedily answered.

"off" keeps nothing, "exact" keeps beginnings of prompts, "blend N %" takes passages over and reads the first N % of
each anew. The divergence is of the next-token distributions at every token of the answer of "off", from those of "off";
least and most are two standard errors away, as the questions differ.
"""
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

import client
import divergence
import gguf_models
from comparison import BUILD, Row, THREADS

MODELS = {"135m_q4_1": 60, "500m": 24}  # with how many questions
WAYS = {"off": ("off", 0), "exact": ("exact", 0),
        **{f"blend {percent} %": ("blend", percent / 100) for percent in (0, 5, 15, 30)}}
WRITTEN = 24
ASKED = "Question: {}\nAnswer with a few words of the text."


def questions(count):
    """(passages, question, accepted answers), spread over the whole set."""
    path = pathlib.Path(os.environ["RAGMESH_TESTDATA"]) / "qa" / "xquad" / "xquad.en.json"
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    asked = [(article, question) for article in articles for paragraph in article["paragraphs"]
             for question in paragraph["qas"]]
    chance = random.Random(1)
    for number in range(count):
        article, question = asked[number * len(asked) // count]
        passages = [paragraph["context"] for paragraph in article["paragraphs"]]
        chance.shuffle(passages)
        yield passages, ASKED.format(question["question"]), sorted({answer["text"] for answer in question["answers"]})


class Figures:
    """Of one way, over all questions."""

    def __init__(self, answers):
        self.tokens = sum(answer["tokens"] for answer in answers)
        self.kl_within = divergence.ratio_of_sums([(answer["kl"], answer["tokens"]) for answer in answers])
        self.kl = self.kl_within[1]
        self.same_best = 100 * sum(answer["same_best"] for answer in answers) / self.tokens

        def percent(field):
            return 100 * statistics.mean(answer[field] for answer in answers)
        self.same_answer, self.f1, self.match, self.recall = map(percent, ("same_text", "f1", "exact", "recall"))
        self.taken_over, self.kept = (statistics.mean(answer[field] for answer in answers)
                                      for field in ("taken_over", "kept"))


def report(name, ways, table):
    off = ways["off"]
    for way, figures in ways.items():
        row_name = f"passages_{name}_{way.replace(' %', '').replace(' ', '_')}"
        same = way in ("off", "exact")  # nothing may change
        table.row(Row(row_name + "_kl", "KL to off", 0.0 if same else None, less_is_better=True), [figures.kl],
                  ratios=figures.kl_within, missed=same and figures.kl > 0, note=f"{figures.tokens} tokens")
        for field, unit in (("same_best", "% of places, the same likeliest token"), ("same_answer", "% of answers"),
                            ("f1", "F1, %"), ("match", "exact match, %"), ("recall", "recall, %")):
            table.row(Row(f"{row_name}_{field}", unit, None), [getattr(figures, field)], [getattr(off, field)])
        table.detail("tokens taken over for each question", [figures.taken_over])
        table.detail("tokens kept of a prompt that is asked again", [figures.kept])


def measure(ours, table):
    BUILD.mkdir(parents=True, exist_ok=True)
    for name, count in MODELS.items():
        with tempfile.TemporaryDirectory(dir=BUILD) as packed:
            try:
                model = gguf_models.require(name)
                taken = {way: [] for way in WAYS}
                for number, (passages, question, accepted) in enumerate(questions(count), 1):
                    for way, (reuse, share) in WAYS.items():
                        taken[way].append(ours.ask(
                            "passages", model=model, digest=gguf_models.digest(model), packed=packed, threads=THREADS,
                            reuse=reuse, share=share, passages=passages, question=question, accepted=accepted,
                            tokens=WRITTEN))
                    print(f"bench: {name}: {number} of {count} questions", file=sys.stderr)
                report(name, {way: Figures(answers) for way, answers in taken.items()}, table)
            except client.Refused as refusal:
                print(f"bench: passages with {name} were not measured: {refusal}", file=sys.stderr)
