"""Chosen map: the catalogue in two dimensions with what one person chose marked on it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from occasion.client import ServiceError
from occasion.console.parts.states import failed, under_way
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["WORDS", "chosen_map"]

WORDS: Words = {
    "heading": ("Among the whole catalogue", "在整个目录中的位置"),
    "drawing": ("The map of the catalogue is drawn for the first time.", "正在首次绘制目录地图。"),
    "failed": ("The map of the catalogue could not be drawn.", "目录地图绘制失败。"),
    "cancelled": ("The map of the catalogue was not drawn to its end.", "目录地图的绘制被取消。"),
    "label": (
        "Map of the catalogue: {n} items this person chose, marked among {all:,} that read alike where they lie together",
        "目录地图：在 {all:,} 个商品中标出此人选择的 {n} 个，相近者文字相似",
    ),
}
POLL = 1.0
MOST = 1000
"""Items marked, those chosen most often."""
_DRAW = """
(() => { const c = document.getElementById(%s); if (!c) return; const d = %s, px = window.devicePixelRatio || 1;
const w = c.clientWidth, h = c.clientHeight; c.width = w * px; c.height = h * px; const g = c.getContext('2d'); g.scale(px, px);
const css = getComputedStyle(document.body); const at = (x, y) => [6 + x / 65535 * (w - 12), 6 + y / 65535 * (h - 12)];
const raw = s => new Uint16Array(Uint8Array.from(atob(s), v => v.charCodeAt(0)).buffer); const X = raw(d.x), Y = raw(d.y);
g.fillStyle = css.getPropertyValue('--soft'); g.globalAlpha = X.length > 20000 ? .15 : .35;
for (let i = 0; i < X.length; i++) { const p = at(X[i], Y[i]); g.fillRect(p[0], p[1], 1.5, 1.5); }
g.globalAlpha = 1; g.fillStyle = css.getPropertyValue('--popularity'); g.strokeStyle = css.getPropertyValue('--card');
for (const m of d.marks) { const p = at(m[0], m[1]); g.beginPath(); g.arc(p[0], p[1], 3 + m[2], 0, 7); g.fill(); g.stroke(); } })()
"""


def chosen_map(view: View, chosen: Mapping[str, float]) -> None:
    """Make the map where it is called: `chosen` has the ids and how often each was chosen. It comes once it is drawn."""
    place = ui.element("div").classes("chosen-map")
    items = sorted(chosen, key=lambda item: -chosen[item])[:MOST]

    async def look() -> None:
        try:
            found = await view.api.post("/v1/catalogue/map/marks", {"items": items})
        except ServiceError as error:
            if error.status == 404:
                timer.cancel()
                return
            raise
        if found["state"] == "drawing":
            if not place.default_slot.children:
                with place:
                    under_way(say(WORDS, view.locale, "drawing"))
            return
        timer.cancel()
        place.clear()
        with place:
            if found["state"] == "ready":
                _show(view, found, chosen)
            elif found["state"] in ("failed", "cancelled"):
                failed(say(WORDS, view.locale, found["state"]), found["trouble"])

    timer = ui.timer(POLL, look, immediate=True)


def _show(view: View, found: dict[str, Any], chosen: Mapping[str, float]) -> None:
    marks = [[x, y, min(4.0, math.log1p(chosen[item]))] for item, (x, y) in found["marks"].items()]
    ui.html(f"<h2>{say(WORDS, view.locale, 'heading')}</h2>", sanitize=False)
    label = say(WORDS, view.locale, "label", n=len(marks), all=found["total"])
    canvas = ui.element("canvas").props(f'role="img" data-marks="{len(marks)}"')
    canvas.props["aria-label"] = label
    ui.run_javascript(_DRAW % (json.dumps(f"c{canvas.id}"), json.dumps({"x": found["x"], "y": found["y"], "marks": marks})))
