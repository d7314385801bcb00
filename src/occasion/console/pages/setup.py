"""Set-up: the demo's data or files of one's own, looked at before they are imported; how far imports are, and what was rejected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nicegui import events, ui

from occasion.client import ServiceError
from occasion.console.page import Page
from occasion.console.parts.fields import kept
from occasion.console.parts.jobs import job_list
from occasion.console.parts.labels import labelled
from occasion.console.parts.states import failed
from occasion.console.view import View
from occasion.console.words import Words
from occasion.errors import OccasionError

__all__ = ["PAGE"]

WORDS: Words = {
    "title": ("Set up", "数据设置"),
    "about": (
        "Bring in items, people and events; look at how a file is understood before it is imported.",
        "导入商品、人物与事件；导入前可查看文件将如何被理解。",
    ),
    "here": ("What is here", "现有数据"),
    "items": ("items", "商品"),
    "users": ("people", "人物"),
    "events": ("events", "事件"),
    "contexts": ("distinct contexts", "不同情境"),
    "slates": ("answers given", "已给出的推荐"),
    "first": (
        "The store is empty. Look around with demo data, or import a file of your own.",
        "数据为空。可以先加载演示数据，或导入自己的文件。",
    ),
    "demo": ("Load demo data", "加载演示数据"),
    "demo_about": (
        "A year of groceries of 120 households: 1,045 items and 68,000 purchases. Takes some seconds.",
        "120 户家庭一年的日用品购买记录：1,045 种商品、68,000 次购买，只需几秒。",
    ),
    "file": ("Import a file", "导入文件"),
    "file_about": (
        "CSV, TSV, JSON lines, Parquet or RecBole; also .gz. Importing the same file twice changes nothing.",
        "支持 CSV、TSV、JSON Lines、Parquet、RecBole 及其 .gz 压缩。重复导入同一文件不会产生变化。",
    ),
    "choose": ("Choose a file or drop it here", "选择文件或拖放到此处"),
    "plan": ("How {file} is understood", "{file} 将这样被理解"),
    "kind": ("Rows are", "每行是"),
    "auto": ("guessed", "自动判断"),
    "kind_items": ("items", "商品"),
    "kind_users": ("people", "人物"),
    "kind_events": ("events", "事件"),
    "kind_slates": ("answers given", "推荐记录"),
    "kind_consents": ("choices of people", "人物的选择"),
    "column": ("Column", "列"),
    "becomes": ("Becomes", "用作"),
    "values": ("First values", "示例"),
    "why": ("Why", "原因"),
    "ignored": ("ignored", "忽略"),
    "import": ("Import", "导入"),
    "check": ("Only check", "仅检查"),
    "drop": ("Take another file", "换一个文件"),
    "imports": ("Imports of the last days", "最近的导入"),
    "need_write": ("Importing needs a key of the role write.", "导入需要 write 角色的密钥。"),
}
Look = Callable[[], Awaitable[None]]
KINDS = ("auto", "items", "users", "events", "slates", "consents")
COLUMNS = 80
"""Columns of a file that can be mapped here; the command line has no such limit."""


@dataclass
class Preparation:
    """A file on its way in."""

    view: View
    job: str = ""
    kind: str = "auto"
    plan: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    """Column to the role that somebody chose for it."""
    jobs: Look | None = None
    """Looks at the list of imports again."""

    def mapping(self) -> dict[str, str]:
        """Return role to columns, as imports take it."""
        out: dict[str, list[str]] = {}
        for column, role in self.chosen.items():
            out.setdefault(role, []).append(column)
        return {role: ",".join(columns) for role, columns in out.items()}

    async def take(self, sent: events.UploadEventArguments) -> None:
        """Hold the file that was sent, and show its plan."""
        try:
            await self.drop()
            held = await self.view.api.upload("/v1/imports", sent.file.iterate(), name=sent.file.name[-100:], hold="true")
        finally:
            # The uploader would not take the same file a second time otherwise.
            sent.sender.run_method("reset")
        self.job = held["id"]
        await self.look()

    async def drop(self) -> None:
        """Forget the file that is held."""
        await self.release()
        await self.shown.refresh()

    async def release(self) -> None:
        """Let the service forget the file; the page has forgotten it before, whatever comes of that."""
        job = self.job
        self.job, self.plan, self.chosen, self.kind = "", {}, {}, "auto"
        if job:
            try:
                await self.view.api.delete(f"/v1/imports/{job}")
            except ServiceError as error:
                # Taken off the list below, or too old: it is gone already.
                if error.status != 404:
                    raise

    async def leave(self) -> None:
        """Hold nothing for a page that is closed: a tenant may have twenty files that wait."""
        with suppress(OccasionError):
            await self.release()

    async def look(self) -> None:
        """Ask for the plan anew."""
        pairs = [f"{role}={columns}" for role, columns in self.mapping().items()]
        self.plan = await self.view.api.get(f"/v1/imports/{self.job}/plan", kind=self.kind, map=pairs)
        await self.shown.refresh()

    async def start(self, *, validate_only: bool) -> None:
        """Import, or check; a file that was only checked has to be sent again."""
        document = {"kind": self.kind, "mapping": self.mapping(), "validate_only": validate_only}
        try:
            await self.view.api.post(f"/v1/imports/{self.job}/start", document)
        except ServiceError as error:
            if error.status not in (404, 409):
                raise
            # Removed or begun meanwhile: there is nothing here to be started any more.
            self.view.tell(error)
        self.job, self.plan, self.chosen = "", {}, {}
        await self.shown.refresh()
        if self.jobs is not None:
            await self.jobs()

    async def choose(self, column: str, role: str) -> None:
        """Let a column be something else."""
        self.chosen[column] = role
        await self.look()

    @ui.refreshable_method
    async def shown(self) -> None:
        """Show the plan of the file that is held."""
        if not self.plan:
            return
        t, plan = self.view.t, self.plan
        with labelled(ui.element("section"), t("column")).classes("plan"):
            ui.label(t("plan", file=plan["name"])).classes("message")
            select = ui.select({name: t(f"kind_{name}") if name != "auto" else t("auto") for name in KINDS}, label=t("kind"))
            kept(select, self, "kind").props("outlined dense").classes("kind").on_value_change(self.look)
            if plan["error"]:
                failed(plan["error"], plan["cure"])
            self._table()
            for note in plan["notes"]:
                ui.label(note).classes("note")
            with ui.element("div").classes("go"):
                self._buttons()

    def _buttons(self) -> None:
        t = self.view.t
        if not self.plan["error"]:
            begin = ui.button(t("import"), on_click=lambda: self.start(validate_only=False))
            begin.props("unelevated no-caps").classes("import")
            check = ui.button(t("check"), on_click=lambda: self.start(validate_only=True))
            check.props("outline no-caps").classes("check")
        ui.button(t("drop"), on_click=self.drop).props("flat no-caps").classes("drop")

    def _table(self) -> None:
        t = self.view.t
        with ui.element("div").classes("wide"), ui.element("table").classes("columns-of-file"):
            with ui.element("thead"), ui.element("tr"):
                for name in ("column", "becomes", "values", "why"):
                    with ui.element("th").props('scope="col"'):
                        ui.label(t(name))
            with ui.element("tbody"):
                for column in self.plan["columns"][:COLUMNS]:
                    self._row(column)

    def _row(self, column: dict[str, Any]) -> None:
        name, role = column["column"], column["role"] or "ignored"
        kind = self.plan["kind"]
        own = [
            f"{part}.{name}"
            for part in {"items": ("text", "attributes"), "events": ("signals",), "users": ("attributes",)}.get(kind, ())
        ]
        roles = dict.fromkeys([*self.plan["roles"], *own, role])
        with ui.element("tr"):
            with ui.element("th").props('scope="row"'):
                ui.label(name)
            with ui.element("td"):
                select = ui.select({r: self.view.t("ignored") if r == "ignored" else r for r in roles}, value=role)
                labelled(select, f"{self.view.t('becomes')}: {name}").props("outlined dense options-dense").classes("role")
                select.on_value_change(lambda event, name=name: self.choose(name, event.value))
            with ui.element("td"):
                ui.label(" · ".join(column["examples"])).classes("examples")
            with ui.element("td"):
                ui.label(column["why"]).classes("hint")


def _counts(view: View, counts: dict[str, int]) -> str:
    rows = "".join(
        f"<div><dt>{view.t(name)}</dt><dd>{counts[name]:,}</dd></div>"
        for name in ("items", "users", "events", "contexts", "slates")
    )
    return f"<h2>{view.t('here')}</h2><dl class='counts'>{rows}</dl>"


async def build(view: View) -> None:
    """Make the page."""
    info = await view.api.info()
    empty_store = not info["counts"]["items"] and not info["counts"]["events"]
    counts = ui.html(_counts(view, info["counts"]), sanitize=False)

    async def recount() -> None:
        here = (await view.api.info())["counts"]
        counts.content = _counts(view, here)
        demo.set_visibility(not here["items"] and not here["events"])

    if not view.may("write"):
        ui.label(view.t("need_write")).classes("note")
        return
    preparation = Preparation(view)
    ui.context.client.on_delete(preparation.leave)
    if empty_store:
        ui.label(view.t("first")).classes("note first")
    with ui.element("div").classes("ways"):
        demo = ui.element("section").classes("state way")
        way = ui.element("section").classes("state way")
    await preparation.shown()
    ui.html(f"<h2>{view.t('imports')}</h2>", sanitize=False)
    jobs = job_list(view, recount)
    await jobs()
    preparation.jobs = jobs
    with demo:
        _demo(view, jobs)
    demo.set_visibility(empty_store)
    with way:
        _upload(view, preparation)


def _demo(view: View, jobs: Look) -> None:
    async def load() -> None:
        button.disable()
        try:
            await view.api.post("/v1/imports/demo")
            await jobs()
        finally:
            button.enable()

    ui.html(f"<h2>{view.t('demo')}</h2>", sanitize=False)
    ui.label(view.t("demo_about"))
    button = ui.button(view.t("demo"), on_click=load).props("unelevated no-caps").classes("demo")


def _upload(view: View, preparation: Preparation) -> None:
    ui.html(f"<h2>{view.t('file')}</h2>", sanitize=False)
    ui.label(view.t("file_about"))
    most = view.service.settings.max_upload_mb * 1_000_000
    upload = ui.upload(label=view.t("choose"), auto_upload=True, max_file_size=most, on_upload=preparation.take)
    upload.props("flat no-thumbnails").classes("upload")
    pick = ui.button(view.t("choose"), icon="upload_file", on_click=lambda: upload.run_method("pickFiles"))
    pick.props("unelevated no-caps").classes("pick").move(target_index=2)


PAGE = Page(path="/set-up", icon="upload_file", words=WORDS, build=build, waits=False)
