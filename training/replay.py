"""Makes held_out.jsonl and tokenizer.json: 300 problems of each length that the shipped run never saw.

    python replay.py run1/log.jsonl run2/log.jsonl --out ../models/beads

The shipped run was trained while another set was kept apart (beads.many_resets). Its training problems
come from a seeded generator, so this file draws the whole stream again, following the logs for the
curriculum, checks the steps that each logged iteration drew, and leaves every prompt that occurred out
of the held-out set. A new training run reads held_out.jsonl and leaves its prompts out by itself.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import beads

HELD_OUT_SEED = 20_003
MAX_STEPS = 16


def seen_in(log, forbidden, seed=1):
    """Keys of all training prompts of the run that wrote this log."""
    settings, lines = log[0], {line["iteration"]: line for line in log[1:]}
    done, longest = settings["done"], settings["n_ops"]
    rng, keys = np.random.default_rng([seed, done]), []
    for i in range(1, settings["iterations"] + 1):
        n_ops = beads.draw_n_ops(rng, longest)
        n_steps = beads.draw_n_steps(rng, n_ops, settings["steps_per_operation"], MAX_STEPS)
        keys.append(beads.training_problems(rng, n_ops, settings["batch"], forbidden).keys())
        if i % settings["check_every"] == 0 or i == settings["iterations"]:
            line = lines[done + i]
            if (line["steps"], line["n_ops"]) != (n_steps, longest):
                raise ValueError(f"iteration {done + i} drew {n_steps} steps here, but the log says {line['steps']}")
            beads.training_problems(rng, longest, settings["batch"], forbidden)
            if line["first"] > 0.9:
                longest = min(longest + 1, beads.MAX_OPS)
    return np.unique(np.concatenate(keys))


def write(path, problems):
    with open(path, "w") as lines:
        for n_ops, p in problems.items():
            for prompt, answer, since in zip(p.prompts(), p.answers(), p.since_reset()):
                line = {"n_ops": n_ops, "since_reset": int(since), "prompt": beads.text(prompt), "answer": beads.text(answer)}
                lines.write(json.dumps(line, separators=(",", ":")) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("logs", type=Path, nargs="+", help="log.jsonl of each training call, in order")
    arguments.add_argument("--out", type=Path, required=True)
    args = arguments.parse_args()
    forbidden = beads.keys_kept_from_training()
    seen = np.unique(np.concatenate([
        seen_in([json.loads(line) for line in log.read_text().splitlines()], forbidden) for log in args.logs]))
    held_out = beads.problem_set(HELD_OUT_SEED, 0.0, excluded=np.concatenate([seen, forbidden]))
    assert not np.isin(beads.all_keys(held_out), seen).any()
    write(args.out / "held_out.jsonl", {1: beads.every_one_operation_problem()} | held_out)
    (args.out / "tokenizer.json").write_text(json.dumps(beads.tokenizer(), indent=2) + "\n")
    print(f"{len(seen)} different prompts seen in training; {sum(len(p.digits) for p in held_out.values())} held out")


if __name__ == "__main__":
    main()
