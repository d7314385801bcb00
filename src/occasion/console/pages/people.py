"""People: one person's timeline, taste, place among the catalogue, choices and rights."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from occasion.client import ServiceError
from occasion.console.guard import HOME
from occasion.console.page import Page
from occasion.console.parts.chosen_map import chosen_map
from occasion.console.parts.person import person_field
from occasion.console.parts.rights import consent_switches, receipt_list, rights_buttons
from occasion.console.parts.states import empty
from occasion.console.parts.tastes import taste_html
from occasion.console.parts.timeline import timeline_html
from occasion.console.view import View
from occasion.console.words import Words
from occasion.data import Item

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("People", "人物"),
    "about": (
        "What one person did and what it says; what they allow; export and erasure.",
        "查看某人的行为与偏好、其允许的用途，并可导出或删除。",
    ),
    "person": ("Person", "人物"),
    "person_hint": ("A part of an id", "编号的一部分"),
    "show": ("Show", "显示"),
    "some": ("Some of those known", "部分已知人物"),
    "nobody": ("Nobody is known yet.", "还没有已知人物。"),
    "unknown": ("Nothing is held of {user}.", "没有关于 {user} 的数据。"),
    "unknown_hint": ("Check the id: capital and small letters differ.", "请检查编号，注意大小写。"),
    "moment": ("Try a moment with this person", "用此人试一个时刻"),
    "taste": ("Taste", "偏好"),
    "timeline": ("Timeline", "时间线"),
    "newest": ("The newest {n} events; times in {zone}.", "最近 {n} 个事件；时区 {zone}。"),
    "more": ("Show more", "显示更多"),
    "no_events": ("No event of this person is stored.", "没有此人的事件。"),
    "rights": ("Rights", "权利"),
    "kept_back": (
        "This person does not allow their past to be looked at. What is held is for their own access: a key of the role admin.",
        "此人不允许查看其历史。所存数据仅供其本人查阅：需要 admin 角色的密钥。",
    ),
    "access": ("What is held: for their own access, not to learn from", "所存数据：仅供本人查阅，不作分析"),
}
SHOWN, STEP, MOST = 24, 60, 1000
BATCH = 100
"""Items asked for at once."""


@dataclass
class Choice:
    """Who is looked for."""

    user: str | None


async def build(view: View) -> None:
    """Make the page."""
    user = view.query.get("user", "").strip()
    _finder(view, Choice(user))
    if user:
        await _person(view, user)
        return
    found = (await view.api.get("/v1/users/search", limit=SHOWN))["users"]
    if not found:
        empty(view.t("nobody"), link=view.t("set_up"), to="/set-up")
        return
    rows = "".join(f'<li><a href="{HOME}/people?user={quote(one, safe="")}">{escape(one)}</a></li>' for one in found)
    ui.html(f"<h2>{view.t('some')}</h2><ul class='tags people'>{rows}</ul>", sanitize=False)
    if view.may("admin"):
        await receipt_list(view)


def _finder(view: View, choice: Choice) -> None:
    async def show() -> None:
        ui.navigate.to(f"/people?user={quote((choice.user or '').strip(), safe='')}")

    with ui.element("div").classes("finder"):
        person_field(view, choice, "user", view.t("person"), view.t("person_hint"), enter=show)
        ui.button(view.t("show"), on_click=show).props("unelevated no-caps").classes("show")


async def _person(view: View, user: str) -> None:
    taste = await _or_none(view, "/v1/people/taste", user=user)
    described = await _or_none(view, "/v1/users", id=user)
    if taste is None and described is None:
        empty(view.t("unknown", user=user), view.t("unknown_hint"))
        return
    told = await view.api.get("/v1/events", user=user, limit=MOST)
    events = told["events"]
    with ui.element("div").classes("person-page"):
        with ui.element("section").classes("left"):
            ui.html(f"<h2>{escape(user)}</h2>{_described(described)}", sanitize=False)
            ui.html(f'<a href="{HOME}/moment?user={quote(user, safe="")}">{view.t("moment")}</a>', sanitize=False)
            if taste is not None:
                ui.html(f"<h2>{view.t('taste')}</h2>{taste_html(taste, view.locale)}", sanitize=False)
                if taste["allowed"]:
                    chosen_map(
                        view, Counter(event["item"] for event in events if event["type"] not in ("dislike", "hide", "impression"))
                    )
            if view.may("write"):
                await consent_switches(view, user)
            ui.html(f"<h2>{view.t('rights')}</h2>", sanitize=False)
            rights_buttons(view, user)
        with ui.element("section").classes("right"):
            ui.html(f"<h2>{view.t('timeline' if told['analysed'] else 'access')}</h2>", sanitize=False)
            if told["analysed"] or view.may("admin"):
                await Timeline(view, events).build()
            else:
                ui.label(view.t("kept_back")).classes("note kept-back")


class Timeline:
    """The list of events, which grows on demand."""

    def __init__(self, view: View, events: list[dict[str, Any]]) -> None:
        self.view, self.events, self.shown = view, events, STEP
        self.items: dict[str, Item] = {}

    async def build(self) -> None:
        """Make it where it is called."""
        view = self.view
        if not self.events:
            empty(view.t("no_events"))
            return
        self.told = ui.label().classes("hint")
        self.place = ui.html("", sanitize=False)
        self.button = ui.button(view.t("more"), on_click=self.more).props("outline no-caps").classes("more-events")
        await self.show()

    async def more(self) -> None:
        """Show more events."""
        self.shown += 4 * STEP
        await self.show()

    async def show(self) -> None:
        """Show the newest of them."""
        some = self.events[: self.shown]
        missing = list(dict.fromkeys(event["item"] for event in some if event["item"] not in self.items))
        for start in range(0, len(missing), BATCH):
            self.items |= await self.view.api.get_items(missing[start : start + BATCH])
        self.told.text = self.view.t("newest", n=len(some), zone=self.view.time_zone)
        self.place.content = timeline_html(some, self.items, self.view.locale, self.view.time_zone)
        self.button.set_visibility(len(some) < len(self.events))


def _described(user: dict[str, Any] | None) -> str:
    known = (user or {}).get("attributes", {})
    rows = "".join(f"<li>{escape(f'{name}: {value}')}</li>" for name, value in known.items())
    return f"<ul class='tags'>{rows}</ul>" if rows else ""


async def _or_none(view: View, path: str, **query: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await view.api.get(path, **query)
    except ServiceError as error:
        if error.status == 404:
            return None
        raise
    return found


PAGE = Page(path="/people", icon="group", words=WORDS, build=build)
