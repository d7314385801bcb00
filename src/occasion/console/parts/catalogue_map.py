"""The map of the catalogue: a canvas, its legend, what lies under the pointer, and the list of what the lasso picked."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.parts.asking import asked
from occasion.console.parts.states import empty, failed
from occasion.console.view import View
from occasion.console.words import Words, say
from occasion.scenarios import STEERING

__all__ = ["MapPart"]

WORDS: Words = {
    "drawing": ("The map is being drawn, {share:.0%}", "正在绘制地图，{share:.0%}"),
    "label": (
        "Map of {n} items: what reads alike lies together. Arrows move, + and - zoom, Enter picks what is in view, Escape resets.",
        "{n} 个物品的地图：文本相近者相邻。方向键移动，+ 和 - 缩放，回车选中视野内物品，Esc 复位。",
    ),
    "hint": (
        "What reads alike lies together. Drag to move, wheel to zoom, click an item to open it.",
        "文本相近者相邻。拖动平移，滚轮缩放，点击打开物品。",
    ),
    "colour": ("Colour", "着色"),
    "by_group": ("category", "类别"),
    "by_popularity": ("popularity", "流行度"),
    "lasso": ("Lasso", "套索"),
    "others": ("others", "其他"),
    "picked": ("{total:,} picked; the most popular first", "选中 {total:,} 个，按流行度排序"),
    "export": ("Download their ids", "下载编号"),
    "hide": ("Hide them all", "全部隐藏"),
    "hide_sure": (
        "Let none of these {n:,} items appear in any answer? Rules and scenarios can undo it.",
        "让这 {n:,} 个物品不出现在任何推荐中？可在“规则与场景”中撤销。",
    ),
    "hid": ("{n:,} items are hidden from the next request on.", "{n:,} 个物品自下一个请求起隐藏。"),
    "empty": ("There is nothing to draw.", "没有可绘制的内容。"),
    "failed": ("The map could not be drawn.", "地图绘制失败。"),
    "old": ("The map could not be drawn anew; this is the old one.", "无法重新绘制地图，显示的是旧地图。"),
    "cancelled": ("The drawing was cancelled.", "绘制已取消。"),
    "cancelled_hint": ("Choose “Draw it anew” to begin again.", "选择“重新绘制”即可再次开始。"),
    "cancel": ("Cancel", "取消"),
    "redraw": ("Draw it anew", "重新绘制"),
}
CANVAS = "catalogue-map"
SECONDS = 0.5
LIST = 60
SECONDS_OF_PICKED = 10.0


class MapPart:
    """The map.

    Parameters
    ----------
    view : View
    listing : callable
        Items as the API shows them to HTML.
    """

    def __init__(self, view: View, listing: Callable[[list[dict[str, Any]]], str]) -> None:
        self.view, self.listing = view, listing
        self.ids: list[str] = []
        self.shown = False
        self.titles: dict[str, str] = {}

    def t(self, name: str, **values: Any) -> str:
        """Return a text."""
        return say(WORDS, self.view.locale, name, **values)

    def place(self) -> None:
        """Make the elements."""
        ui.add_body_html(f'<script src="{HOME}/static/map.js"></script>')
        ui.label(self.t("hint")).classes("hint")
        with ui.element("div").classes("buttons"):
            colours = {"group": self.t("by_group"), "popularity": self.t("by_popularity")}
            chosen = ui.select(colours, label=self.t("colour"), value="group").props("outlined dense").classes("colour")
            chosen.on_value_change(lambda event: ui.run_javascript(f"occasionMap.colour('{event.value}')"))
            lasso = ui.switch(self.t("lasso"), value=False).classes("lasso")
            lasso.on_value_change(lambda event: ui.run_javascript(f"occasionMap.lasso({str(bool(event.value)).lower()})"))
            if self.view.may("write"):
                ui.button(self.t("redraw"), on_click=lambda: self.show(redraw=True)).props("flat dense no-caps").classes("redraw")
        self.state = ui.element("div").props('aria-live="polite"')
        with ui.element("div") as self.frame:
            self.canvas = ui.element("canvas").classes("map").props(f'id="{CANVAS}" tabindex="0" role="img"')
            self.legend = ui.element("ul").classes("keys")
            self.under = ui.label("").classes("under hint")
        self.frame.set_visibility(False)
        self.list = ui.element("div").classes("picked").props('aria-live="polite"')
        ui.on("map_picked", self.picked)
        ui.on("map_under", self.hovered)
        ui.on("map_open", self.opened)

    async def show(self, redraw: bool = False) -> None:
        """Fetch the map and draw it; while the service still works on it, say how far that is and ask again."""
        if self.shown and not redraw:
            return
        self.shown = True
        found = await self.view.api.get("/v1/catalogue/map", redraw="true" if redraw else None)
        self.state.clear()
        with self.state:
            if found["state"] == "drawing":
                self._drawing(found)
            elif found["state"] == "ready":
                if found["trouble"]:
                    failed(self.t("old"), found["trouble"])
                self._draw(found)
            elif found["state"] == "empty":
                empty(self.t("empty"))
            elif found["state"] == "cancelled":
                empty(self.t("cancelled"), self.t("cancelled_hint") if self.view.may("write") else "")
            else:
                failed(self.t("failed"), found["trouble"])

    def _drawing(self, found: dict[str, Any]) -> None:
        share = found["done"] / found["total"] if found["total"] else 0.0
        ui.label(self.t("drawing", share=share))
        ui.linear_progress(share, show_value=False).props["aria-label"] = self.t("drawing", share=share)
        if self.view.may("write"):
            ui.button(self.t("cancel"), on_click=self.cancel).props("outline dense no-caps").classes("cancel")
        ui.timer(SECONDS, self._again, once=True)

    async def cancel(self) -> None:
        """Let the drawing end."""
        await self.view.api.delete("/v1/catalogue/map/drawing")

    async def _again(self) -> None:
        self.shown = False
        await self.show()

    def _draw(self, found: dict[str, Any]) -> None:
        self.ids = found["ids"]
        self.frame.set_visibility(True)
        self.canvas.props["aria-label"] = self.t("label", n=len(self.ids))
        data = {name: found[name] for name in ("x", "y", "group", "popularity", "groups")}
        self.legend.clear()
        with self.legend:
            for n, name in enumerate(found["groups"]):
                with ui.element("li"), ui.element("button").props('type="button" aria-pressed="true"') as button:
                    button.on("click", js_handler=_TOGGLE % n)
                    ui.html(f"<i data-colour='{n}'></i>{escape(name) or self.t('others')}", sanitize=False, tag="span")
        ui.run_javascript(_SHOW % json.dumps(data))

    async def picked(self, event: Any) -> None:
        """List what the lasso picked."""
        ids = [self.ids[n] for n in event.args["indices"][:LIST]]
        self.list.clear()
        if not ids:
            return
        items = await self.view.api.get_items(ids)
        shown = [
            {"item": {"id": i, "categories": list(items[i].categories), "price": items[i].price}, "title": items[i].title}
            for i in ids
            if i in items
        ]
        with self.list:
            ui.label(self.t("picked", total=event.args["total"])).classes("picked-total")
            with ui.element("div").classes("buttons"):
                export = ui.button(self.t("export"), icon="download", on_click=self.export).props("outline dense no-caps")
                export.classes("export-picked")
                if self.view.may("admin"):
                    hide = ui.button(self.t("hide"), icon="visibility_off", on_click=self.hide).props("outline dense no-caps")
                    hide.classes("hide-picked")
            ui.html(self.listing(shown), sanitize=False)

    async def _all_picked(self) -> list[str]:
        packed = await ui.run_javascript("return occasionMap.picked()", timeout=SECONDS_OF_PICKED)
        numbers = struct.iter_unpack("<I", base64.b64decode(packed))
        return [self.ids[n] for (n,) in numbers if n < len(self.ids)]

    async def export(self) -> None:
        """Give the ids of all that is picked as a file, one a line: as rules take them."""
        ids = await self._all_picked()
        ui.download.content("".join(f"{item}\n" for item in ids).encode(), "picked.txt", "text/plain")

    async def hide(self) -> None:
        """Let all that is picked appear in no answer; a change of a scenario like any other, which can be undone."""
        ids = await self._all_picked()
        if not await asked(self.view, self.frame, self.t("hide_sure", n=len(ids)), {"hide": self.t("hide")}):
            return
        stored = (await self.view.api.get("/v1/scenarios"))["scenarios"].get(STEERING, {"always": True})
        rules = stored.get("rules", {})
        exclude = list(dict.fromkeys([*(rules.get("exclude") or ()), *ids]))
        await self.view.api.put(f"/v1/scenarios/{STEERING}", {**stored, "rules": {**rules, "exclude": exclude}})
        with self.frame:
            ui.notify(self.t("hid", n=len(ids)), type="positive")

    async def hovered(self, event: Any) -> None:
        """Tell what lies under the pointer."""
        n = event.args["index"]
        if not 0 <= n < len(self.ids):
            self.under.text = ""
            return
        item = self.ids[n]
        if item not in self.titles:
            found = await self.view.api.get_items([item])
            self.titles[item] = found[item].title if item in found else item
        self.under.text = self.titles[item]

    def opened(self, event: Any) -> None:
        """Open an item's page."""
        if 0 <= event.args["index"] < len(self.ids):
            ui.navigate.to(f"/catalogue?item={quote(self.ids[event.args['index']], safe='')}")


_TOGGLE = """(event) => {
  const button = event.currentTarget, on = button.getAttribute('aria-pressed') !== 'true';
  button.setAttribute('aria-pressed', on); occasionMap.toggle(%d);
}"""
_SHOW = """(() => {
  const data = %s;
  const begin = () => {
    if (!window.occasionMap || !document.getElementById('catalogue-map')) { setTimeout(begin, 50); return; }
    occasionMap.show('catalogue-map', data);
  };
  begin();
})()"""
