"""HRM in PyTorch: the architecture, read from config.json and model.safetensors.

Our own implementation of the model of arXiv 2506.21734 (T cells, C = hidden_size, P puzzle slots):

    e = sqrt(C) · concat(puzzle embedding as P positions, embed_tokens[inputs])     P = ceil(puzzle_emb_ndim / C)
        (pos_encodings "learned": sqrt(C) · sqrt(1/2) · (the same + embed_pos))
    z_H, z_L = H_init, L_init at every position
    for segment in 1..=halt_max_steps:                    z_H and z_L carry over
        H_cycles times:
            L_cycles times:  z_L = L_level(z_L + (z_H + e))        post-norm, not causal
            z_H = H_level(z_H + z_L)
        logits = lm_head(z_H)[P..];  (q_halt, q_continue) = q_head(z_H[0])
        stop when q_halt > q_continue                      (whoever runs it decides; this file only computes)

Module names are the checkpoint's tensor names.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    seq_len: int = 81
    vocab_size: int = 11
    hidden_size: int = 512
    num_heads: int = 8
    expansion: float = 4.0
    H_layers: int = 4
    L_layers: int = 4
    H_cycles: int = 2
    L_cycles: int = 2
    pos_encodings: str = "rope"
    puzzle_emb_ndim: int = 512
    num_puzzle_identifiers: int = 1
    halt_max_steps: int = 16

    @classmethod
    def read(cls, path):
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in json.loads(Path(path).read_text()).items() if k in known})

    def write(self, path):
        Path(path).write_text(json.dumps({"model_type": "hrm_act_v1"} | asdict(self), indent=1) + "\n")

    @property
    def puzzle_slots(self):
        return -(-self.puzzle_emb_ndim // self.hidden_size)

    @property
    def length(self):
        return self.puzzle_slots + self.seq_len

    @property
    def mlp_width(self):
        return -(-round(self.expansion * self.hidden_size * 2 / 3) // 256) * 256


def rms_norm(x, eps):
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out, bias=False)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.num_heads
        self.qkv_proj = linear(config.hidden_size, 3 * config.hidden_size)
        self.o_proj = linear(config.hidden_size, config.hidden_size)

    def forward(self, x, rope):
        rows, length, width = x.shape
        qkv = self.qkv_proj(x).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        if rope is not None:
            q, k = turn(q, *rope), turn(k, *rope)
        # written out: for some dozens of positions faster on a CPU than scaled_dot_product_attention, above all its bf16 backward
        weights = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), -1).to(v.dtype)
        return self.o_proj((weights @ v).transpose(1, 2).reshape(rows, length, width))


def turn(x, cos, sin):
    """RoPE, pairs (i, i + hd/2)."""
    first, second = x.chunk(2, -1)
    return (x * cos + torch.cat((-second, first), -1) * sin).to(x.dtype)


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_up_proj = linear(config.hidden_size, 2 * config.mlp_width)
        self.down_proj = linear(config.mlp_width, config.hidden_size)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn, self.mlp, self.eps = Attention(config), Mlp(config), config.rms_norm_eps

    def forward(self, x, rope):
        x = rms_norm(x + self.self_attn(x, rope), self.eps)
        return rms_norm(x + self.mlp(x), self.eps)


class Level(nn.Module):
    def __init__(self, config, n_layers):
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(n_layers))

    def forward(self, x, rope):
        for layer in self.layers:
            x = layer(x, rope)
        return x


class Embedding(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.embedding_weight = nn.Parameter(torch.zeros(rows, width))


class PuzzleEmbedding(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(rows, width))


class Inner(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.embed_tokens = Embedding(config.vocab_size, width)
        if config.pos_encodings == "learned":
            self.embed_pos = Embedding(config.length, width)
        if config.puzzle_emb_ndim:
            self.puzzle_emb = PuzzleEmbedding(config.num_puzzle_identifiers, config.puzzle_emb_ndim)
        self.H_level, self.L_level = Level(config, config.H_layers), Level(config, config.L_layers)
        self.lm_head = linear(width, config.vocab_size)
        self.q_head = nn.Linear(width, 2)
        self.register_buffer("H_init", torch.zeros(width))
        self.register_buffer("L_init", torch.zeros(width))


class Hrm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.inner = config, Inner(config)
        self.rope = None
        if config.pos_encodings == "rope":
            half = config.hidden_size // config.num_heads // 2
            rates = config.rope_theta ** -(torch.arange(half) / half)
            angles = torch.outer(torch.arange(config.length).float(), rates).repeat(1, 2)
            self.rope = angles.cos(), angles.sin()

    def init_weights(self, seed):
        """Normal with deviation 1/sqrt(inputs), embeddings 1/sqrt(C), puzzle embedding and q_head zero."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.state_dict().items():
            if name.endswith("_init"):
                nn.init.trunc_normal_(weight, generator=generator)
            elif "q_head" in name or "puzzle_emb" in name:
                weight.zero_()
            else:
                nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]), generator=generator)
        return self

    def read_in(self, inputs, puzzles=None):
        """e of a batch of token ids; `puzzles` are the puzzle identifiers, 0 where not given."""
        config, inner = self.config, self.inner
        e = F.embedding(inputs, inner.embed_tokens.embedding_weight)
        if config.puzzle_emb_ndim:
            puzzles = torch.zeros(len(inputs), dtype=torch.long) if puzzles is None else puzzles
            slots = F.embedding(puzzles, inner.puzzle_emb.weights)
            slots = F.pad(slots, (0, config.puzzle_slots * config.hidden_size - config.puzzle_emb_ndim))
            e = torch.cat((slots.view(len(e), config.puzzle_slots, -1), e), 1)
        if config.pos_encodings == "learned":
            e = math.sqrt(0.5) * (e + inner.embed_pos.embedding_weight)
        return math.sqrt(config.hidden_size) * e

    def initial_states(self, e):
        return self.inner.H_init.expand_as(e), self.inner.L_init.expand_as(e)

    def segment(self, e, z_h, z_l, last_call_only=False):
        """(z_H, z_L) after one segment; `last_call_only` sends the gradient through its last L and H call alone."""
        config, inner = self.config, self.inner
        calls = [i % (config.L_cycles + 1) == config.L_cycles for i in range(config.H_cycles * (config.L_cycles + 1))]
        with_gradient = torch.is_grad_enabled()
        for i, is_h in enumerate(calls):
            with torch.set_grad_enabled(with_gradient and not (last_call_only and i < len(calls) - 2)):
                if is_h:
                    z_h = inner.H_level(z_h + z_l, self.rope)
                else:
                    z_l = inner.L_level(z_l + (z_h + e), self.rope)
        return z_h, z_l

    def read_out(self, z_h):
        """(logits of the cells, q of (halt, continue))."""
        return self.inner.lm_head(z_h[:, self.config.puzzle_slots:]), self.inner.q_head(z_h[:, 0])


def load(folder):
    """The model of a folder with config.json and model.safetensors, in f32."""
    from safetensors.torch import load_file

    folder = Path(folder)
    model = Hrm(Config.read(folder / "config.json"))
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
    return model.eval()


def save(model, folder, dtype=torch.float16):
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().to(dtype).contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.write(folder / "config.json")
