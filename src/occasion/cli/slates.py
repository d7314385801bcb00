"""Slates on the terminal and as JSON: one answer as a table, two side by side, and what moved between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from occasion.data import Item, Slate, SlateEntry

__all__ = ["compared", "document", "field_of", "movement", "table"]

PARTS = {
    "moment": "moment",
    "nearby": "nearby",
    "history": "history",
    "looks": "looks",
    "others": "others",
    "popularity": "popular",
    "exploration": "explore",
    "rules": "rules",
}
"""Groups of a score, in order, and their headings."""


def field_of(item: Item | None, name: str) -> Any:
    """Return an item's field: text, attribute, price, categories; None where it has none."""
    if item is None:
        return None
    if name in ("price", "available_from", "available_until"):
        return getattr(item, name)
    if name == "categories":
        return list(item.categories)
    found = item.text.get(name, item.attributes.get(name, item.media.get(name)))
    return list(found) if isinstance(found, tuple) else found


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " > ".join(map(str, value))
    return "" if value is None else str(value)


def _title(entry: SlateEntry, items: Mapping[str, Item]) -> str:
    return items[entry.item].title if entry.item in items else entry.item


def table(slate: Slate, items: Mapping[str, Item], *, fields: Sequence[str] = (), explain: bool = False, title: str = "") -> Table:
    """Return an answer as a table.

    Parameters
    ----------
    slate : Slate
    items : mapping of id to Item
        Those of the slate, for titles and fields.
    fields : sequence of str
        Item fields to show.
    explain : bool
        Show the parts that add up to each score.
    title : str
    """
    out = Table(title=title or None, title_justify="left", title_style="bold", expand=False)
    out.add_column("#", justify="right", style="dim")
    out.add_column("item", overflow="fold", style="bold")
    for name in fields:
        out.add_column(name, overflow="fold")
    out.add_column("score", justify="right")
    groups = [g for g in PARTS if any(g in e.parts for e in slate.entries)] if explain else []
    for group in groups:
        out.add_column(PARTS[group], justify="right", style="dim")
    out.add_column("because", overflow="fold", ratio=1)
    for n, entry in enumerate(slate.entries, 1):
        shown = [_shown(field_of(items.get(entry.item), name)) for name in fields]
        parts = [f"{entry.parts[g]:+.2f}" if g in entry.parts else "" for g in groups]
        cells = [str(n), _title(entry, items), *shown, f"{entry.score:.2f}", *parts, entry.reason]
        out.add_row(*(Text(c) for c in cells))
    return out


def movement(before: Slate, after: Slate) -> dict[str, int | None]:
    """Return for each item of `after` how many places it rose (negative: fell), None where it is new."""
    places = {e.item: n for n, e in enumerate(before.entries)}
    return {e.item: places[e.item] - n if e.item in places else None for n, e in enumerate(after.entries)}


def _arrow(moved: int | None) -> Text:
    if moved is None:
        return Text("new", style="bold green")
    if moved == 0:
        return Text("=", style="dim")
    return Text(f"▲ {moved}", style="green") if moved > 0 else Text(f"▼ {-moved}", style="red")


def compared(before: Slate, after: Slate, items: Mapping[str, Item], *, titles: tuple[str, str] = ("before", "after")) -> Table:
    """Return two answers side by side, with what moved; items that left are marked in the first list."""
    out = Table(show_lines=False)
    out.add_column("#", justify="right", style="dim")
    out.add_column(titles[0], overflow="fold", ratio=2)
    out.add_column(titles[1], overflow="fold", style="bold", ratio=2)
    out.add_column("moved", justify="right")
    out.add_column("because", overflow="fold", ratio=3)
    moves = movement(before, after)
    kept = set(after.items)
    for n in range(max(len(before.entries), len(after.entries))):
        left = before.entries[n] if n < len(before.entries) else None
        right = after.entries[n] if n < len(after.entries) else None
        first = Text(_title(left, items), style="" if left.item in kept else "red strike") if left else Text("")
        second = Text(_title(right, items)) if right else Text("")
        out.add_row(
            str(n + 1), first, second, _arrow(moves[right.item]) if right else Text(""), Text(right.reason if right else "")
        )
    return out


def document(slate: Slate, items: Mapping[str, Item], fields: Sequence[str] = ()) -> dict[str, Any]:
    """Return an answer as plain values for JSON."""
    context = slate.context
    return {
        "slate": slate.id,
        "context": {
            "user": context.user,
            "session": context.session,
            "at": context.at,
            "text": context.text,
            "signals": dict(context.signals),
            "locale": context.locale,
        },
        "sentence": slate.sentence,
        "items": [
            {
                "item": e.item,
                "title": _title(e, items),
                **({"fields": {name: field_of(items.get(e.item), name) for name in fields}} if fields else {}),
                "score": e.score,
                "propensity": e.propensity,
                "parts": dict(e.parts),
                "because": list(e.because),
                "reason": e.reason,
            }
            for e in slate.entries
        ],
        "notes": list(slate.notes),
        "version": slate.version,
        "policy": slate.policy,
    }
