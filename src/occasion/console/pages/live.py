"""Live: what is being answered, how fast, what comes of it, whether the world has moved, and what asks for somebody."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.page import Page
from occasion.console.parts.figures import STYLE, bar, clock, interval, percent, table, tiles, time_bars
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Live", "实时"),
    "about": (
        "What is asked and answered now, what comes of it, and what asks for somebody.",
        "当前的请求与推荐、用户反馈，以及需要关注的事项。",
    ),
    "follow": ("Follow", "自动刷新"),
    "as_of": ("As of {at}", "截至 {at}"),
    "alerts": ("Alerts", "告警"),
    "quiet": ("Nothing asks for anybody.", "没有需要处理的事项。"),
    "look": ("Look at it", "查看"),
    "cause": ("Cause: {cause}", "原因：{cause}"),
    "nothing": ("Nothing was recommended yet.", "还没有推荐记录。"),
    "nothing_hint": ("Try a moment, or let a client ask.", "可先试一个时刻，或让客户端发起请求。"),
    "moment": ("Try a moment", "试一个时刻"),
    "key_figures": ("Key figures", "关键指标"),
    "answers": ("Answers", "推荐次数"),
    "answers_hint": ("to {people} people, since {since}", "{people} 人，自 {since} 起"),
    "taken": ("Taken up", "采纳率"),
    "taken_seen": ("of those that were seen", "占已曝光的推荐"),
    "taken_all": ("no impressions: all count as seen", "无曝光事件，全部计为已曝光"),
    "coverage": ("Coverage", "覆盖率"),
    "coverage_hint": ("{items} different items were shown", "展示过 {items} 个不同物品"),
    "chance": ("By chance", "探索占比"),
    "chance_hint": ("places that were given by chance", "由随机探索产生的位置"),
    "short": ("Short lists", "短列表"),
    "short_hint": ("fewer items than asked for", "少于请求数量"),
    "per_minute": ("Requests a minute", "每分钟请求"),
    "per_minute_hint": ("of all tenants, last quarter of an hour", "所有租户，最近一刻钟"),
    "over_time": ("Answers over time; dark: taken up", "推荐随时间变化（深色为被采纳）"),
    "uses": ("What comes of answers", "反馈情况"),
    "by_scenarios": ("By scenario", "按场景"),
    "by_policies": ("By policy", "按策略"),
    "by_versions": ("By version", "按版本"),
    "no_name": ("(none)", "（无）"),
    "rate": ("Taken up, 95 % interval", "采纳率（95% 区间）"),
    "people": ("People", "人数"),
    "bought": ("Bought", "购买"),
    "disliked": ("Disliked", "不喜欢"),
    "length": ("Length", "长度"),
    "stages": ("Latency by stage", "各阶段耗时"),
    "stage": ("Stage", "阶段"),
    "count": ("Number", "次数"),
    "ms": ("{ms:.1f} ms", "{ms:.1f} 毫秒"),
    "requests": ("Requests", "请求"),
    "route": ("Route", "路由"),
    "failed": ("Failed", "失败"),
    "refused": ("Refused", "拒绝"),
    "operators": (
        "Requests and latencies are for operators: an admin key of the tenant default.",
        "请求与耗时仅运维可见（default 租户的 admin 密钥）。",
    ),
    "no_requests": ("No request in the last quarter of an hour.", "最近一刻钟没有请求。"),
    "drift": ("Has the world moved?", "分布漂移"),
    "drift_hint": (
        "The newest fifth of the answers against those before. Below 0.1 a signal counts as stable, above 0.2 as moved.",
        "最新五分之一的推荐与此前比较。指数低于 0.1 视为稳定，高于 0.2 视为漂移。",
    ),
    "few": ("It takes 200 answers to tell.", "至少需要 200 次推荐才能判断。"),
    "signal": ("Signal", "信号"),
    "index": ("Index", "指数"),
    "by_luck": ("By chance", "随机水平"),
    "moved": ("moved", "已漂移"),
    "stable": ("stable", "稳定"),
    "verdict": ("Verdict", "判断"),
    "most": ("What moved most: before → now", "变化最大：之前 → 现在"),
    "vectors": ("Vectors", "向量"),
    "distance": ("Turned by", "偏转"),
    "situations": ("situations", "情境"),
    "items shown": ("items shown", "展示的物品"),
    "not_given": ("not given", "未提供"),
}
SECONDS = 5.0
PARTS = ("scenarios", "policies", "versions")


@dataclass
class Board:
    """The page: one HTML element a part, whose content changes; elements stay, so that nothing loses the focus."""

    view: View
    figures: dict[str, Any] = field(default_factory=dict)
    places: dict[str, ui.html] = field(default_factory=dict)
    busy: bool = False

    @property
    def zone(self) -> str:
        """The time zone of the service."""
        return self.view.service.settings.time_zone

    async def look(self) -> None:
        """Fetch the figures and show them; not while the last look is still under way."""
        if self.busy:
            return
        self.busy = True
        try:
            self.figures = await self.view.api.get("/v1/live")
        finally:
            self.busy = False
        for name, content in self.contents().items():
            if self.places[name].content != content:
                self.places[name].set_content(content)

    def contents(self) -> dict[str, str]:
        """Return the HTML of each part."""
        parts = {
            "as_of": escape(self.view.t("as_of", at=clock(self.figures["at"], self.zone, seconds=True))),
            "alerts": self.alerts(),
        }
        parts |= {"tiles": self.tiles(), "series": self.series(), "uses": "".join(map(self.arms, PARTS))}
        return parts | {"stages": self.stages(), "requests": self.requests(), "drift": self.drift()}

    def alerts(self) -> str:
        """Return what asks for somebody."""
        t, found = self.view.t, self.figures["alerts"]
        if not found:
            return f"<p class='quiet'>{t('quiet')}</p>"

        def told(one: dict[str, Any]) -> str:
            cause = escape(t("cause", cause=one["cause"]))
            link = f"<a href='{HOME}{escape(one['page'], quote=True)}'>{t('look')}</a>"
            return f"<li class='alert {one['severity']}'><strong>{escape(one['message'])}</strong><span>{cause}</span> {link}</li>"

        return f"<ul class='alerts'>{''.join(map(told, found))}</ul>"

    def tiles(self) -> str:
        """Return the key figures."""
        t, found, service = self.view.t, self.figures["totals"], self.figures["service"]
        since = clock(found["since"], self.zone)
        pairs = [
            (t("answers"), f"{found['answers']:,}", t("answers_hint", people=f"{found['people']:,}", since=since)),
            (t("taken"), percent(found["rate"]), t("taken_seen" if found["impressions"] else "taken_all")),
            (t("coverage"), percent(found["coverage"]), t("coverage_hint", items=f"{found['items']:,}")),
            (t("chance"), percent(found["by_chance"]), t("chance_hint")),
            (t("short"), percent(found["short"]), t("short_hint")),
        ]
        if service is not None:
            rate = service["requests"] / max(service["seconds"], 1.0) * 60
            pairs.append((t("per_minute"), f"{rate:,.1f}", t("per_minute_hint")))
        return tiles(pairs)

    def series(self) -> str:
        """Return answers over time."""
        points = [
            (f"{clock(p['at'], self.zone)}: {p['answers']}, {percent(p['rate'])}", float(p["answers"]), p["rate"])
            for p in self.figures["series"]
        ]
        label = self.view.t("over_time")
        return f"<p class='hint'>{label}</p>{time_bars(points, label)}" if len(points) > 1 else ""

    def arms(self, by: str) -> str:
        """Return the table by scenario, policy or version."""
        t, found = self.view.t, self.figures[by]
        if not found:
            return ""
        most = max(max(arm["high"] or arm["rate"] for arm in found), 0.02)
        rows = []
        for arm in found:
            sides = "" if arm["low"] is None else f" ({percent(arm['low'])} – {percent(arm['high'])})"
            rate = interval(arm["rate"], arm["low"], arm["high"], most, text=percent(arm["rate"]) + sides)
            shares = [percent(arm[name]) for name in ("bought", "disliked", "by_chance")]
            counts = [f"{arm['answers']:,}", f"{arm['people']:,}", f"{arm['length']:.1f}"]
            rows.append([escape(arm["name"]) or t("no_name"), rate, *counts, *shares])
        heads = (t(f"by_{by}"), *map(t, ("rate", "answers", "people", "length", "bought", "disliked", "chance")))
        return table(t(f"by_{by}"), heads, rows)

    def stages(self) -> str:
        """Return latency by stage."""
        t, service = self.view.t, self.figures["service"]
        if service is None:
            return f"<p class='hint'>{t('operators')}</p>"
        if not service["stages"]:
            return f"<p class='hint'>{t('no_requests')}</p>"
        order = sorted(service["stages"], key=lambda row: (row["stage"] != "total", -row["p95"]))
        most = max(row["p99"] for row in order)
        rows = []
        for row in order:
            bars = [bar(row[p] / most, t("ms", ms=1000 * row[p])) for p in ("p50", "p95", "p99")]
            rows.append([escape(row["stage"]), *bars, f"{row['count']:,.0f}"])
        return table(t("stages"), (t("stage"), "p50", "p95", "p99", t("count")), rows, hushed=True)

    def requests(self) -> str:
        """Return requests by route."""
        t, service = self.view.t, self.figures["service"]
        if service is None or not service["routes"]:
            return ""
        rows = [
            [
                f"<code>{escape(row['route'])}</code>",
                *(f"{row[name]:,.0f}" for name in ("requests", "refused", "failed")),
                *(t("ms", ms=1000 * row[p]) if row[p] is not None else "–" for p in ("p50", "p95", "p99")),
            ]
            for row in service["routes"]
            if row["route"] != "outside"
        ]
        return table(t("requests"), (t("route"), t("requests"), t("refused"), t("failed"), "p50", "p95", "p99"), rows, hushed=True)

    def drift(self) -> str:
        """Return how signals and vectors moved."""
        t = self.view.t
        if not self.figures["signals"]:
            return f"<p class='hint'>{t('few')}</p>"
        rows = []
        for one in self.figures["signals"]:
            value, before, now = one["values"][0]
            told = f"{escape(value) or t('not_given')}: {percent(before)} → {percent(now)}"
            rows.append([escape(one["signal"]), f"{one['index']:.3f}", f"{one['chance']:.3f}", self._verdict(one["moved"]), told])
        heads = (t("signal"), t("index"), t("by_luck"), t("verdict"), t("most"))
        out = f"<p class='hint'>{t('drift_hint')}</p>{table(t('drift'), heads, rows, hushed=True)}"
        turned = []
        for one in self.figures["vectors"]:
            turned.append([t(one["what"]), f"{one['distance']:.3f}", f"{one['chance']:.3f}", self._verdict(one["moved"])])
        return out + (table(t("vectors"), (t("vectors"), t("distance"), t("by_luck"), t("verdict")), turned) if turned else "")

    def _verdict(self, moved: bool) -> str:
        return f"<span class='{'bad' if moved else 'good'}'>{self.view.t('moved' if moved else 'stable')}</span>"


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    board = Board(view)
    first = await view.api.get("/v1/live")
    if not first["totals"]["answers"]:
        empty(view.t("nothing"), view.t("nothing_hint"), link=view.t("moment"), to="/moment")
        return
    board.figures = first
    contents = board.contents()

    def part(name: str) -> None:
        board.places[name] = ui.html(contents[name], sanitize=False)

    with ui.element("div").classes("buttons"):
        follow = ui.switch(view.t("follow"), value=True).classes("follow")
        part("as_of")
    for name, parts in (
        ("alerts", ("alerts",)),
        ("key_figures", ("tiles", "series")),
        ("uses", ("uses",)),
        ("stages", ("stages",)),
        ("requests", ("requests",)),
        ("drift", ("drift",)),
    ):
        with ui.element("section").classes(name).props(f'id="{name}" aria-label="{view.t(name)}"') as section:
            if name == "alerts":
                section.props('aria-live="polite"')
            ui.html(f"<h2>{view.t(name)}</h2>", sanitize=False)
            for one in parts:
                part(one)
    timer = ui.timer(SECONDS, board.look, immediate=False)
    follow.on_value_change(lambda event: setattr(timer, "active", bool(event.value)))
    view.state["opened"] = time.monotonic()


PAGE = Page(path="/live", icon="monitor_heart", words=WORDS, build=build)
