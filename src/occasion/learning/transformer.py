"""Training of the sequence model with torch: only this module imports it."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from occasion.learning.sequence import HEADS, SequenceModel, windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from occasion.learning.dataset import Events, Requests

    Floats = NDArray[np.float32]

__all__ = ["train"]

KEPT = 0.99
"""Share of the averaged weights that a step keeps [Polyak & Juditsky 1992; Izmailov et al. 2018]: the average of the last hundred
steps is as good after four epochs as the weights themselves after ten, and bears twice the rate."""


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

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Map (B, L, d) to (B, L, d)."""
        b, n, d = x.shape
        q, k, v = (z.view(b, n, HEADS, d // HEADS).transpose(1, 2) for z in self.qkv(self.norm1(x)).chunk(3, -1))
        steps = torch.arange(n)[:, None] - torch.arange(n)[None, :]
        bias = self.bias[:, steps.clamp(0, self.length - 1)][None]
        bias = bias.masked_fill((steps < 0)[None, None] | ~real[:, None, None, :], -1e9)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + self.drop(self.mix(y.transpose(1, 2).reshape(b, n, d)))
        out: torch.Tensor = x + self.drop(self.down(self.drop(functional.relu(self.up(self.norm2(x))))))
        return out


class Network(nn.Module):
    """Item vectors and blocks."""

    def __init__(
        self, n_items: int, text: torch.Tensor | None, warm: torch.Tensor, dim: int, length: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.text, self.warm = text, warm
        self.delta = nn.Parameter(torch.randn(n_items, dim) * (0.02 if text is not None else 0.1))
        self.project = nn.Linear(text.shape[1], dim, bias=False) if text is not None else None
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(Block(dim, length, dropout) for _ in range(layers))
        self.out = nn.LayerNorm(dim)
        self.scale = nn.Parameter(torch.tensor(math.log(12.0)))
        self.drop = nn.Dropout(dropout)

    def vectors(self) -> torch.Tensor:
        """Return item vectors (items, d); while training, deltas of some items are dropped."""
        delta = self.delta * self.warm[:, None]
        if self.project is None or self.text is None:
            return delta
        if self.training:
            delta = delta * (torch.rand(len(delta), 1) > 0.2)
        out: torch.Tensor = self.project(self.text) + delta
        return out

    def forward(self, vectors: torch.Tensor, items: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return unit states (B, L, d)."""
        x = self.drop(self.norm(vectors)[items]) * real[..., None]
        for block in self.blocks:
            x = block(x, real)
        return functional.normalize(self.out(x), dim=-1)


def _batches(runs: list[NDArray[np.int32]], tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """Group runs of about one length into batches of about `tokens` places, in random order."""
    size = np.array([len(r) for r in runs])
    order = np.lexsort((rng.random(len(runs)), size + rng.integers(0, 2, len(runs))))
    batches: list[list[int]] = [[]]
    for i in order:
        if batches[-1] and (len(batches[-1]) + 1) * (size[i] - 1) > tokens:
            batches.append([])
        batches[-1].append(int(i))
    rng.shuffle(batches)
    return batches


def _padded(runs: list[NDArray[np.int32]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return inputs, targets and mask (B, L), padded on the right."""
    n = max(len(r) for r in runs) - 1
    items, targets = np.zeros((len(runs), n), np.int64), np.zeros((len(runs), n), np.int64)
    real = np.zeros((len(runs), n), bool)
    for row, run in enumerate(runs):
        m = len(run) - 1
        items[row, :m], targets[row, :m], real[row, :m] = run[:-1], run[1:], True
    return torch.from_numpy(items), torch.from_numpy(targets), torch.from_numpy(real)


def _export(net: Network, length: int) -> SequenceModel:
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
    return SequenceModel({n: t.detach().numpy().astype(np.float32).copy() for n, t in arrays.items()}, length)


def _reciprocal(model: SequenceModel, held: tuple[Requests, NDArray[np.int32]]) -> float:
    """Return the mean reciprocal rank of the answers among all items that are not in the history."""
    requests, answers = held
    total = 0.0
    for start in range(0, len(answers), 512):
        part, wanted = requests.part(start, min(start + 512, len(answers))), answers[start : start + 512]
        scores = model.score(part)
        own = scores[np.arange(len(wanted)), wanted]
        scores[part.row, part.item] = -np.inf
        total += float((1 / (1 + (scores > own[:, None]).sum(1))).sum())
    return total / max(len(answers), 1)


def train(
    kind: type[SequenceModel], events: Events, n_items: int, text: Floats | None, *,
    held: tuple[Requests, NDArray[np.int32]] | None, epochs: int, seed: int, length: int, dim: int, layers: int, dropout: float,
    rate: float, tokens: int, seconds: float, threads: int, progress: Callable[[int, int], None] | None,
) -> tuple[SequenceModel, int]:  # fmt: skip
    """Train as :meth:`SequenceModel.fit` says."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng, begun = np.random.default_rng(seed), time.monotonic()
    runs = windows(events, length)
    # Small logs need small batches, or there are too few steps in an epoch.
    tokens = int(np.clip(sum(len(r) - 1 for r in runs) // 60, 64, tokens))
    warm = torch.from_numpy((np.bincount(events.item, minlength=n_items) > 0).astype(np.float32))
    known = torch.from_numpy(np.flatnonzero(warm.numpy()))
    place = torch.zeros(n_items, dtype=torch.long)
    place[known] = torch.arange(len(known))
    net = Network(
        n_items, None if text is None or not text.shape[1] else torch.from_numpy(text), warm, dim, length, layers, dropout
    )
    if not runs:  # Nobody has two items: nothing can be learnt of an order.
        return _export(net, length), 1
    heavy = [p for n, p in net.named_parameters() if p.ndim > 1 and "bias" not in n]
    light = [p for n, p in net.named_parameters() if p.ndim <= 1 or "bias" in n]
    optimiser = torch.optim.AdamW(
        [{"params": heavy, "weight_decay": 0.05}, {"params": light, "weight_decay": 0.0}], lr=rate, fused=True
    )
    average = copy.deepcopy(net)
    best, best_value, best_epoch, longest = None, -1.0, epochs, 0.0
    steps = 0
    for epoch in range(epochs):
        t0 = time.monotonic()
        if epoch and t0 - begun + 0.5 * longest > seconds:
            best_epoch = min(best_epoch, epoch)
            break
        net.train()
        for batch in _batches(runs, tokens, rng):
            if time.monotonic() - begun > seconds:
                break
            steps += 1
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1, steps / 100)
            items, targets, real = _padded([runs[i] for i in batch])
            vectors = net.vectors()
            state = net(vectors, items, real)[real]
            logits = state @ functional.normalize(vectors[known], dim=-1).T * net.scale.exp().clamp(max=60)
            loss = functional.cross_entropy(logits, place[targets[real]])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                kept = min(KEPT, (1 + steps) / (10 + steps))
                for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                    slow.lerp_(fast, 1 - kept)
        longest = max(longest, time.monotonic() - t0)
        if progress:
            progress(epoch + 1, epochs)
        if held is not None:
            model = _export(average, length)
            value = _reciprocal(model, held)
            if value > best_value:
                best, best_value, best_epoch = model, value, epoch + 1
            elif epoch + 1 >= best_epoch + 3:
                break
    return best or _export(average, length), best_epoch
