"""Try a moment: a person, a situation, and what fits; an act on a card changes the list at once."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from nicegui import ui

from occasion.client import Answer
from occasion.console.page import Page
from occasion.console.parts.cards import card_html
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words
from occasion.data import Context, Event

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Try a moment", "试一个时刻"),
    "about": (
        "Say who and in which situation; see what fits, why, and how it changes with what they do.",
        "指定人物与情境，查看推荐及理由，并观察行为如何改变列表。",
    ),
    "person": ("Person", "人物"),
    "person_hint": ("An id; empty: nobody known", "用户编号；留空表示未知用户"),
    "text": ("The situation in words", "用文字描述情境"),
    "text_hint": ("friends are coming over to watch the game", "周末朋友来家里看球"),
    "show": ("Recommend", "推荐"),
    "list": ("What fits", "推荐结果"),
    "read_as": ("Read as: {sentence}", "理解为：{sentence}"),
    "took": ("{ms:.0f} ms", "{ms:.0f} 毫秒"),
    "nothing": ("Nothing can be recommended here.", "此处没有可推荐的内容。"),
    "no_items": ("The catalogue is empty.", "目录为空。"),
    "view": ("View", "查看"),
    "like": ("Like", "喜欢"),
    "purchase": ("Buy", "购买"),
    "hide": ("Hide", "隐藏"),
    "acted": ("Stored: {act} of {item}. The list is new.", "已记录：{act}“{item}”。列表已更新。"),
    "act_hint": ("Acts are stored as events of this person.", "操作会作为此人的事件保存。"),
    "k": ("Length", "数量"),
}
ACTS = (("view", "visibility"), ("like", "thumb_up"), ("purchase", "shopping_cart"), ("hide", "visibility_off"))
LENGTH = 10


@dataclass
class Trial:
    """What is tried on one open page."""

    view: View
    user: str = ""
    text: str = ""
    answer: Answer | None = None
    session: str = field(default_factory=lambda: f"console-{uuid.uuid4().hex[:12]}")

    def context(self) -> Context:
        """Return the moment; nobody known is a session of its own, so that what they do counts."""
        user = self.user.strip() or None
        return Context(user=user, session=None if user else self.session, text=self.text.strip(), locale=self.view.locale)

    async def recommend(self) -> None:
        """Ask, and show the answer."""
        self.answer = await self.view.api.recommend(self.context(), LENGTH)
        await self.shown.refresh()

    async def act(self, act: str, item: str, title: str) -> None:
        """Store what somebody does with a card; ask again."""
        context = self.context()
        slate = self.answer.slate if self.answer is not None else None
        told = Event(
            item=item, type=act, at=time.time(), slate=slate, text=context.text, user=context.user, session=context.session
        )
        await self.view.api.feedback(told)
        self.answer = await self.view.api.recommend(self.context(), LENGTH)
        await self.shown.refresh()
        ui.notify(self.view.t("acted", act=self.view.t(act), item=title), type="positive")

    @ui.refreshable_method
    async def shown(self) -> None:
        """Show the list."""
        t, answer = self.view.t, self.answer
        if answer is None:
            return
        ui.label(t("read_as", sentence=answer.sentence)).classes("sentence")
        for note in answer.notes:
            ui.label(note).classes("note")
        if not answer.entries:
            empty(t("nothing"))
            return
        items = await self.view.api.get_items(list(answer.items))
        with ui.element("ol").classes("cards").props(f'aria-label="{t("list")}"'):
            for place, entry in enumerate(answer.entries, 1):
                item = items.get(entry.item)
                title = item.title if item is not None else entry.item
                with ui.element("li").classes("card").props(f'data-item="{len(entry.item)}"'):
                    ui.html(card_html(place, entry, item, self.view.locale), sanitize=False)
                    if self.view.may("write"):
                        self._acts(entry.item, title)

    def _acts(self, item: str, title: str) -> None:
        with ui.element("div").classes("acts"):
            for act, icon in ACTS:
                button = ui.button(icon=icon, on_click=lambda act=act: self.act(act, item, title)).props("flat round dense")
                button.classes(act).props["aria-label"] = f"{self.view.t(act)}: {title}"
                button.tooltip(self.view.t(act))


async def build(view: View) -> None:
    """Make the page."""
    info = await view.api.info()
    if not info["counts"]["items"]:
        empty(view.t("no_items"))
        return
    trial = Trial(view, user=view.query.get("user", ""), text=view.query.get("text", ""))
    with ui.element("div").classes("columns"):
        with ui.element("section").classes("form").props(f'aria-label="{view.t("title")}"'):
            ui.input(view.t("person"), placeholder=view.t("person_hint")).bind_value(trial, "user").props("outlined dense").classes(
                "person"
            )
            words = ui.textarea(view.t("text"), placeholder=view.t("text_hint")).bind_value(trial, "text")
            words.props("outlined autogrow").classes("words")
            ui.button(view.t("show"), on_click=trial.recommend).props("unelevated no-caps").classes("show")
            ui.label(view.t("act_hint")).classes("hint")
        with ui.element("section").classes("results").props(f'aria-label="{view.t("list")}" aria-live="polite"'):
            trial.answer = await view.api.recommend(trial.context(), LENGTH)
            await trial.shown()


PAGE = Page(path="/moment", icon="bolt", words=WORDS, build=build)
