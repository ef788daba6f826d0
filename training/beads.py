"""The task: a running calculation, left to right, on a ring of ten beads (only the last digit counts).

    prompt  7+5-3*4=        answer  6927<end>

The answer is the running values from the last to the first: 7, 7+5 = 2, 2-3 = 9, 9*4 = 6. A `*0`
forgets everything before it. Operations are 40 % +, 40 % -, 20 % *. In training half of the problems
get one more `*0` at a random place, so that long problems are often easy.

This file makes problems, draws the training stream, and keeps three sets out of training:
held_out.jsonl (committed, made by replay.py), a set with many resets, and a validation set.
"""

import json
from pathlib import Path

import numpy as np

VOCABULARY = ["<unk>", "<end>", *"0123456789", "+", "-", "*", "="]
END = VOCABULARY.index("<end>")
ZERO = VOCABULARY.index("0")
PLUS = VOCABULARY.index("+")
EQUALS = VOCABULARY.index("=")
OPERATION_SHARES = [0.4, 0.4, 0.2]      # + - *
RESET_SHARE = 0.5                       # of the training problems get one more *0 at a random place
ZERO_SHARE = OPERATION_SHARES[2] / 10   # of the operations are *0 by themselves
FIRST_OPS, MAX_OPS = 3, 16
MANY_RESETS_SEED, VALIDATION_SEED = 20_001, 20_002
PER_LENGTH = 300
IGNORED = -100


class Problems:
    """N problems of one number of operations: digits (N, n+1), ops (N, n) in 0..3, values (N, n+1)."""

    def __init__(self, digits, ops):
        self.digits, self.ops = digits, ops
        self.n_ops = ops.shape[1]
        self.values = np.empty_like(digits)
        self.values[:, 0] = digits[:, 0]
        for i in range(self.n_ops):
            v, d, op = self.values[:, i], digits[:, i + 1], ops[:, i]
            self.values[:, i + 1] = np.where(op == 0, v + d, np.where(op == 1, v - d, v * d)) % 10

    def select(self, keep):
        return Problems(self.digits[keep], self.ops[keep])

    def prompts(self):
        """(N, 2n+2) token ids: digit, operation, ..., digit, ="""
        ids = np.empty((len(self.digits), 2 * self.n_ops + 2), dtype=np.int64)
        ids[:, 0:-1:2] = self.digits + ZERO
        ids[:, 1:-1:2] = self.ops + PLUS
        ids[:, -1] = EQUALS
        return ids

    def answers(self):
        """(N, n+2) token ids: the running values from the last to the first, then the end."""
        end = np.full((len(self.digits), 1), END, dtype=np.int64)
        return np.concatenate([self.values[:, ::-1] + ZERO, end], axis=1)

    def training_rows(self):
        """Inputs and targets (N, 3n+3): at a prompt's digit the running value up to it, at = and in
        the answer the next token; nothing is asked at an operation."""
        prompts, answers = self.prompts(), self.answers()
        inputs = np.concatenate([prompts, answers[:, :-1]], axis=1)
        targets = np.full_like(inputs, IGNORED)
        targets[:, 0:prompts.shape[1] - 1:2] = self.values + ZERO
        targets[:, prompts.shape[1] - 1:] = answers
        return inputs, targets

    def since_reset(self):
        """Operations after the last *0; all of them where there is none."""
        reset = (self.ops == 2) & (self.digits[:, 1:] == 0)
        behind = reset[:, ::-1].argmax(axis=1)
        return np.where(reset.any(axis=1), behind, self.n_ops)

    def keys(self):
        """A 64-bit hash of each whole prompt."""
        key = np.full(len(self.digits), 1469598103934665603, dtype=np.uint64)
        for column in self.prompts().T:
            key = (key ^ column.astype(np.uint64)) * np.uint64(1099511628211)
        return key


def sample(rng, n_problems, n_ops, reset_share):
    digits = rng.integers(0, 10, size=(n_problems, n_ops + 1))
    ops = rng.choice(3, size=(n_problems, n_ops), p=OPERATION_SHARES)
    chosen = np.flatnonzero(rng.random(n_problems) < reset_share)
    place = rng.integers(0, n_ops, size=len(chosen))
    ops[chosen, place] = 2
    digits[chosen, place + 1] = 0
    return Problems(digits, ops)


def every_one_operation_problem():
    a, op, b = np.meshgrid(np.arange(10), np.arange(3), np.arange(10), indexing="ij")
    return Problems(np.stack([a.ravel(), b.ravel()], axis=1), op.reshape(-1, 1))


def problem_set(seed, reset_share, excluded=()):
    """{n_ops: Problems}: PER_LENGTH distinct problems for each of FIRST_OPS..=MAX_OPS operations."""
    rng = np.random.default_rng(seed)
    found = {}
    for n_ops in range(FIRST_OPS, MAX_OPS + 1):
        candidates = sample(rng, 3 * PER_LENGTH, n_ops, reset_share)
        keys = candidates.keys()
        first = np.zeros(len(keys), dtype=bool)
        first[np.unique(keys, return_index=True)[1]] = True
        keep = np.flatnonzero(first & ~np.isin(keys, np.asarray(excluded, dtype=np.uint64)))
        found[n_ops] = candidates.select(keep[:PER_LENGTH])
    return found


def all_keys(problems):
    return np.concatenate([p.keys() for p in problems.values()])


def many_resets():
    return problem_set(MANY_RESETS_SEED, RESET_SHARE)


def validation_pool():
    return problem_set(VALIDATION_SEED, RESET_SHARE, excluded=all_keys(many_resets()))


def validation():
    """The pool thinned to the shares that it would have without the added resets (about half is left):
    a problem with k resets is 0.5 + 0.5 k / (n ZERO_SHARE) times too likely in the pool."""
    rng, found = np.random.default_rng(VALIDATION_SEED), {}
    for n_ops, problems in validation_pool().items():
        resets = ((problems.ops == 2) & (problems.digits[:, 1:] == 0)).sum(1)
        too_likely = 1 - RESET_SHARE + RESET_SHARE * resets / (n_ops * ZERO_SHARE)
        found[n_ops] = problems.select(rng.random(len(resets)) < (1 - RESET_SHARE) / too_likely)
    return found


def read_held_out(path):
    """{n_ops: Problems} of held_out.jsonl, checked against what this code computes."""
    groups = {}
    for line in Path(path).read_text().splitlines():
        line = json.loads(line)
        groups.setdefault(line["n_ops"], []).append(line)
    found = {}
    for n_ops, group in sorted(groups.items()):
        ids = np.array([[VOCABULARY.index(c) for c in line["prompt"]] for line in group])
        problems = Problems(ids[:, 0:-1:2] - ZERO, ids[:, 1:-1:2] - PLUS)
        if [text(a) for a in problems.answers()] != [line["answer"] for line in group]:
            raise ValueError(f"an answer of {n_ops} operations is not the calculation's")
        if problems.since_reset().tolist() != [line["since_reset"] for line in group]:
            raise ValueError(f"a since_reset of {n_ops} operations is not the calculation's")
        found[n_ops] = problems
    return found


def keys_kept_from_training(held_out=None):
    sets = [many_resets(), validation_pool()] + ([read_held_out(held_out)] if held_out else [])
    return np.concatenate([all_keys(problems) for problems in sets])


def training_problems(rng, n_ops, size, forbidden):
    problems = sample(rng, size + 32, n_ops, RESET_SHARE)
    if n_ops >= FIRST_OPS:
        problems = problems.select(np.flatnonzero(~np.isin(problems.keys(), forbidden)))
    return problems.select(slice(size))


def draw_n_ops(rng, longest):
    """Half of the batches at the longest length reached, the others at any up to it."""
    return longest if rng.random() < 0.5 else int(rng.integers(1, longest + 1))


def draw_n_steps(rng, n_ops, steps_per_operation, max_steps):
    """From 1 to what the operations may need; where that is less, one batch in ten may take every step."""
    deepest = min(int(n_ops * steps_per_operation) + 1, max_steps)
    if steps_per_operation < 1 and rng.random() < 0.1:
        deepest = max_steps
    return int(rng.integers(1, deepest + 1))


def text(ids):
    return "".join(VOCABULARY[i] for i in ids if i != END)


def tokenizer():
    """Hugging Face tokenizers format: one token per character, decoded without spaces."""
    special = [{"id": i, "content": VOCABULARY[i], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True} for i in (0, END)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {t: i for i, t in enumerate(VOCABULARY)}, "unk_token": "<unk>"},
    }
