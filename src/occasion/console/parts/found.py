"""Found: items as links to their pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from occasion.console.guard import HOME

__all__ = ["found_html"]


def found_html(items: Sequence[dict[str, Any]]) -> str:
    """Return items as links to their pages."""

    def card(one: dict[str, Any]) -> str:
        item = one["item"]
        tags = [escape(c) for c in item.get("categories", ())[-2:]] + (
            [f"{item['price']:.2f}"] if item.get("price") is not None else []
        )
        link = f"{HOME}/catalogue?item={quote(item['id'], safe='')}"
        return (
            f"<li><a href='{link}'><strong>{escape(one['title'])}</strong><br><span class='hint'>{' · '.join(tags)}</span></a></li>"
        )

    return f"<ul class='found'>{''.join(map(card, items))}</ul>"
