"""Times the PyTorch decode of a released-size model (82.8 M parameters, random weights from a seed).

    python speed.py --context 32,256,500 --depth 1,4,16 --threads 2 --reps 5

Milliseconds for one more token behind a context of n tokens, at a forced depth: uncached recomputes
all n + 1 positions, as the authors do; cached computes one row per depth. Each figure is the median
over --reps, after one warm-up. Prints a table and, as the last line, JSON.
"""

import argparse
import json
import statistics
import time

import torch

from cached import CachedDecoder
from cosmicfish_hrm import Config, HRMCosmicFish


def numbers(text):
    return [int(n) for n in text.split(",")]


def next_token(reading):
    return int(reading.logits[-1].argmax())


def milliseconds(run, reps, before=lambda: None):
    times = []
    for _ in range(reps + 1):
        before()
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--context", type=numbers, default=[32, 256, 500])
    arguments.add_argument("--depth", type=numbers, default=[1, 4, 16])
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--reps", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=0)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    config = Config()
    if max(args.context) >= config.block_size or max(args.depth) > config.hrm_max_steps:
        arguments.error(f"contexts stay below {config.block_size}, depths within {config.hrm_max_steps}")
    model = HRMCosmicFish(config).init_weights(args.seed).eval()
    n_parameters = sum(p.numel() for p in model.parameters())
    ids = torch.randint(config.vocab_size, (config.block_size,), generator=torch.Generator().manual_seed(args.seed))

    rows = []
    for n in args.context:
        for depth in args.depth:
            uncached = milliseconds(lambda: next_token(model.forward_uncached(ids[:n + 1], depth=depth)), args.reps)
            decoder = CachedDecoder(model)
            decoder.forward(ids[:n], depth=depth)
            cached = milliseconds(lambda: next_token(decoder.forward(ids[:n + 1], depth=depth)), args.reps,
                                  before=lambda: decoder.keep(n))
            rows.append({"context": n, "depth": depth, "uncached_ms": round(uncached, 2), "cached_ms": round(cached, 2)})

    print(f"{n_parameters} parameters, f32, torch {torch.__version__}, {args.threads} threads, median of {args.reps}\n")
    print("| context | depth | uncached ms/token | cached ms/token | ratio |\n|---:|---:|---:|---:|---:|")
    for row in rows:
        ratio = row["uncached_ms"] / row["cached_ms"]
        print(f"| {row['context']} | {row['depth']} | {row['uncached_ms']} | {row['cached_ms']} | {ratio:.1f} |")
    print("\n" + json.dumps({"n_parameters": n_parameters, "torch": torch.__version__, "threads": args.threads,
                             "reps": args.reps, "dtype": "float32", "rows": rows}))


if __name__ == "__main__":
    main()
