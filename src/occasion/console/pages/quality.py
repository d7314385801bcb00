"""Quality: versions with their figures and what the gate said; put one into service or take it back; measure, and compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.page import Page
from occasion.console.parts.figures import STYLE, clock, interval, percent, table
from occasion.console.parts.reports import group_figures, measured_html, off_policy_html, offline_html
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Quality", "质量"),
    "about": (
        "Model versions and what they are worth, on your own log; put one into service, or take it back.",
        "模型版本及其在自有日志上的表现；可上线某个版本或回滚。",
    ),
    "versions": ("Versions", "版本"),
    "serving": ("In service: {version}", "当前服务：{version}"),
    "none": ("Nothing was learnt yet: the untrained blend answers.", "尚未训练模型，当前由未训练的融合模型推荐。"),
    "none_hint": ("`occasion fit` learns a version from the log.", "运行 `occasion fit` 可从日志中学习一个版本。"),
    "version": ("Version", "版本"),
    "made": ("Made", "创建时间"),
    "ndcg": ("NDCG@10, 95 % interval", "NDCG@10（95% 区间）"),
    "before": ("What served before", "此前版本"),
    "difference": ("Difference", "差异"),
    "gate": ("Gate", "门控"),
    "passed": ("passed", "通过"),
    "not_passed": ("not passed", "未通过"),
    "parts": ("Learnt: {parts}", "已学习：{parts}"),
    "left_out": ("Left out: {what}", "未包含：{what}"),
    "groups": ("By group", "分组结果"),
    "group": ("Group", "分组"),
    "queries": ("Moments", "时刻数"),
    "in_service": ("in service", "服务中"),
    "promote": ("Put into service", "上线"),
    "promote_of": ("Put into service: {version}", "上线：{version}"),
    "blend": ("the untrained blend", "未训练的融合模型"),
    "rollback": ("Roll back", "回滚"),
    "promoted": ("{version} is in service from the next request on.", "{version} 自下一个请求起提供服务。"),
    "log": ("What served when", "上线记录"),
    "why": ("Why", "原因"),
    "when": ("When", "时间"),
    "compare": ("Compare what was served", "线上对比"),
    "compare_hint": (
        "What came of the last answers. Only where chance decided who got which is it an experiment.",
        "比较近期推荐的反馈。只有在随机分流时，这才是真正的实验。",
    ),
    "by": ("By", "按"),
    "by_version": ("version", "版本"),
    "by_policy": ("policy", "策略"),
    "by_scenario": ("scenario", "场景"),
    "no_arms": ("Fewer than two were served lately.", "近期只有不到两种提供服务。"),
    "arm": ("Answers by", "分组"),
    "rate": ("Taken up, 95 % interval", "采纳率（95% 区间）"),
    "answers": ("Answers", "推荐次数"),
    "people": ("People", "人数"),
    "no_name": ("(none)", "（无）"),
    "verdict": (
        "{arm} less {base}: {difference} (95 % interval {low} to {high}, p {p:.3f}).",
        "{arm} 减 {base}：{difference}（95% 区间 {low} 至 {high}，p {p:.3f}）。",
    ),
    "surely": ("The difference is beyond chance.", "差异超出随机波动。"),
    "unsure": ("It may be chance.", "可能只是随机波动。"),
    "few": ("Too few people to rely on: at least 20 on each side.", "人数过少，每组至少需要 20 人。"),
    "studies": ("Measure on the log", "离线评估"),
    "studies_hint": (
        "Counts what came before a cut in time, foretells what people did after it, next to simple baselines. Runs aside.",
        "以时间切分：用之前的日志预测之后的行为，并与简单基线比较。后台运行。",
    ),
    "kind": ("Kind", "类型"),
    "offline": ("offline: foretell what people did", "离线：预测行为"),
    "off-policy": ("off-policy: what another way would have earned", "离策略：估计另一种方式的收益"),
    "max_queries": ("Moments at most", "时刻数上限"),
    "curves": ("Learning curves too (slow)", "包含学习曲线（较慢）"),
    "start": ("Start", "开始"),
    "cancel_study": ("Cancel", "取消"),
    "forget": ("Forget", "删除"),
    "show_it": ("Show", "查看"),
    "running": ("under way: {stage} {done:,} of {total:,}", "进行中：{stage} {done:,}/{total:,}"),
    "starting_up": ("under way", "进行中"),
    "done": ("done", "完成"),
    "failed": ("failed", "失败"),
    "cancelled": ("cancelled", "已取消"),
    "no_studies": ("Nothing was measured yet.", "还没有评估。"),
    "report": ("What it found", "评估结果"),
    "systems": ("Systems", "系统"),
    "system": ("System", "系统"),
    "slices": ("By context: {which}", "按情境：{which}"),
    "strata": ("By how much is known", "按已知程度"),
    "value": ("Value", "取值"),
    "baseline": ("Best baseline", "最佳基线"),
    "curve": ("Learning curve over {which}", "学习曲线：{which}"),
    "estimates": ("Reward a slate", "每次推荐的收益"),
    "estimate": ("Estimate", "估计"),
}
SHOWN = 12
ARMS = ("version", "policy", "scenario")


@dataclass
class Quality:
    """The page."""

    view: View
    versions: dict[str, Any] = field(default_factory=dict)
    studies: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] | None = None
    by: str = "version"
    asked: dict[str, Any] = field(default_factory=lambda: {"kind": "offline", "max_queries": 500, "curves": False})

    @property
    def zone(self) -> str:
        """The time zone of the service."""
        return self.view.service.settings.time_zone

    async def load(self) -> None:
        """Fetch versions and studies."""
        self.versions = await self.view.api.get("/v1/versions")
        if self.view.may("admin"):
            self.studies = (await self.view.api.get("/v1/studies"))["studies"]

    # -- versions ---------------------------------------------------------------------------------------------------------
    async def promote(self, version: str) -> None:
        """Put a version into service."""
        await self._change("/v1/versions/promote", {"version": version})

    async def rollback(self) -> None:
        """Put the version before back."""
        await self._change("/v1/versions/rollback", None)

    async def _change(self, path: str, document: Any) -> None:
        told = await self.view.api.post(path, document)
        await self.load()
        self.listed.refresh()
        ui.notify(self.view.t("promoted", version=told["in_service"]), type="positive")

    @ui.refreshable_method
    def listed(self) -> None:
        """Show the versions, newest first."""
        t, serving = self.view.t, self.versions["in_service"]
        with ui.element("div").classes("buttons"):
            ui.label(t("serving", version=serving)).classes("serving")
            if self.view.may("admin") and serving != "blend":
                button = ui.button(t("promote_of", version=t("blend")), on_click=lambda: self.promote("blend"))
                button.props("outline no-caps").classes("promote-blend")
            if self.view.may("admin") and self.versions["changes"]:
                ui.button(t("rollback"), icon="undo", on_click=self.rollback).props("outline no-caps").classes("rollback")
        if not self.versions["versions"]:
            empty(t("none"), t("none_hint"))
        with ui.element("ol").classes("versions"):
            for version in reversed(self.versions["versions"][-SHOWN:]):
                with ui.element("li").classes("version").props(f'data-version="{version["id"]}"'):
                    self._version(version, version["id"] == serving)
        self._log()

    def _version(self, version: dict[str, Any], serving: bool) -> None:
        t, passed = self.view.t, bool(version["gate"].get("passed"))
        tag = f"<span class='tag'>{t('in_service')}</span>" if serving else ""
        gate = f"<span class='{'good' if passed else 'bad'}'>{t('gate')}: {t('passed' if passed else 'not_passed')}</span>"
        head = f"<h3>{escape(version['id'])} {tag}</h3><p class='hint'>{t('made')} {clock(version['made_at'], self.zone)}</p>"
        why = "".join(f"<li>{escape(str(reason))}</li>" for reason in version["gate"].get("reasons", ()))
        whole = group_figures(version["metrics"].get("all"))
        shown = ""
        if whole is not None:
            most = max(whole["ndcg"][2], whole["ndcg_before"][2])
            pairs = ((t("ndcg"), whole["ndcg"]), (t("before"), whole["ndcg_before"]))
            shown = "".join(f"<dt>{name}</dt><dd>{measured_html(figure, most)}</dd>" for name, figure in pairs)
            shown = f"<dl class='pair'>{shown}</dl>"
        parts = escape(t("parts", parts=", ".join(version["parts"]) or "–"))
        left = "".join(f"<li>{escape(t('left_out', what=what))}</li>" for what in version["left_out"])
        ui.html(f"{head}{shown}<p>{gate}</p><ul class='reasons'>{why}{left}</ul><p class='hint'>{parts}</p>", sanitize=False)
        self._groups(version["metrics"])
        if self.view.may("admin") and not serving:
            button = (
                ui.button(t("promote"), on_click=lambda: self.promote(version["id"])).props("outline no-caps").classes("promote")
            )
            button.props["aria-label"] = t("promote_of", version=version["id"])

    def _groups(self, metrics: dict[str, Any]) -> None:
        found = [(name, figures) for name, one in metrics.items() if name != "all" and (figures := group_figures(one)) is not None]
        if not found:
            return
        t = self.view.t
        most = max(max(one["ndcg"][2], one["ndcg_before"][2]) for _, one in found)
        rows = []
        for name, one in sorted(found, key=lambda pair: -pair[1]["queries"]):
            low, high = one["interval"]
            size = max(abs(low), abs(high), 1e-6)
            text = f"{one['difference']:+.4f}"
            gap = interval(one["difference"], low, high, size, least=-size, text=text)
            rows.append(
                [
                    escape(name),
                    measured_html(one["ndcg"], most),
                    measured_html(one["ndcg_before"], most),
                    gap,
                    f"{one['queries']:,}",
                ]
            )
        heads = tuple(map(t, ("group", "ndcg", "before", "difference", "queries")))
        with ui.expansion(t("groups")).classes("groups"):
            ui.html(table(t("groups"), heads, rows), sanitize=False)

    def _log(self) -> None:
        t, changes = self.view.t, self.versions["changes"]
        if changes:
            rows = [[escape(c["version"]), clock(c["at"], self.zone), escape(c["why"])] for c in reversed(changes[-SHOWN:])]
            with ui.expansion(t("log")).classes("log"):
                ui.html(table(t("log"), (t("version"), t("when"), t("why")), rows, numbers=9), sanitize=False)

    # -- what was served --------------------------------------------------------------------------------------------------
    async def choose(self, by: str) -> None:
        """Compare by something else."""
        self.by = by
        await self.compared.refresh()

    @ui.refreshable_method
    async def compared(self) -> None:
        """Show two ways of answering next to each other."""
        t, found = self.view.t, await self.view.api.get("/v1/compare", by=self.by)
        arms = found["arms"]
        if len(arms) < 2:
            ui.label(t("no_arms")).classes("hint")
            return
        most = max(max(arm["high"] or arm["rate"] for arm in arms), 0.02)
        rows = []
        for arm in arms:
            sides = "" if arm["low"] is None else f" ({percent(arm['low'])} – {percent(arm['high'])})"
            rate = interval(arm["rate"], arm["low"], arm["high"], most, text=percent(arm["rate"]) + sides)
            rows.append([escape(arm["name"]) or t("no_name"), rate, f"{arm['answers']:,}", f"{arm['people']:,}"])
        ui.html(table(t("compare"), tuple(map(t, ("arm", "rate", "answers", "people"))), rows), sanitize=False)
        if found["difference"] is not None:
            names = [arm["name"] or t("no_name") for arm in arms]
            shown = {name: percent(found[name]) for name in ("difference", "low", "high")}
            sure = found["low"] > 0 or found["high"] < 0
            ui.label(t("verdict", arm=names[1], base=names[0], p=found["p"], **shown)).classes("readout")
            ui.label(t("few" if not found["enough"] else "surely" if sure else "unsure")).classes("hint")

    # -- studies ----------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin a study."""
        offline = self.asked["kind"] == "offline"
        number = int(self.asked["max_queries"] or 0)
        options: dict[str, Any] = {"max_queries": number, "curves": self.asked["curves"]} if offline else {"max_slates": number}
        await self.view.api.post("/v1/studies", {"kind": self.asked["kind"], "options": options})
        await self.look()

    async def end(self, study: str) -> None:
        """Cancel or forget a study."""
        await self.view.api.delete(f"/v1/studies/{study}")
        if self.report is not None and self.report["id"] == study:
            self.report = None
            self.found.refresh()
        await self.look()

    async def show(self, study: str) -> None:
        """Show what a study found."""
        self.report = await self.view.api.get(f"/v1/studies/{study}")
        self.found.refresh()

    async def look(self) -> None:
        """See how far the studies are; show the report of one that has just ended."""
        before = {one["id"] for one in self.studies if one["state"] == "running"}
        self.studies = (await self.view.api.get("/v1/studies"))["studies"]
        self.measured.refresh()
        ended = [one for one in self.studies if one["id"] in before and one["state"] == "done"]
        if ended:
            await self.show(ended[0]["id"])

    async def follow(self) -> None:
        """Look again while something runs."""
        if any(one["state"] == "running" for one in self.studies):
            await self.look()

    def form(self) -> None:
        """Make the form that starts a study."""
        t = self.view.t
        with ui.element("div").classes("few"):
            kinds = {name: t(name) for name in ("offline", "off-policy")}
            kind = ui.select(kinds, label=t("kind"), value=self.asked["kind"]).props("outlined dense").classes("kind")
            kind.on_value_change(lambda event: self.asked.update(kind=event.value))
            number = ui.number(t("max_queries"), value=self.asked["max_queries"], min=10, max=100_000, format="%d").props(
                "outlined dense"
            )
            number.on_value_change(lambda event: self.asked.update(max_queries=event.value)).classes("max-queries")
            curves = ui.switch(t("curves"), value=False)
            curves.on_value_change(lambda event: self.asked.update(curves=bool(event.value)))
            ui.button(t("start"), on_click=self.start).props("unelevated no-caps").classes("start")

    @ui.refreshable_method
    def measured(self) -> None:
        """Show the studies."""
        t = self.view.t
        if not self.studies:
            ui.label(t("no_studies")).classes("hint")
        with ui.element("ul").classes("studies"):
            for one in self.studies[:SHOWN]:
                with ui.element("li").classes(f"study {one['state']}"):
                    ui.html(self._told(one), sanitize=False)
                    if one["state"] == "running" and one["total"]:
                        share = min(1.0, one["done"] / one["total"])
                        ui.linear_progress(share, show_value=False).props(f'aria-label="{escape(one["stage"], quote=True)}"')
                    with ui.element("div").classes("buttons"):
                        if one["state"] == "done":
                            ui.button(t("show_it"), on_click=lambda one=one: self.show(one["id"])).props(
                                "outline dense no-caps"
                            ).classes("open")
                        word = "cancel_study" if one["state"] == "running" else "forget"
                        ui.button(t(word), on_click=lambda one=one: self.end(one["id"])).props("flat dense no-caps").classes(word)

    def _told(self, one: dict[str, Any]) -> str:
        t = self.view.t
        state = t(one["state"]) if one["state"] != "running" else t("starting_up")
        if one["state"] == "running" and one["total"]:
            state = t("running", stage=one["stage"], done=one["done"], total=one["total"])
        error = f"<p class='bad'>{escape(one['error'])}. {escape(one['cure'])}</p>" if one["error"] else ""
        options = ", ".join(f"{name} {value}" for name, value in one["options"].items())
        when = f"<span class='hint'>{clock(one['created'], self.zone)} {escape(options)}</span>"
        head = f"<strong>{escape(t(one['kind']))}</strong> {when}"
        return f"{head} <span class='state-name'>{escape(state)}</span>{error}"

    @ui.refreshable_method
    def found(self) -> None:
        """Show a report."""
        if self.report is None or not self.report.get("report"):
            return
        t, report = self.view.t, self.report["report"]
        ui.html(f"<h2>{t('report')}</h2>", sanitize=False)
        for note in (*report.get("warnings", ()), *report.get("notes", ())):
            ui.label(note).classes("note")
        shown = offline_html(t, report) if self.report["kind"] == "offline" else off_policy_html(t, report)
        for one in shown:
            ui.html(one, sanitize=False)


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    page = Quality(view)
    await page.load()
    with ui.element("section").props(f'aria-label="{view.t("versions")}"'):
        ui.html(f"<h2>{view.t('versions')}</h2>", sanitize=False)
        page.listed()
    with ui.element("section").classes("compare").props(f'aria-label="{view.t("compare")}"'):
        ui.html(f"<h2>{view.t('compare')}</h2><p class='hint'>{view.t('compare_hint')}</p>", sanitize=False)
        choice = ui.select({name: view.t(f"by_{name}") for name in ARMS}, label=view.t("by"), value="version").props(
            "outlined dense"
        )
        choice.on_value_change(lambda event: page.choose(event.value)).classes("by")
        await page.compared()
    if view.may("admin"):
        with ui.element("section").classes("measure").props(f'aria-label="{view.t("studies")}"'):
            ui.html(f"<h2>{view.t('studies')}</h2><p class='hint'>{view.t('studies_hint')}</p>", sanitize=False)
            page.form()
            with ui.element("div").props('aria-live="polite"'):
                page.measured()
            page.found()
        ui.timer(1.0, page.follow, immediate=False)


PAGE = Page(path="/quality", icon="insights", words=WORDS, build=build)
