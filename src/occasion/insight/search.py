"""Search in the catalogue: by meaning and by words together, within a filter; and what the found divide into.

The ranks of both searches are fused: ``sum 1 / (60 + rank)`` (Cormack, Clarke and Buettcher, SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import EncoderError
from occasion.privacy.redaction import redacted
from occasion.recommender import Recommender
from occasion.rules import Filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Found", "find"]

FUSION = 60
DEPTH = 400
"""Items that each of the two searches finds at most."""
VALUES = 30
"""Values of a facet that are shown."""
LEAST_SHARE = 0.05
"""Of the items, what the most frequent value of a facet must have."""
SCATTERED, BROAD = 2000, 100_000
"""A field with more distinct values divides nothing; of categories the most frequent are shown in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found.

    Attributes
    ----------
    total : int
        Items found. With words at most 800: those behind are not looked at.
    items : tuple of (id, popularity)
        One page of them, the best first; without words the most popular first.
    facets : mapping of field to ((value, number), ...)
        How the found divide; of fields of numbers (least, greatest).
    """

    total: int
    items: tuple[tuple[str, float], ...]
    facets: Mapping[str, Any]


def find(
    recommender: Recommender,
    text: str = "",
    wanted: Filter | None = None,
    *,
    k: int = 50,
    offset: int = 0,
    facets: Sequence[str] | None = None,
) -> Found:
    """Search the catalogue.

    Parameters
    ----------
    text : str
        Words; "": everything.
    wanted : Filter, optional
    k, offset : int
        Which page.
    facets : sequence of str, optional
        Fields to divide by; default: categories and up to seven others that divide well.
    """
    recommender.refresh()
    live = recommender.live
    allowed = live.catalogue.known.copy()
    if wanted is not None and live.catalogue.size:
        allowed &= live.catalogue.columns.mask(wanted, len(allowed))
    popular = np.zeros(len(allowed))
    popular[: len(live.statistics.now)] = live.statistics.now[: len(allowed)]
    if text.strip() and live.catalogue.size:
        order = _fused(recommender, text, allowed)
        mask = np.zeros(len(allowed), bool)
        mask[order] = True
    else:
        keys = np.flatnonzero(allowed)
        order = keys[np.argsort(-popular[keys], kind="stable")]
        mask = allowed
    page = order[offset : offset + k]
    return Found(
        total=len(order),
        items=tuple((live.catalogue.id(int(key)), float(popular[key])) for key in page),
        facets=_facets(recommender, mask, facets),
    )


def _fused(recommender: Recommender, text: str, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return keys, best first."""
    live = recommender.live
    assert live.index is not None
    score = np.zeros(len(allowed))
    found = [live.text_index.search(live.text_index.query(text), DEPTH, allowed).keys]
    # A remote encoder that is out of order leaves the words; none gets to see anybody's number.
    with suppress(EncoderError):
        vector = recommender.encoder.encode([redacted(text) if recommender.settings.redact_text else text], role="query")[0]
        if np.any(vector):
            found.append(live.index.search(vector, DEPTH, allowed).keys)
    for keys in found:
        score[keys] += 1 / (FUSION + 1 + np.arange(len(keys)))
    some = np.flatnonzero(score)
    return np.asarray(some[np.argsort(-score[some], kind="stable")])


def _facets(recommender: Recommender, mask: NDArray[np.bool_], names: Sequence[str] | None) -> dict[str, Any]:
    columns = recommender.live.catalogue.columns
    chosen = names if names is not None else ["categories", *(n for n in columns.names if n not in ("categories", "id", "title"))]
    out: dict[str, Any] = {}
    for name in chosen:
        most = BROAD if name == "categories" else SCATTERED
        found = columns.facet(name, mask, most) if name in columns.names else None
        if found and (names is not None or (len(out) < 8 and _divides(found, int(mask.sum())))):
            out[name] = found[:VALUES]
    return out


def _divides(found: Sequence[Any], items: int) -> bool:
    """Return whether a facet is worth a look: where its most frequent value holds next to nothing, as with dates, it is not."""
    return not isinstance(found[0], tuple) or found[0][1] > items * LEAST_SHARE
