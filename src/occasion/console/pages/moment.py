"""Try a moment: a person, a situation, and what fits; an act on a card changes the list at once; two moments side by side."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from nicegui import ui

from occasion.client import Answer
from occasion.client.answers import answer_from
from occasion.console.page import Page
from occasion.console.parts.cards import card_html
from occasion.console.parts.compared import show_compared
from occasion.console.parts.fields import kept
from occasion.console.parts.labels import labelled
from occasion.console.parts.person import person_field
from occasion.console.parts.requests import show_request
from occasion.console.parts.situation import Situation, offered_signals
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words
from occasion.data import Context, Event, Scalar
from occasion.stores.bodies import context_fields

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Try a moment", "试一个时刻"),
    "about": (
        "Say who and in which situation; see what fits, why, and how it changes with what they do.",
        "指定人物与情境，查看推荐及理由，并观察行为如何改变列表。",
    ),
    "person": ("Person", "人物"),
    "person_hint": ("Empty: nobody known", "留空表示未知用户"),
    "show": ("Recommend", "推荐"),
    "list": ("What fits", "推荐结果"),
    "read_as": ("Read as: {sentence}", "理解为：{sentence}"),
    "made": ("{ms:.0f} ms · {version}", "{ms:.0f} 毫秒 · {version}"),
    "nothing": ("Nothing can be recommended here.", "此处没有可推荐的内容。"),
    "nothing_hint": ("Loosen the filter, or ask for somebody else.", "请放宽过滤条件，或换一个人物。"),
    "no_items": ("The catalogue is empty.", "目录为空。"),
    "view": ("View", "查看"),
    "like": ("Like", "喜欢"),
    "purchase": ("Buy", "购买"),
    "hide": ("Hide", "隐藏"),
    "acted": ("Stored: {act}, {item}. The list is new.", "已记录：{act}，{item}。列表已更新。"),
    "act_hint": ("What you do on a card is stored as an event of this person.", "在卡片上的操作会保存为此人的事件。"),
    "options": ("List", "列表"),
    "k": ("Length", "数量"),
    "diversity": ("Diversity", "多样性"),
    "explore": ("Exploration", "探索"),
    "explore_hint": ("Exploration excludes diversity.", "启用探索时不使用多样性。"),
    "filter": ("Filter", "过滤"),
    "filter_hint": ("For example: price < 5 and categories = snacks", "例如：price < 5 and categories = snacks"),
    "fields": ("Fields: {fields}", "字段：{fields}"),
    "compare": ("Compare with another moment", "与另一个时刻比较"),
    "compare_hint": ("What is left empty stays as above.", "留空的部分与上面相同。"),
    "first": ("This moment", "此时刻"),
    "second": ("The other moment", "另一时刻"),
    "copy": ("As a call", "查看接口调用"),
}
ACTS = (("view", "visibility"), ("like", "thumb_up"), ("purchase", "shopping_cart"), ("hide", "visibility_off"))
LENGTH, LONGEST = 10, 50
SHOWN_FIELDS = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list answers: whose it is and in which moment, and the request it came from. The form may have changed since."""

    context: Context
    path: str
    document: dict[str, Any]

    def later(self) -> Asked:
        """Return the same a second on, where its time is fixed: what was just done has to lie before the next question."""

        def moved(fields: dict[str, Any]) -> dict[str, Any]:
            return {**fields, "at": fields["at"] + 1} if fields.get("at") is not None else fields

        at = None if self.context.at is None else self.context.at + 1
        document = moved(self.document)
        if "change" in document:
            document["change"] = moved(document["change"])
        return replace(self, context=replace(self.context, at=at), document=document)


@dataclass
class Trial:
    """What is tried on one open page."""

    view: View
    user: str | None = ""
    k: float | None = LENGTH
    diversity: float = 0.1
    explore: float = 0.0
    filter: str | None = ""
    comparing: bool = False
    one: Situation = field(default_factory=Situation)
    other: Situation = field(default_factory=Situation)
    offered: dict[str, list[Scalar]] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    session: str = field(default_factory=lambda: f"console-{uuid.uuid4().hex[:12]}")
    asked: Asked = field(init=False)
    place: ui.element = field(init=False)
    """Where the list is."""

    # -- what is asked --------------------------------------------------------------------------------------------------
    def context(self) -> Context:
        """Return the moment; nobody known is a session of its own, so that what they do counts."""
        user = (self.user or "").strip() or None
        return Context(
            user=user,
            session=None if user else self.session,
            at=self.one.at(self.view.time_zone),
            text=self.one.text.strip(),
            signals=self.one.signals(self.view.locale),
            locale=self.view.locale,
        )

    def document(self) -> dict[str, Any]:
        """Return the body of the request."""
        wanted = (self.filter or "").strip()
        rules = {"rules": {"filter": wanted}} if wanted else {}
        level = {"explore": self.explore} if self.explore else {"diversity": self.diversity}
        return {**context_fields(self.context()), "k": self.length(), **rules, **level}

    def length(self) -> int:
        """Return how many items are wanted."""
        return max(1, min(LONGEST, int(self.k or LENGTH)))

    def change(self) -> dict[str, Any]:
        """Return what is different in the other moment."""
        at = self.other.at(self.view.time_zone)
        return {
            "signals": self.other.signals(self.view.locale),
            **({"text": self.other.text.strip()} if self.other.text.strip() else {}),
            **({} if at is None else {"at": at}),
        }

    def request(self) -> tuple[str, dict[str, Any]]:
        """Return path and body of what the form asks for."""
        if self.comparing:
            return "/v1/what-if", {**self.document(), "change": self.change()}
        return "/v1/recommend", self.document()

    async def recommend(self) -> None:
        """Ask what stands in the form, and show the answer, or both."""
        await self.ask(Asked(self.context(), *self.request()))
        await self.shown.refresh()
        # On a narrow screen the list stands below the form.
        # (What was clicked may be gone with the list before: say it where the list is.)
        with self.place:
            ui.run_javascript("if (innerWidth < 1000) document.querySelector('.results').scrollIntoView({behavior: 'smooth'})")

    async def ask(self, asked: Asked) -> None:
        """Ask; the answers and what they answer belong together from here on."""
        told = await self.view.api.post(asked.path, asked.document)
        both = "before" in told
        self.answers = (answer_from(told["before"]), answer_from(told["after"])) if both else (answer_from(told),)
        self.asked = asked

    async def act(self, act: str, item: str, title: str, asked: Asked, slate: str) -> None:
        """Store what is done with a card, as done by whom its list was made for; ask the same again."""
        context = asked.context
        told = Event(
            item=item,
            type=act,
            at=time.time() if context.at is None else context.at,
            slate=slate,
            text=context.text,
            signals=context.signals,
            user=context.user,
            session=context.session,
        )
        await self.view.api.feedback(told)
        await self.ask(asked.later())
        await self.shown.refresh()
        with self.place:
            ui.notify(self.view.t("acted", act=self.view.t(act), item=title), type="positive")

    # -- what is shown --------------------------------------------------------------------------------------------------
    @ui.refreshable_method
    async def shown(self) -> None:
        """Show the list, or two."""
        t = self.view.t
        for answer in self.answers:
            ui.label(t("read_as", sentence=answer.sentence)).classes("sentence")
        for note in dict.fromkeys(note for answer in self.answers for note in answer.notes):
            ui.label(note).classes("note")
        if not any(answer.entries for answer in self.answers):
            empty(t("nothing"), t("nothing_hint"))
            return
        items = await self.view.api.get_items(list(dict.fromkeys(i for answer in self.answers for i in answer.items))[:100])
        if len(self.answers) == 2:
            before, after = self.answers
            show_compared(self.view, before.entries, after.entries, items, (t("first"), t("second")))
        else:
            self._cards(self.answers[0], items)
        answer = self.answers[-1]
        ui.label(t("made", ms=answer.timing["total"], version=answer.version)).classes("hint made")

    def _cards(self, answer: Answer, items: dict[str, Any]) -> None:
        ui.html(f"<h2 class='unseen'>{self.view.t('list')}</h2>", sanitize=False)
        with labelled(ui.element("ol"), self.view.t("list")).classes("cards"):
            for place, entry in enumerate(answer.entries, 1):
                item = items.get(entry.item)
                with ui.element("li").classes("card"):
                    ui.html(card_html(place, entry, item, self.view.locale), sanitize=False)
                    if self.view.may("write"):
                        self._acts(entry.item, item.title if item is not None else entry.item, answer.slate)

    def _acts(self, item: str, title: str, slate: str) -> None:
        asked = self.asked
        with ui.element("div").classes("acts"):
            for act, icon in ACTS:
                button = ui.button(icon=icon, on_click=lambda act=act: self.act(act, item, title, asked, slate))
                labelled(button, f"{self.view.t(act)}: {title}").props("flat round dense").classes(act)
                button.props["title"] = self.view.t(act)

    # -- the form -------------------------------------------------------------------------------------------------------
    def form(self, fields: list[str]) -> None:
        """Make the form."""
        t = self.view.t
        person_field(self.view, self, "user", t("person"), t("person_hint"), enter=self.recommend)
        self.one.form(self.view, self.offered, submit=self.recommend, below=self._go)
        with ui.expansion(t("options")).props("dense").classes("options"):
            self._options(fields)
        compare = kept(ui.expansion(t("compare")), self, "comparing").props("dense").classes("compare")
        compare.on_value_change(lambda: self._compare(compare))
        if self.view.may("write"):
            ui.label(t("act_hint")).classes("hint")

    def _compare(self, place: ui.expansion) -> None:
        """Make the form of the other moment when it is first wanted: half of all fields of the page are its."""
        if self.comparing and not self.other.chosen:
            with place:
                ui.label(self.view.t("compare_hint")).classes("hint")
                self.other.form(self.view, self.offered, submit=self.recommend)

    def _go(self) -> None:
        t = self.view.t
        with ui.element("div").classes("go"):
            ui.button(t("show"), on_click=self.recommend).props("unelevated no-caps").classes("show")
            copy = ui.button(t("copy"), icon="code", on_click=lambda: show_request(self.view, *self.request()))
            copy.props("flat no-caps").classes("copy")

    def _options(self, fields: list[str]) -> None:
        t = self.view.t
        kept(ui.number(t("k"), min=1, max=LONGEST, step=1, format="%.0f"), self, "k").props("outlined dense").classes("k")
        for name in ("diversity", "explore"):
            ui.label(t(name)).props('aria-hidden="true"')
            labelled(kept(ui.slider(min=0, max=1, step=0.05), self, name), t(name)).classes(name).props("label")
        ui.label(t("explore_hint")).classes("hint")
        wanted = kept(ui.input(t("filter")), self, "filter").props("outlined dense stack-label clearable").classes("filter")
        wanted.props["hint"] = t("filter_hint")
        wanted.on("keydown.enter", self.recommend)
        ui.label(t("fields", fields=", ".join(fields[:SHOWN_FIELDS]))).classes("hint fields")


async def build(view: View) -> None:
    """Make the page."""
    info = await view.api.info()
    if not info["counts"]["items"]:
        empty(view.t("no_items"), link=view.t("set_up"), to="/set-up")
        return
    met = await view.api.get("/v1/signals")
    trial = Trial(view, user=view.query.get("user", ""), one=Situation(text=view.query.get("text", "")))
    trial.offered = offered_signals(met["signals"])
    trial.diversity = view.service.settings.diversity
    with ui.element("div").classes("columns"):
        with labelled(ui.element("section"), view.t("title")).classes("form"):
            trial.form(met["fields"])
        trial.place = labelled(ui.element("section"), view.t("list")).classes("results").props('aria-live="polite"')
        with trial.place:
            await trial.ask(Asked(trial.context(), *trial.request()))
            await trial.shown()


PAGE = Page(path="/moment", icon="bolt", words=WORDS, build=build)
