"""Reasons: the parts of a score as one sentence, English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from occasion.titles import shortened

__all__ = ["alike", "reason"]

TITLE, MOMENT = 60, 80
"""Characters of a title, and of the moment's words, that a reason says."""

_SENTENCES: dict[str, dict[str, object]] = {
    "en": {
        "moment": "Fits the moment: {moment}.",
        "moment-bare": "Suits a moment like this one.",
        "nearby": "Close by.",
        "history": "Close to what you chose: {items}.",
        "history-bare": "Fits what you chose before.",
        "again": "You come back to it.",
        "once": "You chose it before.",
        "looks": "Looks like what you chose: {items}.",
        "looks-bare": "Looks like what you chose before.",
        "others": "People who chose {items} chose this too.",
        "others-bare": "Often chosen together with what you chose.",
        "popularity": "Much chosen by everybody now.",
        "exploration": "New here, little is known of it yet.",
        "rules": "Placed here by a rule.",
        "and": "Also: {rest}.",
        "names": {
            "moment": "the moment",
            "nearby": "how close it is",
            "history": "your history",
            "looks": "its looks",
            "others": "people like you",
            "popularity": "popularity",
        },
        "comma": ", ",
        "alike": {"history": "Reads much the same.", "looks": "Looks much the same.", "others": "Often chosen together with it."},
    },
    "zh": {
        "moment": "符合此刻的情境：{moment}。",
        "moment-bare": "适合这样的时刻。",
        "nearby": "就在附近。",
        "history": "与您选择过的相近：{items}。",
        "history-bare": "符合您以往的选择。",
        "again": "您常常回来用它。",
        "once": "您以前选择过它。",
        "looks": "看起来像您选择过的：{items}。",
        "looks-bare": "看起来像您以前选择过的。",
        "others": "选择了{items}的人也选择了它。",
        "others-bare": "常与您选择过的一起被选择。",
        "popularity": "现在很受大家欢迎。",
        "exploration": "新品，了解还不多。",
        "rules": "由规则放在这里。",
        "and": "另外：{rest}。",
        "names": {
            "moment": "此刻的情境",
            "nearby": "距离",
            "history": "您的历史",
            "looks": "外观",
            "others": "相似的人",
            "popularity": "受欢迎程度",
        },
        "comma": "、",
        "alike": {"history": "文字内容相近。", "looks": "外观相近。", "others": "常与它一起被选择。"},
    },
}


def reason(parts: Mapping[str, float], *, locale: str = "en", moment: str = "", because: Sequence[str] = (), own: int = 0) -> str:
    """Return one or two sentences that name the strongest part first, then every other part worth a quarter of it.

    Parameters
    ----------
    parts : mapping of group to part of the score
    locale : str
        "en" or "zh".
    moment : str
        The situation in the person's words; a long one is cut.
    because : sequence of str
        Titles of history items that speak for the item; the first two are said, in quotation marks, long ones cut.
    own : int
        How often the person chose the item before.
    """
    texts = _SENTENCES[locale]
    order = sorted((g for g in parts if parts[g] > 0), key=lambda g: -parts[g])
    if not order:
        return str(texts["exploration"])
    first = order[0]
    items = str(texts["comma"]).join(f"“{shortened(title, TITLE)}”" for title in because[:2])
    moment = shortened(moment, MOMENT) if first == "moment" else ""
    if first == "history" and own:
        text = str(texts["again" if own > 1 else "once"])
    elif first in ("history", "looks", "others"):
        text = str(texts[first]).format(items=items) if items else str(texts[f"{first}-bare"])
    elif first == "moment":
        text = str(texts["moment"]).format(moment=moment) if moment else str(texts["moment-bare"])
    else:
        text = str(texts.get(first, texts["exploration"]))
    names = texts["names"]
    assert isinstance(names, dict)
    rest = [names[g] for g in order[1:] if g in names and parts[g] >= parts[first] / 4]
    if not rest:
        return text
    return text + (" " if locale == "en" else "") + str(texts["and"]).format(rest=str(texts["comma"]).join(rest))


def alike(parts: Mapping[str, float], *, locale: str = "en") -> str:
    """Return in a sentence by what an item is most like another one; where by nothing, that little is known of it.

    Parameters
    ----------
    parts : mapping of group to part of the score
        Of an answer to one item: its group "history" is then the likeness of the texts.
    locale : str
        "en" or "zh".
    """
    texts = _SENTENCES[locale]
    named = texts["alike"]
    assert isinstance(named, dict)
    best = max((group for group in named if parts.get(group, 0) > 0), key=lambda group: parts[group], default=None)
    return str(texts["exploration"] if best is None else named[best])
