"""Moments: a request with everything looked up that the parts need, from the log and the clock to vectors and masks."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from occasion.context import ContextExtractor
from occasion.context.signals import unusable
from occasion.data import Context
from occasion.errors import EncoderError
from occasion.keyed import distinct_history, joined, taken
from occasion.live import LiveState
from occasion.notes import note
from occasion.privacy.redaction import redacted, redacted_signals
from occasion.protocols import EventColumns, Moment
from occasion.rules import Rules
from occasion.stepping import Steps, finished
from occasion.timing import stage, stepped
from occasion.titles import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["MomentReader", "merged"]

STEP_DECAY, LEAST_DECAY = 0.9, 0.02
"""A history event counts STEP_DECAY less for each newer one, not less than LEAST_DECAY in all."""
SEEN_WEIGHT = 1.0
"""An item counts as seen from this much liking on: a click does, a view does not."""
REPEATING = 0.02
"""With a greater share of repeats in the log, items already had may come again."""
LATEST, LOOKED_AT = 3, 30
"""Titles that tell what came last, and the events in which they are looked for."""

NOW = 5.0
"""A request for a time within so many seconds of the clock is about now, and knows of events that are dated later: by clients
whose clocks are fast, or before this machine's clock was set back."""


class MomentReader:
    """Resolves requests against one store's live state."""

    def __init__(self, live: LiveState, extractor: ContextExtractor) -> None:
        self.live, self.extractor = live, extractor

    def read(self, context: Context, rules: Rules, slate_id: str) -> tuple[Moment, list[str]]:
        """Resolve a request: signals, sentence, history, vectors, what is allowed."""
        return finished(self.reading(context, rules, slate_id))

    @stepped("context")
    def reading(self, context: Context, rules: Rules, slate_id: str) -> Steps[tuple[Moment, list[str]]]:
        """Do as `read` does, in steps."""
        at = time.time() if context.at is None else context.at
        context = self._admitted(context if context.at is not None else context.revised(at=at))
        user = self.live.store.user_key(context.user, context.session)
        known = (context.user is None and context.session is None) or self.live.reads(user)
        context = context if known else context.revised(recent=())
        yield
        history = self._history(context, user, self._until(at))
        yield
        own = self.live.statistics.liking(history)
        recent = self._latest(history)
        yield
        extracted = self.extractor.extract(context, recent)
        yield
        context_vector, notes = self._context_vector(extracted.sentence, context.locale)
        yield
        seed = int.from_bytes(hashlib.blake2b(slate_id.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        moment = Moment(
            context=context,
            at=at,
            signals=extracted.signals,
            sentence=extracted.sentence,
            user=user if user is not None and known else -1,
            history=history,
            weights=own * _step_decay(history),
            context_vector=context_vector,
            taste_vector=None,
            allowed=None,
            rng=np.random.Generator(np.random.PCG64(seed)),
        )
        moment.extra["liking"] = own
        yield
        moment.extra["likeness"] = self.extractor.likeness(history, self.live.contexts, extracted.signals)
        yield
        moment.taste_vector = self._taste_vector(moment)
        yield
        moment.allowed, more = self._allowed(moment, rules)
        if strange := [item for item in context.recent if self.live.catalogue.key(item) is None]:
            notes.append(note("unknown", context.locale, ids=quoted(strange)))
        if wrong := unusable(context.signals):
            notes.append(note("unusable", context.locale, signals=", ".join(wrong)))
        return moment, [*more, *notes] if known else [*more, *notes, note("unread", context.locale)]

    def _until(self, at: float) -> float:
        """Return the time before which events count: what was acknowledged counts now, whatever the clock that dated it says."""
        now = self.live.until is None and abs(at - time.time()) < NOW
        return math.inf if now else at

    def _admitted(self, context: Context) -> Context:
        """Return a context without personal numbers in its words: neither a model nor the store gets to see them."""
        if not self.live.settings.redact_text:
            return context
        text, signals = redacted(context.text), redacted_signals(context.signals)
        changed = text != context.text or signals is not context.signals
        return replace(context, text=text, signals=signals) if changed else context

    def _history(self, context: Context, user: int | None, at: float) -> EventColumns:
        """Return past events of the person and of the session, oldest first, then items just looked at."""
        limit = self.live.settings.history_length
        who = [user]
        if context.user is not None and context.session is not None and self.live.reads(user):
            who.append(self.live.store.user_key(None, context.session))
        parts = [self.live.store.history(key, before=at, limit=limit) for key in who if key is not None and self.live.reads(key)]
        recent = self.live.catalogue.keys(context.recent)
        return merged(parts, recent, at)

    def _latest(self, history: EventColumns) -> list[str]:
        """Return the titles of the last distinct items that are described, oldest first: a bare id tells a model nothing."""
        known = self.live.catalogue.known
        last = [key for key in dict.fromkeys(history.item[:-LOOKED_AT:-1].tolist()) if key < len(known) and known[key]]
        return self.live.titles(last[LATEST - 1 :: -1])

    @stage("encode")
    def _context_vector(self, sentence: str, locale: str) -> tuple[Floats | None, list[str]]:
        """Return the sentence's vector and notes; None where it says nothing, or the encoder does not answer."""
        if not sentence.strip() or not self.live.catalogue.size:
            return None, []
        try:
            vector = self.live.encoder.encode([sentence], role="query")[0]
        except EncoderError:
            if self.live.until is not None:
                raise
            return None, [note("unencoded", locale)]
        return (vector if np.any(vector) else None), []

    def _taste_vector(self, moment: Moment) -> Floats | None:
        assert moment.history is not None
        if not len(moment.history.item) or not self.live.catalogue.size:
            return None
        # The reasons compare these vectors once more.
        moment.extra["past"] = self.live.vectors(moment.history.item)
        mean = moment.weights @ moment.extra["past"]
        norm = float(np.linalg.norm(mean))
        return np.asarray(mean / norm, np.float32) if norm > 1e-6 else None

    def _allowed(self, moment: Moment, rules: Rules) -> tuple[NDArray[np.bool_], list[str]]:
        """Return which keys (n,) may be recommended, and notes on what the rules took away."""
        catalogue = self.live.catalogue
        known = catalogue.known
        if not catalogue.size:
            return known.copy(), [note("empty", moment.context.locale)]
        allowed = known & catalogue.columns.availability(moment.at, len(known))
        for wanted in (rules.filter, rules.firm):
            if wanted is not None:
                allowed &= catalogue.columns.mask(wanted, len(allowed))
        if rules.exclude:
            allowed[catalogue.keys(rules.exclude)] = False
        history = moment.history
        assert history is not None
        items, at = distinct_history(moment)
        own = np.bincount(at, moment.extra["liking"], len(items)) if len(items) else np.zeros(0)
        allowed[items[own < 0]] = False
        allowed[_refused(history.item, moment.extra["liking"])] = False
        if rules.exclude_seen and moment.context.recent:
            allowed[catalogue.keys(moment.context.recent)] = False
        if self._exclude_seen(rules):
            allowed[items[own >= SEEN_WEIGHT]] = False
        return allowed, []

    def _exclude_seen(self, rules: Rules) -> bool:
        if rules.exclude_seen != "auto":
            return bool(rules.exclude_seen)
        setting = self.live.settings.repeats
        return self.live.statistics.repeat_rate < REPEATING if setting == "auto" else setting == "leave-out"


def _refused(items: NDArray[np.int32], liking_of: Floats) -> NDArray[np.int32]:
    """Return the items whose newest telling event is a clear dislike: no number of older likes outweighs a last "no"."""
    telling = np.abs(liking_of) >= SEEN_WEIGHT
    newest = dict(zip(items[telling].tolist(), liking_of[telling].tolist(), strict=True))
    return np.array([key for key, value in newest.items() if value < 0], np.int32)


def _step_decay(history: EventColumns) -> Floats:
    """Return 0.9 to the number of newer events; 1 where no time is known, as the order then means nothing."""
    n = len(history.item)
    if not np.isfinite(history.at).any():
        return np.ones(n, np.float32)
    return np.asarray(np.maximum(STEP_DECAY ** np.arange(n - 1, -1, -1), LEAST_DECAY), np.float32)


def merged(parts: Sequence[EventColumns], recent: Sequence[int], at: float) -> EventColumns:
    """Return histories, each in order of time, as one in order of time, with `recent` item keys as views at the end."""
    if len(parts) == 1 and not len(recent):
        return parts[0]
    types = max((p.types for p in parts), key=len, default=())
    if "view" not in types:
        types = (*types, "view")
    n = len(recent)
    views = EventColumns(
        seq=np.full(n, np.iinfo(np.int64).max),
        user=np.full(n, -1, np.int32),
        item=np.array(recent, np.int32),
        type=np.full(n, types.index("view"), np.int16),
        value=np.full(n, np.nan, np.float32),
        at=np.full(n, at),
        context=np.full(n, -1, np.int32),
        types=types,
    )
    whole = joined([*parts, views])
    order = np.lexsort((whole.seq, np.nan_to_num(whole.at, nan=-np.inf)))
    return taken(whole, order)
