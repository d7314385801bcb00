"""Maps: the map of a catalogue as it is sent, with what items are called, how they are grouped, how popular they are."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import to_json

from occasion.errors import DataError
from occasion.insight.atlas import Atlas
from occasion.service.atlases import AtlasState, TenantAtlas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.recommender import Recommender
    from occasion.service.tenants import Tenant

__all__ = ["SentMap"]

GROUPS = 11
"""Groups that have a colour of their own; the others share one."""
KEPT_SECONDS = 30.0
"""How long a map is sent as it was, while the catalogue is the same: what is popular moves slowly."""


class SentMap:
    """The map of one tenant as it is sent. All methods are for the lane of answers.

    Parameters
    ----------
    tenant : Tenant
    atlas : TenantAtlas
    """

    def __init__(self, tenant: Tenant, atlas: TenantAtlas) -> None:
        self._tenant, self._atlas = tenant, atlas
        self._kept: tuple[object, float, bytes] = (None, 0.0, b"")

    def whole(self, field: str, *, redraw: bool = False) -> bytes:
        """Return the map as JSON, items grouped by the first value of a field; where it is not ready, how far it is.

        Raises
        ------
        DataError
            For a field of text.
        """
        recommender = self._tenant.recommender
        if recommender.live.catalogue.columns.is_text(field):
            raise DataError(f"the field {field!r:.200} is text. Cure: one of few values to group by, for example categories.")
        found = self._atlas.look(redraw)
        stand = self._stand(found)
        if found.atlas is None or stand["state"] != "ready":
            return to_json(stand)
        of, until, document = self._kept
        now = (found.atlas, recommender.live.catalogue.revision, field, found.trouble)
        if of != now or time.monotonic() > until:
            document = to_json({**stand, **_drawn(recommender, found.atlas, field)})
            self._kept = (now, time.monotonic() + KEPT_SECONDS, document)
        return document

    def stand(self) -> dict[str, Any]:
        """Return how the map stands, without it."""
        return self._stand(self._atlas.look())

    def _stand(self, found: AtlasState) -> dict[str, Any]:
        size = self._tenant.recommender.live.catalogue.size
        if not size:
            return {"state": "empty", "done": 0, "total": 0}
        if found.redrawing or (found.atlas is None and not found.trouble and not found.cancelled):
            return {"state": "drawing", "done": found.done, "total": found.total}
        if found.atlas is None:
            state = "cancelled" if found.cancelled else "failed"
            return {"state": state, "done": found.done, "total": found.total, "trouble": found.trouble}
        return {"state": "ready", "done": size, "total": size, "trouble": found.trouble}

    def marks(self, items: Sequence[str]) -> dict[str, Any]:
        """Return all points of the map, and the places of those of some items that are on it."""
        found = self._atlas.look()
        stand = self._stand(found)
        if found.atlas is None or stand["state"] != "ready":
            return stand
        catalogue = self._tenant.recommender.live.catalogue
        keys, x, y = _points(found.atlas, catalogue.known)
        place = np.full(len(catalogue), -1)
        place[keys] = np.arange(len(keys))
        marked = {}
        for item in items:
            key = catalogue.key(item)
            if key is not None and place[key] >= 0:
                marked[item] = (int(x[place[key]]), int(y[place[key]]))
        return {**stand, "x": _packed(x), "y": _packed(y), "marks": marked}


def _points(atlas: Atlas, known: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.uint16]]:
    """Return keys (n,) and places (n,) of the items on a map that are still there."""
    here = known[atlas.keys]
    x, y = np.round(65535 * atlas.places[here]).astype("<u2").T
    return atlas.keys[here], x, y


def _drawn(recommender: Recommender, atlas: Atlas, field: str) -> dict[str, Any]:
    live = recommender.live
    keys, x, y = _points(atlas, live.catalogue.known)
    groups, codes = _groups(recommender, keys, field)
    now = np.zeros(len(live.catalogue))
    now[: len(live.statistics.now)] = live.statistics.now[: len(now)]
    # By rank: counts are so skew that by size nearly all would look alike.
    values, places_of = np.unique(now[keys], return_inverse=True)
    rank = np.cumsum(np.bincount(places_of, minlength=len(values)))[places_of] / max(1, len(keys))
    popularity = np.where(now[keys] > 0, np.round(255 * rank), 0).astype(np.uint8)
    return {
        "done": len(keys),
        "ids": [live.catalogue.id(int(key)) for key in keys],
        "x": _packed(x),
        "y": _packed(y),
        "group": _packed(codes),
        "popularity": _packed(popularity),
        "groups": groups,
        "field": field,
    }


def _packed(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _groups(recommender: Recommender, keys: NDArray[np.int32], field: str) -> tuple[list[str], NDArray[np.uint8]]:
    """Return the names of groups by a field's first value, the largest first, and each key's group; the last is all others."""
    columns = recommender.live.catalogue.columns
    if field not in columns.names:
        return [""], np.zeros(len(keys), np.uint8)
    first = [columns.first(int(key), field) or "" for key in keys]
    # Of groups of one size the first by name.
    names = sorted(Counter(first).items(), key=lambda pair: (-pair[1], pair[0]))[:GROUPS]
    place = {name: n for n, (name, _) in enumerate(names)}
    return [*place, ""], np.array([place.get(name, len(place)) for name in first], np.uint8)
