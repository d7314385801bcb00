"""Cards: an item with its place, its reason, and a bar that splits its score. Used wherever items are listed."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from occasion.console.words import Words, say
from occasion.data import Item, SlateEntry

__all__ = ["GROUPS", "card_html", "image_html", "split_html"]

GROUPS = ("moment", "nearby", "history", "looks", "others", "popularity", "exploration", "rules")
"""Parts of a score, in the order of the bar."""

WORDS: Words = {
    "moment": ("moment", "情境"),
    "nearby": ("nearby", "附近"),
    "history": ("history", "历史"),
    "looks": ("looks", "外观"),
    "others": ("others", "他人"),
    "popularity": ("popularity", "流行"),
    "exploration": ("exploration", "探索"),
    "rules": ("rules", "规则"),
    "split": ("Score {score:.2f}: {parts}", "得分 {score:.2f}：{parts}"),
}
TAGS = 3


def split_html(parts: Mapping[str, float], score: float, locale: str) -> str:
    """Return the bar of a score and its legend; negative parts are hatched, and all have their number in words."""
    named = [(name, parts[name]) for name in GROUPS if abs(parts.get(name, 0.0)) >= 0.005]
    whole = sum(abs(part) for _, part in named) or 1.0
    told = ", ".join(f"{say(WORDS, locale, name)} {part:+.2f}" for name, part in named)
    label = escape(say(WORDS, locale, "split", score=score, parts=told), quote=True)
    pieces = "".join(
        f'<span class="part {name}{" minus" if part < 0 else ""}" style="width:{100 * abs(part) / whole:.1f}%"></span>'
        for name, part in named
    )
    legend = "".join(f'<li class="{name}">{escape(say(WORDS, locale, name))} {part:+.2f}</li>' for name, part in named)
    return f'<div class="split" role="img" aria-label="{label}">{pieces}</div><ul class="legend" aria-hidden="true">{legend}</ul>'


def image_html(item: Item | None) -> str:
    """Return the picture of an item that has one at an address; nothing otherwise."""
    address = item.media.get("image", "") if item is not None else ""
    if not address.startswith(("http://", "https://", "data:image/")):
        return ""
    return f'<img class="picture" src="{escape(address, quote=True)}" alt="" loading="lazy" referrerpolicy="no-referrer">'


def card_html(place: int, entry: SlateEntry, item: Item | None, locale: str) -> str:
    """Return the inside of a card: everything but its buttons.

    Parameters
    ----------
    place : int
        From 1.
    entry : SlateEntry
    item : Item or None
        None where the catalogue no longer has it.
    locale : str
    """
    title = item.title if item is not None else entry.item
    tags = list(item.categories) if item is not None else []
    if item is not None and item.price is not None:
        tags.append(f"{item.price:.2f}")
    shown = "".join(f"<li>{escape(tag)}</li>" for tag in tags[-TAGS:])
    reason = f'<p class="reason">{escape(entry.reason)}</p>' if entry.reason else ""
    return (
        f'{image_html(item)}<div class="what"><h3><span class="place">{place}</span> {escape(title)}</h3>'
        f'<ul class="tags">{shown}</ul>{reason}{split_html(entry.parts, entry.score, locale)}</div>'
    )
