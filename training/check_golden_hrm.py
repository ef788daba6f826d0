"""Holds hrm.py to golden numbers made with the authors' code.

    python check_golden_hrm.py FOLDER        FOLDER/<case>/{config.json, model.safetensors, expected.json}

For every segment of a case's batch: logits, q_halt and q_continue within 1e-4 of the largest magnitude.
Exit code 1 when something differs.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from check_golden import TOLERANCE, relative_difference
from hrm import load


@torch.no_grad()
def largest_difference(folder):
    expected = json.loads((folder / "expected.json").read_text())
    model = load(folder)
    e = model.read_in(torch.tensor(expected["inputs"]), torch.tensor(expected["puzzle_identifiers"]))
    z_h, z_l = model.initial_states(e)
    worst = 0.0
    for segment in expected["segments"]:
        z_h, z_l = model.segment(e, z_h, z_l)
        logits, q = model.read_out(z_h)
        found = {"logits": logits, "q_halt": q[:, 0], "q_continue": q[:, 1]}
        worst = max(worst, *(relative_difference(found[name], segment[name]) for name in found))
    return worst


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    folders = sorted(p.parent for p in arguments.parse_args().folder.glob("*/expected.json"))
    failures = 0
    for folder in folders:
        worst = largest_difference(folder)
        failures += worst >= TOLERANCE
        print(f"{folder.name:30} {'ok' if worst < TOLERANCE else 'DIFFERS'}  largest relative difference {worst:.1e}")
    if not folders:
        print("no case found", file=sys.stderr)
    sys.exit(1 if failures or not folders else 0)


if __name__ == "__main__":
    main()
