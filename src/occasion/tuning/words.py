"""Words: the language model stays as it is, and the words of the catalogue learn vectors that are added to it.

What tuning brings to new items lies in words that the model does not know apart, and a network that learns from some ten thousand
events forgets more than it learns (figures: docs/decisions.md). With u_i the model's unit vector of text i, a_it the share of token
t in it (`occasion.encoders.words`), ``x_i = unit(u_i + sum_t a_it v_t)``, and t_ij the teacher's distribution, the vectors v
minimise

    mean over lessons i of ``- sum_j t_ij log softmax_j(cos(x_i - m, x_j - m) / tau + log q_j)  +  (ridge / lessons) sum_t |v_t|^2``

m the mean of the bank and q_j item j's share of the events, as in `occasion.tuning.losses`. All items of the bank are worked out
anew at each step: u is made once, so that a pass takes a second where the network would take minutes. The penalty keeps words that
few items have near zero: they stay what the model makes of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from occasion.encoders.words import WordTable
from occasion.tuning.losses import FAR, bank_items
from occasion.tuning.networks import encode
from occasion.tuning.questions import judge
from occasion.tuning.training import Course

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.tuning.lessons import Lessons
    from occasion.tuning.options import TuneOptions

    Floats = NDArray[np.float32]

__all__ = ["LearntWords", "Words", "learn_words", "without_words"]

RIDGE = 30.0
"""Strength of the penalty, in lessons."""
BATCH, STEPS = (16, 256), 12
"""Lessons a step, at least and at most, and steps a pass where that allows them."""


class Words(torch.nn.Module):
    """The table as the last module of a model; nothing in it learns by the trainer.

    It is written beside the model and put in again (`occasion.tuning.networks.load_network`): sentence-transformers loads no
    modules but its own unless told to trust any code that a model brings along.
    """

    def __init__(self, table: WordTable) -> None:
        super().__init__()
        self.table = table

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        """Add the words of each text to its vector."""
        vectors = functional.normalize(features["sentence_embedding"].float(), dim=1)
        ids, mask = (features[name].cpu().numpy() for name in ("input_ids", "attention_mask"))
        shares = self.table.matrix([some[kept > 0] for some, kept in zip(ids, mask, strict=True)])
        added = torch.from_numpy(np.asarray(shares @ self.table.vectors, np.float32)).to(vectors.device)
        return features | {"sentence_embedding": functional.normalize(vectors + added, dim=1)}


@contextmanager
def without_words(model: Any) -> Iterator[WordTable | None]:
    """Take the words out of a model for a while; yields their table, None where it has none."""
    last = model[len(model) - 1]
    if not isinstance(last, Words):
        yield None
        return
    del model[len(model) - 1]
    try:
        yield last.table
    finally:
        model.append(last)


@dataclass(frozen=True, kw_only=True)
class LearntWords:
    """How it went.

    Attributes
    ----------
    course : Course
    weights : int
        Numbers that learnt.
    mixture : float
        Share of the new vectors in the result; 0: the model as it was.
    qualities : mapping
        Quality on the questions that decide, by share.
    """

    course: Course
    weights: int
    mixture: float
    qualities: dict[str, float]


def learn_words(
    model: Any,
    lessons: Lessons,
    options: TuneOptions,
    shares: Sequence[float],
    *,
    deadline: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LearntWords:
    """Let the words learn and give `model` the best share of what they learnt.

    A model that has words learns them on from what they are.

    Parameters
    ----------
    shares : sequence of float
        Of the new vectors, the rest being those before; of equally good ones the smallest is taken.
    deadline : float, optional
        `time.monotonic` after which no step begins.
    """
    with without_words(model) as before:
        learner = _Learner(model, lessons, options, before, progress)
    course = learner.learn(deadline)
    old, new = learner.old, learner.best
    found = {share: learner.quality(old + share * (new - old)) for share in shares}
    best = max(found, key=lambda share: (found[share], -share))
    if best:
        if before is not None:
            del model[len(model) - 1]
        model.append(Words(WordTable(learner.table.weights, learner.table.place, old + np.float32(best) * (new - old))))
    return LearntWords(course=course, weights=new.size, mixture=best, qualities={str(k): v for k, v in found.items()})


class _Learner:
    """The words while they learn."""

    def __init__(
        self, model: Any, lessons: Lessons, options: TuneOptions, before: WordTable | None, progress: Callable[..., None] | None
    ) -> None:
        self.lessons, self.options, self.progress = lessons, options, progress
        n_items, rows = len(lessons.texts), lessons.rows
        self.bank = bank_items(lessons)
        asked = rows[rows < n_items]
        # One list of all texts: items, sentences that are lessons, words of the questions that decide.
        items = np.unique(np.concatenate([self.bank, asked, lessons.stop.candidates]))
        said = rows[rows >= n_items]
        texts = [lessons.texts[k] for k in items]
        words = [lessons.text(int(row)) for row in said] + list(lessons.stop.sentence)
        show = (lambda done, total: progress("read", done, total)) if progress is not None else None
        self.base = np.concatenate([encode(model, texts, progress=show), encode(model, words, role="query")])
        prompts = model.prompts
        tokens = _tokens(model, texts, prompts.get("document")) + _tokens(model, words, prompts.get("query"))
        self.table = _table(model, tokens[: len(items)], before, self.base.shape[1])
        self.matrix = self.table.matrix(tokens)
        self.old = self.best = self.table.vectors
        # Where in the list an item, a lesson, and a question that decides is.
        self.of_item = np.full(n_items, -1, np.int64)
        self.of_item[items] = np.arange(len(items))
        place = {int(row): len(items) + n for n, row in enumerate(said)}
        self.of_lesson = np.array([self.of_item[row] if row < n_items else place[int(row)] for row in rows], np.int64)
        self.of_stop = self.of_item[lessons.stop.candidates], len(items) + len(said) + np.arange(len(lessons.stop))

    def vectors(self, words: Floats, rows: NDArray[np.int64]) -> Floats:
        """Return the vectors of texts with such words."""
        from occasion.encoders.texts import unit

        filled = np.any(self.base[rows], axis=1, keepdims=True)
        return unit(self.base[rows] + (self.matrix[rows] @ words) * filled)

    def quality(self, words: Floats) -> float:
        """Return what `occasion.tuning.training.quality` does."""
        return judge(self.lessons.stop, *(self.vectors(words, rows) for rows in self.of_stop)).quality

    def learn(self, deadline: float | None) -> Course:
        """Learn until passes, patience or time are over; `best` has the best vectors found."""
        options, lessons = self.options, len(self.of_lesson)
        rng = np.random.default_rng(options.seed)
        batch = min(lessons, options.batch or max(BATCH[0], min(BATCH[1], lessons // STEPS)))
        steps = options.epochs * (lessons // batch)
        course = Course(before=self.quality(self.old))
        course.best, waited = course.before, 0
        step = _Step(self)
        for _ in range(options.epochs):
            order = rng.permutation(lessons)
            for at in range(0, lessons - batch + 1, batch):
                if deadline is not None and course.steps and time.monotonic() > deadline:
                    course.ended = "budget"
                    break
                step(order[at : at + batch], options.highest_rate * (1 - course.steps / steps))
                course.steps += 1
                if self.progress is not None:
                    self.progress("tune", course.steps, steps)
            now = step.words.detach().numpy().copy()
            found = self.quality(now)
            course.curve.append((course.steps, found))
            waited = 0 if found > course.best else waited + 1
            if found > course.best:
                course.best, self.best = found, now
            if course.ended == "budget":
                break
            if waited >= options.patience:
                course.ended = "patience"
                break
        return course


class _Step:
    """One step of Adam."""

    def __init__(self, learner: _Learner) -> None:
        options, lessons = learner.options, learner.lessons
        self.learner, self.tau = learner, options.tau
        rows = learner.of_item[learner.bank]
        self.base, self.shares = torch.from_numpy(learner.base[rows]), learner.matrix[rows]
        counts = lessons.counts[learner.bank]
        self.log_share = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
        self.targets = lessons.targets[lessons.rows][:, learner.bank]
        column = np.full(len(learner.base), -1, np.int64)
        column[rows] = np.arange(len(rows))
        self.column = column[learner.of_lesson]
        self.is_item = lessons.rows < len(lessons.texts)
        self.words = torch.nn.Parameter(torch.from_numpy(learner.old.copy()))
        self.penalty = RIDGE / len(learner.of_lesson)
        self.optimiser = torch.optim.Adam([self.words], lr=options.highest_rate)

    def __call__(self, some: NDArray[np.int64], rate: float) -> None:
        learner = self.learner
        bank = self._embed(self.base, self.shares)
        mean = bank.mean(0).detach()
        rows = learner.of_lesson[some]
        asked = self._embed(torch.from_numpy(learner.base[rows]), learner.matrix[rows])
        # Words about a situation are no items: their vectors are not centred, here as in service.
        asked = functional.normalize(asked - mean * torch.from_numpy(self.is_item[some])[:, None], dim=1)
        logits = asked @ functional.normalize(bank - mean, dim=1).T / self.tau + self.log_share
        at = torch.from_numpy(self.column[some])
        own = functional.one_hot(at.clamp(min=0), logits.shape[1]).bool() & (at >= 0)[:, None]
        wanted = torch.from_numpy(np.asarray(self.targets[some].todense(), np.float32))
        wanted = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-9)
        loss = -(wanted * functional.log_softmax(logits.masked_fill(own, FAR), 1)).sum(1).mean()
        self.optimiser.zero_grad()
        (loss + self.penalty * (self.words**2).sum()).backward()  # type: ignore[no-untyped-call]
        if self.words.grad is not None:
            # The row of tokens without a vector.
            self.words.grad[0] = 0
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()

    def _embed(self, base: torch.Tensor, shares: Any) -> torch.Tensor:
        added: torch.Tensor = _Sum.apply(self.words, shares)  # type: ignore[no-untyped-call]
        return functional.normalize(base + added, dim=1)


class _Sum(torch.autograd.Function):
    """A sparse matrix times the words: scipy's product, both ways, is several times as fast as torch's on one thread."""

    @staticmethod
    def forward(ctx: Any, words: torch.Tensor, shares: Any) -> torch.Tensor:
        ctx.shares = shares
        return torch.from_numpy(np.asarray(shares @ words.detach().numpy(), np.float32))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(np.asarray(ctx.shares.T @ gradient.numpy(), np.float32)), None


def _tokens(model: Any, texts: list[str], prompt: str | None) -> list[NDArray[np.int64]]:
    """Return the tokens of texts as the model reads them."""
    from occasion.encoders.texts import clean

    most = int(model.max_seq_length)
    read = [(prompt or "") + text for text in clean(texts, 20 * most)]
    ids = model.tokenizer(read, truncation=True, max_length=most)["input_ids"] if read else []
    return [np.array(some, np.int64) for some in ids]


def _table(model: Any, texts: list[NDArray[np.int64]], before: WordTable | None, dim: int) -> WordTable:
    """Return a table with a row for each token of the texts: that of `before`, or zeros."""
    size = len(model.tokenizer)
    found = np.bincount(np.concatenate([np.zeros(0, np.int64), *map(np.unique, texts)]), minlength=size)[:size]
    # As scikit-learn's TfidfVectorizer weighs words.
    weights = (1 + np.log((1 + len(texts)) / (1 + found))).astype(np.float32)
    weights[[t for t in model.tokenizer.all_special_ids if t < size]] = 0
    if before is not None:
        # What they learnt was learnt with these.
        weights[: len(before.weights)] = before.weights
    had = np.zeros(size, bool) if before is None else np.pad(before.place > 0, (0, max(0, size - len(before.place))))[:size]
    kept = np.flatnonzero(((found > 0) | had) & (weights > 0))
    place = np.zeros(size, np.int32)
    place[kept] = np.arange(1, len(kept) + 1)
    vectors = np.zeros((len(kept) + 1, dim), np.float32)
    if before is not None:
        old = np.flatnonzero(had)
        vectors[place[old]] = before.vectors[before.place[old]]
    return WordTable(weights, place, vectors)
