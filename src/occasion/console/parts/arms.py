"""Arms: the answers of scenarios, policies or versions next to each other, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from occasion.console.parts.figures import interval, percent, table
from occasion.console.words import Words, say

__all__ = ["WORDS", "arms_html", "named_arm"]

WORDS: Words = {
    "no_name": ("(none)", "（无）"),
    "rate": ("Taken up, 95 % interval", "采纳率（95% 区间）"),
    "answers": ("Answers", "推荐次数"),
    "people": ("People", "人数"),
    "length": ("Length", "长度"),
    "bought": ("Bought", "购买"),
    "disliked": ("Disliked", "不喜欢"),
    "by_chance": ("By chance", "探索占比"),
}


def named_arm(name: str, locale: str) -> str:
    """Return how an arm is called."""
    return name or say(WORDS, locale, "no_name")


def arms_html(arms: Sequence[dict[str, Any]], caption: str, head: str, locale: str, *, short: bool = False) -> str:
    """Return arms, as the service tells them, as a table; `short`: without what is not about being taken up."""
    most = max(0.02, *(arm["high"] or arm["rate"] for arm in arms)) if arms else 1.0
    rows = []
    for arm in arms:
        sides = "" if arm["low"] is None else f" ({percent(arm['low'])} – {percent(arm['high'])})"
        rate = interval(arm["rate"], arm["low"], arm["high"], most, text=percent(arm["rate"]) + sides)
        row = [escape(named_arm(arm["name"], locale)), rate, f"{arm['answers']:,}", f"{arm['people']:,}"]
        if not short:
            row += [f"{arm['length']:.1f}", *(percent(arm[name]) for name in ("bought", "disliked", "by_chance"))]
        rows.append(row)
    names = ("rate", "answers", "people") if short else ("rate", "answers", "people", "length", "bought", "disliked", "by_chance")
    return table(caption, (head, *(say(WORDS, locale, name) for name in names)), rows)
