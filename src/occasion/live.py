"""Live: everything the recommender keeps in memory of a store, brought up to date before each answer.

Nothing here is the only copy: items, vectors, texts and counts are rebuilt from the store. What is slow to build (vectors,
a large catalogue and its index, the counts over a long log) is kept in the folder ``derived`` beside the store and checked
when it is read.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from occasion.catalogue import Catalogue
from occasion.context import ContextExtractor
from occasion.context.words import forget_words
from occasion.counting import ELSEWHERE, LogCounter, give_back
from occasion.encoders.cache import VectorCache
from occasion.encoders.centring import center
from occasion.errors import EncoderError, EncoderMismatchError, StoreError, VectorIndexError
from occasion.indexes import make_index
from occasion.privacy.choices import Choices
from occasion.protocols import Encoder, ForgetfulEncoder, Index, Store, StoredContext, StoredItem
from occasion.settings import Settings
from occasion.snapshot import Items, Snapshots
from occasion.statistics import Statistics
from occasion.textindex import TextIndex
from occasion.titles import Titles
from occasion.trails import Trails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.pictures.collection import Pictures

__all__ = ["LiveState", "StageProgress"]

logger = logging.getLogger(__name__)

StageProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total): stage is ``encode``, ``pictures`` or ``events``."""

CHUNK = 2048
"""Items taken over at once."""
MEAN_SAMPLE = 20_000
"""Items whose vectors make the catalogue mean."""
CATCH_UP = 20_000
"""Up to this many new events are counted one by one; more of them and the whole log is counted again."""
SLICE = 64
"""New events that are counted in one go where answers must not wait: 2 to 4 ms."""
COUNT_AGAIN, COUNT_AGAIN_SHARE = 50_000, 0.25
"""After so many events counted one by one, and such a share of all, the whole log is counted again, aside."""
AGAIN_SECONDS = 5.0
"""After the encoder failed for new items, until they are tried again."""
RECOUNT_AT_ONCE = 50_000
"""Up to this many events a withdrawal is counted out before the next answer; with more of them, shortly after it."""
ENCODER_STATE = "encoder"


class LiveState:
    """Catalogue, vectors, text index and statistics of one store.

    Parameters
    ----------
    store, encoder, extractor, settings
        The parts.
    until : float, optional
        Count only events before this time (unix seconds); for evaluation. Derived files are then not used.
    progress : callable, optional
        See `StageProgress`.
    hurried : bool
        Take over at most `SLICE` new events at once, so that no answer waits for more; what is left comes with the next
        ones. What a person did themselves is read from the log and counts at once in any case.

    Raises
    ------
    EncoderMismatchError
        On `refresh`, where the store's vectors were made by another encoder.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        extractor: ContextExtractor,
        settings: Settings,
        *,
        until: float | None = None,
        progress: StageProgress | None = None,
        hurried: bool = False,
    ) -> None:
        self.store, self.encoder, self.extractor, self.settings = store, encoder, extractor, settings
        self.until, self.progress, self.hurried = until, progress, hurried
        self.statistics = Statistics(settings.half_life_days, settings.weights)
        self.contexts: list[StoredContext] = []
        self.folder = settings.home / "derived"
        self.cache = VectorCache(self.folder / "vectors", encoder.version, encoder.dim)
        self._snapshots = Snapshots(store, self.folder, encoder)
        self.pictures = self._open_pictures() if settings.image_encoder else None
        self._clear_items()
        self._trails = Trails(store)
        self._encode_again = 0.0
        self._events_left = False
        """Whether the log may hold events that wait for a later call."""
        self._newest = 0
        """The newest event of the log when it was last looked at."""
        self._spared = False
        """Whether events that are left were taken over since the last answer: then it need not do so."""
        self._opening = False
        """Whether the events since the last count are being counted aside, as they were many when this was opened."""
        self._cursor = (-1, -1, -1)
        self.personalised: Choices | None = None
        self.counter = LogCounter(store, settings, until=until, progress=progress)
        self._fresh: tuple[Statistics, list[StoredContext]] | None = None
        self._counting: threading.Thread | None = None
        self._lock = threading.RLock()

    def _clear_items(self) -> None:
        self.catalogue = Catalogue()
        self.text_index = TextIndex()
        self.index: Index | None = None
        self.mean = np.zeros(self.encoder.dim, np.float32)
        self._titles = Titles()
        self._indexed = 0
        """Item revision up to which the index that was opened has vectors."""
        self._unencoded: dict[int, str] = {}
        """Texts of items, by key, whose vectors could not be had yet."""

    # -- bringing in what is new --------------------------------------------------------------------------------------
    def refresh(self, cursor: tuple[int, int, int] | None = None) -> bool:
        """Take over items and events that came since the last call; return whether there were any.

        `cursor` is the store's, where the caller has just looked at it.
        """
        cursor = self.store.cursor() if cursor is None else cursor
        if self.pictures is not None and self.pictures.waiting and self._cursor[0] >= 0:
            with self._lock:
                self._take_pictures(self.pictures)
        if self._unencoded and time.monotonic() >= self._encode_again:
            with self._lock:
                self._encode_late()
        if cursor == self._cursor and self._fresh is None:
            # The last slice may have ended just where the log does.
            self._events_left = False
            return False
        with self._lock:
            if cursor == self._cursor and self._fresh is None:
                return False
            self._check_encoder()
            if cursor[0] != self._cursor[0]:
                self._take_items()
            withdrawn = cursor[2] != self._cursor[2]
            if withdrawn:
                by_default = self.settings.granted_by_default
                self.personalised = Choices(self.store, "personalise", by_default)
                self.counter.look_up_choices()
                self.forget_words()
            self._take_fresh()
            if cursor[1] != self._cursor[1]:
                self._take_events()
            if withdrawn and self._cursor[1] >= 0:
                self._recount(cursor)
            self._cursor = (cursor[0], self.statistics.cursor, cursor[2]) if self._events_left else cursor
        return True

    def catch_up(self) -> bool:
        """Take over a slice of the events that are left, while nobody waits; return whether there may be more.

        The next `refresh` then takes over none of them.
        """
        self._spared = False
        more = self.refresh() and self.behind
        self._spared = more
        return more

    @property
    def behind(self) -> bool:
        """Whether there may be events left that the next `refresh` would take over: of those counted aside it would take none."""
        return self._events_left and not self._opening

    @property
    def left(self) -> int:
        """How many events were left when the last `refresh` looked, about; see `behind`."""
        return max(0, self._newest - self.statistics.cursor) if self.behind else 0

    @property
    def withdrawals(self) -> int:
        """How many of the store's withdrawals this has taken notice of; -1 before the first `refresh`."""
        return self._cursor[2]

    def forget_words(self) -> None:
        """Drop what is remembered of the words of requests; safe beside other threads."""
        forget_words()
        if isinstance(self.encoder, ForgetfulEncoder):
            self.encoder.forget()
        self.text_index.forget()
        if self.index is not None:
            self.index.forget()

    def _check_encoder(self) -> None:
        made_by = self.store.get_state(ENCODER_STATE)
        if made_by is None:
            self.store.put_state(ENCODER_STATE, self.encoder.version)
        elif made_by != self.encoder.version:
            raise EncoderMismatchError(
                f"the vectors of this store were made by the encoder {made_by!r}, the settings ask for {self.encoder.version!r}. "
                "Cure: `occasion index --reencode` encodes every item anew, or set the encoder back."
            )

    def reencode(self) -> None:
        """Accept the configured encoder as the store's; vectors are made at the next refresh."""
        self.store.put_state(ENCODER_STATE, self.encoder.version)

    def _take_items(self) -> None:
        try:
            opening = self.index is None
            if opening:
                self._open_items()
            known = self.catalogue.known.copy() if opening else np.zeros(0, np.bool_)
            self._take_late_items()
            if self.pictures is not None:
                self._take_pictures(self.pictures, opening=opening)
            # A text that was deleted is not to stay in a file for long.
            self._keep_items(soon=bool(np.any(known & ~self.catalogue.known[: len(known)])))
        except Exception:
            if self._cursor[0] < 0:
                # Nothing was answered from them: the next call begins anew.
                self._clear_items()
            raise

    def _open_items(self) -> None:
        """Take over what was kept of the items, where it is of this store and encoder; else start empty."""
        found = self._snapshots.open()
        if found is None:
            self.index = make_index(self.encoder.dim, self.store.counts()["items"], exact_limit=self.settings.exact_limit)
            return
        self.index, self.mean, self._indexed = found.vectors, found.mean, found.indexed
        if found.items is not None:
            self.catalogue, self.text_index, self._titles = found.items
            ids = {key: self.catalogue.id(key) for key in found.late.tolist()}
            items = self.store.get_items(list(ids.values()))
            texts = {key: items[item_id].sentence() for key, item_id in ids.items() if item_id in items}
            self.index.remove(np.array([key for key in ids if key not in texts], np.int32))
            keys = np.fromiter(texts, np.int32, len(texts))
            self._add([(keys, self._encoded(keys, list(texts.values())))])

    def _take_late_items(self) -> None:
        """Take over the items that are new, changed or gone."""
        stream = self.store.items(after=self.catalogue.revision)
        done = total = 0
        waiting: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
        fitted = self._indexed > 0 or bool(np.any(self.mean))
        while chunk := list(islice(stream, CHUNK)):
            keys, vectors = self._take_chunk(chunk)
            waiting.append((keys, vectors))
            if not fitted and sum(len(k) for k, _ in waiting) >= MEAN_SAMPLE:
                self._fit_mean([v for _, v in waiting])
                fitted = True
            if fitted:
                self._add(waiting)
            done += len(chunk)
            if self.progress is not None and (total or len(chunk) == CHUNK):
                # Counting reads all items: not for a few new ones.
                total = total or self.store.counts()["items"]
                self.progress("encode", min(done, total), total)
        if waiting:
            if not fitted:
                self._fit_mean([v for _, v in waiting])
            self._add(waiting)

    def _keep_items(self, *, soon: bool) -> None:
        if self.until is None and self.index is not None and not self._unencoded:
            items = Items(self.catalogue, self.text_index, self._titles)
            self._snapshots.save(items, self.index, self.mean, soon=soon)

    def _take_chunk(self, chunk: Sequence[StoredItem]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Take a chunk into catalogue and text index; return keys and raw vectors of those the index lacks."""
        gone = np.array([e.key for e in chunk if e.item is None], np.int32)
        self.catalogue.apply(chunk)
        for entry in chunk:
            self._unencoded.pop(entry.key, None)
            if entry.item is None:
                self._titles.remove(entry.key)
            else:
                self._titles.put(entry.key, entry.item.title)
        if len(gone):
            self.text_index.remove(gone)
            assert self.index is not None
            self.index.remove(gone)
        present = [e for e in chunk if e.item is not None]
        texts = [e.item.sentence() for e in present if e.item is not None]
        for entry, text in zip(present, texts, strict=True):
            self.text_index.add(entry.key, text)
        late = [n for n, e in enumerate(present) if e.revision > self._indexed]
        keys = np.array([present[n].key for n in late], np.int32)
        return keys, self._encoded(keys, [texts[n] for n in late])

    def _encoded(self, keys: NDArray[np.int32], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the raw vectors (n, dim) of item texts; zeros where they cannot be had now, and then they are tried for again.

        The first answer needs vectors: without an encoder there is none. After it new items are recommended by their words.
        """
        for key in keys.tolist():
            self._unencoded.pop(key, None)
        try:
            return self.cache.encode(self.encoder, texts)
        except EncoderMismatchError:
            raise
        except (EncoderError, VectorIndexError) as error:
            if self.until is not None or self._cursor[0] < 0:
                raise
            logger.warning("%d items have no vectors yet: %s", len(keys), error)
            self._unencoded.update(zip(keys.tolist(), texts, strict=True))
            self._encode_again = time.monotonic() + AGAIN_SECONDS
            return np.zeros((len(keys), self.encoder.dim), np.float32)

    def _encode_late(self) -> None:
        """Try again for the vectors of items that have none yet."""
        some = dict(islice(self._unencoded.items(), CHUNK))
        keys = np.fromiter(some, np.int32, len(some))
        self._add([(keys, self._encoded(keys, list(some.values())))])

    def _fit_mean(self, vectors: Sequence[NDArray[np.float32]]) -> None:
        some = np.concatenate([*vectors, np.zeros((0, self.encoder.dim), np.float32)])
        some = some[np.abs(some).sum(1) > 0]
        # With a handful of items the mean is the items themselves; centring on it would throw their meaning away.
        self.mean = some.mean(0) * np.float32(len(some) / (len(some) + 50)) if len(some) else self.mean

    def centred(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors (n, dim) less the catalogue mean, of unit length; zero vectors stay zero."""
        return center(vectors, self.mean)[1]

    def _add(self, waiting: list[tuple[NDArray[np.int32], NDArray[np.float32]]]) -> None:
        assert self.index is not None
        if not len(self.index) and len(waiting) > 1:
            # An index looks at the first vectors it gets to find out how the catalogue lies: the more the better.
            waiting[:] = [(np.concatenate([k for k, _ in waiting]), np.concatenate([v for _, v in waiting]))]
        for keys, vectors in waiting:
            if len(keys):
                self.index.add(keys, self.centred(vectors))
        waiting.clear()

    # -- pictures -------------------------------------------------------------------------------------------------------
    def _open_pictures(self) -> Pictures:
        from occasion.pictures.collection import Pictures
        from occasion.pictures.wording import Wording

        self.wording = Wording()
        told = None if self.progress is None else partial(self.progress, "pictures")
        return Pictures(self.store, self.settings, progress=told, hurried=self.hurried, keep=self.until is None)

    def _take_pictures(self, pictures: Pictures, *, opening: bool = False) -> None:
        """Take over new pictures; items without a word are found by them."""
        keys = pictures.follow(self.catalogue.revision)
        if opening:
            keys = np.arange(len(self.catalogue), dtype=np.int32)
        assert self.index is not None
        self.wording.fill(self.index, pictures, keys, len(self.catalogue), self._worded)

    def _worded(self, key: int) -> bool:
        return bool(self.text_index.query_of(np.array([key], np.int32), np.ones(1, np.float32)))

    # -- events ---------------------------------------------------------------------------------------------------------
    def _take_events(self) -> None:
        self.contexts.extend(self.store.contexts(after=len(self.contexts) - 1))
        first = self._cursor[1] < 0
        if first and self.until is None:
            found = self.counter.kept()
            if found is None:
                # What was withdrawn since may be among what is there.
                self.counter.discard()
            else:
                self.statistics.replace(found)
        newest = self._newest = self.store.cursor()[1]
        many = newest - self.statistics.cursor > max(CATCH_UP, self.statistics.events // 5)
        if (first and self.statistics.cursor == 0) or (many and (first or not self.hurried)):
            self._count_all()
        else:
            self._opening = self._opening and self._counting is not None and self._counting.is_alive()
            if first and self.hurried and newest - self.statistics.cursor > CATCH_UP:
                # A dozen answers would take 60 ms longer each: better they go by what was counted last, for seconds.
                self._opening = True
            if many or (first and self._opening):
                self._count_beside_answers(newest - CATCH_UP // 2)
            if self._opening:
                self._events_left = True
                return
            self._count_new()
            if self.until is None and self.statistics.late > max(COUNT_AGAIN, COUNT_AGAIN_SHARE * self.statistics.events):
                self._count_beside_answers(self.statistics.cursor - self.statistics.late // 2)

    def _count_all(self) -> None:
        self._trails.clear()
        # Swap the content, not the object: sources hold a reference to it.
        self.statistics.replace(self.counter.count(self.extractor, self.contexts, len(self.catalogue)))
        if self.statistics.events > ELSEWHERE:
            give_back()

    # -- what was withdrawn -----------------------------------------------------------------------------------------------
    def _recount(self, cursor: tuple[int, int, int]) -> None:
        """Count anew without what was withdrawn: at once where the log is short, else aside, and taken over when it is done."""
        if cursor[1] <= RECOUNT_AT_ONCE or self.until is not None:
            self.contexts = list(self.store.contexts())
            self._count_all()
        else:
            self._trails.clear()
            self._count_beside_answers(cursor[1] - CATCH_UP // 2)

    def _count_beside_answers(self, least: int) -> None:
        """Count the whole log, up to event `least` at least, in a thread of its own; the next answer after its end takes over."""
        if self._fresh is None and (self._counting is None or not self._counting.is_alive()):
            self._counting = threading.Thread(target=self._count_aside, args=(least,), name="occasion-recount", daemon=True)
            self._counting.start()

    def _count_aside(self, least: int) -> None:
        # The store may be closed meanwhile; then nothing is lost, the next start counts.
        with contextlib.suppress(StoreError):
            counted = self.counter.count_beside(len(self.catalogue), least)
            self._fresh = counted, list(self.store.contexts())

    def _take_fresh(self) -> None:
        if self._fresh is None:
            return
        statistics, contexts = self._fresh
        self._fresh, self._opening = None, False
        if statistics.basis != self.statistics.basis:
            # Words may be gone from them; else the list at hand, all of it read already, will do.
            self.contexts = contexts
        if statistics.cursor > self.statistics.cursor:
            # Another process counted beyond what was followed here.
            self._trails.clear()
        # Few events came while it was counted: what all others did last stays at hand.
        self._trails.go_back(statistics.cursor)
        self.statistics.replace(statistics)
        # Counting takes a hundred megabytes for a moment, which this process would keep; aside, as it takes some milliseconds.
        threading.Thread(target=give_back, name="occasion-memory", daemon=True).start()
        if statistics.basis == self.counter.basis(self.store.cursor()[2]):
            self._take_events()
        else:
            self._recount(self.store.cursor())

    def _count_new(self) -> None:
        if self._spared:
            self._spared = False
            return
        most = SLICE if self.hurried else 100_000
        self._events_left = False
        for batch in self.store.events(after=self.statistics.cursor, batch=most):
            columns = self.counter.permitted(batch)
            codes = self.extractor.event_signals(columns, self.contexts)
            self.statistics.observe(columns, codes, self._trails.before(columns))
            self._trails.follow(columns)
            self.statistics.cursor = int(batch.seq[-1])
            if self.hurried and len(batch.seq) == most:
                self._events_left = True
                return

    def reads(self, user: int | None) -> bool:
        """Return whether what a person did may be read for an answer; None is somebody the store does not know yet."""
        return self.personalised is None or not self.personalised.refuses(user)

    def discard(self) -> None:
        """Remove what was derived and kept on disk, but for the cached vectors."""
        Statistics.discard(self.folder)
        self._snapshots.discard()
        if self.pictures is not None:
            self.pictures.discard()

    def titles(self, keys: Sequence[int]) -> list[str]:
        """Return the titles of keys, the id where an item is not described."""
        found = self._titles.among(keys)
        missing = {key: self.catalogue.id(key) for key in keys if key not in found}
        if missing:
            items = self.store.get_items(list(missing.values()))
            named = {key: items[item_id].title if item_id in items else item_id for key, item_id in missing.items()}
            self._titles.remember(named, beside=keys)
            found |= named
        return [found[key] for key in keys]

    def some_titles(self, most: int = 2000) -> list[str]:
        """Return titles at hand, drawn evenly."""
        return self._titles.some(most)

    def vectors(self, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the centred unit vectors (n, dim) of keys; zero where an item has none."""
        assert self.index is not None
        return self.index.vectors(keys)
