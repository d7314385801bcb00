"""Tastes: what a person's past says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from occasion.console.parts.situation import named
from occasion.console.words import Words, say
from occasion.titles import shortened

__all__ = ["WORDS", "taste_html"]

TITLE = 60
"""Characters of a title."""

WORDS: Words = {
    "refused": (
        "This person does not allow their past to be analysed: nothing is shown of it.",
        "此人不允许分析其历史，因此不显示。",
    ),
    "kinds": ("{events:,} of the newest events: {kinds}.", "最近 {events:,} 个事件：{kinds}。"),
    "kind": ("{n:,} {kind}", "{kind} {n:,} 次"),
    "often": ("Chosen most: {titles}.", "最常选择：{titles}。"),
    "chosen": (
        "Chooses {value} {lift:.1f} times as often as others do ({share:.0%} instead of {usual:.0%}).",
        "选择“{value}”的频率是他人的 {lift:.1f} 倍（{share:.0%} 对 {usual:.0%}）。",
    ),
    "moment": (
        "Is active when {name} is {value} more than others are ({share:.0%} instead of {usual:.0%}).",
        "比他人更常在“{name}：{value}”时活跃（{share:.0%} 对 {usual:.0%}）。",
    ),
    "price": (
        "Pays {low:.2f} to {high:.2f}, mostly around {middle:.2f}.",
        "通常支付 {low:.2f} 至 {high:.2f}，多在 {middle:.2f} 左右。",
    ),
    "plain": ("Nothing that others do less often stands out.", "没有明显不同于他人的偏好。"),
}


def taste_html(taste: Mapping[str, Any], locale: str) -> str:
    """Return a taste, as the service tells it, as a list of sentences."""
    sentences = [f"<li>{escape(text)}</li>" for text in _sentences(taste, locale)]
    return f"<ul class='taste'>{''.join(sentences)}</ul>"


def _sentences(taste: Mapping[str, Any], locale: str) -> list[str]:
    if not taste["allowed"]:
        return [say(WORDS, locale, "refused")]
    comma = "、" if locale == "zh" else ", "
    kinds = sorted(taste["kinds"].items(), key=lambda pair: -pair[1])
    told = comma.join(say(WORDS, locale, "kind", kind=kind, n=n) for kind, n in kinds)
    out = [say(WORDS, locale, "kinds", events=taste["events"], kinds=told)]
    if taste["favourites"]:
        out.append(
            say(WORDS, locale, "often", titles=comma.join(f"“{shortened(one['title'], TITLE)}”" for one in taste["favourites"]))
        )
    shares = ("share", "usual")
    for habit in taste["chosen"]:
        out.append(say(WORDS, locale, "chosen", value=habit["value"], lift=habit["lift"], **{n: habit[n] for n in shares}))
    for habit in taste["moments"]:
        value = str(habit["value"]).replace("_", " ")
        texts = WORDS["moment"][("en", "zh").index(locale)]
        out.append(texts.format(name=named(habit["name"], locale), value=value, **{n: habit[n] for n in shares}))
    if not taste["chosen"] and not taste["moments"]:
        out.append(say(WORDS, locale, "plain"))
    if taste["prices"]:
        low, middle, high = taste["prices"]
        out.append(say(WORDS, locale, "price", low=low, middle=middle, high=high))
    return out
