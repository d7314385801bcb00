"""Chosen map: the catalogue in two dimensions with what one person chose marked on it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from nicegui import ui

from occasion.client import ServiceError
from occasion.console.parts.states import under_way
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["WORDS", "chosen_map"]

WORDS: Words = {
    "heading": ("Among the whole catalogue", "在整个目录中的位置"),
    "drawing": ("The map of the catalogue is drawn for the first time.", "正在首次绘制目录地图。"),
    "label": (
        "Map of the catalogue: {n} items this person chose, marked among {all:,} that read alike where they lie together",
        "目录地图：在 {all:,} 个商品中标出此人选择的 {n} 个，相近者文字相似",
    ),
}
POLL = 1.0
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

    async def look() -> None:
        try:
            found = await view.api.get("/v1/catalogue/map")
        except ServiceError as error:
            if error.status == 404:
                timer.cancel()
                return
            raise
        if found["state"] == "ready":
            timer.cancel()
            place.clear()
            with place:
                _show(view, found, chosen)
        elif found["state"] == "drawing" and not place.default_slot.children:
            with place:
                under_way(say(WORDS, view.locale, "drawing"))
        elif found["state"] not in ("drawing", "ready"):
            timer.cancel()

    timer = ui.timer(POLL, look, immediate=True)


def _show(view: View, found: dict[str, Any], chosen: Mapping[str, float]) -> None:
    x, y = (np.frombuffer(base64.b64decode(found[axis]), "<u2") for axis in ("x", "y"))
    marks = [
        [int(x[n]), int(y[n]), min(4.0, float(np.log1p(chosen[item])))] for n, item in enumerate(found["ids"]) if item in chosen
    ]
    ui.html(f"<h2>{say(WORDS, view.locale, 'heading')}</h2>", sanitize=False)
    label = say(WORDS, view.locale, "label", n=len(marks), all=len(found["ids"]))
    canvas = ui.element("canvas").props(f'role="img" data-marks="{len(marks)}"')
    canvas.props["aria-label"] = label
    ui.run_javascript(_DRAW % (json.dumps(f"c{canvas.id}"), json.dumps({"x": found["x"], "y": found["y"], "marks": marks})))
