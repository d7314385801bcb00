"""Notes: what an answer or an acknowledgement lacks or passes over, and why, as a sentence in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NOTES", "note"]

NOTES: Mapping[str, tuple[str, str]] = {
    "empty": ("The catalogue is empty: import items first.", "目录为空：请先导入物品。"),
    "short": (
        "{k} items were asked for, {given} could be given: {allowed} of {items} are allowed here.",
        "请求 {k} 个物品，只能给出 {given} 个：{items} 个中有 {allowed} 个在此处被允许。",
    ),
    "filled": (
        "{passing} items pass the filter; the other {others} places went to items that do not.",
        "有 {passing} 个物品通过筛选；其余 {others} 个位置给了未通过的物品。",
    ),
    "unplaced": ("Pinned, but unknown or not allowed here: {ids}.", "已置顶但未知或在此处不被允许：{ids}。"),
    "unknown": ("Just looked at, but unknown, and passed over: {ids}.", "刚浏览但未知，已略过：{ids}。"),
    "unusable": ("Not usable, and passed over: {signals}.", "无法使用，已略过：{signals}。"),
    "unusable_among": (
        "Not usable, and passed over, in {found} of {looked} events: {signals}.",
        "{looked} 个事件中有 {found} 个含有无法使用的信号，已略过：{signals}。",
    ),
    "unencoded": (
        "The language model does not answer just now: words count as they are written, not by what they mean.",
        "语言模型暂时没有响应：文字按字面而非含义计算。",
    ),
    "unread": (
        "This person does not allow answers to read their past: it comes from the moment and from what is popular.",
        "此人不允许读取其历史：回答只来自此刻的情境和受欢迎程度。",
    ),
    "unstored": (
        "This answer could not be stored: events that name it will not find it.",
        "此回答未能保存：引用它的事件将找不到它。",
    ),
}
"""Name to what is said in English and in Chinese."""


def note(name: str, locale: str, **given: object) -> str:
    """Return a note of `NOTES`, its gaps filled, in "en" or "zh"."""
    return NOTES[name][("en", "zh").index(locale)].format(**given)
