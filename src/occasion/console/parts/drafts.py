"""Drafts: a scenario as the fields of a form, and back: one thing a line where there are several."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from occasion.errors import DataError

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """What stands in a form; every field is text but the switches.

    Attributes
    ----------
    name, about, filter, k, diversity, explore : str
    always, strict : bool
    start, end : str
        Local time as ``2026-12-01T08:00``.
    exclude : str
        Item ids, one a line.
    pins : str
        ``1 = item`` a line.
    boosts : str
        ``1.5: brand = Acme`` a line.
    caps : str
        ``categories = 2`` a line.
    quotas : str
        ``2: categories = drinks`` a line.
    signals : str
        ``place = home`` a line.
    kept : mapping
        Rules that the form does not show.
    """

    name: str = ""
    about: str = ""
    always: bool = False
    strict: bool = True
    start: str = ""
    end: str = ""
    filter: str = ""
    exclude: str = ""
    pins: str = ""
    boosts: str = ""
    caps: str = ""
    quotas: str = ""
    k: str = ""
    diversity: str = ""
    explore: str = ""
    signals: str = ""
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any], zone: str) -> Draft:
        """Return the form of a scenario."""
        rules = dict(document.get("rules", {}))
        pins = sorted((rules.pop("pins", None) or {}).items(), key=lambda pair: pair[1])
        return cls(
            name=name,
            about=document.get("about", ""),
            always=bool(document.get("always")),
            strict=rules.pop("strict", True) is not False,
            start=_local(document.get("active_from"), zone),
            end=_local(document.get("active_until"), zone),
            filter=_filter_text(rules.pop("filter", "") or ""),
            exclude="\n".join(rules.pop("exclude", None) or ()),
            pins="\n".join(f"{place} = {item}" for item, place in pins),
            boosts="\n".join(f"{b['factor']:g}: {_filter_text(b['filter'])}" for b in rules.pop("boosts", None) or ()),
            caps="\n".join(f"{name} = {most}" for name, most in (rules.pop("caps", None) or {}).items()),
            quotas="\n".join(f"{q['least']}: {_filter_text(q['filter'])}" for q in rules.pop("quotas", None) or ()),
            **{name: _number(document.get(name)) for name in ("k", "diversity", "explore")},
            signals="\n".join(f"{name} = {_signal_text(value)}" for name, value in document.get("signals", {}).items()),
            kept=rules,
        )

    def document(self, zone: str) -> dict[str, Any]:
        """Return the scenario.

        Raises
        ------
        DataError
            Naming the line that cannot be read.
        """
        rules: dict[str, Any] = {
            **self.kept,
            "filter": _filter(self.filter),
            "exclude": _lines(self.exclude) or None,
            "pins": {item: place for place, item in map(_pin, _lines(self.pins))} or None,
            "boosts": [_boost(line) for line in _lines(self.boosts)] or None,
            "caps": dict(map(_cap, _lines(self.caps))) or None,
            "quotas": [_quota(line) for line in _lines(self.quotas)] or None,
            "strict": None if self.strict else False,
        }
        out: dict[str, Any] = {
            "rules": _given(rules),
            "k": _read(self.k, int, "k"),
            "diversity": _read(self.diversity, float, "diversity"),
            "explore": _read(self.explore, float, "explore"),
            "signals": dict(map(_signal, _lines(self.signals))) or None,
            "always": self.always or None,
            "active_from": _unix(self.start, zone),
            "active_until": _unix(self.end, zone),
            "about": self.about.strip() or None,
        }
        return {name: value for name, value in _given(out).items() if value != {}}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _filter_text(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _filter(text: str) -> Any:
    text = text.strip()
    if not text.startswith("{"):
        return text or None
    try:
        return json.loads(text)
    except ValueError:
        raise DataError(f"the filter {text!r:.200} is no JSON. Cure: for example price < 5.") from None


def _pair(line: str, sign: str, example: str) -> tuple[str, str]:
    left, found, right = line.partition(sign)
    if not found or not left.strip() or not right.strip():
        raise DataError(f"the line is {line!r:.200}. Cure: for example {example}")
    return left.strip(), right.strip()


def _pin(line: str) -> tuple[int, str]:
    place, item = _pair(line, "=", "1 = potato-chips")
    if not place.isdecimal():
        raise DataError(f"the place is {place!r:.50}. Cure: a whole number, for example 1 = potato-chips")
    return int(place), item


def _boost(line: str) -> dict[str, Any]:
    factor, text = _pair(line, ":", "1.5: brand = Acme")
    return {"filter": _filter(text), "factor": _read(factor, float, "factor")}


def _quota(line: str) -> dict[str, Any]:
    least, text = _pair(line, ":", "2: categories = drinks")
    if not least.isdecimal():
        raise DataError(f"the quota is {least!r:.50}. Cure: a whole number, for example 2: categories = drinks")
    return {"filter": _filter(text), "least": int(least)}


def _cap(line: str) -> tuple[str, int]:
    name, _, most = line.rpartition("=")
    if not name.strip() or not most.strip().isdecimal():
        raise DataError(f"the line is {line!r:.200}. Cure: for example categories = 2")
    return name.strip(), int(most)


def _signal(line: str) -> tuple[str, str | float | bool]:
    name, text = _pair(line, "=", "place = home")
    found = _scalar(text)
    return name, text if found is None else found


def _scalar(text: str) -> str | float | bool | None:
    """Return what a text is as JSON: a number, true or false, or a quoted text; None for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, (str, int, float, bool)) else None


def _signal_text(value: Any) -> str:
    """Return a signal's value so that it is read as what it is."""
    return value if isinstance(value, str) and _scalar(value) is None else json.dumps(value, ensure_ascii=False)


def _read(text: str, kind: Callable[[str], Any], name: str) -> Any:
    text = str(text or "").strip()
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise DataError(f"{name} is {text!r:.50}. Cure: a number.") from None


def _number(value: Any) -> str:
    return "" if value is None else f"{value:g}"


def _local(at: float | None, zone: str) -> str:
    return "" if at is None else datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def _unix(text: str, zone: str) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
    except ValueError:
        raise DataError(f"the time is {text!r:.50}. Cure: for example 2026-12-01T08:00.") from None
