"""Training of the sequence model with torch: only this module, its network and its sampler import it."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from occasion.learning.lessons import GAPS, Lessons
from occasion.learning.network import Network, exported
from occasion.learning.sampled import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from occasion.learning.dataset import Events, Requests
    from occasion.learning.sequence import SequenceModel

    Floats = NDArray[np.float32]

__all__ = ["train"]

KEPT = 0.99
"""Share of the averaged weights that a step keeps [Polyak & Juditsky 1992; Izmailov et al. 2018]: the average of the last hundred
steps is as good after four epochs as the weights themselves after ten, and bears twice the rate."""


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
        return exported(net, lessons.length, clock, offset), 1
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
            model = exported(average, lessons.length, clock, offset)
            value = _reciprocal(model, held)
            if value > best_value:
                best, best_value, best_epoch = model, value, epoch + 1
            elif epoch + 1 >= best_epoch + 3:
                break
    return best or exported(average, lessons.length, clock, offset), best_epoch
