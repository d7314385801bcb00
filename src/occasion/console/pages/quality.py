"""Quality: versions with their figures and what the gate said; put one into service or take it back; measure, and compare."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui

from occasion.console.page import Page
from occasion.console.parts.arms import arms_html, named_arm
from occasion.console.parts.figures import STYLE, percent
from occasion.console.parts.labels import labelled
from occasion.console.parts.study_list import FITTING, MEASURING, StudyList
from occasion.console.parts.version_list import VersionList
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
    "fit_hint": (
        "A fit learns a version from the log, aside; the gate measures it on the newest events before it may serve.",
        "训练在后台从日志中学习一个版本；上线前由门控在最新事件上评估。",
    ),
    "compare": ("Compare what was served", "线上对比"),
    "compare_hint": (
        "What came of the last answers. Only where chance decided who got which is it an experiment.",
        "比较近期推荐的反馈。只有在随机分流时，这才是真正的实验。",
    ),
    "by": ("By", "按"),
    "by_version": ("version", "版本"),
    "by_policy": ("policy", "策略"),
    "by_scenario": ("scenario", "场景"),
    "base": ("This one", "此组"),
    "other": ("compared with", "对比"),
    "no_arms": ("Fewer than two were served lately.", "近期只有不到两种提供服务。"),
    "arm": ("Answers by", "分组"),
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
}
ARMS = ("version", "policy", "scenario")


@dataclass
class Compared:
    """Two ways of answering next to each other."""

    view: View
    by: str = ARMS[0]
    base: str | None = None
    arm: str | None = None
    """None: those with most answers."""

    async def choose(self, by: str) -> None:
        """Compare by something else."""
        self.by, self.base, self.arm = by, None, None
        await self.shown.refresh()

    async def pick(self, base: str, arm: str) -> None:
        """Compare two others."""
        self.base, self.arm = base, arm
        await self.shown.refresh()

    def _pickers(self, names: list[str], base: str, arm: str) -> None:
        options = {name: named_arm(name, self.view.locale) for name in names}
        with ui.element("div").classes("few"):
            one = ui.select(options, label=self.view.t("base"), value=base).props("outlined dense").classes("base")
            one.on_value_change(lambda event: self.pick(event.value, arm))
            other = ui.select(options, label=self.view.t("other"), value=arm).props("outlined dense").classes("arm")
            other.on_value_change(lambda event: self.pick(base, event.value))

    @ui.refreshable_method
    async def shown(self) -> None:
        """Show both, and their difference."""
        t, found = self.view.t, await self.view.api.get("/v1/compare", by=self.by, base=self.base, arm=self.arm)
        names, arms = found["names"], found["arms"]
        if len(names) < 2:
            ui.label(t("no_arms")).classes("hint")
            return
        if len(names) > 2:
            self._pickers(names, arms[0]["name"], arms[-1]["name"])
        ui.html(arms_html(arms, t("compare"), t("arm"), self.view.locale, short=True), sanitize=False)
        if found["difference"] is not None:
            base, arm = (named_arm(one["name"], self.view.locale) for one in arms)
            shown = {name: percent(found[name]) for name in ("difference", "low", "high")}
            sure = found["low"] > 0 or found["high"] < 0
            ui.label(t("verdict", arm=arm, base=base, p=found["p"], **shown)).classes("readout")
            ui.label(t("few" if not found["enough"] else "surely" if sure else "unsure")).classes("hint")


async def build(view: View) -> None:
    """Make the page."""
    t = view.t
    ui.add_head_html(STYLE)
    with labelled(ui.element("section"), t("versions")):
        ui.html(f"<h2>{t('versions')}</h2>", sanitize=False)
        versions = VersionList(view)
        if view.may("admin"):
            ui.html(f"<p class='hint'>{t('fit_hint')}</p>", sanitize=False)
            await StudyList(view, FITTING, versions.look).place()
        await versions.place()
    with labelled(ui.element("section"), t("compare")).classes("compare"):
        ui.html(f"<h2>{t('compare')}</h2><p class='hint'>{t('compare_hint')}</p>", sanitize=False)
        compared = Compared(view)
        choice = ui.select({name: t(f"by_{name}") for name in ARMS}, label=t("by"), value=compared.by)
        choice.props("outlined dense").classes("by").on_value_change(lambda event: compared.choose(event.value))
        await compared.shown()
    if view.may("admin"):
        with labelled(ui.element("section"), t("studies")).classes("measure"):
            ui.html(f"<h2>{t('studies')}</h2><p class='hint'>{t('studies_hint')}</p>", sanitize=False)
            await StudyList(view, MEASURING).place()


PAGE = Page(path="/quality", icon="insights", words=WORDS, build=build)
