"""Atlases: the map of a tenant's catalogue, drawn aside in a thread of its own while requests are answered."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.insight.atlas import Atlas, draw, load, save
from occasion.service.failures import told
from occasion.service.lanes import Lane, OverloadedError
from occasion.service.logs import logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.service.tenants import Tenant

__all__ = ["AtlasState", "TenantAtlas"]

STALE = 0.02
"""Share of items that the map lacks from which on it is drawn anew."""
AGAIN_SECONDS = 600.0
"""After a drawing that failed or was cancelled, until one begins unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtlasState:
    """The map as it stands.

    Attributes
    ----------
    atlas : Atlas or None
        What there is to show.
    drawing, redrawing : bool
        Whether one is being drawn, and whether that was asked for.
    done, total : int
        Of the one that is being drawn.
    trouble : str
        Why the last one could not be drawn.
    cancelled : bool
        Whether the last one was not to be drawn to its end.
    """

    atlas: Atlas | None
    drawing: bool
    redrawing: bool
    done: int
    total: int
    trouble: str
    cancelled: bool


class TenantAtlas:
    """The map of one tenant.

    Parameters
    ----------
    tenant : Tenant
    answers : Lane
        The one thread that may use the recommender.
    """

    def __init__(self, tenant: Tenant, answers: Lane) -> None:
        self._tenant, self._answers = tenant, answers
        self._path = tenant.path("derived") / "atlas.npz"
        self._atlas: Atlas | None = None
        self._read = self._redrawing = False
        self._end = threading.Event()
        self._closed = False
        self._progress = (0, 0)
        self._trouble, self._cancelled = "", False
        self._rests_until = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, redraw: bool = False) -> AtlasState:
        """Return the map as it stands; begin to draw it where it is missing or stale, or `redraw`. For the lane of answers."""
        recommender = self._tenant.recommender
        recommender.refresh()
        catalogue = recommender.live.catalogue
        with self._lock:
            if not self._read:
                self._atlas, self._read = load(self._path), True
            found = self._atlas
            # A map of a later catalogue is of another one, whose keys mean other items: the store was put back.
            if found is not None and (
                found.encoder != recommender.encoder.version
                or int(found.keys.max(initial=-1)) >= len(catalogue.known)
                or found.revision > catalogue.revision
            ):
                found = self._atlas = None
            if (redraw or self._due(found, catalogue.known)) and catalogue.known.any() and not self._drawing():
                self._begin(np.flatnonzero(catalogue.known).astype(np.int32), catalogue.revision, redraw)
            drawing = self._drawing()
            return AtlasState(
                atlas=found,
                drawing=drawing,
                redrawing=drawing and self._redrawing,
                done=self._progress[0],
                total=self._progress[1],
                trouble=self._trouble,
                cancelled=self._cancelled,
            )

    def _due(self, found: Atlas | None, known: NDArray[np.bool_]) -> bool:
        """Return whether a map has to be drawn unasked."""
        if time.monotonic() < self._rests_until:
            return False
        lacking = int(known.sum()) - (int(known[found.keys].sum()) if found is not None else 0)
        return found is None or lacking > STALE * max(1, len(found.keys))

    def _drawing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _begin(self, keys: NDArray[np.int32], revision: int, redraw: bool) -> None:
        if self._closed:
            return
        self._progress, self._redrawing = (0, len(keys)), redraw
        self._trouble, self._cancelled = "", False
        self._end.clear()
        self._thread = threading.Thread(target=self._draw, args=(keys, revision), daemon=True, name="map")
        self._thread.start()

    def _draw(self, keys: NDArray[np.int32], revision: int) -> None:
        try:
            version = self._tenant.recommender.encoder.version
            made = draw(keys, self._vectors, encoder=version, revision=revision, progress=self._told)
        except _EndedError:
            self._failed("")
        except Exception as error:
            # Whatever it is: a map that cannot be drawn must not be begun again and again.
            logger.exception("map")
            message, cure = told(error, "map")
            self._failed(f"{message}. Cure: {cure}; then draw the map anew.")
        else:
            with self._lock:
                self._atlas = made
            try:
                save(made, self._path)
            except OSError:
                # It is there to be shown; the next process draws its own.
                logger.exception("map")

    def _failed(self, trouble: str) -> None:
        with self._lock:
            self._trouble, self._cancelled = trouble, not trouble
            self._rests_until = time.monotonic() + AGAIN_SECONDS

    def _told(self, done: int, total: int) -> None:
        if self._end.is_set():
            raise _EndedError
        self._progress = (done, total)

    def _vectors(self, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Fetch vectors in the lane of answers, in turn with requests."""
        while not self._end.is_set():
            try:
                return asyncio.run(self._answers.run(lambda: self._tenant.recommender.live.vectors(keys)))
            except OverloadedError:
                self._end.wait(0.5)
        raise _EndedError

    def cancel(self) -> bool:
        """Let a drawing end before it is done; return whether there is one."""
        with self._lock:
            if not self._drawing():
                return False
            self._end.set()
            return True

    def close(self) -> None:
        """Stop what runs; idempotent."""
        with self._lock:
            self._closed = True
            self._end.set()
            thread = self._thread
        if thread is not None:
            thread.join(10)


class _EndedError(Exception):
    """The drawing is to end."""
