"""Drafts: a scenario as the fields of a form, and back: one thing a line where there are several.

What a form cannot show, such as the seconds of a time, stays as it was unless somebody changes what it shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from occasion.console.parts.signals import parse_signals, signal_lines
from occasion.console.words import Words, say
from occasion.errors import DataError

__all__ = ["WORDS", "Draft"]

WORDS: Words = {
    "no_json": (
        "the filter {text!r} is no JSON. Cure: for example price < 5.",
        "过滤条件 {text!r} 不是有效的 JSON。 Cure: 例如 price < 5。",
    ),
    "line": ("the line is {line!r}. Cure: for example {example}", "无法识别 {line!r}。 Cure: 例如 {example}"),
    "place": (
        "the place is {text!r}. Cure: a whole number, for example {example}",
        "位置为 {text!r}。 Cure: 应为整数，例如 {example}",
    ),
    "quota": (
        "the quota is {text!r}. Cure: a whole number, for example {example}",
        "配额为 {text!r}。 Cure: 应为整数，例如 {example}",
    ),
    "number": ("{field} is {text!r}. Cure: a number.", "{field}为 {text!r}。 Cure: 应为数字。"),
    "time": ("the time is {text!r}. Cure: for example 2026-12-01T08:00.", "时间为 {text!r}。 Cure: 例如 2026-12-01T08:00。"),
    "k": ("the length", "数量"),
    "diversity": ("the diversity", "多样性"),
    "explore": ("the exploration", "探索"),
    "factor": ("the factor", "系数"),
}
PIN, QUOTA = "1 = potato-chips", "2: categories = drinks"


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
    policy : mapping
        The policy and its settings, which the form does not show either.
    times : mapping
        Field to what it showed at first, and the time behind it in unix seconds.
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
    policy: dict[str, Any] = field(default_factory=dict)
    times: dict[str, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any], zone: str) -> Draft:
        """Return the form of a scenario."""
        rules = dict(document.get("rules", {}))
        pins = sorted((rules.pop("pins", None) or {}).items(), key=lambda pair: pair[1])
        given = {"start": document.get("active_from"), "end": document.get("active_until")}
        return cls(
            name=name,
            about=document.get("about", ""),
            always=bool(document.get("always")),
            strict=rules.pop("strict", True) is not False,
            start=_local(given["start"], zone),
            end=_local(given["end"], zone),
            times={name: (_local(at, zone), at) for name, at in given.items() if at is not None},
            filter=_filter_text(rules.pop("filter", "") or ""),
            exclude="\n".join(rules.pop("exclude", None) or ()),
            pins="\n".join(f"{place} = {item}" for item, place in pins),
            boosts="\n".join(f"{_number(b['factor'])}: {_filter_text(b['filter'])}" for b in rules.pop("boosts", None) or ()),
            caps="\n".join(f"{name} = {most}" for name, most in (rules.pop("caps", None) or {}).items()),
            quotas="\n".join(f"{q['least']}: {_filter_text(q['filter'])}" for q in rules.pop("quotas", None) or ()),
            **{name: _number(document.get(name)) for name in ("k", "diversity", "explore")},
            signals=signal_lines(document.get("signals", {})),
            kept=rules,
            policy={name: document[name] for name in ("policy", "policy_options") if document.get(name)},
        )

    def document(self, zone: str, locale: str) -> dict[str, Any]:
        """Return the scenario.

        Raises
        ------
        DataError
            Naming the line that cannot be read, in the language of `locale`.
        """
        read = _Reading(locale)
        rules: dict[str, Any] = {
            **self.kept,
            "filter": read.filter(self.filter),
            "exclude": _lines(self.exclude) or None,
            "pins": {item: place for place, item in map(read.pin, _lines(self.pins))} or None,
            "boosts": [read.boost(line) for line in _lines(self.boosts)] or None,
            "caps": dict(map(read.cap, _lines(self.caps))) or None,
            "quotas": [read.quota(line) for line in _lines(self.quotas)] or None,
            "strict": None if self.strict else False,
        }
        out: dict[str, Any] = {
            **self.policy,
            "rules": _given(rules),
            "k": read.number(self.k, int, "k"),
            "diversity": read.number(self.diversity, float, "diversity"),
            "explore": read.number(self.explore, float, "explore"),
            "signals": parse_signals(self.signals, locale) or None,
            "always": self.always or None,
            "active_from": self._time("start", zone, read),
            "active_until": self._time("end", zone, read),
            "about": self.about.strip() or None,
        }
        return {name: value for name, value in _given(out).items() if value != {}}

    def _time(self, name: str, zone: str, read: _Reading) -> float | None:
        shown, at = self.times.get(name, ("", 0.0))
        text = getattr(self, name)
        return at if text and text == shown else read.time(text, zone)


class _Reading:
    """Reads lines of a form; what cannot be read is told in the language of the page."""

    def __init__(self, locale: str) -> None:
        self._locale = locale

    def _wrong(self, name: str, **values: Any) -> DataError:
        return DataError(say(WORDS, self._locale, name, **values))

    def filter(self, text: str) -> Any:
        """Return a filter: words, or JSON where it begins as such."""
        text = text.strip()
        if not text.startswith("{"):
            return text or None
        try:
            return json.loads(text)
        except ValueError:
            raise self._wrong("no_json", text=f"{text:.200}") from None

    def _pair(self, line: str, sign: str, example: str) -> tuple[str, str]:
        left, found, right = line.partition(sign)
        if not found or not left.strip() or not right.strip():
            raise self._wrong("line", line=f"{line:.200}", example=example)
        return left.strip(), right.strip()

    def pin(self, line: str) -> tuple[int, str]:
        """Return place and item."""
        place, item = self._pair(line, "=", PIN)
        if not place.isdecimal():
            raise self._wrong("place", text=f"{place:.50}", example=PIN)
        return int(place), item

    def boost(self, line: str) -> dict[str, Any]:
        """Return a boost."""
        factor, text = self._pair(line, ":", "1.5: brand = Acme")
        return {"filter": self.filter(text), "factor": self.number(factor, float, "factor")}

    def quota(self, line: str) -> dict[str, Any]:
        """Return a quota."""
        least, text = self._pair(line, ":", QUOTA)
        if not least.isdecimal():
            raise self._wrong("quota", text=f"{least:.50}", example=QUOTA)
        return {"filter": self.filter(text), "least": int(least)}

    def cap(self, line: str) -> tuple[str, int]:
        """Return a field and how many of one value it may have."""
        name, _, most = line.rpartition("=")
        if not name.strip() or not most.strip().isdecimal():
            raise self._wrong("line", line=f"{line:.200}", example="categories = 2")
        return name.strip(), int(most)

    def number(self, text: str, kind: Callable[[str], float], name: str) -> Any:
        """Return a number, None for nothing."""
        text = text.strip()
        if not text:
            return None
        try:
            found = kind(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self._wrong("number", field=say(WORDS, self._locale, name), text=f"{text:.50}")
        return found

    def time(self, text: str, zone: str) -> float | None:
        """Return unix seconds, None for nothing."""
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
        except ValueError:
            raise self._wrong("time", text=f"{text:.50}") from None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _filter_text(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _number(value: Any) -> str:
    return "" if value is None else repr(value).removesuffix(".0")


def _local(at: float | None, zone: str) -> str:
    return "" if at is None else datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
