"""Some steps of both losses on a toy model, alone or as one of several ranks: ``python tuning_steps.py RANK COUNT FOLDER``."""

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from scipy import sparse

from occasion.tuning import ranks
from occasion.tuning.losses import PairLoss, SoftLoss

ITEMS, SENTENCES, WIDTH, DIM, BATCH, STEPS = 12, 3, 7, 5, 8, 4


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = torch.nn.Parameter(torch.randn(WIDTH, DIM, generator=generator))

    def forward(self, features):
        return {"sentence_embedding": features["x"] @ self.weight}


def steps(kind):
    """Return losses (steps,) and weights (steps, WIDTH, DIM) of gradient descent, each rank on its part of every step's lessons."""
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 9, ITEMS)
    targets = sparse.csr_matrix(
        rng.random((ITEMS + SENTENCES, ITEMS)) * (rng.random((ITEMS + SENTENCES, ITEMS)) < 0.3), dtype=np.float32
    )
    texts = torch.from_numpy(rng.normal(size=(ITEMS + SENTENCES, WIDTH)).astype(np.float32))
    model, more = Toy(), {"warm_up": 2} if kind is PairLoss else {}
    # Two items have no place in the bank.
    loss = kind(model, SimpleNamespace(targets=targets, counts=counts), np.arange(ITEMS - 2), 0.1, **more)
    loss.fill(texts[: ITEMS - 2].numpy() @ model.weight.detach().numpy())
    part = slice(ranks.rank() * BATCH // ranks.count(), (ranks.rank() + 1) * BATCH // ranks.count())
    losses, weights = [], []
    for _ in range(STEPS):
        rows = torch.from_numpy(rng.permutation(ITEMS + SENTENCES)[:BATCH])[part]
        answers = torch.from_numpy(rng.permutation(ITEMS)[:BATCH])[part]
        if kind is SoftLoss:
            value = loss([{"x": texts[rows]}], rows)
        else:
            value = loss([{"x": texts[rows]}, {"x": texts[answers]}], torch.stack([rows, answers], 1))
        model.weight.grad = None
        value.backward()
        # The mean over ranks, as the trainer takes it.
        gradient = sum(ranks.everyone(model.weight.grad)) / ranks.count()
        model.weight.data -= 0.05 * gradient
        losses.append(sum(ranks.everyone(value.item())) / ranks.count())
        weights.append(model.weight.detach().numpy().copy())
    return np.array(losses), np.stack(weights)


if __name__ == "__main__":
    own, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    with ranks.joined(own, count, folder / "meeting", cuda=False) if count > 1 else nullcontext():
        found = {kind.__name__: steps(kind) for kind in (SoftLoss, PairLoss)}
        np.savez(folder / f"{own}.npz", **{f"{name}_{n}": part for name, parts in found.items() for n, part in enumerate(parts)})
