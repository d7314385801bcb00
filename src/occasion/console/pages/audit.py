"""Audit: what was done to the house, by whom and when, newest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.page import Page
from occasion.console.parts.figures import STYLE, clock, table
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Audit", "审计"),
    "about": (
        "What was done to versions, rules, keys and people's data, by whom and when. The log only grows.",
        "对版本、规则、密钥及人物数据的操作：何人、何时。日志只增不减。",
    ),
    "none": ("Nothing was done yet that is written down.", "还没有记录。"),
    "only": ("Only", "仅显示"),
    "all": ("everything", "全部"),
    "when": ("When", "时间"),
    "who": ("Who", "操作者"),
    "what": ("What", "操作"),
    "target": ("To what", "对象"),
    "detail": ("Detail", "详情"),
    "local": ("this machine", "本机"),
    "older": ("Show older", "显示更早"),
    "kind_version": ("Versions", "版本"),
    "kind_scenario": ("Scenarios", "场景"),
    "kind_key": ("Keys", "密钥"),
    "kind_person": ("People", "人物"),
    "kind_study": ("Studies", "评估"),
    "kind_other": ("Everything else", "其他"),
    "version.promote": ("version put into service", "版本上线"),
    "version.rollback": ("version taken back", "版本回滚"),
    "version.retire": ("version retired", "版本停用"),
    "scenario.put": ("scenario saved", "保存场景"),
    "scenario.delete": ("scenario deleted", "删除场景"),
    "scenario.undo": ("change of a scenario undone", "撤销场景变更"),
    "key.create": ("key made", "创建密钥"),
    "key.rotate": ("key replaced", "轮换密钥"),
    "key.revoke": ("key revoked", "吊销密钥"),
    "person.export": ("person's data exported", "导出人物数据"),
    "person.erase": ("person erased", "删除人物"),
    "study.start": ("study begun", "开始评估"),
    "retention.expire": ("old data removed", "清除过期数据"),
    "quota.put": ("quota set", "设置配额"),
    "restore": ("backup restored", "恢复备份"),
}
KINDS = ("version", "scenario", "key", "person", "study", "other")
STEP, MOST = 100, 1000
LENGTH = 160
"""Characters of a detail that are shown: those of scenarios hold all that was before and after."""


@dataclass
class Log:
    """The acts, as many as were asked for."""

    view: View
    limit: int = STEP
    kind: str = ""
    acts: list[dict[str, Any]] = field(default_factory=list)

    async def load(self) -> None:
        """Fetch the newest."""
        self.acts = (await self.view.api.get("/v1/audit", newest="true", limit=self.limit))["acts"]

    async def older(self) -> None:
        """Fetch more."""
        self.limit = min(MOST, 3 * self.limit)
        await self.load()
        self.shown.refresh()

    def choose(self, kind: str) -> None:
        """Show one kind alone."""
        self.kind = kind
        self.shown.refresh()

    @ui.refreshable_method
    def shown(self) -> None:
        """Show them."""
        t = self.view.t
        mine = [one for one in self.acts if self.kind in ("", _kind(one["act"]))]
        if not mine:
            empty(t("none"))
        else:
            heads = tuple(map(t, ("when", "who", "what", "target", "detail")))
            ui.html(table(t("title"), heads, map(self._row, mine), numbers=9, hushed=True), sanitize=False).classes("acts-done")
        if len(self.acts) == self.limit < MOST:
            ui.button(t("older"), on_click=self.older).props("outline no-caps").classes("older")

    def _row(self, one: dict[str, Any]) -> list[str]:
        t = self.view.t
        who = t("local") if one["actor"] == "local" else one["actor"]
        what = t(one["act"]) if one["act"] in WORDS else one["act"]
        detail = one["detail"] if len(one["detail"]) <= LENGTH else f"{one['detail'][:LENGTH]}…"
        return [clock(one["at"], self.view.time_zone, seconds=True), *map(escape, (who, what, one["target"], detail))]


def _kind(act: str) -> str:
    kind = act.partition(".")[0]
    return kind if kind in KINDS else "other"


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    log = Log(view)
    await log.load()
    kinds = {"": view.t("all"), **{kind: view.t(f"kind_{kind}") for kind in KINDS}}
    chosen = ui.select(kinds, label=view.t("only"), value="").props("outlined dense").classes("by")
    chosen.on_value_change(lambda event: log.choose(event.value))
    log.shown()


PAGE = Page(path="/audit", icon="history", words=WORDS, build=build, role="admin", waits=False)
