"""Packs the reference numbers of the authors' code into this folder.

    python tests/golden/pack.py SOURCE      SOURCE holds cosmicfish_hrm/<case>/, storage/<form>/ and hrm/<case>/

A case's config and weights are copied as they are, except for storage/no-wte and storage/sharded: their tensors
are those of cosmicfish_hrm/gqa-rope-swiglu, which is checked, and forms.rs writes them anew from there (4 MB
less in the repository). The case's expected.json becomes expected.safetensors:

    tokens                int32 [T]        the sequence
    prefix_steps_taken    int32 [T]        of each prefix tokens[..=i], as the authors count (depth - 1 when halted)
    prefix_last_logits    f32 [T, V]       logits after each prefix, each prefix read at its own depth
    prefix_q_logits       f32 [S, 2]       (q_halt, q_continue) of every computed step, all prefixes in a row
    prefix_q_count        int32 [T]        how many of those rows belong to each prefix
    full_logits           f32 [T, V]       every position of the whole sequence, read at one depth
    greedy_prompt, greedy_generated, greedy_steps_taken     int32 [n]
    smallest_halting_margin, smallest_top2_gap              f32 [1]    over the prefixes; over the greedy tokens

A case of hrm/ holds, for a batch of B puzzles of n cells and S segments:

    inputs                int32 [B, n]
    puzzle_identifiers    int32 [B]
    logits                f32 [S, B, n, V]
    q                     f32 [S, B, 2]    (q_halt, q_continue)

The storage forms hold tokens, prefix_steps_taken, prefix_last_logits and smallest_halting_margin only. The
numbers are f32 on both sides: nothing is lost, which is checked. Metadata "reference" says what made them.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

WHOLE = "cosmicfish_hrm/gqa-rope-swiglu"
WRITTEN_ANEW = ["storage/no-wte", "storage/sharded"]


def int32(values):
    return np.asarray(values, dtype=np.int32)


def f32(values):
    """JSON numbers as f32, refused where they are not f32 numbers to begin with."""
    exact = np.asarray(values, dtype=np.float64)
    narrow = exact.astype(np.float32)
    if not np.array_equal(narrow, exact):
        raise ValueError("a reference number is not a 32-bit float")
    return narrow


def pack_hrm(expected):
    segments = expected["segments"]
    if unknown := set(expected) - {"reference", "inputs", "puzzle_identifiers", "segments"}:
        raise ValueError(f"expected.json holds {sorted(unknown)}, which this script does not pack")
    q = [list(zip(segment["q_halt"], segment["q_continue"])) for segment in segments]
    return {
        "inputs": int32(expected["inputs"]),
        "puzzle_identifiers": int32(expected["puzzle_identifiers"]),
        "logits": f32([segment["logits"] for segment in segments]),
        "q": f32(q),
    }


def pack(expected):
    if "segments" in expected:
        return pack_hrm(expected)
    tensors = {
        "tokens": int32(expected["tokens"]),
        "prefix_steps_taken": int32(expected["prefix_steps_taken"]),
        "prefix_last_logits": f32(expected["prefix_last_logits"]),
        # A margin only bounds from below; as a difference of f32 numbers it need not be one itself.
        "smallest_halting_margin": np.float32([expected["smallest_halting_margin"]]),
    }
    if "full_logits" in expected:
        per_prefix = expected["prefix_q_logits"]
        tensors["prefix_q_logits"] = f32([q for steps in per_prefix for q in steps])
        tensors["prefix_q_count"] = int32([len(steps) for steps in per_prefix])
        tensors["full_logits"] = f32(expected["full_logits"])
        greedy = expected["greedy"]
        for name in ("prompt", "generated", "steps_taken"):
            tensors[f"greedy_{name}"] = int32(greedy[name])
        tensors["smallest_top2_gap"] = np.float32([greedy["smallest_top2_gap"]])
    known = {"reference", "greedy", *tensors}
    if unknown := set(expected) - known:
        raise ValueError(f"expected.json holds {sorted(unknown)}, which this script does not pack")
    return tensors


def check_same_tensors(case, whole):
    """Every tensor of the case's weight files is, to the byte, the one of that name in the file `whole`."""
    whole = load_file(whole)
    for file in case.glob("*.safetensors"):
        for name, tensor in load_file(file).items():
            same = tensor.dtype == whole[name].dtype and tensor.tobytes() == whole[name].tobytes()
            if not same or tensor.shape != whole[name].shape:
                raise ValueError(f"{file}: {name} is not the tensor of {WHOLE}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("source", type=Path)
    source = arguments.parse_args().source
    here = Path(__file__).parent
    total = 0
    folders = ("cosmicfish_hrm", "storage", "hrm")
    for case in sorted(case for folder in folders for case in source.glob(f"{folder}/*/")):
        out = here / case.relative_to(source)
        out.mkdir(parents=True, exist_ok=True)
        left_out = {"expected.json"}
        if case.relative_to(source).as_posix() in WRITTEN_ANEW:
            check_same_tensors(case, source / WHOLE / "model.safetensors")
            left_out.update(file.name for file in case.glob("*.safetensors"))
        for file in sorted(case.iterdir()):
            if file.name not in left_out:
                shutil.copyfile(file, out / file.name)
        expected = json.loads((case / "expected.json").read_text())
        packed = out / "expected.safetensors"
        tensors = pack(expected)
        save_file(tensors, packed, metadata={"reference": expected["reference"]})
        back = load_file(packed)
        assert all(np.array_equal(back[name], tensor) for name, tensor in tensors.items())
        n_bytes = sum(file.stat().st_size for file in out.iterdir())
        total += n_bytes
        print(f"{n_bytes:>9,} bytes  {out.relative_to(here)}")
    print(f"{total:>9,} bytes in all")


if __name__ == "__main__":
    main()
