"""Learned: a fitted model asked about a moment. The bridge between keys, moments and the model's arrays.

A model counts items by the store's keys as they were when it was fitted; items that came later are unknown to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import ModelError
from occasion.keyed import is_allowed
from occasion.learning.closeness import TOLD, which
from occasion.learning.linear import standardised
from occasion.learning.model import Model
from occasion.learning.paths import Paths
from occasion.learning.requests import Requests
from occasion.learning.signals import SignalCodes
from occasion.protocols import EventColumns, Moment
from occasion.ratings import Ratings
from occasion.stepping import Steps, finished

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Codes = Mapping[str, tuple[Keys, Sequence[Any]]]
    Figures = Mapping[str, NDArray[np.float64]]

__all__ = ["LearnedAnswer", "LearnedModel"]

BOOK = "book.json"
RATED = 30
"""Best candidates whose expected ratings are looked up, where ratings have a say: the others stay where they are."""
GROUPS = (
    (
        "moment",
        ("moment", "lift_", "own_kernel", "own_moment", "own_ctx", "own_clock", "ease_kernel", "clock_", "number_"),
    ),
    ("nearby", ("close",)),
    ("popularity", ("popular_", "item_", "fresh")),
    ("history", ("sentence", "lexical", "same_", "unlike_", "own", "history")),
)
"""Which part of the score a feature belongs to, by the beginning of its name; any other: others' behaviour."""


def group_of(feature: str) -> str:
    """Return the part of the score that a feature of the model belongs to."""
    name = feature.removeprefix("rank_")
    return next((group for group, starts in GROUPS if name.startswith(starts)), "others")


@dataclass(slots=True)
class LearnedAnswer:
    """What the model says of one moment.

    Attributes
    ----------
    keys : (n,) int32
        Its candidates, ascending.
    scores : (n,) float32
        In [0, 1]; 1 for the best.
    features : (n, f) float32
    raw, least, span : (n,) float32, float, float
        ``scores = (raw - least) / span``.
    rated : (n,) float32
        What the expected ratings added to `raw`.
    asked : (keys, scores, known)
        What `of` was asked last and said: several parts ask for the same keys.
    """

    keys: Keys
    scores: Floats
    features: Floats
    raw: Floats
    least: float
    span: float
    rated: Floats
    asked: tuple[Keys, Floats, NDArray[np.bool_]] | None = None

    def of(self, keys: Keys) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the scores (n,) of keys, 0 where unknown, and which are known."""
        if self.asked is None or self.asked[0] is not keys:
            self.asked = (keys, *self._of(keys))
        return self.asked[1:]

    def _of(self, keys: Keys) -> tuple[Floats, NDArray[np.bool_]]:
        if not len(self.keys):
            return np.zeros(len(keys), np.float32), np.zeros(len(keys), np.bool_)
        at = np.searchsorted(self.keys, keys)
        known = self.keys.take(at, mode="clip") == keys
        return np.where(known, self.scores.take(at, mode="clip"), np.float32(0)), known


class LearnedModel:
    """A fitted model in service.

    Parameters
    ----------
    version : str
    model : Model
    shift : float
        Seconds from UTC to the clock that the model's hours were read from.
    past_signals : callable
        Event columns to the signals given with them: name to (codes (n,), values).
    past_figures : callable
        Event columns and names to the numbers of those that are told as fractions: name to (n,), NaN for none.
    ratings : Ratings, optional
        Predicts what people would rate.
    rating_weight : float
        By how many standard deviations of the candidates' scores one of their expected ratings moves a score; 0: ratings have
        no say in the order.
    """

    def __init__(
        self,
        version: str,
        model: Model,
        shift: float,
        past_signals: Callable[[EventColumns], Codes],
        past_figures: Callable[[EventColumns, Collection[str]], Figures],
        *,
        ratings: Ratings | None = None,
        rating_weight: float = 0.0,
    ) -> None:
        self.version, self.model, self.shift = version, model, shift
        self._past_signals, self._past_figures = past_signals, past_figures
        self.ratings, self.rating_weight = ratings, rating_weight
        if model.signals is None:
            raise ModelError(f"the model of version {version} does not say how signals are coded. Cure: `occasion fit` a new one.")
        self.signals = model.signals
        if model.bases.points is not None and model.bases.told is None:
            # A version of a release before: where somebody is was no number.
            self.signals = replace(model.signals, position=TOLD)
            model.bases.told = which(self.signals.figures)
        self._codes = SignalCodes(self.signals)
        self._place = np.full(model.n_items, -1, np.int32)
        self._place[model.kept] = np.arange(len(model.kept))
        self._kept = model.kept.astype(np.int32)
        self.names = ("moment", "nearby", "history", "others", "popularity")
        self._paths: Paths | None = None

    @classmethod
    def load(
        cls,
        version: str,
        folder: Path,
        past_signals: Callable[[EventColumns], Codes],
        past_figures: Callable[[EventColumns, Collection[str]], Figures],
    ) -> LearnedModel:
        """Read what `save` wrote.

        Raises
        ------
        ModelError
            Where files are missing or damaged.
        """
        model = Model.load(folder)
        ratings = Ratings.load(folder)
        try:
            book = json.loads((folder / BOOK).read_text())
            weight = float(book.get("rating_weight", 0))
            shift = float(book["shift"])
            return cls(version, model, shift, past_signals, past_figures, ratings=ratings, rating_weight=weight)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / BOOK} cannot be read ({error}). Cure: `occasion fit` makes a new version.") from None

    def save(self, folder: Path) -> None:
        """Write the model and how it reads moments into a folder, which is made."""
        self.model.save(folder)
        if self.ratings is not None:
            self.ratings.save(folder)
        (folder / BOOK).write_text(json.dumps({"shift": self.shift, "rating_weight": self.rating_weight}))

    # -- asking -----------------------------------------------------------------------------------------------------------
    def ask(self, moment: Moment) -> LearnedAnswer:
        """Return what the model says of a moment; asked once, kept with the moment."""
        return finished(self.asking(moment))

    def asking(self, moment: Moment) -> Steps[LearnedAnswer]:
        """Do as `ask` does, in steps."""
        kept = moment.extra.get("learned")
        if isinstance(kept, LearnedAnswer):
            return kept
        request = self.request(moment)
        yield
        found = yield from self.model.bases.finding(request, self.model.width)
        yield
        raw = self.model.ranker.score(found.features)[0]
        fits = (found.fused[0] >= 0) & np.isfinite(raw)
        keys = self._kept[found.items[0][fits]]
        raw, features = raw[fits].astype(np.float32), found.features[0][fits]
        order = np.argsort(keys)
        keys, raw, features = keys[order], raw[order], features[order]
        rated = self._rated(moment, keys, raw)
        raw = raw + rated
        least = float(raw.min()) if len(raw) else 0.0
        span = max(float(raw.max()) - least, 1e-9) if len(raw) else 1.0
        answer = LearnedAnswer(keys, (raw - np.float32(least)) / np.float32(span), features, raw, least, span, rated)
        moment.extra["learned"] = answer
        return answer

    def _rated(self, moment: Moment, keys: Keys, raw: Floats) -> Floats:
        """Return what the expected ratings of candidates add to their scores (n,)."""
        if self.ratings is None or not self.rating_weight or len(keys) < 2:
            return np.zeros(len(keys), np.float32)
        best = np.argsort(-raw, kind="stable")[:RATED]
        rating = self.ratings.rate(moment, keys[best])
        out = np.zeros(len(keys), np.float32)
        out[best] = self.rating_weight * float(raw.std()) * (rating - rating.mean()) / max(float(rating.std()), 1e-9)
        return out

    def request(self, moment: Moment) -> Requests:
        """Return a moment as the model reads it: what was liked before, oldest first, the signals as codes, what is allowed.

        Items are the places of the model's items; what it does not know is left out.
        """
        model, history = self.model, moment.history
        assert history is not None
        rows = np.flatnonzero((moment.extra["liking"] > 0) & (history.item < model.n_items))
        # What was given in the past is only looked up where something is made of it.
        looked_up = self._codes.given and len(rows) > 0
        given = self._past_signals(history) if looked_up else {}
        figures = self._past_figures(history, self._codes.measured) if looked_up and self._codes.measured else {}
        past, _ = self._codes.of_columns(given, figures, rows)  # (n, s)
        told, numbers = self._codes.of(moment.signals)  # (s,), (r,)
        codes = told[None]
        time, when = moment.at, history.at[rows]
        timed = model.bases.times == "unix"
        if timed:
            time, when = time + self.shift, when + self.shift
            both = np.concatenate([past, codes])
            self._codes.set_clock(both, np.append(when, time))
            past, codes = both[:-1], both[-1:]
        else:
            time = float(np.nanmax(when, initial=0)) + 1 if model.bases.times == "position" else np.nan
        place = self._place[history.item[rows]]
        known = place >= 0
        return Requests(
            time=np.array([time], float),
            signals=codes,
            numbers=numbers[None],
            ptr=np.array([0, np.count_nonzero(known)], np.int64),
            item=place[known],
            when=np.where(np.isfinite(when), when, time)[known],
            value=np.ones(np.count_nonzero(known), np.float32),
            past=past[known],
            allowed=None if moment.allowed is None else is_allowed(self._kept, moment.allowed),
        )

    # -- why ----------------------------------------------------------------------------------------------------------------
    def parts(self, answer: LearnedAnswer, keys: Keys) -> Floats:
        """Return how the scores of known keys split into `names` (n, 5): they add up to the scores.

        Steps on the paths through the trees (`occasion.learning.paths`) and weighted features, less those of the worst candidate,
        summed by part.
        """
        rows = np.searchsorted(answer.keys, keys)
        worst = int(np.argmin(answer.raw))
        names = self.model.report.get("features") or self.model.bases.names
        groups = np.array([self.names.index(group_of(n)) for n in names])
        ranker = self.model.ranker
        if not ranker.boosters and ranker.linear is None:
            # Where the feature says nothing of an item, the sources together have placed it.
            value = np.nan_to_num(answer.features[:, ranker.column], nan=-1e9)
            part = np.where(value > value.min(), groups[ranker.column], self.names.index("others"))[rows]
            out = np.zeros((len(keys), len(self.names)), np.float32)
            rated = (answer.rated[rows] - answer.rated[worst]) / np.float32(answer.span)
            out[np.arange(len(keys)), part] = answer.scores[rows] - rated
            out[:, self.names.index("history")] += rated
            return out
        chosen = [*rows, worst]
        split = np.zeros((len(chosen), len(self.names)))
        if ranker.boosters:
            if self._paths is None:
                self._paths = Paths(ranker.boosters[0])
            split += self._paths.split(answer.features[chosen], groups, len(self.names))
        if ranker.linear is not None:
            steps = standardised(answer.features[None])[0, chosen] * ranker.linear * ranker.trust(answer.features[None])
            np.add.at(split.T, groups, steps.T)
        split[:, self.names.index("history")] += answer.rated[chosen]
        return np.asarray((split[:-1] - split[-1]) / answer.span, np.float32)
