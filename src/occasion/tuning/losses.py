"""Losses: what a language model is drawn to, as modules for sentence-transformers' trainer.

Both compare a lesson (an item's text, or a person's words) with a *bank* of item vectors. The bank holds the last vector
of every item; those of the step are put in fresh, with gradients, so that a text is encoded once and serves as question and as
answer. Vectors are centred on the bank's mean, as the recommender does.

`SoftLoss`: cross entropy between the teacher's distribution t over all items of the bank and the model's,
``- sum_j t_ij log softmax_j(cos(x_i, y_j) / tau + log q_j)``, q an item's share of the events: what is merely popular need not be
learnt by the text (logit adjustment: Menon et al., ICLR 2021). All items are negatives, hard ones too, and none is a false one.

`PairLoss`: InfoNCE (van den Oord et al., 2018) over the step's answers and, after a warm-up, the hardest items of the
bank (Xiong et al., ANCE, 2021); the same item twice, and what the lesson is known to go with, is masked; ``- log q_j`` corrects
for popular items being in a step more often (logQ: Yi et al., RecSys 2019).

Where several processes train together, a step is that of all of them: the items put in fresh, and the answers that are negatives
of each other, are gathered over the processes, and the banks stay alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from occasion.tuning import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.tuning.lessons import Lessons

__all__ = ["BANK", "PairLoss", "SoftLoss", "bank_items"]

BANK = 20_000
"""Items in the bank at most: those with the most events."""
FAR = -1e4


def bank_items(lessons: Lessons) -> NDArray[np.int64]:
    """Return the keys (m,) of the items in the bank, ascending: those of the lessons, the most frequent where there are many."""
    best = np.argsort(-lessons.counts, kind="stable")[:BANK]
    return np.sort(best[lessons.counts[best] > 0])


class _Bank(nn.Module):
    """What both losses share: the bank and the teacher's rows."""

    def __init__(self, model: Any, lessons: Lessons, items: NDArray[np.int64], tau: float) -> None:
        super().__init__()
        self.model, self.tau = model, tau
        self.targets = lessons.targets[:, items]
        column = np.full(self.targets.shape[0], -1, np.int64)
        column[items] = np.arange(len(items))
        share = np.log(lessons.counts[items] / lessons.counts[items].sum()).astype(np.float32)
        self.items = items
        self.column: torch.Tensor
        self.log_share: torch.Tensor
        self.vectors: torch.Tensor
        self.register_buffer("column", torch.from_numpy(column), persistent=False)
        self.register_buffer("log_share", torch.from_numpy(share), persistent=False)
        self.register_buffer("vectors", torch.zeros(len(items), 1), persistent=False)

    def fill(self, vectors: NDArray[np.float32]) -> None:
        """Put in the vectors (m, dim) of the bank's items."""
        self.vectors = torch.from_numpy(vectors.copy()).to(self.column.device)

    def embed(self, features: Any) -> torch.Tensor:
        """Return unit vectors (n, dim)."""
        return functional.normalize(self.model(features)["sentence_embedding"].float(), dim=1)

    def teach(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the teacher's distributions (n, m) of rows, over the bank."""
        wanted = self.targets[rows.cpu().numpy()]
        dense = torch.from_numpy(np.asarray(wanted.todense(), np.float32)).to(rows.device)
        return dense / dense.sum(1, keepdim=True).clamp(min=1e-9)

    def keep(self, rows: torch.Tensor, vectors: torch.Tensor) -> None:
        """Take the vectors of rows that are items of the bank."""
        at = self.column[rows]
        self.vectors[at[at >= 0]] = vectors.detach()[at >= 0]


class SoftLoss(_Bank):
    """See the module; labels (n,) are rows of the lessons."""

    def forward(self, features: Any, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a step."""
        fresh = self.embed(next(iter(features)))
        shown, said = ranks.gather(fresh), ranks.gather(labels)
        place = self.column[said]
        bank = self.vectors.index_copy(0, place[place >= 0], shown[place >= 0])
        at = self.column[labels]
        inside = at >= 0
        mean = bank.mean(0).detach()
        # Words about a situation are no items: their vectors are not centred, here as in service.
        asked = functional.normalize(fresh - mean * inside[:, None], dim=1)
        logits = asked @ functional.normalize(bank - mean, dim=1).T / self.tau + self.log_share
        own = functional.one_hot(at.clamp(min=0), len(bank)).bool() & inside[:, None]
        loss = -(self.teach(labels) * functional.log_softmax(logits.masked_fill(own, FAR), 1)).sum(1).mean()
        self.keep(said, shown)
        return loss


class PairLoss(_Bank):
    """See the module; labels (n, 2) are a row of the lessons and the item that came next.

    Parameters
    ----------
    warm_up : int
        Steps without hard negatives.
    hard : int
        Hard negatives of each lesson after them.
    """

    def __init__(
        self, model: Any, lessons: Lessons, items: NDArray[np.int64], tau: float, *, warm_up: int = 100, hard: int = 4
    ) -> None:
        super().__init__(model, lessons, items, tau)
        self.warm_up, self.hard, self.steps = warm_up, hard, 0

    def forward(self, features: Any, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a step."""
        spoken, right = (self.embed(some) for some in features)
        rows, answers = labels[:, 0], labels[:, 1]
        known = self.teach(rows) > 0
        mean = self.vectors.mean(0)
        inside = self.column[rows] >= 0
        asked = functional.normalize(spoken - mean * inside[:, None], dim=1)
        others, vectors = ranks.gather(answers), ranks.gather(right)
        columns = self.column[others]
        if self.steps >= self.warm_up and self.hard:
            found = self._hardest(asked.detach(), known, rows, mean)
            columns, vectors = torch.cat([columns, found]), torch.cat([vectors, self.vectors[found]])
        logits = asked @ functional.normalize(vectors - mean, dim=1).T / self.tau
        outside = columns < 0
        logits = logits - torch.where(outside, 0.0, self.log_share[columns.clamp(min=0)])
        false = known[:, columns.clamp(min=0)] & ~outside
        # An item that is the lesson itself, or the same answer once more, is no negative either.
        false |= (columns[None] == self.column[rows][:, None]) & ~outside
        false |= (columns[None] == self.column[answers][:, None]) & ~outside
        own = torch.arange(len(rows), device=rows.device)
        mine = own + ranks.rank() * len(rows)
        false[own, mine] = False
        loss = functional.cross_entropy(logits.masked_fill(false, FAR), mine)
        self.keep(ranks.gather(rows), ranks.gather(spoken.detach()))
        self.keep(others, vectors[: len(others)])
        self.steps += 1
        return loss

    def _hardest(self, asked: torch.Tensor, known: torch.Tensor, rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return the distinct columns of the bank that come nearest to each lesson without going with it."""
        near = asked @ functional.normalize(self.vectors - mean, dim=1).T
        near = near.masked_fill(known, FAR)
        at = self.column[rows]
        near[at >= 0, at[at >= 0]] = FAR
        columns: torch.Tensor = torch.unique(ranks.gather(near.topk(min(self.hard, near.shape[1]), dim=1).indices))
        return columns
