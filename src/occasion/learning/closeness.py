"""How far items are from where somebody is: places to eat, to see or to shop at are chosen nearby.

Where the catalogue tells latitudes and longitudes, items are put forward that are close to where the moment says somebody is, else
to the last item of theirs that has a position; and those that are close and chosen by many: what is chosen falls about with the
distance (the gravity model of human movement: Zipf, "The P1 P2/D hypothesis", American Sociological Review 1946).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.scored import UNSAID
from occasion.learning.signals import PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from occasion.learning.requests import Requests

    Floats = NDArray[np.float32]
    Points = NDArray[np.float64]

__all__ = ["TOLD", "closeness", "points", "whereabouts", "which"]

LATITUDE, LONGITUDE = ("latitude", "lat", "纬度"), ("longitude", "lon", "lng", "long", "经度")
"""Names of columns, without the prefix of signals, in lower case."""
TOLD = (f"{PREFIX}latitude", f"{PREFIX}longitude")
"""Names under which a moment tells where somebody is."""
RADIUS = 6371.0
"""Of the earth, km."""


def which(names: Sequence[str]) -> tuple[int, int] | None:
    """Return the places of latitude and longitude among names of numbers; None where either is missing."""
    plain = [name.lower().removeprefix(PREFIX).strip() for name in names]
    latitude, longitude = ([plain.index(name) for name in some if name in plain] for some in (LATITUDE, LONGITUDE))
    return (latitude[0], longitude[0]) if latitude and longitude else None


def points(degrees: NDArray[np.floating]) -> Points:
    """Return latitudes and longitudes (n, 2) as points of the unit sphere (n, 3); NaN where they are missing or no degrees."""
    fits = (np.abs(degrees) <= (90, 180)).all(1)
    latitude, longitude = np.radians(np.where(fits[:, None], degrees.astype(np.float64), np.nan)).T
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], 1)


def whereabouts(requests: Requests, items: Points, told: tuple[int, int] | None) -> Points:
    """Return where each request is made (B, 3), NaN where nothing tells.

    The numbers `told`, else the point of the newest item that has one among `items` (items, 3).
    """
    out = np.full((len(requests), 3), np.nan)
    row, at = requests.row, items[requests.item]
    known = np.isfinite(at[:, 0])
    out[row[known]] = at[known]  # The newest is the last to be written.
    if told is None:
        return out
    own = points(requests.numbers[:, list(told)])
    return np.where(np.isfinite(own), own, out)


def closeness(items: Points, where: Points) -> Floats:
    """Return -ln(1 + km) from points (B, 3) to items (items, 3): (B, items); -1e9, which says nothing, where either is unknown."""
    # In 64 bits the cosine still has the digits that tell a metre.
    chord = np.sqrt(np.maximum(2 - 2 * (where @ items.T), 0))
    out = -np.log1p(2 * RADIUS * np.arcsin(np.minimum(chord / 2, 1)))
    return np.where(np.isfinite(out), out, UNSAID).astype(np.float32)
