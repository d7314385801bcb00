"""Timeline: what a person did, newest first, day by day, each event with the context it happened in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from occasion.console.words import Words, say
from occasion.data import Item

__all__ = ["WORDS", "timeline_html"]

WORDS: Words = {"untimed": ("Time unknown", "时间未知"), "gone": ("no longer in the catalogue", "已不在目录中")}


def timeline_html(events: Sequence[Mapping[str, Any]], items: Mapping[str, Item], locale: str, zone: str) -> str:
    """Return events, as the service tells them, as a list by day."""
    days = []
    for day, some in groupby(events, key=lambda event: _day(event["at"], locale, zone)):
        rows = "".join(_row(event, items.get(event["item"]), zone, locale) for event in some)
        days.append(f"<li><h3>{escape(day)}</h3><ol>{rows}</ol></li>")
    return f"<ol class='timeline'>{''.join(days)}</ol>"


def _day(at: float | None, locale: str, zone: str) -> str:
    if at is None:
        return say(WORDS, locale, "untimed")
    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d}"


def _row(event: Mapping[str, Any], item: Item | None, zone: str, locale: str) -> str:
    time = "" if event["at"] is None else f"<time>{datetime.fromtimestamp(event['at'], ZoneInfo(zone)):%H:%M}</time>"
    title = escape(item.title) if item is not None else f"{escape(event['item'])} <em>({say(WORDS, locale, 'gone')})</em>"
    value = "" if event["value"] is None else f" <span class='value'>{event['value']:g}</span>"
    signals = "".join(f"<li>{escape(f'{name}: {found}')}</li>" for name, found in event["signals"].items())
    text = f"<q>{escape(event['text'])}</q>" if event["text"] else ""
    context = f"<ul class='tags'>{signals}</ul>{text}" if signals or text else ""
    return f"<li>{time} <span class='kind'>{escape(event['type'])}</span> <strong>{title}</strong>{value}{context}</li>"
