"""Training of the sequence model with torch: only this module imports it."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from occasion.learning.lessons import GAPS, Lessons
from occasion.learning.sequence import HEADS, SequenceModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from occasion.learning.dataset import Events, Requests

    Floats = NDArray[np.float32]

__all__ = ["train"]

KEPT = 0.99
"""Share of the averaged weights that a step keeps [Polyak & Juditsky 1992; Izmailov et al. 2018]: the average of the last hundred
steps is as good after four epochs as the weights themselves after ten, and bears twice the rate."""


SAMPLE = 2048
"""Items drawn for a batch to tell apart, where there are more than twice as many."""


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


@dataclass(kw_only=True)
class Told:
    """What a batch tells apart.

    `keys` (n,) are the items whose vectors are needed, None for all; `items` (B, L) what is read, and `classes` (c,) what is told
    apart, as rows of these vectors; `wanted` (t,) what is to be foretold, as places in the classes; `weight` (c,) the log weights
    of classes that stand for others, too.
    """

    keys: torch.Tensor | None
    classes: torch.Tensor
    items: torch.Tensor
    wanted: torch.Tensor
    weight: torch.Tensor | None = None

    def loss(self, logits: torch.Tensor, state: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of the states' logits (s, c) with the shares (t,) of what is wanted of each."""
        said = (logits[state, self.wanted] * share).sum()
        if self.weight is not None:
            more = self.weight.repeat(len(logits), 1)
            more[state, self.wanted] = 0
            logits = logits + more
        return (logits.logsumexp(1).sum() - said) / len(logits)


class Sampler:
    """Which items a batch tells apart: all that have events, or of very many the wanted ones and some drawn at random.

    What is in the batch counts for what is not: each class weighs 1 / P(it is in the batch), except for the state that wants it
    [Horvitz & Thompson 1952; Bengio & Senecal 2008, "Adaptive importance sampling"].

    Parameters
    ----------
    item : (n,)
        Items of the events.
    wanted : float
        Items wanted in a batch, about.
    sample : int
        Items drawn for a batch, where there are more than twice as many.
    """

    def __init__(
        self, item: NDArray[np.int32], n_items: int, wanted: float, rng: np.random.Generator, sample: int = SAMPLE
    ) -> None:
        count = np.bincount(item, minlength=n_items)
        self.known, self.rng, self.sample = np.flatnonzero(count), rng, sample
        self.every = torch.from_numpy(self.known)
        self.place = torch.zeros(n_items, dtype=torch.long)
        self.place[self.every] = torch.arange(len(self.known))
        left_out = (1 - min(sample / max(len(self.known), 1), 1.0)) * np.exp(-wanted * count / max(len(item), 1))
        self.weight = torch.from_numpy(-np.log(np.maximum(1 - left_out, 1e-9)).astype(np.float32))

    def told(self, items: torch.Tensor, wanted: torch.Tensor) -> Told:
        """Return what a batch tells apart that reads items (B, L) and wants items (t,)."""
        if len(self.known) <= 2 * self.sample:
            return Told(keys=None, classes=self.every, items=items, wanted=self.place[wanted])
        drawn = torch.from_numpy(self.rng.choice(self.known, self.sample, replace=False))
        classes = torch.unique(torch.cat([drawn, wanted]))
        keys = torch.unique(torch.cat([classes, items.ravel()]))
        self.place[keys] = torch.arange(len(keys))
        among, read = self.place[classes], self.place[items]
        self.place[classes] = torch.arange(len(classes))
        return Told(keys=keys, classes=among, items=read, wanted=self.place[wanted], weight=self.weight[classes])


def _export(net: Network, length: int, clock: bool, offset: NDArray[np.int64]) -> SequenceModel:
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
    baskets: bool, clock: bool, sizes: tuple[int, ...],
    held: tuple[Requests, NDArray[np.int32]] | None, epochs: int, seed: int, length: int, dim: int, layers: int, dropout: float,
    rate: float, states: int, seconds: float, threads: int, progress: Callable[[int, int], None] | None,
) -> tuple[SequenceModel, int]:  # fmt: skip
    """Train as :meth:`SequenceModel.fit` says."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng, begun = np.random.default_rng(seed), time.monotonic()
    offset = (GAPS + np.cumsum((0, *sizes[:-1])) if sizes else np.zeros(0)).astype(np.int64)
    lessons = Lessons.of(events, length, baskets=baskets, clock=clock, offset=offset)
    # Small logs need small batches, or there are too few steps in an epoch.
    states = int(np.clip(lessons.asked.sum() // 60, 64, states))
    warm = torch.from_numpy((np.bincount(events.item, minlength=n_items) > 0).astype(np.float32))
    net = Network(
        n_items, None if text is None or not text.shape[1] else torch.from_numpy(text), warm, dim, lessons.length, layers, dropout,
        GAPS + sum(sizes) if clock or sizes else 0,
    )  # fmt: skip
    if not lessons.runs:  # Nobody has two items: nothing can be learnt of an order.
        return _export(net, lessons.length, clock, offset), 1
    sampler = Sampler(events.item, n_items, states * len(events) / max(int(np.count_nonzero(lessons.stop)), 1), rng)
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
        for numbers in lessons.batches(states, rng):
            if time.monotonic() - begun > seconds:
                break
            steps += 1
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1, steps / 100)
            batch = {n: torch.from_numpy(x) for n, x in vars(lessons.batch(numbers)).items()}
            told = sampler.told(batch["items"], batch["wanted"])
            vectors = net.vectors(told.keys)
            found = net(vectors, told.items, batch["real"], batch["asked"], batch["moments"])
            logits = found @ functional.normalize(vectors[told.classes], dim=-1).T * net.scale.exp().clamp(max=60)
            loss = told.loss(logits, batch["state"], batch["share"])
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
            model = _export(average, lessons.length, clock, offset)
            value = _reciprocal(model, held)
            if value > best_value:
                best, best_value, best_epoch = model, value, epoch + 1
            elif epoch + 1 >= best_epoch + 3:
                break
    return best or _export(average, lessons.length, clock, offset), best_epoch
