"""Whether exact mode writes greedily what llama.cpp writes in f32: tests/golden/generation/greedy.json, 200 prompts for
each model, eight of them at a time."""
import json
import sys

import client
import gguf_models
from comparison import ROOT, Row, THREADS

GOLDEN = ROOT / "tests" / "golden" / "generation" / "greedy.json"
WRITTEN, CALL = 32, 40  # tokens of an answer, and prompts asked for at once
# Two logits that are nearer than this are a tie: the order of a sum in f32 decides, and both tokens are right.
TIE = 1e-3


def first_difference(ours, expected):
    """The step, or None."""
    if ours == expected:
        return None
    return next((step for step, (a, b) in enumerate(zip(ours, expected)) if a != b), min(len(ours), len(expected)))


def compare(ours, prompts, golden, table):
    model = gguf_models.require(golden["name"])
    if gguf_models.digest(model) != golden["sha256"]:
        raise client.Refused(f"{model} is not the file that the golden was made with")
    close = {(prompt, step): margin for prompt, step, _, margin in golden["close"]}
    written = []
    for begin in range(0, len(prompts), CALL):
        answer = ours.ask("greedy", model=model, threads=THREADS, mode="exact", tokens=WRITTEN,
                          prompts=prompts[begin:begin + CALL])
        if answer["prompt_tokens"] != golden["prompt_tokens"][begin:begin + CALL]:
            raise client.Refused("prompts are read as other numbers of tokens")
        written += answer["written"]
        print(f"bench: {golden['name']}: {len(written)} of {len(prompts)} prompts", file=sys.stderr)
    equal = ties = 0
    for prompt, (tokens, expected) in enumerate(zip(written, golden["written"])):
        step = first_difference(tokens, expected)
        if step is None:
            equal += 1
            continue
        margin = close.get((prompt, step))
        tie = margin is not None and margin < TIE
        ties += tie
        lost = "0.01 or more" if margin is None else f"{margin:g}"
        print(f"bench: {golden['name']}: prompt {prompt} differs from token {step} on, where the second token of the "
              f"reference lost by {lost}{': a tie' if tie else ''}", file=sys.stderr)
    row = Row(f"greedy_{golden['name']}_vs_llamacpp_f32", "equal answers, of 200", 1.0)
    table.row(row, [equal], [len(prompts)], note=f"{ties} more differ after a tie",
              missed=equal + ties < len(prompts))


def measure(ours, table):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for model in golden["models"]:
        try:
            compare(ours, golden["prompts"], model, table)
        except client.Refused as refusal:
            print(f"bench: greedy answers of {model['name']} were not compared: {refusal}", file=sys.stderr)
