"""The network of the sequence model, in torch, and its weights as the arrays that serve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from occasion.learning.sequence import HEADS, SequenceModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Network", "exported"]


class Block(nn.Module):
    """Attention with a learned bias for each distance, then two dense layers, both on a normalised residual stream."""

    def __init__(self, dim: int, length: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.mix = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.bias = nn.Parameter(-0.1 * torch.arange(length).float().repeat(HEADS, 1))
        self.drop = nn.Dropout(dropout)
        self.length = length

    def forward(self, x: torch.Tensor, real: torch.Tensor, asked: torch.Tensor | None = None) -> torch.Tensor:
        """Map (B, L, d) to the same; with `asked` (B, L) to (s, d): of the last block what is not asked for need not be known."""
        b, n, d = x.shape
        y = self.norm1(x)
        if asked is None:
            q, k, v = self.qkv(y).chunk(3, -1)
        else:
            k, v = functional.linear(y, self.qkv.weight[d:], self.qkv.bias[d:]).chunk(2, -1)
            q = torch.zeros_like(x)
            q[asked] = functional.linear(y[asked], self.qkv.weight[:d], self.qkv.bias[:d])
        q, k, v = (z.view(b, n, HEADS, d // HEADS).transpose(1, 2) for z in (q, k, v))
        steps = torch.arange(n)[:, None] - torch.arange(n)[None, :]
        bias = self.bias[:, steps.clamp(0, self.length - 1)][None]
        bias = bias.masked_fill((steps < 0)[None, None] | ~real[:, None, None, :], -1e9)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(b, n, d)
        if asked is not None:
            x, y = x[asked], y[asked]
        x = x + self.drop(self.mix(y))
        out: torch.Tensor = x + self.drop(self.down(self.drop(functional.relu(self.up(self.norm2(x))))))
        return out


class Network(nn.Module):
    """Item vectors, what moments add to them (a table of so many rows, 0 for none), and blocks."""

    def __init__(
        self, n_items: int, text: torch.Tensor | None, warm: torch.Tensor, dim: int, length: int, layers: int, dropout: float,
        moments: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.text, self.warm = text, warm
        self.delta = nn.Parameter(torch.randn(n_items, dim) * (0.02 if text is not None else 0.1))
        self.project = nn.Linear(text.shape[1], dim, bias=False) if text is not None else None
        self.moments = nn.Parameter(torch.zeros(moments, dim)) if moments else None
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(Block(dim, length, dropout) for _ in range(layers))
        self.out = nn.LayerNorm(dim)
        self.scale = nn.Parameter(torch.tensor(math.log(12.0)))
        self.drop = nn.Dropout(dropout)

    def vectors(self, keys: torch.Tensor | None = None) -> torch.Tensor:
        """Return vectors (n, d) of the items of given keys (n,), or of all; while training, deltas of some items are dropped."""
        text, warm = self.text, self.warm
        delta: torch.Tensor = self.delta
        if keys is not None:
            text, delta, warm = None if text is None else text[keys], delta[keys], warm[keys]
        delta = delta * warm[:, None]
        if self.project is None or text is None:
            return delta
        if self.training:
            delta = delta * (torch.rand(len(delta), 1) > 0.2)
        out: torch.Tensor = self.project(text) + delta
        return out

    def forward(
        self, vectors: torch.Tensor, items: torch.Tensor, real: torch.Tensor, asked: torch.Tensor, moments: torch.Tensor
    ) -> torch.Tensor:
        """Return the unit states (s, d) of those items, rows of the vectors (B, L), that are asked for.

        `real` (B, L) is where there is an item, `moments` (B, L, m) are the moments of what comes next.
        """
        x = self.norm(vectors)[items]
        if self.moments is not None:
            x = x + functional.embedding(moments, self.moments, padding_idx=0).sum(-2)
        x = self.drop(x) * real[..., None]
        for block in self.blocks[:-1]:
            x = block(x, real)
        return functional.normalize(self.out(self.blocks[-1](x, real, asked)), dim=-1)


def exported(net: Network, length: int, clock: bool, offset: NDArray[np.int64]) -> SequenceModel:
    """Return what serves: the weights as arrays; `offset` (signals,) and `clock` say which moments it reads."""
    net.eval()
    with torch.no_grad():
        vectors = net.vectors()
        arrays = {
            "inputs": net.norm(vectors), "items": functional.normalize(vectors, dim=-1), "scale": net.scale.exp()[None],
            "out_g": net.out.weight, "out_b": net.out.bias,
        }  # fmt: skip
        for k, block in enumerate(net.blocks):
            arrays[f"bias{k}"] = block.bias
            for part in ("qkv", "mix", "up", "down"):
                layer = getattr(block, part)
                arrays |= {f"{part}_w{k}": layer.weight, f"{part}_b{k}": layer.bias}
            for part in ("norm1", "norm2"):
                layer = getattr(block, part)
                arrays |= {f"{part}_g{k}": layer.weight, f"{part}_b{k}": layer.bias}
        if net.moments is not None:
            arrays |= {"moments": net.moments, "offset": torch.from_numpy(offset), "clock": torch.tensor([clock])}
    return SequenceModel({n: t.detach().numpy().copy() for n, t in arrays.items()}, length)
