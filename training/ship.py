"""Turns a training checkpoint into a model folder: f16 weights, halt_bias chosen on the validation set.

    python ship.py run3/last.pt --out ../models/beads

The bias is the one of a grid with the most whole answers right on the validation problems, read with
the f16 weights, among those whose first answer token takes at most a third of the steps on average;
the higher (the less thinking) where two are equal.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import beads
import generation
from cosmicfish_hrm import HRMCosmicFish, load, save
from train import CONFIG

BIASES = np.arange(0.0, -6.01, -0.25)


def try_biases(model, groups):
    """A dictionary of shares for every bias of the grid."""
    rows = {bias: {"first": [], "whole": [], "depths": [], "first_depths": [], "since": []} for bias in BIASES}
    full_whole = []
    for problems in groups.values():
        passes = generation.read_with_right_answers(model, problems)
        full = generation.decide(passes, depth=model.config.hrm_max_steps)
        full_whole.append(generation.whole_right(problems, full).mean())
        for bias, row in rows.items():
            answers = generation.decide(passes, halt_bias=bias)
            row["first"].append(generation.first_right(problems, answers).mean())
            row["whole"].append(generation.whole_right(problems, answers).mean())
            row["depths"].append(answers.depths.ravel())
            row["first_depths"].append(answers.depths[:, 0])
            row["since"].append(problems.since_reset())
    found = []
    for bias, row in rows.items():
        depth, since = np.concatenate(row["first_depths"]), np.concatenate(row["since"])
        found.append({
            "bias": float(bias), "lowest_first": min(row["first"]), "mean_whole": np.mean(row["whole"]),
            "largest_loss": max(f - w for f, w in zip(full_whole, row["whole"])),
            "first_depth": depth.mean(), "depth": np.concatenate(row["depths"]).mean(),
            "rank_correlation": generation.rank_correlation(depth, since),
        })
    return found


def choose(found, max_steps):
    within = [row for row in found if row["first_depth"] <= max_steps / 3]
    return max(within, key=lambda row: (row["mean_whole"], row["bias"]))["bias"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--halt-bias", type=float, help="instead of choosing")
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    checkpoint = torch.load(args.checkpoint, weights_only=True)
    model = HRMCosmicFish(replace(CONFIG, hrm_H_cycles=checkpoint.get("h_cycles", 1)))
    model.load_state_dict(checkpoint["model"])
    save(model, args.out, eos_token_id=beads.END)
    model = load(args.out)
    if args.halt_bias is None:
        found = try_biases(model, beads.validation())
        for row in found:
            print("  ".join(f"{name} {value:.4f}" for name, value in row.items()))
        args.halt_bias = choose(found, model.config.hrm_max_steps)
    model.config.halt_bias = args.halt_bias
    save(model, args.out, eos_token_id=beads.END)
    print(f"halt_bias {args.halt_bias}")


if __name__ == "__main__":
    main()
