"""Holds the uncached and the cached model to golden numbers made with the authors' code.

    python check_golden.py FOLDER        FOLDER/<case>/{config.json, model.safetensors, expected.json}

For every prefix of a case's tokens: steps_taken exactly, q values and last logits within 1e-4 of the
largest magnitude; the logits of the whole sequence; and the greedy continuation, which runs past
block_size, so that the crop is covered. The cached model also reads the prefixes in a shuffled
order of lengths, each time keeping what it has. Exit code 1 when something differs.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import torch

from cached import CachedDecoder
from cosmicfish_hrm import load

TOLERANCE = 1e-4


def relative_difference(found, expected):
    expected = torch.as_tensor(expected)
    return ((torch.as_tensor(found) - expected).abs().max() / expected.abs().max()).item()


def check_prefixes(forward, expected, lengths):
    """Largest relative difference of q values and last logits; raises when a step count differs."""
    tokens, worst = torch.tensor(expected["tokens"]), 0.0
    for n in lengths:
        reading = forward(tokens[:n])
        wanted = expected["prefix_steps_taken"][n - 1]
        if reading.steps_taken != wanted:
            raise AssertionError(f"prefix of {n}: {reading.steps_taken} steps taken, expected {wanted}")
        worst = max(worst, relative_difference(reading.logits[-1], expected["prefix_last_logits"][n - 1]))
        if "prefix_q_logits" in expected:
            wanted = expected["prefix_q_logits"][n - 1][:len(reading.q_logits)]
            worst = max(worst, relative_difference(reading.q_logits, wanted))
    if "full_logits" in expected:
        logits = forward(tokens).logits[:]
        worst = max(worst, relative_difference(logits, expected["full_logits"][-len(logits):]))
    return worst


def check_greedy(forward, greedy):
    tokens = list(greedy["prompt"])
    for i, (token, steps) in enumerate(zip(greedy["generated"], greedy["steps_taken"])):
        reading = forward(torch.tensor(tokens))
        found = int(reading.logits[-1].argmax())
        if (found, reading.steps_taken) != (token, steps):
            raise AssertionError(f"greedy token {i}: {found} at {reading.steps_taken} steps, expected {token} at {steps}")
        tokens.append(found)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    folders = sorted(p.parent for p in arguments.parse_args().folder.glob("*/expected.json"))
    failures = 0
    for folder in folders:
        expected = json.loads((folder / "expected.json").read_text())
        model = load(folder)
        lengths = list(range(1, len(expected["tokens"]) + 1))
        shuffled = random.Random(0).sample(lengths, len(lengths))
        for name, forward, orders in [
            ("uncached", model.forward_uncached, [lengths]),
            ("cached", CachedDecoder(model).forward, [lengths, shuffled]),
        ]:
            try:
                worst = max(check_prefixes(forward, expected, order) for order in orders)
                if "greedy" in expected:
                    check_greedy(forward, expected["greedy"])
                verdict = "ok" if worst < TOLERANCE else "DIFFERS"
                print(f"{folder.name:20} {name:9} {verdict}  largest relative difference {worst:.1e}")
                failures += verdict != "ok"
            except AssertionError as difference:
                print(f"{folder.name:20} {name:9} DIFFERS  {difference}")
                failures += 1
    if not folders:
        print("no case found", file=sys.stderr)
    sys.exit(1 if failures or not folders else 0)


if __name__ == "__main__":
    main()
