"""Compared: two answers side by side, what moved from one to the other, and which part of the score moved it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from nicegui import ui

from occasion.console.parts.cards import GROUPS, split_html
from occasion.console.parts.cards import WORDS as GROUP_WORDS
from occasion.console.view import View
from occasion.console.words import Words, say
from occasion.data import Item, SlateEntry

__all__ = ["WORDS", "Move", "moves", "show_compared"]

WORDS: Words = {
    "new": ("new", "新增"),
    "gone": ("leaves the list", "离开列表"),
    "same": ("same place", "位置不变"),
    "up": ("up {n}", "上升 {n}"),
    "down": ("down {n}", "下降 {n}"),
    "why": ("{part} {change:+.2f}", "{part} {change:+.2f}"),
    "summary": ("{came} came, {went} went, {moved} moved.", "新增 {came}，离开 {went}，移动 {moved}。"),
}
LEAST = 0.005
"""Change of a part that is worth a word."""
Entries = tuple[SlateEntry, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """How an item of either list moved: places from 1, None where it is not in a list; which part of its score changed most."""

    item: str
    before: int | None
    after: int | None
    part: str
    change: float


def moves(before: Entries, after: Entries) -> dict[str, Move]:
    """Return the moves of all items of both lists."""
    first, second = ({e.item: (n, e) for n, e in enumerate(side, 1)} for side in (before, after))
    found = {}
    for item in [*second, *(i for i in first if i not in second)]:
        one, other = first.get(item), second.get(item)
        parts = [dict(side[1].parts) if side is not None else {} for side in (one, other)]
        known = [g for g in GROUPS if g in parts[0] or g in parts[1]]
        changes = {g: parts[1].get(g, 0.0) - parts[0].get(g, 0.0) for g in known}
        part = max(changes, key=lambda g: abs(changes[g]), default="")
        # Of an item in one list alone nothing is known on the other side: all of its score counts as the change.
        found[item] = Move(item, one[0] if one else None, other[0] if other else None, part, changes.get(part, 0.0))
    return found


def show_compared(view: View, before: Entries, after: Entries, items: Mapping[str, Item], titles: tuple[str, str]) -> None:
    """Show both lists; what came, went and moved is marked in words and by an arrow, never by colour alone."""
    found, locale = moves(before, after), view.locale
    moved = sum(m.before is not None and m.after is not None and m.before != m.after for m in found.values())
    came, went = sum(m.before is None for m in found.values()), sum(m.after is None for m in found.values())
    ui.label(say(WORDS, locale, "summary", came=came, went=went, moved=moved)).classes("summary").props('role="status"')
    with ui.element("div").classes("sides"):
        for side, entries, title in (("before", before, titles[0]), ("after", after, titles[1])):
            rows = "".join(_row(n, e, items.get(e.item), found[e.item], side, locale) for n, e in enumerate(entries, 1))
            ui.html(f"<section class='{side}'><h2>{escape(title)}</h2><ol class='rows'>{rows}</ol></section>", sanitize=False)


def _row(place: int, entry: SlateEntry, item: Item | None, move: Move, side: str, locale: str) -> str:
    title = escape(item.title if item is not None else entry.item)
    kind, told = _told(move, side, locale)
    why = ""
    if side == "after" and _tells(kind, move.change):
        part = say(GROUP_WORDS, locale, move.part)
        why = f" <span class='why'>{escape(say(WORDS, locale, 'why', part=part, change=move.change))}</span>"
    mark = f"<span class='mark {kind}'>{escape(told)}</span>{why}" if told else ""
    return (
        f"<li data-place='{place}'><div class='line'><span class='place'>{place}</span> <strong>{title}</strong> {mark}</div>"
        f"{split_html(entry.parts, entry.score, locale)}</li>"
    )


def _tells(kind: str, change: float) -> bool:
    """Return whether a change explains a move: an item may also rise because those above it went."""
    return abs(change) >= LEAST and ((kind in ("new", "up") and change > 0) or (kind == "down" and change < 0))


def _told(move: Move, side: str, locale: str) -> tuple[str, str]:
    if side == "before":
        return ("gone", "✕ " + say(WORDS, locale, "gone")) if move.after is None else ("", "")
    if move.before is None or move.after is None:
        return "new", "✚ " + say(WORDS, locale, "new")
    climbed = move.before - move.after
    if climbed == 0:
        return "same", "= " + say(WORDS, locale, "same")
    name, arrow = ("up", "▲") if climbed > 0 else ("down", "▼")
    return name, f"{arrow} {say(WORDS, locale, name, n=abs(climbed))}"
