"""Live: what is being answered, how fast, what comes of it, whether the world has moved, and what asks for somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.page import Page
from occasion.console.parts.arms import arms_html
from occasion.console.parts.figures import STYLE, bar, clock, percent, table, tiles, time_bars
from occasion.console.parts.labels import labelled
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words, say

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
    "alert_version": ("{trouble}", "{trouble}"),
    "cause_version": (
        "Its files are missing or changed, or its parts do not fit this release.",
        "其文件缺失或被更改，或其部件与此版本程序不符。",
    ),
    "alert_failing": (
        "{failed:.1%} of the requests failed by the service's fault.",
        "{failed:.1%} 的请求因服务故障而失败。",
    ),
    "cause_failing": ("The log has the cause of each under its request id.", "日志中按请求编号记有每次失败的原因。"),
    "alert_slow": ("One answer in twenty takes longer than {p95:.1f} s.", "二十次推荐中有一次耗时超过 {p95:.1f} 秒。"),
    "cause_slow": (
        "See which stage takes it: the queue (more workers), the encoder, the search, or the disk.",
        "请查看耗时的阶段：排队（需更多进程）、编码器、检索或磁盘。",
    ),
    "alert_overloaded": (
        "{overloaded:.0f} requests were refused because the queue was full.",
        "有 {overloaded:.0f} 个请求因队列已满被拒绝。",
    ),
    "cause_overloaded": ("More comes than one process answers: more workers.", "请求多于单个进程的处理能力：需更多进程。"),
    "alert_short_lists": ("{short:.0%} of the lists are shorter than asked for.", "{short:.0%} 的列表短于请求数量。"),
    "cause_short_lists": (
        "Filters, caps or exclusions leave too little; a preview shows which.",
        "过滤、上限或隐藏规则过严；可用预览找出原因。",
    ),
    "alert_crowded": ("Ten items take {top_share:.0%} of all places.", "十个物品占据了 {top_share:.0%} 的位置。"),
    "cause_crowded": (
        "A pin or boost that always applies, or too little diversity.",
        "存在始终生效的置顶或加权，或多样性过低。",
    ),
    "alert_no_feedback": (
        "None of the last {last} answers has any feedback; before, {before:.0%} were taken up.",
        "最近 {last} 次推荐没有任何反馈；此前采纳率为 {before:.0%}。",
    ),
    "cause_no_feedback": (
        "The client no longer sends events, or no longer names the answer (slate) in them.",
        "客户端不再发送事件，或事件中不再注明推荐编号（slate）。",
    ),
    "alert_fewer_choices": (
        "Of the last {last} answers {now:.1%} were taken up; before, {before:.1%}.",
        "最近 {last} 次推荐的采纳率为 {now:.1%}；此前为 {before:.1%}。",
    ),
    "cause_fewer_choices": (
        "A new version, a changed rule, a change in the client, or events that come late.",
        "可能由新版本、规则变更、客户端变更或事件延迟引起。",
    ),
    "alert_drift": (
        "The signal {signal} moved: {value} went from {before:.0%} to {after:.0%} of the requests.",
        "信号“{signal}”发生漂移：{value} 在请求中的占比由 {before:.0%} 变为 {after:.0%}。",
    ),
    "cause_drift": (
        "Another client sends it, a client stopped sending it, or people come in other situations than before.",
        "可能有新的客户端发送该信号，或有客户端停止发送，或用户的情境发生了变化。",
    ),
    "alert_vector_drift": (
        "The mean vector of {what} turned by {distance:.2f} (by chance {chance:.2f}).",
        "{what}的平均向量偏转了 {distance:.2f}（随机水平 {chance:.2f}）。",
    ),
    "cause_vector_drift": (
        "Situations are described in other words than before, or other items are shown. A fit learns the new ones.",
        "情境描述用词或展示的物品与此前不同；重新训练可学习新的分布。",
    ),
    "alert_scenario_over": (
        "The scenario {scenario} is over, and requests may still name it.",
        "场景 {scenario} 已结束，但请求可能仍在引用。",
    ),
    "cause_scenario_over": ("Its schedule has ended.", "其生效时间已过。"),
}
SECONDS = 5.0
PARTS = ("scenarios", "policies", "versions")
QUIET = ("key_figures", "uses", "drift")


@dataclass
class Board:
    """The page: one HTML element a part, whose content changes; elements stay, so that nothing loses the focus."""

    view: View
    figures: dict[str, Any] = field(default_factory=dict)
    places: dict[str, ui.html] = field(default_factory=dict)
    quiet: list[ui.element] = field(default_factory=list)
    """What says something only once there are answers."""
    nothing: ui.element = field(init=False)
    busy: bool = False

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
        self.seen()

    def seen(self) -> None:
        """Show what there is something to say about."""
        some = bool(self.figures["totals"]["answers"])
        self.nothing.set_visibility(not some)
        for element in self.quiet:
            element.set_visibility(some)

    def contents(self) -> dict[str, str]:
        """Return the HTML of each part."""
        parts = {
            "as_of": escape(self.view.t("as_of", at=clock(self.figures["at"], self.view.time_zone, seconds=True))),
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
            message, cause = worded(one, self.view.locale)
            link = f"<a href='{HOME}{escape(one['page'], quote=True)}'>{t('look')}</a>"
            text = f"<strong>{escape(message)}</strong><span>{escape(t('cause', cause=cause))}</span>"
            return f"<li class='alert {one['severity']}'>{text} {link}</li>"

        return f"<ul class='alerts'>{''.join(map(told, found))}</ul>"

    def tiles(self) -> str:
        """Return the key figures."""
        t, found, service = self.view.t, self.figures["totals"], self.figures["service"]
        since = clock(found["since"], self.view.time_zone)
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
            (f"{clock(p['at'], self.view.time_zone)}: {p['answers']}, {percent(p['rate'])}", float(p["answers"]), p["rate"])
            for p in self.figures["series"]
        ]
        label = self.view.t("over_time")
        return f"<p class='hint'>{label}</p>{time_bars(points, label)}" if len(points) > 1 else ""

    def arms(self, by: str) -> str:
        """Return the table by scenario, policy or version."""
        name = self.view.t(f"by_{by}")
        return arms_html(self.figures[by], name, name, self.view.locale) if self.figures[by] else ""

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


def worded(alert: Mapping[str, Any], locale: str) -> tuple[str, str]:
    """Return an alert and its cause in a language; as the service tells them where there are no words for it here."""
    name, values = alert["name"], dict(alert["values"])
    if f"alert_{name}" not in WORDS:
        return alert["message"], alert["cause"]
    if "value" in values:
        values["value"] = values["value"] or say(WORDS, locale, "not_given")
    if values.get("what") in WORDS:
        values["what"] = say(WORDS, locale, values["what"])
    return say(WORDS, locale, f"alert_{name}", **values), say(WORDS, locale, f"cause_{name}")


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    board = Board(view, figures=await view.api.get("/v1/live"))
    contents = board.contents()

    def part(name: str) -> None:
        board.places[name] = ui.html(contents[name], sanitize=False)

    with ui.element("div").classes("buttons"):
        follow = ui.switch(view.t("follow"), value=True).classes("follow")
        part("as_of")
    board.nothing = ui.element("div")
    with board.nothing:
        empty(view.t("nothing"), view.t("nothing_hint"), link=view.t("moment"), to="/moment")
    for name, parts in (
        ("alerts", ("alerts",)),
        ("key_figures", ("tiles", "series")),
        ("uses", ("uses",)),
        ("stages", ("stages",)),
        ("requests", ("requests",)),
        ("drift", ("drift",)),
    ):
        with labelled(ui.element("section"), view.t(name)).classes(name) as section:
            section.props["id"] = name
            if name == "alerts":
                section.props('aria-live="polite"')
            if name in QUIET:
                board.quiet.append(section)
            ui.html(f"<h2>{view.t(name)}</h2>", sanitize=False)
            for one in parts:
                part(one)
    board.seen()
    timer = ui.timer(SECONDS, board.look, immediate=False)
    follow.on_value_change(lambda event: setattr(timer, "active", bool(event.value)))


PAGE = Page(path="/live", icon="monitor_heart", words=WORDS, build=build)
