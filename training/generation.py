"""Generation of many answers at once, with the semantics of one at a time.

Each generated token re-reads the whole sequence at a depth decided by the mean of z_H over all of it.
Because every block is causal, one batched pass with cumulative means finds the depth and the token of
every prefix. The answer's tokens are guessed, read in one pass, replaced by what the model says, and
read again until nothing changes: then every token is what generating from left to right gives.
"""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass
class Passes:
    """At every depth, for the prefixes that end at = or inside the answer: (depths, N, answer length)."""
    margins: np.ndarray     # q_halt - q_continue
    tokens: np.ndarray      # the likeliest next token


@dataclass
class Answers:
    tokens: np.ndarray      # (N, answer length)
    depths: np.ndarray


@torch.no_grad()
def read(model, ids, first):
    """All depths of the prefixes of ids (N, T) that end at position first or later."""
    ids = torch.from_numpy(ids)
    x = model.read_in(ids)
    z_h, z_l = model.initial_states(x)
    counts = torch.arange(1, ids.shape[1] + 1).view(1, -1, 1)
    margins, tokens = [], []
    for _ in range(model.config.hrm_max_steps):
        z_h, z_l = model.step(x, z_h, z_l)
        q = model.halting_values((z_h.cumsum(1) / counts)[:, first:])
        margins.append((q[..., 0] - q[..., 1]).numpy())
        tokens.append(model.logits(model.read_out(z_h)[:, first:]).argmax(-1).numpy())
    return Passes(np.stack(margins), np.stack(tokens))


def decide(passes, halt_bias=None, depth=None):
    """The depth and token of every prefix: at a forced depth, or where the model halts with this bias."""
    if depth is None:
        halted = passes.margins + halt_bias > 0
        halted[-1] = True
        depths = halted.argmax(0) + 1
    else:
        depths = np.full(passes.margins.shape[1:], depth)
    return Answers(np.take_along_axis(passes.tokens, depths[None] - 1, 0)[0], depths)


def generate(model, problems, first_passes, halt_bias=None, depth=None):
    """first_passes: `read` of the problems with their right answers, shared between calls."""
    prompts, right = problems.prompts(), problems.answers()
    first = prompts.shape[1] - 1
    answers = decide(first_passes, halt_bias, depth)
    tokens, depths = answers.tokens.copy(), answers.depths.copy()
    given = right.copy()
    for _ in range(right.shape[1]):
        rows = np.flatnonzero((given[:, :-1] != tokens[:, :-1]).any(1))
        if len(rows) == 0:
            break
        given[rows] = tokens[rows]
        inputs = np.concatenate([prompts[rows], given[rows, :-1]], axis=1)
        answers = decide(read(model, inputs, first), halt_bias, depth)
        tokens[rows], depths[rows] = answers.tokens, answers.depths
    return Answers(tokens, depths)


def read_with_right_answers(model, problems):
    inputs, _ = problems.training_rows()
    return read(model, inputs, 2 * problems.n_ops + 1)


def first_right(problems, answers):
    return answers.tokens[:, 0] == problems.answers()[:, 0]


def whole_right(problems, answers):
    return (answers.tokens == problems.answers()).all(1)


def ranks(values):
    """Ranks from 0, ties sharing their mean."""
    values, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (ends - (counts + 1) / 2)[where]


def rank_correlation(a, b):
    """Spearman's; 0 where either does not vary."""
    a, b = ranks(a), ranks(b)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
