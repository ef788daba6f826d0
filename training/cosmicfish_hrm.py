"""CosmicFish-HRM in PyTorch: the architecture, read from config.json and model.safetensors.

Our own implementation of the model of arXiv 2605.28919 (T tokens, C = n_embd, hd = C / n_head):

    x = input_blocks(wte[ids])                            pre-norm, causal; + wpe when use_rotary is false
    z_H, z_L = H_init, L_init at every position
    for step in 1..=hrm_max_steps:
        hrm_H_cycles times:
            hrm_L_cycles times:  z_L = L_level(z_L + (z_H + x))      post-norm, causal
            z_H = H_level(z_H + z_L)
        (q_halt, q_continue) = q_head(mean of z_H over the positions)
        stop when q_halt + halt_bias > q_continue         (no test when hrm_max_steps is 1)
    logits = lm_head(ln_f(output_blocks(z_H)))            lm_head is wte

Module names are the checkpoint's tensor names. `forward_uncached` recomputes the whole
context, as the authors do; `cached.py` computes each (position, depth) once.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

AUTHORS_HALT_BIAS = 0.35


@dataclass
class Config:
    vocab_size: int = 50304
    n_embd: int = 448
    block_size: int = 512
    n_input_layers: int = 6
    n_output_layers: int = 6
    n_head: int = 8
    n_kv_head: int = 4
    hrm_H_layers: int = 4
    hrm_L_layers: int = 4
    hrm_H_cycles: int = 2
    hrm_L_cycles: int = 2
    hrm_max_steps: int = 16
    hrm_exploration_prob: float = 0.1
    dropout: float = 0.0
    bias: bool = False
    use_rotary: bool = True
    use_gqa: bool = True
    use_swiglu: bool = True
    eps: float = 1e-5
    halt_bias: float = AUTHORS_HALT_BIAS

    @classmethod
    def read(cls, path):
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in json.loads(Path(path).read_text()).items() if k in known})

    def write(self, path, **more):
        names = {"model_type": "cosmicfish_hrm", "architectures": ["HRMCosmicFish"]}
        Path(path).write_text(json.dumps(asdict(self) | names | more, indent=2) + "\n")

    @property
    def n_kv(self):
        return self.n_kv_head if self.use_gqa else self.n_head

    @property
    def head_dim(self):
        return self.n_embd // self.n_head


class RMSNorm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.n_embd))
        self.eps = config.eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rope_tables(config):
    """cos and sin, each (block_size, hd / 2): the angle of pair i is pos * 10000^(-2i / hd)."""
    inverse = 10000.0 ** (-torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim)
    angles = torch.outer(torch.arange(config.block_size, dtype=torch.float32), inverse)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Turns the adjacent pairs (2i, 2i+1) of x (B, heads, T, hd)."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, kv = config.n_embd, config.n_kv * config.head_dim
        self.config = config
        self.q_proj = nn.Linear(c, c, bias=config.bias)
        self.k_proj = nn.Linear(c, kv, bias=config.bias)
        self.v_proj = nn.Linear(c, kv, bias=config.bias)
        self.c_proj = nn.Linear(c, c, bias=config.bias)

    def forward(self, x, rope, store=None):
        """x: (B, R, C), the rows of positions start..start+R, where start is what `store` holds."""
        b, r, c = x.shape
        config, hd = self.config, self.config.head_dim
        q = self.q_proj(x).view(b, r, config.n_head, hd).transpose(1, 2)
        k = self.k_proj(x).view(b, r, config.n_kv, hd).transpose(1, 2)
        v = self.v_proj(x).view(b, r, config.n_kv, hd).transpose(1, 2)
        start = store.n if store is not None else 0
        if config.use_rotary:
            cos, sin = rope[0][start:start + r], rope[1][start:start + r]
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if store is not None:
            k, v = store.append(k, v)
        mask = None
        if start > 0 and r > 1:
            mask = torch.ones(r, start + r, dtype=torch.bool).tril(start)
        group = config.n_head // config.n_kv
        if group > 1:
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=start == 0 and r > 1)
        return self.c_proj(y.transpose(1, 2).reshape(b, r, c))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, bias = config.n_embd, config.bias
        self.use_swiglu = config.use_swiglu
        if config.use_swiglu:
            self.gate = nn.Linear(c, 4 * c, bias=bias)
            self.up = nn.Linear(c, 4 * c, bias=bias)
            self.down = nn.Linear(4 * c, c, bias=bias)
        else:
            self.c_fc = nn.Linear(c, 4 * c, bias=bias)
            self.c_proj = nn.Linear(4 * c, c, bias=bias)

    def forward(self, x):
        if self.use_swiglu:
            return self.down(F.silu(self.up(x)) * self.gate(x))
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = RMSNorm(config)
        self.ln_2 = RMSNorm(config)
        self.attn = Attention(config)
        self.mlp = MLP(config)

    def pre_norm(self, x, rope, store=None):
        x = x + self.attn(self.ln_1(x), rope, store)
        return x + self.mlp(self.ln_2(x))

    def post_norm(self, x, rope, store=None):
        x = self.ln_1(x + self.attn(x, rope, store))
        return self.ln_2(x + self.mlp(x))


class Level(nn.Module):
    """A stack of post-norm blocks; its input already holds the injection."""

    def __init__(self, config, n_layers):
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(n_layers))

    def forward(self, z, rope, stores=None):
        for i, block in enumerate(self.layers):
            z = block.post_norm(z, rope, stores[i] if stores else None)
        return z


class Core(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.H_level = Level(config, config.hrm_H_layers)
        self.L_level = Level(config, config.hrm_L_layers)
        self.H_init = nn.Parameter(torch.empty(config.n_embd))
        self.L_init = nn.Parameter(torch.empty(config.n_embd))
        self.q_head = nn.Linear(config.n_embd, 2)

    def step(self, x, z_h, z_l, rope, stores=None):
        """One reasoning step. stores: one list of key/value stores per application of a level, in order."""
        taken = iter(stores) if stores else None
        take = (lambda: next(taken)) if stores else (lambda: None)
        for _ in range(self.config.hrm_H_cycles):
            for _ in range(self.config.hrm_L_cycles):
                z_l = self.L_level(z_l + (z_h + x), rope, take())
            z_h = self.H_level(z_h + z_l, rope, take())
        return z_h, z_l


class Logits:
    """The logits of the positions asked for: decoding wants the last one's only."""

    def __init__(self, model, hidden):
        self.model, self.hidden = model, hidden

    @torch.no_grad()
    def __getitem__(self, index):
        return self.model.logits(self.hidden[index])


@dataclass
class Reading:
    """What one forward of one sequence found. depth: steps computed; steps_taken: as the authors count."""
    logits: "Logits"
    q_logits: list
    depth: int
    steps_taken: int


class HRMCosmicFish(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if not config.use_rotary:
            self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.input_blocks = nn.ModuleList(Block(config) for _ in range(config.n_input_layers))
        self.output_blocks = nn.ModuleList(Block(config) for _ in range(config.n_output_layers))
        self.hrm_core = Core(config)
        self.ln_f = RMSNorm(config)
        self.rope = rope_tables(config)

    def init_weights(self, seed):
        """Every linear with deviation 1 / sqrt(inputs), embeddings 0.1, initial states 0.02, q_head 0."""
        torch.manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.1)
        nn.init.normal_(self.hrm_core.H_init, std=0.02)
        nn.init.normal_(self.hrm_core.L_init, std=0.02)
        nn.init.zeros_(self.hrm_core.q_head.weight)
        return self

    def read_in(self, ids, stores=None):
        """ids (B, R) -> x (B, R, C); with stores, the rows behind those already stored."""
        start = stores[0].n if stores else 0
        x = self.wte(ids)
        if not self.config.use_rotary:
            x = x + self.wpe.weight[start:start + ids.shape[1]]
        for i, block in enumerate(self.input_blocks):
            x = block.pre_norm(x, self.rope, stores[i] if stores else None)
        return x

    def initial_states(self, x):
        return self.hrm_core.H_init.expand_as(x), self.hrm_core.L_init.expand_as(x)

    def step(self, x, z_h, z_l, stores=None):
        return self.hrm_core.step(x, z_h, z_l, self.rope, stores)

    def halting_values(self, mean_z_h):
        """(..., C) -> (..., 2): q_halt, q_continue, before the bias."""
        return self.hrm_core.q_head(mean_z_h)

    def halts(self, q):
        """The test of one step; a model of one step makes none."""
        return self.config.hrm_max_steps > 1 and bool(q[0] + self.config.halt_bias > q[1])

    def read_out(self, z_h, stores=None):
        for i, block in enumerate(self.output_blocks):
            z_h = block.pre_norm(z_h, self.rope, stores[i] if stores else None)
        return z_h

    def logits(self, hidden):
        return F.linear(self.ln_f(hidden), self.wte.weight)

    @torch.no_grad()
    def forward_uncached(self, ids, depth=None, max_depth=None):
        """One sequence, ids (T,), from nothing. depth forces exactly that many steps, max_depth caps
        them, else the model halts by itself. Logits of every position of the last block_size tokens."""
        x = self.read_in(ids[-self.config.block_size:].unsqueeze(0))
        z_h, z_l = self.initial_states(x)
        n_steps = depth or max_depth or self.config.hrm_max_steps
        q_logits, halted = [], False
        for step in range(1, n_steps + 1):
            z_h, z_l = self.step(x, z_h, z_l)
            q = self.halting_values(z_h.mean(1))[0]
            q_logits.append(q.tolist())
            if depth is None and self.halts(q):
                halted = True
                break
        hidden = self.read_out(z_h)[0]
        return Reading(Logits(self, hidden), q_logits, step, step - 1 if halted else step)


def load(folder):
    """The model of a folder with config.json and model.safetensors (or its shards), in f32."""
    from safetensors.torch import load_file

    folder = Path(folder)
    model = HRMCosmicFish(Config.read(folder / "config.json"))
    state = {}
    for file in sorted(folder.glob("model*.safetensors")):
        state.update((k, v.float()) for k, v in load_file(file).items())
    head = state.pop("lm_head.weight", None)
    if head is not None and not torch.equal(state.setdefault("wte.weight", head), head):
        raise ValueError("lm_head.weight and wte.weight differ, but the architecture ties them")
    model.load_state_dict(state)
    return model.eval()


def save(model, folder, dtype=torch.float16, **more):
    """Writes config.json and model.safetensors (wte.weight only: lm_head is the same tensor)."""
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().to(dtype).contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.write(folder / "config.json", torch_dtype=str(dtype).removeprefix("torch."), **more)
