"""Measures a beads model on its held-out problems, as it generates: with its own halting and always
at 16 steps, per number of operations; how depth follows the operations since the last reset.

    python evaluate.py ../models/beads                    markdown, as in the model card
    python evaluate.py ../models/beads --json out.json    the same numbers as JSON too
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import beads
import generation
from cosmicfish_hrm import load

FORCED_DEPTHS = [1, 2, 3, 4, 6, 8, 12, 16]


def percent(share):
    return round(100 * float(np.mean(share)), 2)


def measure(model, groups, halt_bias=None):
    """Everything the tables show, from {n_ops: Problems}."""
    bias = model.config.halt_bias if halt_bias is None else halt_bias
    full = model.config.hrm_max_steps
    lengths, forced, depth_all, since_all, along = [], [], [], [], {}
    for n_ops, problems in groups.items():
        passes = generation.read_with_right_answers(model, problems)
        own = generation.generate(model, problems, passes, halt_bias=bias)
        always = generation.generate(model, problems, passes, depth=full)
        since, depth = problems.since_reset(), own.depths[:, 0]
        lengths.append({
            "n_ops": n_ops, "problems": len(since),
            "last_digit_own": percent(generation.first_right(problems, own)),
            "last_digit_full": percent(generation.first_right(problems, always)),
            "whole_own": percent(generation.whole_right(problems, own)),
            "whole_full": percent(generation.whole_right(problems, always)),
            "depth_first": round(float(depth.mean()), 3), "depth_answer": round(float(own.depths.mean()), 3),
            "rank_correlation": round(generation.rank_correlation(depth, since), 3),
        })
        forced.append({"n_ops": n_ops} | {
            str(d): percent(generation.first_right(problems, generation.decide(passes, depth=d)))
            for d in FORCED_DEPTHS})
        depth_all.append(depth)
        since_all.append(since)
        along[n_ops] = [round(float(d), 2) for d in own.depths.mean(0)]
    depth, since = np.concatenate(depth_all), np.concatenate(since_all)
    weights = [row["problems"] for row in lengths]
    mean = lambda name: round(float(np.average([row[name] for row in lengths], weights=weights)), 3)
    longer = [row["rank_correlation"] for row in lengths if row["n_ops"] >= 3]
    return {
        "halt_bias": bias, "max_steps": full, "lengths": lengths, "forced_depths_last_digit": forced,
        "overall": {name: mean(name) for name in lengths[0] if name not in ("n_ops", "problems", "rank_correlation")},
        "lowest_last_digit_own": min(row["last_digit_own"] for row in lengths),
        "largest_loss_of_last_digit": round(max(r["last_digit_full"] - r["last_digit_own"] for r in lengths), 3),
        "largest_loss_of_whole": round(max(r["whole_full"] - r["whole_own"] for r in lengths), 3),
        "rank_correlation": round(generation.rank_correlation(depth, since), 3),
        "rank_correlation_equal_length": {"lowest": min(longer), "mean": round(float(np.mean(longer)), 3)},
        "depth_by_since_reset": {int(s): round(float(depth[since == s].mean()), 2) for s in np.unique(since)},
        "depth_along_answer": along,
    }


def table(head, rows):
    lines = ["| " + " | ".join(map(str, head)) + " |", "|" + "---:|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def markdown(found):
    own, full = f"own halting (bias {found['halt_bias']:g})", f"always {found['max_steps']}"
    names = ["last_digit_own", "last_digit_full", "whole_own", "whole_full", "depth_first", "depth_answer"]
    rows = [[r["n_ops"], r["problems"]] + [r[n] for n in names] + [r["rank_correlation"]] for r in found["lengths"]]
    all_problems = sum(r["problems"] for r in found["lengths"])
    rows.append(["all", all_problems] + [found["overall"][n] for n in names] + [found["rank_correlation"]])
    head = ["operations", "problems", f"last digit %, {own}", f"last digit %, {full}", f"whole answer %, {own}",
            f"whole answer %, {full}", "mean depth, first token", "mean depth, all tokens",
            "rank correlation of depth with operations since the reset"]
    equal = found["rank_correlation_equal_length"]
    parts = [
        table(head, rows),
        f"Rank correlation among problems of equal length (3 operations and more): "
        f"lowest {equal['lowest']}, mean {equal['mean']}. "
        f"Largest loss against {full} at one length: {found['largest_loss_of_last_digit']:g} points of last digits, "
        f"{found['largest_loss_of_whole']:g} points of whole answers.",
        "Last digit right (%) at a forced depth:",
        table(["operations"] + [f"depth {d}" for d in FORCED_DEPTHS],
              [list(row.values()) for row in found["forced_depths_last_digit"]]),
        "Mean depth of the first answer token by operations since the last reset:",
        table(["since the reset"] + list(found["depth_by_since_reset"]),
              [["depth"] + list(found["depth_by_since_reset"].values())]),
        "Mean depth along the answer (from the last running value to the first, then the end token):",
    ]
    parts += [f"- {n} operations: " + " ".join(f"{d:.1f}" for d in found["depth_along_answer"][n])
              for n in (4, 8, 12, 16) if n in found["depth_along_answer"]]
    text = ""
    for before, part in zip([""] + parts, parts):
        text += ("\n" if before.startswith("- ") else "\n\n" if before else "") + part
    return text


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--many-resets", action="store_true", help="the set with one more *0 in half of it")
    arguments.add_argument("--halt-bias", type=float, help="instead of config.json's")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    groups = beads.many_resets() if args.many_resets else beads.read_held_out(args.model / "held_out.jsonl")
    found = measure(load(args.model), groups, args.halt_bias)
    print(markdown(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
