"""The bench worker protocol (README.md) for workers written in Python: the loop, and how a peer finds its best way."""
import json
import os
import sys
import time

# A way is tried more often than TRIALS when a workload is short, within so much time for each way.
TRIALS, TRIAL_SECONDS = 2, 0.2


class Chosen:
    """For each workload the fastest of the ways to run it, found once and kept."""

    def __init__(self):
        self.labels = {}

    def fastest(self, workload, trials):
        """The label whose trial, a function that returns what it cost, ever costs the least."""
        if workload not in self.labels:
            least = dict.fromkeys(trials, float("inf"))
            tried, end = 0, time.perf_counter() + TRIAL_SECONDS * len(trials)
            # One more than TRIALS at least, since the first warms up.
            while tried <= TRIALS or time.perf_counter() < end:
                tried += 1
                for label, trial in trials.items():
                    least[label] = min(least[label], trial())
            self.labels[workload] = min(least, key=least.get)
        return self.labels[workload]


def seconds_of(run, *arguments):
    begin = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - begin


def serve(operations):
    """Answers requests with what {op: function from the request to the answer} has for them."""
    # Answers go to the real stdout; whatever a runtime prints there by itself goes to stderr instead.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("op") == "quit":
            break
        operation = operations.get(request.get("op"))
        if operation is None:
            answer = {"error": f"op '{request.get('op')}' is not offered"}
        else:
            try:
                answer = operation(request)
            except (KeyError, ValueError) as problem:
                answer = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(answer), file=answers, flush=True)
