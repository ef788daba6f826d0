"""Exact incremental decoding: each (position, depth) is computed once.

Every block is causal, so the state of a position after d steps depends only on the tokens up to it
and on d. Plane d holds z_H and z_L after d steps, the sums of z_H over the positions up to each one,
and the keys and values of step d; `n` says for how many leading positions. The output blocks' keys
and values are kept per depth too. To reach depth d, the rows that plane d lacks are computed from
plane d - 1: all of a prompt, one row of a token, or the rows of a sequence that thinks deeper than
it did before (catch-up). Past block_size the window moves every position, so everything is void.
"""

import torch

from cosmicfish_hrm import Logits, Reading


class Store:
    """Keys and values of one block application, (1, n_kv, block_size, hd), n rows filled."""

    def __init__(self, config):
        shape = (1, config.n_kv, config.block_size, config.head_dim)
        self.k, self.v, self.n = torch.empty(shape), torch.empty(shape), 0

    def append(self, k, v):
        end = self.n + k.shape[2]
        self.k[:, :, self.n:end] = k
        self.v[:, :, self.n:end] = v
        self.n = end
        return self.k[:, :, :end], self.v[:, :, :end]


class Plane:
    def __init__(self, config):
        rows = (1, config.block_size, config.n_embd)
        self.z_h, self.z_l, self.sums, self.n = torch.empty(rows), torch.empty(rows), torch.empty(rows), 0
        self.applications = []
        for _ in range(config.hrm_H_cycles):
            for _ in range(config.hrm_L_cycles):
                self.applications.append([Store(config) for _ in range(config.hrm_L_layers)])
            self.applications.append([Store(config) for _ in range(config.hrm_H_layers)])
        self.out_stores = [Store(config) for _ in range(config.n_output_layers)]
        self.out_hidden = torch.empty(rows)
        self.out_n = 0

    def truncate(self, n):
        self.n, self.out_n = min(self.n, n), min(self.out_n, n)
        for store in sum(self.applications, []):
            store.n = self.n
        for store in self.out_stores:
            store.n = self.out_n


class CachedDecoder:
    """`forward` gives what `HRMCosmicFish.forward_uncached` gives, and computes only what is missing."""

    def __init__(self, model):
        config = model.config
        self.model, self.config = model, config
        self.tokens = []
        self.x = torch.empty(1, config.block_size, config.n_embd)
        self.in_stores = [Store(config) for _ in range(config.n_input_layers)]
        self.planes = [Plane(config) for _ in range(config.hrm_max_steps)]

    def keep(self, n):
        """Forgets all but the first n positions."""
        self.tokens = self.tokens[:n]
        for store in self.in_stores:
            store.n = min(store.n, n)
        for plane in self.planes:
            plane.truncate(n)

    def fill_plane(self, index, n):
        plane = self.planes[index]
        first = plane.n
        if first == n:
            return
        x = self.x[:, first:n]
        if index == 0:
            z_h, z_l = self.model.initial_states(x)
        else:
            z_h, z_l = self.planes[index - 1].z_h[:, first:n], self.planes[index - 1].z_l[:, first:n]
        z_h, z_l = self.model.step(x, z_h, z_l, plane.applications)
        plane.z_h[:, first:n], plane.z_l[:, first:n] = z_h, z_l
        sums = z_h.cumsum(1)
        plane.sums[:, first:n] = sums + plane.sums[:, first - 1:first] if first else sums
        plane.n = n

    @torch.no_grad()
    def forward(self, ids, depth=None, max_depth=None):
        """ids (T,); depth forces exactly that many steps, max_depth caps them. Logits of every position
        of the last block_size tokens."""
        window = ids[-self.config.block_size:].tolist()
        common = 0
        while common < min(len(self.tokens), len(window)) and self.tokens[common] == window[common]:
            common += 1
        self.keep(common)
        n = len(window)
        if common < n:
            self.x[:, common:n] = self.model.read_in(torch.tensor([window[common:]]), self.in_stores)
            self.tokens = window

        n_steps = depth or max_depth or self.config.hrm_max_steps
        q_logits, halted = [], False
        for step in range(1, n_steps + 1):
            self.fill_plane(step - 1, n)
            q = self.model.halting_values(self.planes[step - 1].sums[0, n - 1] / n)
            q_logits.append(q.tolist())
            if depth is None and self.model.halts(q):
                halted = True
                break

        plane = self.planes[step - 1]
        if plane.out_n < n:
            rows = plane.z_h[:, plane.out_n:n]
            plane.out_hidden[:, plane.out_n:n] = self.model.read_out(rows, plane.out_stores)
            plane.out_n = n
        return Reading(Logits(self.model, plane.out_hidden[0, :n]), q_logits, step, step - 1 if halted else step)
