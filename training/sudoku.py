"""Trains an HRM on Sudoku: one optimiser step a segment, the states carried from segment to segment.

A batch of boards is in work at all times. Each step runs one segment on them from the states that the
last one left (detached), and learns the cross-entropy of every cell plus half the binary cross-entropy
of q_halt against "the whole board is right". A board that halts (q_halt > 0, or halt_max_steps
segments; one in ten must first run a random number of segments) makes room for the next puzzle, whose
digits, rows within bands, bands, columns within stacks and stacks are permuted anew. q_continue's row of
q_head stays zero, so q_halt > q_continue is q_halt > 0.

    python sudoku.py --size 6 --data train.csv --held-out held_out.csv --out run --steps 5000
    python sudoku.py --data train.csv --held-out held_out.csv --out more --resume run/last.pt --steps 9000

The data: CSV with the columns puzzle, solution, givens, grade; `.` is a blank. Token 0 is padding, 1 a
blank, digit d is d + 1. `--resume` goes on where last.pt was written, with the settings that it holds;
settings named again (more steps, say) replace them.
"""

import argparse
import csv
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads crawl where other programs want the cores too

import numpy as np
import torch
import torch.nn.functional as F

from hrm import Config, Hrm, load

BLANK = 1
BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows, columns of a box
HALTING_WEIGHT = 0.5
RUN_ON = 0.1


class Puzzles:
    """puzzles and solutions as token rows, grades as strings."""

    def __init__(self, path):
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        self.puzzles = np.array([[1 if c == "." else int(c) + 1 for c in row["puzzle"]] for row in rows], np.int64)
        self.solutions = np.array([[int(c) + 1 for c in row["solution"]] for row in rows], np.int64)
        self.grades = [row["grade"] for row in rows]

    def __len__(self):
        return len(self.puzzles)


def shuffled_lines(rng, count, size, group):
    """For each of `count` boards an order of rows (or columns) that keeps groups of `group` together."""
    groups = rng.random((count, size // group)).argsort(1)
    within = rng.random((count, size // group, group)).argsort(2)
    return (groups[:, :, None] * group + within).reshape(count, size)


def permuted(rng, boards, size):
    """The boards, a list of token arrays [count, cells], all under the same new symmetries."""
    count, (height, width) = len(boards[0]), BOXES[size]
    rows, columns = shuffled_lines(rng, count, size, height), shuffled_lines(rng, count, size, width)
    cells = rows[:, :, None] * size + columns[:, None, :]
    if height == width:
        turned = rng.random(count) < 0.5
        cells[turned] = cells[turned].transpose(0, 2, 1)
    cells = cells.reshape(count, -1)
    digits = np.concatenate([np.tile([0, 1], (count, 1)), 2 + rng.random((count, size)).argsort(1)], 1)
    return [np.take_along_axis(digits, np.take_along_axis(b, cells, 1), 1) for b in boards]


def with_more_givens(rng, puzzles, solutions, share):
    """`share` of the puzzles get a random part of their blanks filled in."""
    part = rng.random((len(puzzles), 1)) * (rng.random((len(puzzles), 1)) < share)
    return np.where((puzzles == BLANK) & (rng.random(puzzles.shape) < part), solutions, puzzles)


class Stream:
    """New training boards, each puzzle once an epoch."""

    def __init__(self, data, size, rng):
        self.data, self.size, self.rng, self.order = data, size, rng, np.zeros(0, np.int64)

    def draw(self, count, easier_share):
        while len(self.order) < count:
            self.order = np.concatenate([self.order, self.rng.permutation(len(self.data))])
        which, self.order = self.order[:count], self.order[count:]
        puzzles, solutions = permuted(self.rng, [self.data.puzzles[which], self.data.solutions[which]], self.size)
        puzzles = with_more_givens(self.rng, puzzles, solutions, easier_share)
        return torch.from_numpy(puzzles), torch.from_numpy(solutions)


def hint_at_the_rules(model, size, heads_too, seed):
    """Initialises embed_pos as row + column + box directions, and three heads in four to look along them.

    Only where training starts from: every weight stays free to move.
    """
    config, inner, generator = model.config, model.inner, torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(config.hidden_size, 3 * size, generator=generator))[0].T
    directions = directions.view(3, size, -1)
    height, width = BOXES[size]
    cell = torch.arange(size * size)
    row, column = cell // size, cell % size
    box = row // height * (size // width) + column // width
    hint = directions[0, row] + directions[1, column] + directions[2, box]
    positions = inner.embed_pos.embedding_weight
    positions.mul_(0.1)[config.puzzle_slots:].add_(hint, alpha=0.5)
    head_dim = config.hidden_size // config.num_heads
    for block in [*inner.L_level.layers, *inner.H_level.layers] if heads_too else []:
        qkv = block.self_attn.qkv_proj.weight.view(3, config.num_heads, head_dim, -1)
        for head in range(config.num_heads * 3 // 4):
            qkv[:2, head].mul_(0.3)[:, :size].add_(directions[head % 3], alpha=2.5)


def new_model(args):
    config = Config(
        seq_len=args.size**2, vocab_size=args.size + 2, hidden_size=args.width, num_heads=args.heads,
        expansion=args.expansion, H_layers=args.layers[0], L_layers=args.layers[1], H_cycles=args.cycles[0],
        L_cycles=args.cycles[1], pos_encodings="rope" if args.positions == "rope" else "learned",
        puzzle_emb_ndim=args.width, halt_max_steps=args.segments)
    model = Hrm(config)
    with torch.no_grad():
        model.init_weights(args.seed)
        if args.positions in ("hinted", "graph"):
            hint_at_the_rules(model, args.size, args.positions == "graph", args.seed)
    return model


def weights_of(path):
    """The averaged weights of a last.pt, or a model folder's, q_continue back at 0."""
    if path.is_file():
        return torch.load(path, weights_only=True)["average"]
    weights = load(path).state_dict()
    weights["inner.q_head.bias"][1] = 0
    return weights


def new_optimizers(model, args):
    """AdamW; with --optimizer muon only for embeddings and heads, the blocks' matrices learn by Muon."""
    blocks = [p for name, p in model.named_parameters() if "_level." in name]
    others = [p for name, p in model.named_parameters() if "_level." not in name]
    adam = dict(lr=args.lr, betas=(0.9, 0.95), weight_decay=args.weight_decay, fused=True)
    if args.optimizer == "muon":
        muon = torch.optim.Muon(blocks, lr=args.lr, weight_decay=args.weight_decay, adjust_lr_fn="match_rms_adamw")
        return [muon, torch.optim.AdamW(others, **adam)]
    return [torch.optim.AdamW(blocks + others, **adam)]


def rate_at(step, args):
    left = (args.steps - step) / (args.steps * args.decay)
    return args.lr * min(1.0, step / args.warmup, left)


def compute(args):
    return torch.autocast("cpu", torch.bfloat16, enabled=not args.f32, cache_enabled=False)


class Board:
    """What is in work: inputs, solutions, states, segments so far, and the segments it must run at least."""

    def __init__(self, model, args):
        self.model, self.args = model, args
        cells = (args.batch, args.size**2)
        self.inputs, self.solutions = torch.zeros(cells, dtype=torch.long), torch.zeros(cells, dtype=torch.long)
        self.z_h = torch.zeros(args.batch, model.config.length, args.width)
        self.z_l = torch.zeros_like(self.z_h)
        self.segments = torch.zeros(args.batch, dtype=torch.long)
        self.at_least = torch.zeros(args.batch, dtype=torch.long)
        self.done = torch.ones(args.batch, dtype=torch.bool)

    def refill(self, stream, easier_share):
        count, limit = int(self.done.sum()), self.args.segments
        if count:
            self.inputs[self.done], self.solutions[self.done] = stream.draw(count, easier_share)
            self.z_h[self.done], self.z_l[self.done] = self.model.inner.H_init, self.model.inner.L_init
            self.segments[self.done] = 0
            run_on = stream.rng.random(count) < RUN_ON
            self.at_least[self.done] = torch.from_numpy(np.where(run_on, stream.rng.integers(2, limit + 1, count), 0))

    def halt(self, q_halt):
        self.segments += 1
        self.done = ((q_halt > 0) & (self.segments >= self.at_least)) | (self.segments >= self.args.segments)


def losses(model, board, args):
    with compute(args):
        z_h, z_l = model.segment(model.read_in(board.inputs), board.z_h, board.z_l, args.gradient == "last")
        logits, q = model.read_out(z_h)
    board.z_h, board.z_l = z_h.detach(), z_l.detach()
    right = logits.argmax(-1) == board.solutions
    cells = F.cross_entropy(logits.float().flatten(0, 1), board.solutions.flatten())
    halting = F.binary_cross_entropy_with_logits(q[:, 0].float(), right.all(1).float())
    return cells, halting, right, q[:, 0].detach()


@torch.no_grad()
def trajectories(model, puzzles, segments, chunk=128):
    """(answers [segments, count, cells], q_halt [segments, count]) of all segments."""
    answers, halting = [], []
    for at in range(0, len(puzzles), chunk):
        inputs = torch.from_numpy(puzzles[at:at + chunk])
        missing = chunk - len(inputs)  # one shape for all: a compiled block is compiled for a shape
        e = model.read_in(F.pad(inputs, (0, 0, 0, missing), value=BLANK))
        z_h, z_l = model.initial_states(e)
        z_h, z_l, found, q_halt = z_h.contiguous(), z_l.contiguous(), [], []
        for _ in range(segments):
            z_h, z_l = model.segment(e, z_h, z_l)
            logits, q = model.read_out(z_h)
            found.append(logits.argmax(-1)[:len(inputs)])
            q_halt.append((q[:, 0] - q[:, 1]).float()[:len(inputs)])
        answers.append(torch.stack(found))
        halting.append(torch.stack(q_halt))
    return torch.cat(answers, 1).numpy(), torch.cat(halting, 1).numpy()


def stopping_segment(may_stop):
    """Index of the first segment that may stop, else the last; `may_stop` is [segments, count]."""
    return np.where(may_stop.any(0), may_stop.argmax(0), len(may_stop) - 1)


def rules(answers, q_halt):
    """For the rules "q" (q_halt > q_continue) and "stable" (and the answer as one segment before): where each stops."""
    sure = q_halt > 0
    same = np.zeros_like(sure)
    same[1:] = (answers[1:] == answers[:-1]).all(-1)
    return {"q": stopping_segment(sure), "stable": stopping_segment(sure & same)}


def check(model, data, args):
    """What the held-out puzzles say: exact boards by segment, q_halt right about its own board, both rules."""
    count = min(args.check_puzzles, len(data))
    which = np.random.default_rng(0).permutation(len(data))[:count]
    with compute(args):
        answers, q_halt = trajectories(model, data.puzzles[which], args.segments, args.batch)
    exact = (answers == data.solutions[which]).all(-1)
    line = {"exact": [round(float(x), 4) for x in exact.mean(1)],
            "cells": round(float((answers[-1] == data.solutions[which]).mean()), 4),
            "q_right": round(float(((q_halt > 0) == exact).mean()), 4)}
    for name, stop in rules(answers, q_halt).items():
        solved = exact[stop, np.arange(count)]
        line[name] = {"solved": round(float(solved.mean()), 4), "segments": round(float(stop.mean() + 1), 2)}
        if name == "q":
            grades = np.array(data.grades)[which]
            line["by_grade"] = {g: round(float(solved[grades == g].mean()), 3) for g in sorted(set(grades))}
    return line


def write_checkpoint(path, model, average, optimizers, step, rng, args, seconds):
    state = {"config": asdict(model.config), "model": model.state_dict(), "average": average, "step": step,
             "optimizers": [o.state_dict() for o in optimizers], "rng": json.dumps(rng.bit_generator.state),
             "torch_rng": torch.get_rng_state(), "seconds": seconds,
             "args": {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}}
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def parse():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--held-out", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True, help="folder for last.pt and log.jsonl")
    arguments.add_argument("--resume", type=Path, help="a last.pt to go on from")
    arguments.add_argument("--from-weights", type=Path, help="a last.pt (its averaged weights) or a model folder to begin with, at step 0")
    arguments.add_argument("--size", type=int, default=6, choices=BOXES)
    arguments.add_argument("--width", type=int, default=128)
    arguments.add_argument("--heads", type=int, default=4)
    arguments.add_argument("--expansion", type=float, default=3.0)
    arguments.add_argument("--layers", type=int, nargs=2, default=[2, 2], metavar=("H", "L"))
    arguments.add_argument("--cycles", type=int, nargs=2, default=[1, 1], metavar=("H", "L"))
    arguments.add_argument("--segments", type=int, default=8, help="halt_max_steps")
    arguments.add_argument("--positions", default="graph", choices=["rope", "learned", "hinted", "graph"],
                           help="hinted: embed_pos begins as row + column + box; graph: some heads look along them too")
    arguments.add_argument("--gradient", default="all", choices=["all", "last"], help="through the whole segment, or its last L and H call")
    arguments.add_argument("--easier", type=float, nargs=3, default=[0.0, 0.0, 0.3], metavar=("FIRST", "LATER", "UNTIL"),
                           help="share of puzzles with some blanks filled in, falling from FIRST to LATER over the first UNTIL of the steps")
    arguments.add_argument("--steps", type=int, default=10000)
    arguments.add_argument("--batch", type=int, default=96)
    arguments.add_argument("--optimizer", default="muon", choices=["adamw", "muon"])
    arguments.add_argument("--lr", type=float, default=3e-3)
    arguments.add_argument("--weight-decay", type=float, default=0.1)
    arguments.add_argument("--warmup", type=int, default=200)
    arguments.add_argument("--decay", type=float, default=0.4, help="the last part of the steps, over which the rate falls to 0")
    arguments.add_argument("--average", type=float, default=0.999, help="decay of the weight average that is checked and shipped")
    arguments.add_argument("--f32", action="store_true", help="no bf16 matrix products")
    arguments.add_argument("--eager", action="store_true", help="no torch.compile")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--check-every", type=int, default=500)
    arguments.add_argument("--check-puzzles", type=int, default=480)
    arguments.add_argument("--save-minutes", type=float, default=2.0)
    arguments.add_argument("--minutes", type=float, default=1e9, help="stop early, with a checkpoint")
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    if args.resume:
        saved = torch.load(args.resume, weights_only=True)["args"]
        for name in ("data", "held_out", "out", "resume", "from_weights", "minutes"):
            saved.pop(name)
        arguments.set_defaults(**saved)
        args = arguments.parse_args()
    return args


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    train, held_out = Puzzles(args.data), Puzzles(args.held_out)
    kept_out = {tuple(p) for p in held_out.puzzles}
    assert not any(tuple(p) in kept_out for p in train.puzzles), "a held-out puzzle is in the training data"

    model, rng, step, before = new_model(args), np.random.default_rng(args.seed), 0, 0.0
    if args.resume:
        saved = torch.load(args.resume, weights_only=True)
        model.load_state_dict(saved["model"])
    elif args.from_weights:
        model.load_state_dict(weights_of(args.from_weights))
    optimizers = new_optimizers(model, args)
    average = {k: v.clone() for k, v in model.state_dict().items()}
    if args.resume:
        average, step, before = saved["average"], saved["step"], saved["seconds"]
        rng.bit_generator.state = json.loads(saved["rng"])
        torch.set_rng_state(saved["torch_rng"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
    if not args.eager:
        torch._dynamo.config.automatic_dynamic_shapes = False
        for level in (model.inner.H_level, model.inner.L_level):
            for block in level.layers:
                block.compile()
    stream, board = Stream(train, args.size, rng), Board(model, args)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(train)} puzzles, step {step}", flush=True)

    log = open(args.out / "log.jsonl", "a")
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    log.write(json.dumps({"from_step": step} | settings) + "\n")
    begun = saved_at = time.time()
    processor = time.process_time()
    sums, count = torch.zeros(5), 0
    while step < args.steps and time.time() - begun < args.minutes * 60:
        first, later, until = args.easier
        share = later + (first - later) * max(0.0, 1 - step / (args.steps * until))
        board.refill(stream, share)
        rate = rate_at(step + 1, args)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        cells, halting, right, q_halt = losses(model, board, args)
        (cells + HALTING_WEIGHT * halting).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        board.halt(q_halt)
        step += 1
        kept = min(args.average, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(average.values()), list(model.state_dict().values()), 1 - kept)
        whole = right.all(1)
        sums += torch.tensor([cells.item(), halting.item(), right.float().mean(), whole.float().mean(),
                              (whole == (q_halt > 0)).float().mean()])
        count += 1
        if step % args.check_every == 0 or step == args.steps:
            own = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(average)
            found = check(model, held_out, args)
            model.load_state_dict(own)
            means = dict(zip(("loss", "halting", "cells", "whole", "q_right"), [round(x, 4) for x in (sums / count).tolist()]))
            line = {"step": step, "seconds": round(before + time.time() - begun, 1),
                    "processor_s": round(time.process_time() - processor, 1), "rate": round(rate, 6), "train": means, "held_out": found}
            log.write(json.dumps(line) + "\n")
            log.flush()
            sums, count = torch.zeros(5), 0
        if time.time() - saved_at > args.save_minutes * 60:
            write_checkpoint(args.out / "last.pt", model, average, optimizers, step, rng, args, before + time.time() - begun)
            saved_at = time.time()
    write_checkpoint(args.out / "last.pt", model, average, optimizers, step, rng, args, before + time.time() - begun)


if __name__ == "__main__":
    main()
