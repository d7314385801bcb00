"""Which items a batch of the sequence model tells apart, where all are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sampler", "Told"]

SAMPLE = 2048
"""Items drawn for a batch to tell apart, where there are more than twice as many."""


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
