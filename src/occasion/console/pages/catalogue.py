"""Catalogue: search and facets, an item's page, the map, and hide, pin, boost and edit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.page import Page
from occasion.console.parts.catalogue_map import MapPart
from occasion.console.parts.figures import STYLE, clock, interval, table, tiles
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Catalogue", "目录"),
    "about": (
        "Search by meaning and by words; see what the model reads of an item and in which moments it works; steer it.",
        "按语义与关键词检索；查看模型读到的文本与适用情境；并可干预推荐。",
    ),
    "text": ("Search", "检索"),
    "text_hint": ("something warm for a rainy evening", "雨天晚上想喝点热的"),
    "filter": ("Filter", "过滤条件"),
    "find": ("Search", "检索"),
    "list": ("List", "列表"),
    "map": ("Map", "地图"),
    "facets": ("Divide by", "分面"),
    "found": ("{total:,} items", "{total:,} 个物品"),
    "nothing": ("Nothing passes.", "没有符合条件的物品。"),
    "nothing_hint": ("Use fewer words, or take a filter back.", "减少关键词或取消部分过滤。"),
    "no_items": ("The catalogue is empty.", "目录为空。"),
    "more": ("More", "更多"),
    "span": ("{low:g} to {high:g}", "{low:g} 至 {high:g}"),
    "back": ("Back to the list", "返回列表"),
    "reads": ("What the language model reads", "语言模型读到的文本"),
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
    "lately": ("Lately:", "最近："),
    "nobody": ("Nobody did anything with it yet.", "还没有人与之互动。"),
    "works": ("In which moments it works", "适用情境"),
    "works_hint": (
        "How much more often it is chosen than at other times; 0.69 is twice as often.",
        "相对平时被选择的程度；0.69 表示两倍。",
    ),
    "signal": ("Signal", "信号"),
    "lift": ("Lift", "提升"),
    "count": ("Events", "事件数"),
    "no_lifts": ("Too few events to tell.", "事件太少，无法判断。"),
    "near": ("What is near", "相似物品"),
    "steer": ("Steer", "干预"),
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
    "gone": ("There is no such item.", "没有该物品。"),
}
SIZE = 48
NUMBER = "outlined dense clearable"
STEERING = "steering"


@dataclass
class Search:
    """The list: words, filters, and what was found."""

    view: View
    text: str = ""
    filter: str = ""
    picked: dict[str, str] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)

    def asked(self) -> dict[str, Any]:
        """Return what to ask for."""
        tests: list[Any] = [f"({self.filter})"] if self.filter.strip() else []
        tests += [f"{_named(name)} = {json.dumps(value, ensure_ascii=False)}" for name, value in self.picked.items()]
        return {"text": self.text, "filter": " and ".join(tests) or None, "k": SIZE}

    async def search(self) -> None:
        """Find anew."""
        self.found = await self.view.api.post("/v1/catalogue/search", self.asked())
        self.items = self.found["items"]
        self.shown.refresh()
        self.divided.refresh()

    async def more(self) -> None:
        """Fetch the next page."""
        next_page = await self.view.api.post("/v1/catalogue/search", {**self.asked(), "offset": len(self.items)})
        self.items += next_page["items"]
        self.shown.refresh()

    async def pick(self, name: str, value: str) -> None:
        """Filter by a value, or take that back."""
        if self.picked.get(name) == value:
            del self.picked[name]
        else:
            self.picked[name] = value
        await self.search()

    def form(self) -> None:
        """Make the fields."""
        t = self.view.t
        with ui.element("form").classes("search").props('role="search"').on("submit.prevent", self.search):
            words = ui.input(t("text"), value=self.text, placeholder=t("text_hint")).props("outlined dense").classes("text")
            words.on_value_change(lambda event: setattr(self, "text", event.value or ""))
            wanted = ui.input(t("filter"), value=self.filter, placeholder="price < 20").props("outlined dense").classes("filter")
            wanted.on_value_change(lambda event: setattr(self, "filter", event.value or ""))
            ui.button(t("find")).props('unelevated no-caps type="submit"').classes("find")

    @ui.refreshable_method
    def divided(self) -> None:
        """Show the facets."""
        for name, values in self.found["facets"].items():
            with ui.element("div").classes("facet").props(f'role="group" aria-label="{escape(name, quote=True)}"'):
                ui.html(f"<h2>{escape(name)}</h2>", sanitize=False)
                if values and not isinstance(values[0], list):
                    ui.label(self.view.t("span", low=values[0], high=values[1])).classes("hint")
                    continue
                with ui.element("ul").classes("values"):
                    for value, number in values[:10]:
                        self._value(name, str(value), number)

    def _value(self, name: str, value: str, number: int) -> None:
        pressed = "true" if self.picked.get(name) == value else "false"
        with ui.element("li"), ui.element("button").classes("value").props(f'type="button" aria-pressed="{pressed}"') as button:
            button.props["data-value"] = f"{name}={value}"
            button.on("click", lambda: self.pick(name, value))
            ui.html(escape(value), sanitize=False, tag="span")
            ui.html(f"{number:,}", sanitize=False, tag="span").classes("number")

    @ui.refreshable_method
    def shown(self) -> None:
        """Show what was found."""
        t = self.view.t
        ui.label(t("found", total=self.found["total"])).classes("hint total")
        if not self.items:
            empty(t("nothing"), t("nothing_hint"))
            return
        ui.html(found_html(self.view, self.items), sanitize=False)
        if len(self.items) < self.found["total"]:
            ui.button(t("more"), on_click=self.more).props("outline no-caps").classes("more")


def _named(name: str) -> str:
    """Return a field's name as a filter takes it."""
    return name if name.replace("_", "a").isalnum() else json.dumps(name, ensure_ascii=False)


def found_html(view: View, items: list[dict[str, Any]]) -> str:
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


@dataclass
class ItemPart:
    """One item's page."""

    view: View
    id: str
    page: dict[str, Any] = field(default_factory=dict)

    async def load(self) -> None:
        """Fetch it."""
        self.page = await self.view.api.get("/v1/catalogue/item", id=self.id)

    def head(self) -> None:
        """Show what it is."""
        t, page, zone = self.view.t, self.page, self.view.service.settings.time_zone
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
        t, lifts = self.view.t, self.page["lifts"]
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
        t, taken = self.view.t, self.page["taken"]
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
        ui.html(f"<h2>{self.view.t('near')}</h2>{found_html(self.view, near)}", sanitize=False).classes("near")

    def steering(self) -> None:
        """Make the form that hides, pins and boosts."""
        t = self.view.t
        mine = self.page["steering"].get(STEERING, {"hide": False, "pin": None, "boost": None})
        asked = dict(mine)
        ui.html(f"<h2>{t('steer')}</h2>", sanitize=False)
        others = [name for name in self.page["steering"] if name != STEERING]
        if others:
            ui.label(t("also", names=", ".join(others))).classes("note")
        with ui.element("div").classes("form steer"):
            ui.switch(t("hidden"), value=mine["hide"], on_change=lambda e: asked.update(hide=bool(e.value))).classes("hide")
            with ui.element("div").classes("few"):
                pin = (
                    ui.number(t("pin"), value=mine["pin"], min=1, max=1000, format="%d")
                    .props("outlined dense clearable")
                    .classes("pin")
                )
                pin.on_value_change(lambda e: asked.update(pin=int(e.value) if e.value else None))
                boost = (
                    ui.number(t("boost"), value=mine["boost"], min=0, max=100, step=0.1)
                    .props("outlined dense clearable")
                    .classes("boost")
                )
                boost.on_value_change(lambda e: asked.update(boost=e.value))
            ui.button(t("apply"), on_click=lambda: self.steer(asked)).props("unelevated no-caps").classes("apply")

    async def steer(self, asked: dict[str, Any]) -> None:
        """Store how it is steered."""
        await self.view.api.post("/v1/catalogue/steer", {"item": self.id, **asked})
        ui.notify(self.view.t("steered"), type="positive")

    def edit(self) -> None:
        """Make the form that changes the item."""
        t = self.view.t
        with ui.expansion(t("edit")).classes("edit"):
            text = json.dumps(self.page["item"], ensure_ascii=False, indent=1)
            area = ui.textarea(t("json"), value=text).props("outlined autogrow").classes("json")
            ui.button(t("save"), on_click=lambda: self.save(area.value or "")).props("unelevated no-caps").classes("save")

    async def save(self, text: str) -> None:
        """Store the item."""
        try:
            document = json.loads(text)
        except ValueError as error:
            ui.notify(self.view.t("bad_json", why=error), type="negative")
            return
        await self.view.api.put("/v1/items", {"items": [document]})
        ui.notify(self.view.t("saved"), type="positive")


async def _item_page(view: View, item: str) -> None:
    part = ItemPart(view, item)
    await part.load()
    ui.html(f"<p><a href='{HOME}/catalogue'>{view.t('back')}</a></p>", sanitize=False)
    with ui.element("div").classes("item"):
        part.head()
        with ui.element("div").classes("sides"):
            for make in (part.works, part.takes):
                with ui.element("section"):
                    make()
            if view.may("admin"):
                with ui.element("section"):
                    part.steering()
        part.near()
        if view.may("write"):
            part.edit()


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    if view.query.get("item"):
        await _item_page(view, view.query["item"])
        return
    info = await view.api.info()
    if not info["counts"]["items"]:
        empty(view.t("no_items"), link=view.t("set_up"), to="/setup")
        return
    search = Search(view, text=view.query.get("text", ""), filter=view.query.get("filter", ""))
    search.found = await view.api.post("/v1/catalogue/search", search.asked())
    search.items = search.found["items"]
    search.form()
    with ui.tabs().props("align=left no-caps dense inline-label") as tabs:
        ui.tab("list", view.t("list"), icon="view_list")
        ui.tab("map", view.t("map"), icon="scatter_plot")
    chart = MapPart(view, lambda items: found_html(view, items))
    first = "map" if view.query.get("view") == "map" else "list"
    with ui.tab_panels(tabs, value=first).props("keep-alive").classes("panels") as panels:
        with ui.tab_panel("list"), ui.element("div").classes("columns"):
            with ui.element("aside").classes("facets-side").props(f'aria-label="{view.t("facets")}"'):
                search.divided()
            with ui.element("section").props('aria-live="polite"'):
                search.shown()
        with ui.tab_panel("map"):
            chart.place()
    panels.on_value_change(lambda event: chart.show() if event.value == "map" else None)
    if first == "map":
        await chart.show()


PAGE = Page(path="/catalogue", icon="category", words=WORDS, build=build)
