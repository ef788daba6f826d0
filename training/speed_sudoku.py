"""Times Fathom and PyTorch on the same puzzles with the same model, in turn.

    python speed_sudoku.py ../models/sudoku-6x6 --fathom ../target/release/fathom [--batch 1 64] [--device cpu]

Both solve the first puzzles of the model's held_out.csv and halt by the same rule: q_halt > q_continue and an answer
that stayed the same for a segment. PyTorch takes a batch at a time and goes on until all of it have halted, as the
authors' evaluation does; Fathom gives a halted puzzle's slot to the next one. A pair of runs gives one ratio; printed
are their median, least and largest.
"""

import argparse
import csv
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch

import hrm


def tokens(puzzle):
    return [1 if c == "." else int(c) + 1 for c in puzzle]


@torch.inference_mode()
def solve(model, puzzles, batch):
    """Seconds, and segments in all, of puzzles solved `batch` at a time."""
    began, segments = time.perf_counter(), 0
    for first in range(0, len(puzzles), batch):
        inputs = torch.tensor(puzzles[first : first + batch])
        e = model.read_in(inputs)
        z_h, z_l = model.initial_states(e)
        running, before = torch.ones(len(inputs), dtype=torch.bool), None
        for _ in range(model.config.halt_max_steps):
            z_h, z_l = model.segment(e, z_h, z_l)
            logits, q = model.read_out(z_h)
            answer = logits.argmax(-1)
            segments += int(running.sum())
            same = torch.zeros_like(running) if before is None else (answer == before).all(1)
            running &= ~((q[:, 0] > q[:, 1]) & same)
            before = answer
            if not running.any():
                break
    return time.perf_counter() - began, segments


def fathom(program, folder, file, batch, device):
    command = [program, "solve", "-m", folder, file, "--batch", str(batch), "--device", device, "--json", "-q"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    summary = json.loads(out.splitlines()[-1])
    return summary["seconds"], round(summary["summary"]["mean_segments"] * summary["summary"]["puzzles"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--fathom", required=True)
    arguments.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--puzzles", type=int, default=256)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    model = hrm.load(given.model).eval()
    with open(given.model / "held_out.csv", newline="") as file:
        puzzles = [row["puzzle"] for row in csv.DictReader(file)]
    # Evenly out of all, because they may be sorted by grade.
    puzzles = puzzles[:: max(1, len(puzzles) // given.puzzles)][: given.puzzles]
    print(f"{given.model.name}, {len(puzzles)} puzzles, {given.threads} threads; PyTorch {torch.__version__}")
    print("| batch | PyTorch, puzzles/s | Fathom, puzzles/s | Fathom is faster by | segments a puzzle |")
    print("|---|---|---|---|---|")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(puzzles))
        file.flush()
        for batch in given.batch:
            solve(model, [tokens(p) for p in puzzles[:batch]], batch)
            pairs = []
            for _ in range(given.pairs):
                theirs, n_theirs = solve(model, [tokens(p) for p in puzzles], batch)
                ours, n_ours = fathom(given.fathom, str(given.model), file.name, batch, given.device)
                pairs.append((theirs, ours, n_theirs, n_ours))
            ratios = sorted(theirs / ours for theirs, ours, *_ in pairs)
            rate = lambda i: len(puzzles) / statistics.median(pair[i] for pair in pairs)
            mean = [pairs[0][i] / len(puzzles) for i in (2, 3)]
            print(
                f"| {batch} | {rate(0):.1f} | {rate(1):.1f} | {statistics.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {mean[0]:.2f}, {mean[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
