"""Version list: model versions with the gate's figures and reasons; put one into service, take it back, retire one."""

from __future__ import annotations

from html import escape
from typing import Any

from nicegui import ui

from occasion.console.parts.asking import asked
from occasion.console.parts.figures import clock, interval, table
from occasion.console.parts.labels import labelled
from occasion.console.parts.reports import group_figures, measured_html
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["WORDS", "VersionList"]

WORDS: Words = {
    "serving": ("In service: {version}", "当前服务：{version}"),
    "none": ("Nothing was learnt yet: the untrained blend answers.", "尚未训练模型，当前由未训练的融合模型推荐。"),
    "none_hint": ("A fit learns a version from the log.", "训练可从日志中学习一个版本。"),
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
    "retire": ("Retire", "停用"),
    "retire_of": ("Retire: {version}", "停用：{version}"),
    "retire_sure": (
        "Delete the files of {version} for good? What it learnt, also of people erased since, goes with them.",
        "永久删除 {version} 的文件？其所学内容（包括已被删除人物的信息）将一并清除。",
    ),
    "retired": ("{version} is retired.", "{version} 已停用。"),
    "log": ("What served when", "上线记录"),
    "why": ("Why", "原因"),
    "when": ("When", "时间"),
    "older": ("Show all {n}", "显示全部 {n} 个"),
}
SHOWN = 12
"""Versions at first sight."""


class VersionList:
    """The versions, made where `place` is called."""

    def __init__(self, view: View) -> None:
        self.view, self.all = view, False
        self.found: dict[str, Any] = {}

    def t(self, name: str, **values: Any) -> str:
        """Return a text."""
        return say(WORDS, self.view.locale, name, **values)

    async def place(self) -> None:
        """Make it."""
        self.below = ui.element("div")
        self.found = await self.view.api.get("/v1/versions")
        self.listed()

    async def look(self) -> None:
        """Fetch the versions anew."""
        self.found = await self.view.api.get("/v1/versions")
        self.listed.refresh()

    # -- acts -------------------------------------------------------------------------------------------------------------
    async def promote(self, version: str) -> None:
        """Put a version into service."""
        await self._change("/v1/versions/promote", {"version": version}, "promoted")

    async def rollback(self) -> None:
        """Put the version before back."""
        await self._change("/v1/versions/rollback", None, "promoted")

    async def retire(self, version: str) -> None:
        """Delete a version's files."""
        question = self.t("retire_sure", version=version)
        if await asked(self.view, self.below, question, {"retire": self.t("retire")}):
            await self._change("/v1/versions/retire", {"version": version}, "retired", version)

    async def _change(self, path: str, document: Any, word: str, version: str = "") -> None:
        told = await self.view.api.post(path, document)
        await self.look()
        with self.below:
            ui.notify(self.t(word, version=version or told["in_service"]), type="positive")

    async def show_all(self) -> None:
        """Show the older ones, too."""
        self.all = True
        self.listed.refresh()

    # -- what is shown ----------------------------------------------------------------------------------------------------
    @ui.refreshable_method
    def listed(self) -> None:
        """Show the versions, newest first."""
        t, serving, versions = self.t, self.found["in_service"], self.found["versions"]
        with ui.element("div").classes("buttons"):
            ui.label(t("serving", version=serving)).classes("serving")
            if self.view.may("admin") and serving != "blend":
                button = ui.button(t("promote_of", version=t("blend")), on_click=lambda: self.promote("blend"))
                button.props("outline no-caps").classes("promote-blend")
            if self.view.may("admin") and self.found["changes"]:
                ui.button(t("rollback"), icon="undo", on_click=self.rollback).props("outline no-caps").classes("rollback")
        if not versions:
            empty(t("none"), t("none_hint"))
        with ui.element("ol").classes("versions"):
            for version in reversed(versions if self.all else versions[-SHOWN:]):
                with ui.element("li").classes("version") as row:
                    row.props["data-version"] = version["id"]
                    self._version(version, version["id"] == serving)
        if len(versions) > SHOWN and not self.all:
            ui.button(t("older", n=len(versions)), on_click=self.show_all).props("outline no-caps").classes("older")
        self._log()

    def _version(self, version: dict[str, Any], serving: bool) -> None:
        t, passed = self.t, bool(version["gate"].get("passed"))
        tag = f"<span class='tag'>{t('in_service')}</span>" if serving else ""
        gate = f"<span class='{'good' if passed else 'bad'}'>{t('gate')}: {t('passed' if passed else 'not_passed')}</span>"
        made = clock(version["made_at"], self.view.time_zone)
        head = f"<h3>{escape(version['id'])} {tag}</h3><p class='hint'>{t('made')} {made}</p>"
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
            self._buttons(version["id"])

    def _buttons(self, version: str) -> None:
        with ui.element("div").classes("buttons"):
            promote = ui.button(self.t("promote"), on_click=lambda: self.promote(version)).props("outline no-caps")
            labelled(promote, self.t("promote_of", version=version)).classes("promote")
            retire = ui.button(self.t("retire"), on_click=lambda: self.retire(version)).props("flat no-caps")
            labelled(retire, self.t("retire_of", version=version)).classes("retire")

    def _groups(self, metrics: dict[str, Any]) -> None:
        found = [(name, figures) for name, one in metrics.items() if name != "all" and (figures := group_figures(one)) is not None]
        if not found:
            return
        most = max(max(one["ndcg"][2], one["ndcg_before"][2]) for _, one in found)
        rows = []
        for name, one in sorted(found, key=lambda pair: -pair[1]["queries"]):
            low, high = one["interval"]
            size = max(abs(low), abs(high), 1e-6)
            gap = interval(one["difference"], low, high, size, least=-size, text=f"{one['difference']:+.4f}")
            both = [measured_html(one[which], most) for which in ("ndcg", "ndcg_before")]
            rows.append([escape(name), *both, gap, f"{one['queries']:,}"])
        heads = tuple(map(self.t, ("group", "ndcg", "before", "difference", "queries")))
        with ui.expansion(self.t("groups")).classes("groups"):
            ui.html(table(self.t("groups"), heads, rows), sanitize=False)

    def _log(self) -> None:
        t, changes = self.t, self.found["changes"]
        if changes:
            zone = self.view.time_zone
            rows = [[escape(c["version"]), clock(c["at"], zone), escape(c["why"])] for c in reversed(changes[-SHOWN:])]
            with ui.expansion(t("log")).classes("log"):
                ui.html(table(t("log"), (t("version"), t("when"), t("why")), rows, numbers=9), sanitize=False)
