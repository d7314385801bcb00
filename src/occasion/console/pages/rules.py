"""Rules and scenarios: what always applies and what requests name; tried before it is saved, undone after."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.page import Page
from occasion.console.parts.asking import asked
from occasion.console.parts.drafts import Draft
from occasion.console.parts.fields import kept
from occasion.console.parts.figures import STYLE, clock, table, tiles
from occasion.console.parts.labels import labelled
from occasion.console.parts.states import empty, under_way
from occasion.console.view import View
from occasion.console.words import Words
from occasion.errors import DataError

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Rules and scenarios", "规则与场景"),
    "about": (
        "What always applies, and what a request names. Try a change on recent requests before saving it; undo it afterwards.",
        "始终生效的规则，以及请求可指定的场景。保存前可在近期请求上预览，保存后可撤销。",
    ),
    "list": ("Scenarios", "场景"),
    "none": ("There is no scenario yet.", "还没有场景。"),
    "none_hint": ("Fill in the form and save it.", "填写表单并保存即可。"),
    "new": ("New scenario", "新建场景"),
    "form": ("Scenario", "场景内容"),
    "name": ("Name", "名称"),
    "name_hint": ("a-z, 0-9, _ and -; requests name it", "小写字母、数字、_ 和 -，供请求引用"),
    "about_field": ("Remark", "备注"),
    "always": ("Applies to every request, and none can relax it", "对所有请求生效，且请求不能放宽"),
    "strict": ("Give fewer items rather than items that do not pass the filter", "宁缺毋滥：不通过过滤的物品不补位"),
    "start": ("In force from ({zone})", "生效时间（{zone}）"),
    "end": ("until", "结束时间"),
    "filter": ("Filter", "过滤条件"),
    "filter_hint": ("price < 20 and not brand = Acme", "price < 20 and not brand = Acme"),
    "exclude": ("Hidden items: one id a line", "隐藏的物品：每行一个编号"),
    "pins": ("Pins: place = item, one a line", "置顶：位置 = 物品，每行一个"),
    "boosts": ("Boosts: factor: filter, one a line", "加权：系数: 条件，每行一个"),
    "caps": ("Caps: field = most, one a line", "上限：字段 = 最多数量，每行一个"),
    "quotas": ("Quotas: at least: filter, one a line", "配额：最少数量: 条件，每行一个"),
    "signals": ("Signals: name = value, one a line", "信号：名称 = 值，每行一个"),
    "k": ("Length", "数量"),
    "diversity": ("Diversity, 0 to 1", "多样性（0 到 1）"),
    "explore": ("Exploration, 0 to 1", "探索（0 到 1）"),
    "no_name": ("the scenario has no name. Cure: give it one, for example home.", "场景没有名称。 Cure: 请填写，例如 home。"),
    "overwrite": (
        "There is a scenario {which} already. Replace it by what stands in the form?",
        "场景 {which} 已存在。要用表单内容覆盖吗？",
    ),
    "replace": ("Replace", "覆盖"),
    "renamed": ("Rename {old} to {which}, or keep {old} as well?", "将 {old} 重命名为 {which}，还是同时保留 {old}？"),
    "rename": ("Rename", "重命名"),
    "keep_both": ("Keep both", "同时保留"),
    "preview": ("Preview", "预览"),
    "delete": ("Delete", "删除"),
    "saved": ("Saved: {which} counts from the next request on.", "已保存：{which} 自下一个请求起生效。"),
    "deleted": ("Deleted: {which}. The list of changes can bring it back.", "已删除：{which}。可在变更列表中恢复。"),
    "undone": ("Undone: {which} is as it was before.", "已撤销：{which} 恢复原状。"),
    "trying": ("Recent requests are answered again, as things are and under the draft", "正在用草稿重新计算近期请求"),
    "effect": ("Effect on recent requests", "对近期请求的影响"),
    "no_requests": ("There are no recent requests to try it on.", "没有可用于预览的近期请求。"),
    "requests": ("requests tried", "试算请求"),
    "changed": ("lists change", "列表变化"),
    "shorter": ("get shorter", "变短"),
    "longer": ("get longer", "变长"),
    "emptied": ("become empty", "变空"),
    "entered": ("Come in", "新进入"),
    "left": ("Go out", "移出"),
    "item": ("Item", "物品"),
    "lists": ("Lists", "列表数"),
    "same": ("No list changes.", "没有列表变化。"),
    "examples": ("The lists that change most", "变化最大的列表"),
    "before": ("As it is", "当前"),
    "after": ("Under the draft", "草稿"),
    "changes": ("Changes", "变更记录"),
    "no_changes": ("Nothing was changed yet.", "还没有变更。"),
    "undo": ("Undo", "撤销"),
    "undo_of": ("Undo change {seq} of {which}", "撤销对 {which} 的变更 {seq}"),
    "put": ("{which} saved", "保存 {which}"),
    "gone": ("{which} deleted", "删除 {which}"),
    "restored": ("a change of {which} undone", "撤销对 {which} 的变更"),
    "tag_always": ("always", "始终"),
    "tag_over": ("over", "已结束"),
    "tag_planned": ("planned", "未开始"),
}
REQUESTS = 40
CHANGES = 30
ACTS = {"scenario.put": "put", "scenario.delete": "gone", "scenario.undo": "restored"}
TEXTS = ("exclude", "pins", "boosts", "caps", "quotas", "signals")


@dataclass
class Steering:
    """The page: all scenarios, and the one in the form."""

    view: View
    scenarios: dict[str, Any] = field(default_factory=dict)
    draft: Draft = field(default_factory=Draft)
    loaded: str = ""
    """The stored scenario in the form, whatever name stands in it now; empty: a new one."""
    effect: dict[str, Any] | None = None
    task: asyncio.Task[Any] | None = None
    place: ui.element | None = None
    """Where it shows that a preview is under way."""
    page: ui.element = field(init=False)
    """Where questions are asked: parts of the page that are made anew must not take them away."""

    async def load(self) -> None:
        """Fetch the scenarios."""
        self.scenarios = (await self.view.api.get("/v1/scenarios"))["scenarios"]

    async def choose(self, name: str) -> None:
        """Put a scenario, or an empty one, into the form."""
        self.take(name)
        self.effect = None
        self.listed.refresh()
        self.form.refresh()
        self.result.refresh()

    def take(self, name: str) -> None:
        """Take over a stored scenario, an empty one where there is none of this name."""
        self.loaded = name if name in self.scenarios else ""
        self.draft = Draft.of(self.loaded, self.scenarios.get(self.loaded, {}), self.view.time_zone)

    # -- acts -------------------------------------------------------------------------------------------------------------
    def read(self) -> tuple[str, dict[str, Any]]:
        """Return name and document of what stands in the form."""
        name = self.draft.name.strip()
        if not name:
            raise DataError(self.view.t("no_name"))
        return name, self.draft.document(self.view.time_zone, self.view.locale)

    async def preview(self) -> None:
        """Say what the draft would do; a second one takes the place of one under way."""
        name, document = self.read()
        assert self.place is not None
        if self.task is not None:
            self.task.cancel()
        wanted = {"name": name, "scenario": document, "requests": REQUESTS}
        task = self.task = asyncio.ensure_future(self.view.api.post("/v1/scenarios/preview", wanted))
        with self.place:
            shown = under_way(self.view.t("trying"), cancel=self.view.t("cancel"), on_cancel=task.cancel)
        try:
            effect = await task
        except asyncio.CancelledError:
            effect = None
        finally:
            shown.delete()
            mine, self.task = self.task is task, None if self.task is task else self.task
        if mine:
            self.effect = effect
            self.result.refresh()

    async def save(self) -> None:
        """Save the draft; where that would take another scenario's place or leave one behind, ask before."""
        name, document = self.read()
        await self.load()
        renamed = self.loaded != "" and self.loaded in self.scenarios and name != self.loaded
        if name != self.loaded and name in self.scenarios and not await self.asks("overwrite", ("replace",), which=name):
            return
        answer = await self.asks("renamed", ("rename", "keep_both"), which=name, old=self.loaded) if renamed else "keep_both"
        if not answer:
            return
        await self.view.api.put(f"/v1/scenarios/{name}", document)
        if answer == "rename":
            await self.view.api.delete(f"/v1/scenarios/{self.loaded}")
        await self.again(name)
        with self.page:
            ui.notify(self.view.t("saved", which=name), type="positive")

    async def delete(self) -> None:
        """Delete the stored scenario that was put into the form."""
        name = self.loaded
        await self.view.api.delete(f"/v1/scenarios/{name}")
        await self.again("")
        with self.page:
            ui.notify(self.view.t("deleted", which=name), type="positive")

    async def asks(self, question: str, answers: tuple[str, ...], **values: str) -> str:
        """Return what is answered to a question, empty for nothing."""
        return await asked(self.view, self.page, self.view.t(question, **values), {name: self.view.t(name) for name in answers})

    async def undo(self, seq: int, name: str) -> None:
        """Undo a change."""
        await self.view.api.post("/v1/scenario-changes/undo", {"change": seq})
        await self.again(name)
        ui.notify(self.view.t("undone", which=name), type="positive")

    async def again(self, name: str) -> None:
        """Fetch all anew and show one."""
        await self.load()
        await self.choose(name if name in self.scenarios else "")
        await self.changed.refresh()

    # -- what is shown ----------------------------------------------------------------------------------------------------
    @ui.refreshable_method
    def listed(self) -> None:
        """Show the list of scenarios."""
        if not self.scenarios:
            empty(self.view.t("none"), self.view.t("none_hint"))
        with ui.element("ul").classes("choices"):
            for name, document in self.scenarios.items():
                with ui.element("li"), ui.element("button").props('type="button"') as button:
                    chosen = name == self.loaded
                    button.classes("choice").props["aria-pressed"] = "true" if chosen else "false"
                    button.props["data-name"] = name
                    button.on("click", lambda name=name: self.choose(name))
                    tags = " ".join(f"<span class='tag'>{self.view.t(tag)}</span>" for tag in _tags(document))
                    about = f"<span class='hint'>{escape(document.get('about', ''))}</span>"
                    ui.html(f"<strong>{escape(name)}</strong> {tags}{about}", sanitize=False)
        ui.button(self.view.t("new"), icon="add", on_click=lambda: self.choose("")).props("outline no-caps").classes("new")

    def field(self, name: str, label: str, *, hint: str = "") -> ui.input:
        """Make a field of the form."""
        made = kept(ui.input(label, placeholder=hint), self.draft, name).props("outlined dense").classes(f"field-{name}")
        return made

    def area(self, name: str) -> None:
        """Make a field of several lines."""
        kept(ui.textarea(self.view.t(name)), self.draft, name).props("outlined dense autogrow").classes(f"field-{name}")

    @ui.refreshable_method
    def form(self) -> None:
        """Show the form."""
        t = self.view.t
        with ui.element("div").classes("fields"):
            self.field("name", t("name"), hint=t("name_hint"))
            self.field("about", t("about_field"))
            self.field("filter", t("filter"), hint=t("filter_hint"))
            for name in TEXTS:
                self.area(name)
            with ui.element("div").classes("few"):
                for name in ("k", "diversity", "explore"):
                    self.field(name, t(name))
            with ui.element("div").classes("few"):
                self.field("start", t("start", zone=self.view.time_zone)).props('type="datetime-local" stack-label')
                self.field("end", t("end")).props('type="datetime-local" stack-label')
        for name in ("always", "strict"):
            kept(ui.switch(t(name)), self.draft, name).classes(f"field-{name}")
        with ui.element("div").classes("buttons"):
            ui.button(self.view.t("preview"), on_click=self.preview).props("outline no-caps").classes("preview")
            ui.button(self.view.t("save"), on_click=self.save).props("unelevated no-caps").classes("save")
            if self.loaded:
                ui.button(self.view.t("delete"), on_click=self.delete).props("flat no-caps").classes("delete")

    @ui.refreshable_method
    def result(self) -> None:
        """Show what the draft would do."""
        found, t = self.effect, self.view.t
        if found is None:
            return
        ui.html(f"<h2>{t('effect')}</h2>", sanitize=False)
        if not found["requests"]:
            empty(t("no_requests"))
            return
        for note in found["notes"]:
            ui.label(note).classes("note")
        names = ("requests", "changed", "shorter", "longer", "emptied")
        figures = [(t(one), str(found["empty" if one == "emptied" else one]), "") for one in names]
        ui.html(tiles(figures), sanitize=False).classes("effect")
        if not found["changed"]:
            ui.label(t("same"))
            return
        with ui.element("div").classes("sides"):
            for name in ("entered", "left"):
                rows = [(escape(one["title"]), str(one["lists"])) for one in found[name]]
                ui.html(table(t(name), (t("item"), t("lists")), rows), sanitize=False).classes(name)
        self.examples(found["examples"], found["titles"])

    def examples(self, examples: list[dict[str, Any]], titles: dict[str, str]) -> None:
        """Show lists before and after."""
        t = self.view.t
        with ui.expansion(t("examples")).classes("examples"):
            for one in examples[:5]:
                came = set(one["after"]) - set(one["before"])
                went = set(one["before"]) - set(one["after"])
                before, after = (
                    "".join(
                        f"<li class='{kind if item in marked else ''}'>{escape(titles.get(item, item))}</li>" for item in one[side]
                    )
                    for side, marked, kind in (("before", went, "went"), ("after", came, "came"))
                )
                sides = f"<div><h3>{t('before')}</h3><ol>{before}</ol></div><div><h3>{t('after')}</h3><ol>{after}</ol></div>"
                ui.html(f"<div class='sides'>{sides}</div>", sanitize=False)

    @ui.refreshable_method
    async def changed(self) -> None:
        """Show the changes."""
        found = (await self.view.api.get("/v1/scenario-changes", limit=CHANGES))["changes"]
        if not found:
            ui.label(self.view.t("no_changes")).classes("hint")
            return
        with ui.element("ol").classes("changes"):
            for one in found:
                with ui.element("li").classes("change"):
                    told = self.view.t(ACTS[one["act"]], which=one["name"])
                    at = clock(one["at"], self.view.time_zone, seconds=True)
                    head = f"<strong>{escape(told)}</strong> <span class='hint'>{at}, {escape(one['actor'])}</span>"
                    ui.html(f"{head}{_difference(one)}", sanitize=False)
                    button = ui.button(self.view.t("undo"), on_click=lambda one=one: self.undo(one["seq"], one["name"]))
                    label = self.view.t("undo_of", seq=one["seq"], which=one["name"])
                    button.props("outline dense no-caps").classes("undo").props["aria-label"] = label


def _tags(document: dict[str, Any]) -> list[str]:
    now = time.time()
    out = ["tag_always"] if document.get("always") else []
    if document.get("active_until") is not None and document["active_until"] <= now:
        out.append("tag_over")
    elif document.get("active_from") is not None and document["active_from"] > now:
        out.append("tag_planned")
    return out


def _difference(change: dict[str, Any]) -> str:
    """Return what a change changed, field by field."""
    before, after = ({**(side or {}), **(side or {}).get("rules", {})} for side in (change["before"], change["after"]))
    names = [name for name in {**before, **after} if name != "rules" and before.get(name) != after.get(name)]

    def told(value: Any) -> str:
        text = "–" if value is None else json.dumps(value, ensure_ascii=False)
        return escape(text if len(text) < 160 else f"{text[:157]}...")

    rows = "".join(f"<li>{escape(n)}: <del>{told(before.get(n))}</del> → <ins>{told(after.get(n))}</ins></li>" for n in names[:8])
    return f"<ul class='difference'>{rows}</ul>" if rows else ""


async def build(view: View) -> None:
    """Make the page."""
    ui.add_head_html(STYLE)
    page = Steering(view)
    await page.load()
    name = view.query.get("name", "")
    page.take(name)
    page.page = ui.element("div")
    with ui.element("div").classes("columns"):
        with labelled(ui.element("section"), view.t("list")):
            page.listed()
        with ui.element("div"):
            with labelled(ui.element("section"), view.t("form")).classes("form"):
                page.form()
            with labelled(ui.element("section"), view.t("effect")).classes("result").props('aria-live="polite"'):
                page.place = ui.element("div")
                page.result()
            with labelled(ui.element("section"), view.t("changes")):
                ui.html(f"<h2>{view.t('changes')}</h2>", sanitize=False)
                await page.changed()


PAGE = Page(path="/rules", icon="tune", words=WORDS, build=build, role="admin")
