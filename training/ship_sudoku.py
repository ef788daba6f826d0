"""Turns a checkpoint of sudoku.py into a model folder: config.json, model.safetensors, held_out.csv.

    python ship_sudoku.py run/last.pt --validation validation.csv --held-out held_out.csv --out ../models/sudoku-6x6

Training teaches q_halt alone, as the log-odds that the board is right, and leaves q_continue at 0. Here
q_continue gets a bias, the log-odds that are sure enough to stop: the smallest of a grid with which rule q
solves nearly as many validation puzzles as with any. q_halt itself stays what it was.
The averaged weights are stored as f16 where both rules solve as many held-out boards as with f32, else as
f32. The card (README.md) is written by hand, with the tables of evaluate_sudoku.py.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch

import evaluate_sudoku
from hrm import Config, Hrm, load, save
from sudoku import Puzzles, rules, trajectories

BIASES = np.arange(0.0, 8.01, 0.5)
NEARLY = 0.002


def choose_bias(model, data):
    answers, q_halt = trajectories(model, data.puzzles, model.config.halt_max_steps)
    exact, everyone, solved = (answers == data.solutions).all(-1), np.arange(len(data)), []
    for bias in BIASES:
        stop = rules(answers, q_halt - bias)["q"]
        solved.append(exact[stop, everyone].mean())
        print(f"q_continue {bias:g}: {100 * solved[-1]:.2f} % solved, {stop.mean() + 1:.2f} segments")
    return float(BIASES[np.argmax(np.array(solved) >= max(solved) - NEARLY)])


def solved(found):
    return [found["grades"][-1][f"{rule}_solved"] for rule in ("q", "stable", "forced")]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("--validation", type=Path, help="puzzles to choose q_continue's bias on; none: 0")
    arguments.add_argument("--held-out", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--segments", type=int, help="halt_max_steps, instead of the training's")
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    checkpoint = torch.load(args.checkpoint, weights_only=True)
    model = Hrm(Config(**checkpoint["config"]))
    model.load_state_dict(checkpoint["average"])
    model.config.halt_max_steps = args.segments or model.config.halt_max_steps
    if args.validation:
        bias = choose_bias(model, Puzzles(args.validation))
        with torch.no_grad():
            model.inner.q_head.bias[1] = bias
        print(f"q_continue {bias:g}")
    data, found = Puzzles(args.held_out), {}
    for dtype in (torch.float32, torch.float16):
        save(model, args.out, dtype)
        found[dtype] = evaluate_sudoku.measure(load(args.out), data)
        print(f"{dtype}: solved {solved(found[dtype])} % under rule q, rule stable and all segments")
    if solved(found[dtype]) != solved(found[torch.float32]):
        dtype = torch.float32
        save(model, args.out, dtype)
        print("f16 differs: kept f32")
    (args.out / "model.safetensors").chmod(0o644)
    shutil.copy(args.held_out, args.out / "held_out.csv")
    print(evaluate_sudoku.markdown(found[dtype]))


if __name__ == "__main__":
    main()
