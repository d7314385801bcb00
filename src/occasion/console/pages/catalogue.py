"""Catalogue: search and facets, an item's page, the map, and hide, pin, boost and edit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.page import Page
from occasion.console.parts.catalogue_map import MapPart
from occasion.console.parts.fields import kept
from occasion.console.parts.figures import STYLE
from occasion.console.parts.found import found_html
from occasion.console.parts.item_page import ItemPart
from occasion.console.parts.labels import labelled
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
}
SIZE = 48


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
            words = kept(ui.input(t("text"), placeholder=t("text_hint")), self, "text")
            words.props("outlined dense").classes("text")
            wanted = kept(ui.input(t("filter"), placeholder="price < 20"), self, "filter")
            wanted.props("outlined dense").classes("filter")
            ui.button(t("find")).props('unelevated no-caps type="submit"').classes("find")

    @ui.refreshable_method
    def divided(self) -> None:
        """Show the facets."""
        for name, values in self.found["facets"].items():
            with labelled(ui.element("div"), name).classes("facet").props('role="group"'):
                ui.html(f"<h2>{escape(name)}</h2>", sanitize=False)
                if values and not isinstance(values[0], list):
                    ui.label(self.view.t("span", low=values[0], high=values[1])).classes("hint")
                    continue
                with ui.element("ul").classes("values"):
                    for value, number in values[:10]:
                        self._value(name, str(value), number)

    def _value(self, name: str, value: str, number: int) -> None:
        with ui.element("li"), ui.element("button").classes("value").props('type="button"') as button:
            button.props["aria-pressed"] = "true" if self.picked.get(name) == value else "false"
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
        ui.html(found_html(self.items), sanitize=False)
        if len(self.items) < self.found["total"]:
            ui.button(t("more"), on_click=self.more).props("outline no-caps").classes("more")


def _named(name: str) -> str:
    """Return a field's name as a filter takes it."""
    return name if name.replace("_", "a").isalnum() else json.dumps(name, ensure_ascii=False)


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    if view.query.get("item"):
        await ItemPart(view, view.query["item"]).place()
        return
    info = await view.api.info()
    if not info["counts"]["items"]:
        empty(view.t("no_items"), link=view.t("set_up"), to="/set-up")
        return
    search = Search(view, text=view.query.get("text", ""), filter=view.query.get("filter", ""))
    search.found = await view.api.post("/v1/catalogue/search", search.asked())
    search.items = search.found["items"]
    search.form()
    with ui.tabs().props("align=left no-caps dense inline-label") as tabs:
        ui.tab("list", view.t("list"), icon="view_list")
        ui.tab("map", view.t("map"), icon="scatter_plot")
    chart = MapPart(view, found_html)
    first = "map" if view.query.get("view") == "map" else "list"
    with ui.tab_panels(tabs, value=first).props("keep-alive").classes("panels") as panels:
        with ui.tab_panel("list"), ui.element("div").classes("columns"):
            with labelled(ui.element("aside"), view.t("facets")).classes("facets-side"):
                search.divided()
            with ui.element("section").props('aria-live="polite"'):
                search.shown()
        with ui.tab_panel("map"):
            chart.place()
    panels.on_value_change(lambda event: chart.show() if event.value == "map" else None)
    if first == "map":
        await chart.show()


PAGE = Page(path="/catalogue", icon="category", words=WORDS, build=build)
