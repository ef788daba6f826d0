"""Trains the beads model: depth supervised at every prefix, the halting head trained on being right.

Because every block is causal, the state of every prefix after d steps is right for all prefixes at
once. For each batch: draw a number of steps S; run all but the last few without gradient (three cycles
of H have one); cross-entropy of the output blocks on step S's z_H at every digit of the prompt (the
running value), at = and in the answer (the next token); binary cross-entropy, weight 0.1, of
q_halt - q_continue of the cumulative mean of z_H (the mean that inference takes for that prefix)
against "right at this prefix". The number of operations starts at 3 and grows by one whenever the
first answer token is right in 90 % of fresh problems at full depth.

    python train.py --out run1 --iterations 2200
    python train.py --resume run1/last.pt --out run2 --iterations 1500 --h-cycles 2 \
        --steps-per-operation 0.5 --q-head-factor 10 --batch 64 --lr 1e-3 --decay --check-every 50
"""

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import beads
from cosmicfish_hrm import Config, HRMCosmicFish

CONFIG = Config(
    vocab_size=len(beads.VOCABULARY), n_embd=96, block_size=64, n_input_layers=1, n_output_layers=1,
    n_head=4, n_kv_head=2, hrm_H_layers=1, hrm_L_layers=1, hrm_H_cycles=1, hrm_L_cycles=1,
    hrm_max_steps=16, halt_bias=0.0,
)
CYCLES_WITH_GRADIENT = 3
HALTING_WEIGHT = 0.1


def losses(model, ids, targets, n_steps):
    with_gradient = math.ceil(CYCLES_WITH_GRADIENT / model.config.hrm_H_cycles)
    x = model.read_in(ids)
    z_h, z_l = model.initial_states(x)
    with torch.no_grad():
        for _ in range(n_steps - with_gradient):
            z_h, z_l = model.step(x, z_h, z_l)
    for _ in range(min(n_steps, with_gradient)):
        z_h, z_l = model.step(x, z_h, z_l)
    asked = targets != beads.IGNORED
    wanted = targets[asked]
    logits = model.logits(model.read_out(z_h)[asked])
    right = (logits.argmax(-1) == wanted).float()
    counts = torch.arange(1, ids.shape[1] + 1).view(1, -1, 1)
    q = model.halting_values((z_h.cumsum(1) / counts)[asked])
    answer_loss = F.cross_entropy(logits, wanted)
    halting_loss = F.binary_cross_entropy_with_logits(q[:, 0] - q[:, 1], right)
    return answer_loss, halting_loss, right.mean()


def training_batch(rng, n_ops, size, forbidden):
    inputs, targets = beads.training_problems(rng, n_ops, size, forbidden).training_rows()
    return torch.from_numpy(inputs), torch.from_numpy(targets)


@torch.no_grad()
def accuracy_at_full_depth(model, ids, targets, n_ops):
    """(first answer token right, whole answer right) as shares."""
    x = model.read_in(ids)
    z_h, z_l = model.initial_states(x)
    for _ in range(min(n_ops + 1, model.config.hrm_max_steps)):
        z_h, z_l = model.step(x, z_h, z_l)
    at_equals = 2 * n_ops + 1
    right = model.logits(model.read_out(z_h)[:, at_equals:]).argmax(-1) == targets[:, at_equals:]
    return right[:, 0].float().mean().item(), right.all(1).float().mean().item()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, required=True, help="folder for last.pt and log.jsonl")
    arguments.add_argument("--held-out", type=Path, default=Path("../models/beads/held_out.jsonl"))
    arguments.add_argument("--resume", type=Path, help="a last.pt to go on from")
    arguments.add_argument("--iterations", type=int, default=6000, help="of this call")
    arguments.add_argument("--decay", action="store_true", help="lower the learning rate to nothing over this call")
    arguments.add_argument("--h-cycles", type=int, default=1, help="H cycles in a step; the weights are the same")
    arguments.add_argument("--q-head-factor", type=float, default=1.0, help="q_head's learning rate over the others'")
    arguments.add_argument("--steps-per-operation", type=float, default=1.0, help="bounds the steps of a batch")
    arguments.add_argument("--lr", type=float, default=1.5e-3)
    arguments.add_argument("--batch", type=int, default=128)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--check-every", type=int, default=20, help="iterations between checks at full depth")
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    log = open(args.out / "log.jsonl", "w")

    config = replace(CONFIG, hrm_H_cycles=args.h_cycles)
    model = HRMCosmicFish(config).init_weights(args.seed)
    head = list(model.hrm_core.q_head.parameters())
    rest = [p for name, p in model.named_parameters() if "q_head" not in name]
    optimizer = torch.optim.AdamW([{"params": rest, "factor": 1.0}, {"params": head, "factor": args.q_head_factor}],
                                  lr=args.lr, betas=(0.9, 0.95), weight_decay=0.01)
    n_ops_reached, done = beads.FIRST_OPS, 0
    if args.resume:
        checkpoint = torch.load(args.resume, weights_only=True)
        model.load_state_dict(checkpoint["model"])
        n_ops_reached, done = checkpoint["n_ops"], checkpoint["iterations"]
    rng = np.random.default_rng([args.seed, done])
    forbidden = beads.keys_kept_from_training(args.held_out)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {done} iterations done", flush=True)

    settings = {"done": done, "n_ops": n_ops_reached, "iterations": args.iterations, "batch": args.batch,
                "steps_per_operation": args.steps_per_operation, "check_every": args.check_every,
                "h_cycles": args.h_cycles, "q_head_factor": args.q_head_factor, "lr": args.lr, "decay": args.decay}
    log.write(json.dumps(settings) + "\n")
    wall, processor = time.time(), time.process_time()
    for i in range(1, args.iterations + 1):
        rate = args.lr * min(1.0, i / 100)
        if args.decay:
            rate *= 1 - (i - 1) / args.iterations
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        n_ops = beads.draw_n_ops(rng, n_ops_reached)
        n_steps = beads.draw_n_steps(rng, n_ops, args.steps_per_operation, CONFIG.hrm_max_steps)
        ids, targets = training_batch(rng, n_ops, args.batch, forbidden)
        answer_loss, halting_loss, right = losses(model, ids, targets, n_steps)
        optimizer.zero_grad(set_to_none=True)
        (answer_loss + HALTING_WEIGHT * halting_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

        if i % args.check_every == 0 or i == args.iterations:
            ids, targets = training_batch(rng, n_ops_reached, args.batch, forbidden)
            first, whole = accuracy_at_full_depth(model, ids, targets, n_ops_reached)
            line = {"iteration": done + i, "n_ops": n_ops_reached, "drawn": n_ops, "first": round(first, 4), "whole": round(whole, 4),
                    "answer_loss": round(answer_loss.item(), 4), "halting_loss": round(halting_loss.item(), 4),
                    "steps": n_steps, "wall_s": round(time.time() - wall, 1),
                    "processor_s": round(time.process_time() - processor, 1)}
            log.write(json.dumps(line) + "\n")
            log.flush()
            if first > 0.9:
                n_ops_reached = min(n_ops_reached + 1, beads.MAX_OPS)
        if i % 200 == 0 or i == args.iterations:
            state = {"model": model.state_dict(), "h_cycles": args.h_cycles,
                     "n_ops": n_ops_reached, "iterations": done + i}
            torch.save(state, args.out / "last.pt")


if __name__ == "__main__":
    main()
