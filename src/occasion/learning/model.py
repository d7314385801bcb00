"""A model that answers: sources, ranker, and which items they know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import ModelError
from occasion.learning import storage
from occasion.learning.requests import Requests

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from occasion.learning.features import Bases
    from occasion.learning.ranker import Ranker
    from occasion.learning.signals import Signals

    Floats = NDArray[np.float32]

__all__ = ["WIDTH", "Model"]

WIDTH = 150
"""Candidates of a request."""


@dataclass(kw_only=True)
class Model:
    """Sources and ranker, ready to answer."""

    bases: Bases
    ranker: Ranker
    kept: NDArray[np.int64]
    n_items: int
    width: int = WIDTH
    signals: Signals | None = None
    report: dict[str, Any] = field(default_factory=dict)

    def predict(self, requests: Requests, k: int = 100) -> tuple[NDArray[np.int32], Floats]:
        """Return the best items (B, k), -1 where there are fewer, and their scores."""
        place = np.full(self.n_items, -1, np.int32)
        place[self.kept] = np.arange(len(self.kept))
        requests = requests.rename(place)
        back = np.append(self.kept, -1).astype(np.int32)
        out_items, out_scores = [], []
        for start in range(0, len(requests), 500):
            found = self.bases.candidates(requests.part(start, min(start + 500, len(requests))), max(self.width, k))
            scores = self.ranker.score(found.features)
            scores = np.where(found.fused < 0, -np.inf, scores)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(scores, order, 1)
            out_items.append(back[np.where(np.isfinite(best), np.take_along_axis(found.items, order, 1), -1)])
            out_scores.append(best)
        if not out_items:
            return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
        return np.concatenate(out_items), np.concatenate(out_scores)

    def recommend(
        self, items: list[int], *, times: list[float] | None = None, signals: list[int] | None = None,
        numbers: list[float] | None = None, past: list[list[int]] | None = None, at: float = float("nan"), k: int = 10,
    ) -> tuple[NDArray[np.int32], Floats]:  # fmt: skip
        """Answer one request.

        Parameters
        ----------
        items : list of int, (h,)
            Keys of the history, oldest first.
        times : list of float, (h,), optional
            Their times on the scale the model learnt from.
        signals, numbers : lists, (s,) and (r,), optional
            Codes and raw numbers of the moment, as :meth:`Signals.code` gives them.
        past : list of lists, (h, s), optional
            Codes of the history's moments.
        at : float
            Time of the request.
        k : int
            Items wanted.

        Returns
        -------
        (items, scores)
            Both (<= k,), best first.
        """
        n, s = len(items), len(self.bases.signal_names) if signals is None else len(signals)
        r = self.bases.n_numbers if self.signals is None else len(self.signals.figures)
        request = Requests(
            time=np.array([at]), ptr=np.array([0, n]), item=np.array(items, np.int32), value=np.ones(n, np.float32),
            signals=np.full((1, s), -1, np.int32) if signals is None else np.array([signals], np.int32),
            numbers=np.full((1, r), np.nan, np.float32) if numbers is None else np.array([numbers], np.float32),
            when=np.full(n, np.nan) if times is None else np.array(times, float),
            past=np.full((n, s), -1, np.int32) if past is None else np.array(past, np.int32).reshape(n, s),
        )  # fmt: skip
        found, scores = self.predict(request, k)
        real = found[0] >= 0
        return found[0][real], scores[0][real]

    def save(self, folder: Path) -> None:
        """Write the model into a folder of arrays, trees as text and a JSON manifest."""
        storage.save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read a model that :meth:`save` wrote."""
        model = storage.load(folder)
        if not isinstance(model, cls):
            raise ModelError(f"{folder} holds a {type(model).__name__}, not a ranking model")
        return model
