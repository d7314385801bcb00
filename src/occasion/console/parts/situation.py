"""Situation: the part of a form that says in which moment: words, signals met in the data, a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from occasion.console.parts.fields import kept
from occasion.console.parts.signals import parse_signals
from occasion.console.view import View
from occasion.console.words import Words, say
from occasion.data import Scalar

__all__ = ["WORDS", "Situation", "named", "offered_signals"]

WORDS: Words = {
    "text": ("The situation in words", "用文字描述情境"),
    "text_hint": ("For example: friends are coming over to watch the game", "例如：周末朋友来家里看球"),
    "signals": ("Signals", "信号"),
    "more": ("More signals", "更多信号"),
    "more_hint": ("name=value, one a line", "每行一个：名称=值"),
    "at": ("Time", "时间"),
    "at_hint": ("Empty: now", "留空表示现在"),
}
KNOWN: Mapping[str, tuple[Scalar, ...]] = {
    "weather": ("sunny", "rain", "snow", "hot", "cold"),
    "company": ("alone", "family", "friends", "partner", "children"),
    "place": ("home", "work", "outdoors", "travel"),
    "device": ("phone", "tablet", "desktop", "tv"),
    "mood": ("happy", "tired", "stressed", "ill"),
    "part_of_day": ("morning", "noon", "afternoon", "evening", "night"),
    "weekday": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
}
"""Signals that the language model reads well, whether the data have them or not."""
FIELDS, FIRST = 12, 6
"""Signals offered in all, and at first sight."""
PASSED_OVER = frozenset({"recent_items", "last_item", "hour", "day"})
NAMES = {
    "weather": "天气",
    "company": "同伴",
    "place": "地点",
    "device": "设备",
    "mood": "心情",
    "part_of_day": "时段",
    "weekday": "星期",
    "season": "季节",
    "month": "月份",
    "weekend": "周末",
}
"""Chinese names of signals that are known beforehand; others keep their own."""


def offered_signals(found: Sequence[Mapping[str, Any]]) -> dict[str, list[Scalar]]:
    """Return the signals a form offers with their values: those that are well known, then those met in the data."""
    offered: dict[str, list[Scalar]] = {name: list(values) for name, values in KNOWN.items()}
    for signal in found:
        if signal["name"] in PASSED_OVER:
            continue
        values = [one["value"] for one in signal["values"]]
        known = offered.get(signal["name"], [])
        offered[signal["name"]] = [*values, *(v for v in known if v not in values)]
    met = {signal["name"] for signal in found}
    order = sorted(offered, key=lambda name: (name not in KNOWN, name not in met))
    return {name: offered[name] for name in order[:FIELDS]}


@dataclass
class Situation:
    """What stands in the form."""

    text: str = ""
    chosen: dict[str, Scalar | None] = field(default_factory=dict)
    more: str = ""
    when: str = ""

    def signals(self, locale: str) -> dict[str, Scalar]:
        """Return the signals that were set."""
        return {**{name: value for name, value in self.chosen.items() if value is not None}, **parse_signals(self.more, locale)}

    def at(self, zone: str) -> float | None:
        """Return the time in unix seconds, None: now."""
        return datetime.fromisoformat(self.when).replace(tzinfo=ZoneInfo(zone)).timestamp() if self.when else None

    def form(
        self,
        view: View,
        offered: Mapping[str, Sequence[Scalar]],
        *,
        submit: Callable[[], Awaitable[None]],
        below: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the fields; Ctrl+Enter in the words submits, and `below` makes what stands under them."""
        locale = view.locale
        words = kept(ui.textarea(say(WORDS, locale, "text")), self, "text").classes("words")
        words.props["placeholder"] = say(WORDS, locale, "text_hint")
        words.props("outlined autogrow dense stack-label").on("keydown.ctrl.enter", submit)
        below()
        with ui.element("fieldset").classes("signals"):
            with ui.element("legend"):
                ui.label(say(WORDS, locale, "signals"))
            self._selects(locale, list(offered.items())[:FIRST])
            time = kept(ui.input(say(WORDS, locale, "at")), self, "when").classes("when signal")
            time.props("outlined dense stack-label type=datetime-local").props["hint"] = say(WORDS, locale, "at_hint")
        with ui.expansion(say(WORDS, locale, "more")).props("dense").classes("more"):
            with ui.element("div").classes("signals"):
                self._selects(locale, list(offered.items())[FIRST:])
            more = kept(ui.textarea(say(WORDS, locale, "more_hint")), self, "more").classes("more-signals")
            more.props("outlined dense autogrow")

    def _selects(self, locale: str, offered: Sequence[tuple[str, Sequence[Scalar]]]) -> None:
        for name, values in offered:
            self.chosen.setdefault(name, None)
            options = {value: str(value).replace("_", " ") for value in values}
            select = kept(ui.select(options, label=named(name, locale), clearable=True), self.chosen, name)
            select.props("outlined dense options-dense").classes(f"signal signal-{name}")


def named(name: str, locale: str) -> str:
    """Return how a signal is called."""
    plain = name.replace("_", " ")
    return NAMES.get(name, plain) if locale == "zh" else plain
