"""Times one more token of a released-size model (82.8 M parameters, random weights from a seed) in PyTorch, and, beside
it, in Fathom on the same weights.

    python speed.py --context 32,256,500 --depth 1,4,16 --threads 2 --reps 5
    python speed.py --context 256 --depth 1 --fathom ../target/release/fathom --fathom-device cpu,llvmpipe
    python speed.py --torch-device cuda --fathom ../target/release/fathom --fathom-device gpu

Milliseconds for one more token behind a context of n tokens, at a forced depth: uncached recomputes all n + 1
positions, as the authors do; cached computes one row per depth; Fathom decodes up to that context (`fathom bench`). The
programs run in turn, --reps times, after one warm-up; each figure is the median, and each ratio is the median, least and
largest of the ratios of one turn. Prints a table and, as the last line, JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch

from cached import CachedDecoder
from cosmicfish_hrm import Config, HRMCosmicFish, save

# Tokens that Fathom decodes for one figure.
N_TOKENS = 15


def numbers(text):
    return [int(n) for n in text.split(",")]


def milliseconds(run):
    start = time.perf_counter()
    # The token's number is needed on the host, so a GPU has finished then.
    int(run().logits[-1].argmax())
    return 1000 * (time.perf_counter() - start)


def fathom_milliseconds(args, device, folder, n, depth):
    command = [args.fathom, "bench", "-m", folder, "--device", device, "-p", str(n), "-n", str(min(N_TOKENS, n - 1)),
               "--depth", str(depth), "--test", "decode", "-r", "1", "-o", "json", "-q"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads)}
    out = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    row = json.loads(out)[0]
    return row["ms_per_token"], row["device"]


def turn(args, model, decoder, ids, n, depth, folder):
    """One figure of each program, in ms."""
    times = {"uncached": milliseconds(lambda: model.forward_uncached(ids[:n + 1], depth=depth))}
    decoder.keep(n)
    times["cached"] = milliseconds(lambda: decoder.forward(ids[:n + 1], depth=depth))
    for device in args.fathom_device if args.fathom else []:
        ms, name = fathom_milliseconds(args, device, folder, n, depth)
        times[f"fathom, {name}"] = ms
    return times


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--context", type=numbers, default=[32, 256, 500])
    arguments.add_argument("--depth", type=numbers, default=[1, 4, 16])
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--reps", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--torch-device", default="cpu", help="cpu or cuda")
    arguments.add_argument("--fathom", help="the program to compare with")
    arguments.add_argument("--fathom-device", type=lambda text: text.split(","), default=["cpu"])
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    config = Config()
    if max(args.context) >= config.block_size or max(args.depth) > config.hrm_max_steps:
        arguments.error(f"contexts stay below {config.block_size}, depths within {config.hrm_max_steps}")
    model = HRMCosmicFish(config).init_weights(args.seed).eval()
    n_parameters = sum(p.numel() for p in model.parameters())
    ids = torch.randint(config.vocab_size, (config.block_size,), generator=torch.Generator().manual_seed(args.seed))

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if args.fathom:
            save(model, folder, torch.float32)
        torch.set_default_device(args.torch_device)
        model, ids = model.to(args.torch_device), ids.to(args.torch_device)
        for n in args.context:
            for depth in args.depth:
                decoder = CachedDecoder(model)
                decoder.forward(ids[:n], depth=depth)
                turns = [turn(args, model, decoder, ids, n, depth, folder) for _ in range(args.reps + 1)][1:]
                for program in turns[0]:
                    row = {"context": n, "depth": depth, "program": program,
                           "ms": statistics.median(times[program] for times in turns)}
                    for baseline in ["uncached", "cached"]:
                        ratios = [times[baseline] / times[program] for times in turns]
                        row[f"{baseline}_ratio"] = [statistics.median(ratios), min(ratios), max(ratios)]
                    rows.append(row)

    print(f"{n_parameters} parameters, f32, torch {torch.__version__} on {args.torch_device}, {args.threads} threads, "
          f"median of {args.reps}\n")
    print("| context | depth | program | ms/token | times as fast as uncached | as cached |\n|---:|---:|:---|---:|---:|---:|")
    for row in rows:
        shown = ["{:.1f} ({:.1f} to {:.1f})".format(*row[f"{baseline}_ratio"]) for baseline in ["uncached", "cached"]]
        print(f"| {row['context']} | {row['depth']} | {row['program']} | {row['ms']:.2f} | {shown[0]} | {shown[1]} |")
    print("\n" + json.dumps({"n_parameters": n_parameters, "torch": torch.__version__, "torch_device": args.torch_device,
                             "threads": args.threads, "reps": args.reps, "dtype": "float32", "rows": rows}))


if __name__ == "__main__":
    main()
