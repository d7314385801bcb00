"""Systems: what is measured side by side. The recommender as it answers, and simple ways to do without it.

All see the same moment, the same history, the same items and the same rules on what was seen already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Context
from occasion.protocols import CandidateScores, Moment
from occasion.rankers.blend import BlendRanker
from occasion.recommender import Recommender
from occasion.rules import Rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BASELINES", "OCCASION", "MeasuredRecommender"]

OCCASION = "occasion"
BASELINES = ("popular", "popular-now", "co-occurrence", "text-only")
"""Most chosen ever; most chosen lately; chosen together with the history; nothing but texts."""
TEXT_SOURCES = ("semantic", "taste", "words", "lookalike")


class MeasuredRecommender(Recommender):
    """A recommender that also answers as each baseline does, from the same counts, vectors and texts."""

    _order: NDArray[np.int32] | None = None
    """Keys by undecayed count; the counts do not change during an evaluation."""

    def rankings(
        self, context: Context, k: int, baselines: tuple[str, ...], *, diversity: float | None, seed: str
    ) -> tuple[dict[str, NDArray[np.int32]], Moment]:
        """Return the keys (<= k,) that each system answers with, best first, and the moment they answered to."""
        slate = self.recommend(context, k, diversity=diversity, slate_id=seed, keep=False)
        moment, _ = self._moment(context, Rules(), seed)
        answers = {OCCASION: np.array(self.live.catalogue.keys(slate.items), np.int32)}
        answers |= {name: self._baseline(name, moment, k) for name in baselines}
        return answers, moment

    def _baseline(self, name: str, moment: Moment, k: int) -> NDArray[np.int32]:
        assert self.sources is not None
        if name == "popular":
            return self._most(moment, k)
        if name == "popular-now":
            return self._filled(moment, self.sources["popular"].candidates(moment, k), k)
        if name == "co-occurrence":
            return self._filled(moment, self.sources["together"].candidates(moment, k), k)
        return self._text_only(moment, k)

    def _most(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return the allowed keys with the greatest undecayed counts."""
        if self._order is None:
            counts = self.live.statistics.count
            self._order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())].astype(np.int32)
        allowed = moment.allowed if moment.allowed is not None else self.live.catalogue.known
        for size in (20 * k, len(self._order)):
            best = self._order[:size]
            best = best[best < len(allowed)]
            best = best[allowed[best]][:k]
            if len(best) == k:
                break
        return best

    def _filled(self, moment: Moment, found: CandidateScores, k: int) -> NDArray[np.int32]:
        """Return the keys found, and after them the most popular: nobody would leave places empty."""
        rest = self._most(moment, 2 * k)
        return np.concatenate([found.keys, rest[~np.isin(rest, found.keys)]])[:k].astype(np.int32)

    def _text_only(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return the best of the text sources alone, blended by the same rule."""
        assert self.sources is not None
        sources = {name: self.sources[name] for name in TEXT_SOURCES}
        keys = np.unique(np.concatenate([s.candidates(moment, self.settings.candidates).keys for s in sources.values()]))
        keys = keys.astype(np.int32)
        if not len(keys):
            return self._most(moment, k)
        groups: Mapping[str, str] = {name: s.group for name, s in sources.items()}
        ranker = BlendRanker(statistics=self.live.statistics, groups=groups)
        total = np.sum(list(ranker.rank(moment, keys, {n: s.score(moment, keys) for n, s in sources.items()}).values()), axis=0)
        best = np.argsort(-total, kind="stable")[:k]
        return self._filled(moment, CandidateScores(keys[best], total[best]), k)
