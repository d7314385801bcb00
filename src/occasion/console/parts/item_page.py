"""Item page: what the model reads of an item, who takes it, when it works, what is near; hide, pin, boost and edit it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.parts.fields import kept
from occasion.console.parts.figures import clock, interval, table, tiles
from occasion.console.parts.found import found_html
from occasion.console.view import View
from occasion.console.words import Words, say
from occasion.scenarios import STEERING

__all__ = ["WORDS", "ItemPart"]

WORDS: Words = {
    "back": ("Back to the list", "返回列表"),
    "reads": ("What the language model reads", "语言模型读到的文本"),
    "lately": ("Lately:", "最近："),
    "works_hint": (
        "How much more often it is chosen than at other times; 0.69 is twice as often.",
        "相对平时被选择的程度；0.69 表示两倍。",
    ),
    "near": ("What is near", "相似物品"),
    "steer": ("Steer", "干预"),
    "popularity": ("Popularity", "流行度"),
    "rank": ("rank {rank:,}", "第 {rank:,} 名"),
    "no_rank": ("no events yet", "还没有事件"),
    "events": ("Events", "事件"),
    "people": ("People", "人数"),
    "last": ("last {at}", "最近 {at}"),
    "price": ("Price", "价格"),
    "takes": ("Who takes it", "谁会选择"),
    "kind": ("Event", "事件类型"),
    "number": ("Number", "次数"),
    "nobody": ("Nobody did anything with it yet.", "还没有人与之互动。"),
    "works": ("In which moments it works", "适用情境"),
    "signal": ("Signal", "信号"),
    "lift": ("Lift", "提升"),
    "count": ("Events", "事件数"),
    "no_lifts": ("Too few events to tell.", "事件太少，无法判断。"),
    "hidden": ("Hidden: it appears in no answer", "隐藏：不出现在任何推荐中"),
    "pin": ("Pinned to place", "置顶位置"),
    "boost": ("Boost, 1 is as ever", "加权系数（1 为不变）"),
    "apply": ("Apply", "应用"),
    "steered": (
        "Stored: it counts from the next request on. Rules and scenarios can undo it.",
        "已保存，自下一个请求起生效；可在“规则与场景”中撤销。",
    ),
    "also": ("Also steered by: {names}", "其他干预：{names}"),
    "edit": ("Edit", "编辑"),
    "json": ("The item as JSON", "物品 JSON"),
    "saved": ("Saved: it is encoded anew at the next request.", "已保存，下次请求时重新编码。"),
    "bad_json": ("This is no JSON: {why}", "不是有效的 JSON：{why}"),
}
NUMBER = "outlined dense clearable"


@dataclass
class ItemPart:
    """One item's page."""

    view: View
    id: str
    page: dict[str, Any] = field(default_factory=dict)

    def t(self, name: str, **values: Any) -> str:
        """Return a text."""
        return say(WORDS, self.view.locale, name, **values)

    async def load(self) -> None:
        """Fetch it."""
        self.page = await self.view.api.get("/v1/catalogue/item", id=self.id)

    async def place(self) -> None:
        """Fetch it and make its elements."""
        await self.load()
        ui.html(f"<p><a href='{HOME}/catalogue'>{self.t('back')}</a></p>", sanitize=False)
        with ui.element("div").classes("item"):
            self.head()
            with ui.element("div").classes("sides"):
                for make in (self.works, self.takes):
                    with ui.element("section"):
                        make()
                if self.view.may("admin"):
                    with ui.element("section"):
                        self.steering()
            self.near()
            if self.view.may("write"):
                self.edit()

    def head(self) -> None:
        """Show what it is."""
        t, page, zone = self.t, self.page, self.view.time_zone
        item, taken = page["item"], page["taken"]
        ui.html(f"<h2>{escape(page['title'])}</h2><p class='hint'>{escape(item['id'])}</p>", sanitize=False)
        rank = t("rank", rank=page["rank"]) if page["rank"] else t("no_rank")
        last = t("last", at=clock(taken["last_at"], zone)) if taken["last_at"] else ""
        figures = [(t("popularity"), f"{page['popularity']:,.1f}", rank), (t("events"), f"{sum(taken['events'].values()):,}", last)]
        figures.append((t("people"), f"{taken['people']:,}", ""))
        if item.get("price") is not None:
            figures.append((t("price"), f"{item['price']:,.2f}", " > ".join(item.get("categories", ()))))
        ui.html(tiles(figures), sanitize=False)
        ui.html(f"<h2>{t('reads')}</h2><p class='read-text'>{escape(page['text'])}</p>", sanitize=False)

    def works(self) -> None:
        """Show in which moments it works."""
        t, lifts = self.t, self.page["lifts"]
        ui.html(f"<h2>{t('works')}</h2><p class='hint'>{t('works_hint')}</p>", sanitize=False)
        if not lifts:
            ui.label(t("no_lifts")).classes("hint")
            return
        most = max(abs(one["lift"]) for one in lifts) or 1.0
        rows = [
            [
                escape(f"{one['signal']} = {one['value']}"),
                interval(one["lift"], min(0.0, one["lift"]), max(0.0, one["lift"]), most, least=-most, text=f"{one['lift']:+.2f}"),
                f"{one['events']:,.0f} / {one['expected']:,.1f}",
            ]
            for one in lifts
        ]
        ui.html(table(t("works"), (t("signal"), t("lift"), t("count")), rows, hushed=True), sanitize=False).classes("lifts")

    def takes(self) -> None:
        """Show who takes it."""
        t, taken = self.t, self.page["taken"]
        ui.html(f"<h2>{t('takes')}</h2>", sanitize=False)
        if not taken["events"]:
            ui.label(t("nobody")).classes("hint")
            return
        rows = [[escape(name), f"{number:,}"] for name, number in taken["events"].items()]
        ui.html(table(t("takes"), (t("kind"), t("number")), rows, hushed=True), sanitize=False)
        links = ", ".join(f"<a href='{HOME}/people?user={quote(user, safe='')}'>{escape(user)}</a>" for user in taken["sample"])
        if links:
            ui.html(f"<p>{t('lately')} {links}</p>", sanitize=False)

    def near(self) -> None:
        """Show what is near."""
        titles = self.page["titles"]
        near = [{"item": {"id": e["item"]}, "title": titles.get(e["item"], e["item"])} for e in self.page["neighbours"]]
        ui.html(f"<h2>{self.t('near')}</h2>{found_html(near)}", sanitize=False).classes("near")

    def steering(self) -> None:
        """Make the form that hides, pins and boosts."""
        t = self.t
        mine = self.page["steering"].get(STEERING, {"hide": False, "pin": None, "boost": None})
        asked = dict(mine)
        ui.html(f"<h2>{t('steer')}</h2>", sanitize=False)
        others = [name for name in self.page["steering"] if name != STEERING]
        if others:
            ui.label(t("also", names=", ".join(others))).classes("note")
        with ui.element("div").classes("form steer"):
            kept(ui.switch(t("hidden")), asked, "hide").classes("hide")
            with ui.element("div").classes("few"):
                kept(ui.number(t("pin"), min=1, max=1000, format="%d"), asked, "pin").props(NUMBER).classes("pin")
                kept(ui.number(t("boost"), min=0, max=100, step=0.1), asked, "boost").props(NUMBER).classes("boost")
            ui.button(t("apply"), on_click=lambda: self.steer(asked)).props("unelevated no-caps").classes("apply")

    async def steer(self, asked: dict[str, Any]) -> None:
        """Store how it is steered."""
        pin = int(asked["pin"]) if asked["pin"] else None
        await self.view.api.post("/v1/catalogue/steer", {"item": self.id, **asked, "pin": pin})
        ui.notify(self.t("steered"), type="positive")

    def edit(self) -> None:
        """Make the form that changes the item."""
        t = self.t
        with ui.expansion(t("edit")).classes("edit"):
            text = json.dumps(self.page["item"], ensure_ascii=False, indent=1)
            area = ui.textarea(t("json"), value=text).props("outlined autogrow").classes("json")
            ui.button(t("save"), on_click=lambda: self.save(area.value or "")).props("unelevated no-caps").classes("save")

    async def save(self, text: str) -> None:
        """Store the item."""
        try:
            document = json.loads(text)
        except ValueError as error:
            ui.notify(self.t("bad_json", why=error), type="negative")
            return
        await self.view.api.put("/v1/items", {"items": [document]})
        ui.notify(self.t("saved"), type="positive")
