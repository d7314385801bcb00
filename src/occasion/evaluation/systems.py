"""Systems: what is measured side by side. The recommender as it answers, and simple ways to do without it.

All see the same moment, the same history, the same items and the same rules on what was seen already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Context
from occasion.errors import DataError
from occasion.evaluation.ablation import check_parts, sources_without, without_name, without_part
from occasion.learned import LearnedModel
from occasion.protocols import CandidateScores, Moment
from occasion.rankers import make_ranker
from occasion.recommender import Recommender
from occasion.rules import Rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int32]

__all__ = ["BASELINES", "OCCASION", "UNTRAINED", "Learner", "Systems", "check_baselines"]

Learner = Callable[[Recommender, tuple[str, ...]], LearnedModel]
"""Learns from what a recommender counts and shows, without the parts named; raises DataError where that is too little."""

OCCASION = "occasion"
UNTRAINED = "blend"
"""The recommender without what it learnt: a baseline wherever something was learnt."""
BASELINES = ("popular", "popular-now", "co-occurrence", "text-only")
"""Most chosen ever; most chosen lately; chosen together with the history; nothing but texts."""
TEXT_SOURCES = ("semantic", "taste", "words", "lookalike")


def check_baselines(names: Sequence[str]) -> None:
    """Raise DataError for a name that `BASELINES` lacks."""
    for name in names:
        if name not in BASELINES:
            raise DataError(f"there is no baseline {name!r}. Cure: some of {', '.join(BASELINES)}.")


class Systems:
    """A recommender, and baselines that answer from its counts, vectors and texts.

    Parameters
    ----------
    recommender : Recommender
        Refreshed; what it counts must not change any more.
    baselines : sequence of str
        From `BASELINES`.
    diversity : float, optional
        Of the recommender's answers; None: its settings'.
    without : sequence of str
        Parts of `occasion.evaluation.ablation.PARTS`; for each the recommender without it answers, too.
    learned : LearnedModel, optional
        What the recommender answers by; the blend is then one more baseline, and `without` names the keys of `lesser`.
    lesser : mapping of part to LearnedModel
        What was learnt without the part.

    Raises
    ------
    DataError
        For an unknown baseline.
    """

    def __init__(
        self,
        recommender: Recommender,
        baselines: Sequence[str] = BASELINES,
        *,
        diversity: float | None = None,
        without: Sequence[str] = (),
        learned: LearnedModel | None = None,
        lesser: Mapping[str, LearnedModel] | None = None,
    ) -> None:
        check_baselines(baselines)
        self.learned, self._lesser = learned, dict(lesser or {})
        if learned is None:
            check_parts(without)
        else:
            recommender.use(learned)
            baselines = (*baselines, UNTRAINED)
        self.without = tuple(dict.fromkeys(without))
        self.recommender, self.baselines, self.diversity = recommender, tuple(dict.fromkeys(baselines)), diversity
        counts = recommender.live.statistics.count
        self._order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())].astype(np.int32)
        sources = recommender.sources or {}
        self._texts = {name: sources[name] for name in TEXT_SOURCES if name in sources}
        groups = {name: source.group for name, source in self._texts.items()}
        self._blend = make_ranker("blend", statistics=recommender.live.statistics, groups=groups)

    @property
    def names(self) -> tuple[str, ...]:
        """The systems, the recommender first."""
        return (OCCASION, *self.baselines, *map(without_name, self.without))

    def answer(self, context: Context, k: int, seed: str) -> tuple[dict[str, Keys], Moment]:
        """Return the keys (<= k,) each system answers with, best first, and the moment they answered to."""
        moment, _ = self.recommender.reader.read(context, Rules(), seed)
        answers = {OCCASION: self._listed(context, k, seed)}
        for name in self.baselines:
            answers[name] = self._by(None, context, k, seed) if name == UNTRAINED else self._baseline(name, moment, k)
        return answers | {without_name(part): self._without(part, context, k, seed) for part in self.without}, moment

    def _without(self, part: str, context: Context, k: int, seed: str) -> Keys:
        context = without_part(context, part)
        if self.learned is not None:
            return self._by(self._lesser[part], context, k, seed)
        return self._listed(context, k, seed, sources=sources_without(part))

    def _by(self, learned: LearnedModel | None, context: Context, k: int, seed: str) -> Keys:
        """Return what the recommender answers by another model, None: by the blend."""
        self.recommender.use(learned)
        try:
            return self._listed(context, k, seed)
        finally:
            self.recommender.use(self.learned)

    def _listed(self, context: Context, k: int, seed: str, sources: Sequence[str] | None = None) -> Keys:
        slate = self.recommender.recommend(context, k, diversity=self.diversity, sources=sources, slate_id=seed, keep=False)
        return np.array(self.recommender.live.catalogue.keys(slate.items), np.int32)

    def _baseline(self, name: str, moment: Moment, k: int) -> Keys:
        assert self.recommender.sources is not None
        if name == "popular":
            return self._popular(moment, k)
        if name == "popular-now":
            return self._filled(moment, self.recommender.sources["popular"].candidates(moment, k), k)
        if name == "co-occurrence":
            return self._filled(moment, self.recommender.sources["together"].candidates(moment, k), k)
        return self._text_only(moment, k)

    def _popular(self, moment: Moment, k: int) -> Keys:
        """Return the allowed keys with the greatest undecayed counts."""
        allowed = moment.allowed if moment.allowed is not None else self.recommender.live.catalogue.known
        best = self._order[:0]
        for size in (20 * k, len(self._order)):
            best = self._order[:size]
            best = best[best < len(allowed)]
            best = best[allowed[best]][:k]
            if len(best) == k:
                break
        return best

    def _filled(self, moment: Moment, found: CandidateScores, k: int) -> Keys:
        """Return the keys found, and after them the most popular: nobody would leave places empty."""
        if len(found.keys) >= k:
            return found.keys[:k].astype(np.int32)
        rest = self._popular(moment, k + len(found.keys))
        return np.concatenate([found.keys, rest[~np.isin(rest, found.keys)]])[:k].astype(np.int32)

    def _text_only(self, moment: Moment, k: int) -> Keys:
        """Return the best of the text sources alone, blended by the same rule."""
        wanted = self.recommender.settings.candidates
        keys = np.unique(np.concatenate([s.candidates(moment, wanted).keys for s in self._texts.values()])).astype(np.int32)
        scores = {name: source.score(moment, keys) for name, source in self._texts.items()}
        total = np.zeros(len(keys), np.float32)
        for part in self._blend.rank(moment, keys, scores).values():
            total += part
        best = np.argsort(-total, kind="stable")[:k]
        return self._filled(moment, CandidateScores(keys[best], total[best]), k)
