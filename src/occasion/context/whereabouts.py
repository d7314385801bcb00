"""Whereabouts: the zone, country and hemisphere that a clock and a calendar need, resolved once for a request or a log."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from occasion.data import Scalar
from occasion.errors import DataError

__all__ = ["Hemisphere", "Whereabouts", "hemisphere", "known_zone", "whereabouts"]

Hemisphere = Literal["north", "south", "tropics"]

TROPICS = 10.0
"""Within this many degrees of the equator the year has no four seasons."""

_SOUTHERN = frozenset(
    (
        "AO AQ AR AS AU BO BR BW CC CK CL CX FJ FK GS KM LS MG MU MW MZ NA NC NF NU NZ PF PN PY RE SH SZ TF TO UY VU WF WS YT ZA "
        "ZM ZW"
    ).split()
)
_EQUATORIAL = frozenset(
    (
        "BI BJ BN CD CF CG CI CM CO CR EC ET FM GA GF GH GN GQ GY ID IO KE KI LK LR MH MV MY NG NR PA PE PG PW RW SB SC SG SL SO "
        "SR SS ST TG TK TL TV TZ UG"
    ).split()
)
_SOUTHERN_AREAS = ("Australia/", "Antarctica/", "America/Argentina/", "Chile/")
_SOUTHERN_ZONES = frozenset(
    (
        "Africa/Blantyre Africa/Gaborone Africa/Harare Africa/Johannesburg Africa/Lubumbashi Africa/Lusaka Africa/Maputo "
        "Africa/Maseru Africa/Mbabane Africa/Windhoek America/Asuncion America/Bahia America/Buenos_Aires America/Campo_Grande "
        "America/Catamarca America/Cordoba America/Coyhaique America/Cuiaba America/Jujuy America/La_Paz America/Lima "
        "America/Mendoza America/Montevideo America/Punta_Arenas America/Rosario America/Santiago America/Sao_Paulo "
        "Atlantic/South_Georgia Atlantic/St_Helena Atlantic/Stanley Brazil/East Indian/Antananarivo Indian/Christmas Indian/Cocos "
        "Indian/Comoro Indian/Kerguelen Indian/Mauritius Indian/Mayotte Indian/Reunion NZ NZ-CHAT Pacific/Apia Pacific/Auckland "
        "Pacific/Chatham Pacific/Easter Pacific/Efate Pacific/Fiji Pacific/Gambier Pacific/Niue Pacific/Norfolk Pacific/Noumea "
        "Pacific/Pago_Pago Pacific/Pitcairn Pacific/Rarotonga Pacific/Samoa Pacific/Tahiti Pacific/Tongatapu Pacific/Wallis "
        "US/Samoa"
    ).split()
)
"""Zones of the south: used where neither a latitude nor a country is known."""


class Whereabouts(NamedTuple):
    """Where a moment is, as far as time goes.

    Attributes
    ----------
    time_zone : str
        IANA name that exists.
    country : str
        ISO 3166 code in capitals; empty: unknown.
    hemisphere : north, south or tropics
    """

    time_zone: str
    country: str
    hemisphere: Hemisphere


@lru_cache(maxsize=1024)
def known_zone(name: str) -> bool:
    """Return whether a text is an IANA zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=1024)
def _hemisphere_of(time_zone: str, country: str) -> Hemisphere:
    if country:
        return "south" if country in _SOUTHERN else "tropics" if country in _EQUATORIAL else "north"
    return "south" if time_zone in _SOUTHERN_ZONES or time_zone.startswith(_SOUTHERN_AREAS) else "north"


def hemisphere(time_zone: str, country: str = "", latitude: Scalar | None = None) -> Hemisphere:
    """Return the hemisphere: by latitude where that is a number, else by country, else by zone; the north where none tells."""
    if latitude is None or isinstance(latitude, str):
        return _hemisphere_of(time_zone, country)
    if abs(latitude) <= TROPICS:
        return "tropics"
    return "south" if latitude < 0 else "north"


def _text(signals: Mapping[str, Scalar], name: str) -> str:
    value = signals.get(name)
    return value.strip() if isinstance(value, str) else ""


def whereabouts(
    signals: Mapping[str, Scalar], usual: Whereabouts, *, time_zone: str | None = None, country: str | None = None
) -> Whereabouts:
    """Resolve where a moment is.

    Parameters
    ----------
    signals : mapping
        Normalised: ``time_zone``, ``country`` (a two-letter code) and ``latitude`` count.
    usual : Whereabouts
        What holds where nothing else is said.
    time_zone, country : str, optional
        As the request names them; they go before the signals.

    Raises
    ------
    DataError
        For a `time_zone` that is no IANA zone. A signal of that name that is none is passed over.
    """
    if time_zone and not known_zone(time_zone):
        raise DataError(f"time_zone is {time_zone!r}, which is no IANA zone. Cure: a name such as 'Europe/Berlin', or none.")
    said_zone, said_country = _text(signals, "time_zone"), _text(signals, "country")
    zone = time_zone or (said_zone if said_zone and known_zone(said_zone) else usual.time_zone)
    if not country and len(said_country) == 2:
        country = said_country
    latitude = signals.get("latitude")
    if zone == usual.time_zone and not country and latitude is None:
        return usual
    land = (country or usual.country).upper()
    return Whereabouts(zone, land, hemisphere(zone, land, latitude))
