"""Study list: measure on the log, or learn a version from it, in the background; see how far that is and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.parts.fields import kept
from occasion.console.parts.figures import clock
from occasion.console.parts.labels import labelled
from occasion.console.parts.reports import off_policy_html, offline_html
from occasion.console.parts.rows import Rows
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["FITTING", "MEASURING", "WORDS", "StudyList"]

WORDS: Words = {
    "kind": ("Kind", "类型"),
    "offline": ("offline: foretell what people did", "离线：预测行为"),
    "off-policy": ("off-policy: what another way would have earned", "离策略：估计另一种方式的收益"),
    "fit": ("Fit", "训练"),
    "budget": ("Seconds for learning, about", "训练时长（约，秒）"),
    "promote": ("Put it into service where it passes the gate", "通过门控后自动上线"),
    "start_fit": ("Learn a version", "训练新版本"),
    "how_far_fit": (
        "{stage}; {done:,} s of about {total:,}, then the gate",
        "{stage}；{done:,} 秒，预计约 {total:,} 秒，之后进行门控",
    ),
    "fitted": ("{version}: the gate was passed.", "{version}：通过门控。"),
    "fitted_served": ("{version}: the gate was passed, it is in service.", "{version}：通过门控，已上线。"),
    "not_passed": ("{version}: the gate was not passed.", "{version}：未通过门控。"),
    "max_queries": ("Moments at most", "时刻数上限"),
    "curves": ("Learning curves too (slow)", "包含学习曲线（较慢）"),
    "start": ("Start", "开始"),
    "cancel_study": ("Cancel", "取消"),
    "forget": ("Forget", "删除"),
    "show_it": ("Show", "查看"),
    "how_far": ("{stage}: {done:,} of {total:,}", "{stage}：共 {total:,}，已完成 {done:,}"),
    "running": ("under way", "进行中"),
    "done": ("done", "完成"),
    "failed": ("failed", "失败"),
    "cancelled": ("cancelled", "已取消"),
    "none": ("Nothing was measured yet.", "还没有评估。"),
    "report": ("What it found", "评估结果"),
    "systems": ("Systems", "系统"),
    "system": ("System", "系统"),
    "slices": ("By context: {which}", "按情境：{which}"),
    "strata": ("By how much is known", "按已知程度"),
    "value": ("Value", "取值"),
    "queries": ("Moments", "时刻数"),
    "baseline": ("Best baseline", "最佳基线"),
    "curve": ("Learning curve over {which}", "学习曲线：{which}"),
    "estimates": ("Reward a slate", "每次推荐的收益"),
    "estimate": ("Estimate", "估计"),
    "rate": ("Reward, 95 % interval", "收益（95% 区间）"),
}
SHOWN = 12
SECONDS = 1.0
MEASURING, FITTING = ("offline", "off-policy"), ("fit",)
BUDGET = 300
Study = dict[str, Any]


class StudyList:
    """The studies of some kinds, made where `place` is called.

    Parameters
    ----------
    view : View
    kinds : tuple of str
        `MEASURING` or `FITTING`.
    ended : callable, optional
        Awaited when one is done.
    """

    def __init__(self, view: View, kinds: tuple[str, ...], ended: Callable[[], Awaitable[None]] | None = None) -> None:
        self.view, self.kinds, self.ended = view, kinds, ended
        self.studies: list[Study] = []
        self.report: Study | None = None
        self.asked: dict[str, Any] = {"kind": kinds[0], "max_queries": 500, "curves": False, "budget": BUDGET, "promote": True}

    def t(self, name: str, **values: Any) -> str:
        """Return a text."""
        return say(WORDS, self.view.locale, name, **values)

    async def place(self) -> None:
        """Make form, list and report."""
        if self.kinds == FITTING:
            self.fit_form()
        else:
            self.form()
        self.none = ui.label(self.t("none")).classes("hint")
        self.rows = Rows(
            "studies",
            fill=self._study,
            kind=lambda one: one["state"],
            name=lambda one: f"study {one['state']}",
            tell=lambda one: f"{self.t(one['kind'])}: {self.t(one['state'])}.",
        )
        self.found()
        await self.look()
        ui.timer(SECONDS, self.follow, immediate=False)

    def form(self) -> None:
        """Make the form that starts a study."""
        t = self.t
        with ui.element("div").classes("few"):
            kind = ui.select({name: t(name) for name in self.kinds}, label=t("kind"))
            kept(kind, self.asked, "kind").props("outlined dense").classes("kind")
            number = ui.number(t("max_queries"), min=10, max=100_000, format="%d")
            kept(number, self.asked, "max_queries").props("outlined dense").classes("max-queries")
            kept(ui.switch(t("curves")), self.asked, "curves").classes("curves")
            ui.button(t("start"), on_click=self.start).props("unelevated no-caps").classes("start")

    def fit_form(self) -> None:
        """Make the form that starts a fit."""
        t = self.t
        with ui.element("div").classes("few"):
            budget = ui.number(t("budget"), min=5, max=86_400, format="%d")
            kept(budget, self.asked, "budget").props("outlined dense").classes("budget")
            kept(ui.switch(t("promote")), self.asked, "promote").classes("promote-it")
            ui.button(t("start_fit"), on_click=self.start).props("unelevated no-caps").classes("start-fit")

    # -- acts -------------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin a study."""
        number = int(self.asked["max_queries"] or 0)
        options: dict[str, Any] = {
            "offline": {"max_queries": number, "curves": self.asked["curves"]},
            "off-policy": {"max_slates": number},
            "fit": {"budget": self.asked["budget"] or 0, "promote": self.asked["promote"]},
        }[self.asked["kind"]]
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
        found = (await self.view.api.get("/v1/studies"))["studies"]
        self.studies = [one for one in found if one["kind"] in self.kinds]
        self.none.set_visibility(not self.studies and self.kinds != FITTING)
        self.rows.show(self.studies[:SHOWN])
        ended = [one for one in self.studies if one["id"] in before and one["state"] == "done"]
        if ended:
            await self.show(ended[0]["id"])
            if self.ended is not None:
                await self.ended()

    async def follow(self) -> None:
        """Look again while something runs."""
        if any(one["state"] == "running" for one in self.studies):
            await self.look()

    # -- what is shown ----------------------------------------------------------------------------------------------------
    def _study(self, one: Study) -> Callable[[Study], None]:
        kind, running = self.t(one["kind"]), one["state"] == "running"
        options = ", ".join(f"{name} {value}" for name, value in one["options"].items())
        when = f"<span class='hint'>{clock(one['created'], self.view.time_zone)} {escape(options)}</span>"
        error = f"<p class='bad'>{escape(one['error'])}. {escape(one['cure'])}</p>" if one["error"] else ""
        state = f"<span class='state-name'>{escape(self.t(one['state']))}</span>"
        ui.html(f"<strong>{escape(kind)}</strong> {when} {state}{error}", sanitize=False)
        follow = _nothing
        if running:
            told = ui.label().classes("hint how-far")
            bar = labelled(ui.linear_progress(value=0, show_value=False), kind)
            follow = partial(self._far, told, bar)
            follow(one)
        with ui.element("div").classes("buttons"):
            if one["state"] == "done":
                show = ui.button(self.t("show_it"), on_click=lambda: self.show(one["id"])).props("outline dense no-caps")
                labelled(show, f"{self.t('show_it')}: {kind}").classes("open")
            word = "cancel_study" if running else "forget"
            end = ui.button(self.t(word), on_click=lambda: self.end(one["id"])).props("flat dense no-caps")
            labelled(end, f"{self.t(word)}: {kind}").classes(word)
        return follow

    def _far(self, told: ui.label, bar: ui.linear_progress, one: Study) -> None:
        known = bool(one["total"])
        word = "how_far_fit" if one["kind"] == "fit" else "how_far"
        told.text = self.t(word, stage=one["stage"], done=one["done"], total=one["total"]) if known else ""
        bar.value = min(1.0, one["done"] / one["total"]) if known else 0.0

    @ui.refreshable_method
    def found(self) -> None:
        """Show a report."""
        if self.report is None or not self.report.get("report"):
            return
        report = self.report["report"]
        if self.report["kind"] == "fit":
            word = "not_passed" if not report["passed"] else "fitted_served" if report["promoted"] else "fitted"
            ui.label(self.t(word, version=report["version"])).classes("readout fit-report").props('role="status"')
            return
        ui.html(f"<h2>{self.t('report')}</h2>", sanitize=False)
        for note in (*report.get("warnings", ()), *report.get("notes", ())):
            ui.label(note).classes("note")
        shown = offline_html(self.t, report) if self.report["kind"] == "offline" else off_policy_html(self.t, report)
        for one in shown:
            ui.html(one, sanitize=False)


def _nothing(one: Study) -> None:
    """Show nothing: what has ended does not change."""
