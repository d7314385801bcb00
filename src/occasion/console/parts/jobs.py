"""Jobs: imports and how far they are, looked at again while any is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["WORDS", "job_list"]

WORDS: Words = {
    "none": ("No file was imported yet.", "还没有导入过文件。"),
    "held": ("waits for its start", "等待开始"),
    "queued": ("waits", "排队中"),
    "running": ("under way", "进行中"),
    "cancelling": ("is being cancelled", "正在取消"),
    "cancelled": ("cancelled; rows stored before stay", "已取消；此前写入的行保留"),
    "done": ("done", "完成"),
    "failed": ("failed", "失败"),
    "checked": ("checked, nothing was written", "仅检查，未写入"),
    "rows": (
        "{rows:,} rows, {new:,} new or changed, {unchanged:,} as before",
        "{rows:,} 行，新增或变更 {new:,}，未变 {unchanged:,}",
    ),
    "valid": ("{rows:,} rows, {valid:,} of them can be taken", "{rows:,} 行，其中 {valid:,} 行可导入"),
    "rejected": ("{n:,} rejected: {reasons}", "拒绝 {n:,} 行：{reasons}"),
    "download": ("Download rejected rows", "下载被拒绝的行"),
    "try": ("Try a moment", "试一个时刻"),
    "remove": ("Remove from the list", "从列表移除"),
}
SECONDS = 0.5
SHOWN = 12
UNDER_WAY = ("queued", "running", "cancelling")


def job_list(view: View, ended: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Make a list of imports where it is called; return a function that looks again. `ended` is awaited when one has ended."""
    return _Jobs(view, ended).look


class _Jobs:
    """The list."""

    def __init__(self, view: View, ended: Callable[[], Awaitable[None]]) -> None:
        self.view, self.ended = view, ended
        self.jobs: list[dict[str, Any]] = []
        self.place = ui.element("div").classes("jobs").props('aria-live="polite"')
        self.timer = ui.timer(SECONDS, self.look, active=False)

    def say(self, name: str, **values: Any) -> str:
        return say(WORDS, self.view.locale, name, **values)

    async def look(self) -> None:
        """Ask how far the imports are; go on asking while one is under way."""
        before = sum(job["state"] in UNDER_WAY for job in self.jobs)
        self.jobs = (await self.view.api.get("/v1/imports", limit=SHOWN))["imports"]
        self.timer.active = any(job["state"] in UNDER_WAY for job in self.jobs)
        self.place.clear()
        with self.place:
            if not self.jobs:
                empty(self.say("none"))
            for job in self.jobs:
                self._job(job)
        if sum(job["state"] in UNDER_WAY for job in self.jobs) < before:
            await self.ended()

    def _job(self, job: dict[str, Any]) -> None:
        state, result = job["state"], job["result"]
        checked = state == "done" and result.get("validate_only")
        with ui.element("section").classes(f"job {state}").props(f'data-job="{job["id"]}"'):
            told = self.say("checked") if checked else self.say(state)
            ui.html(f"<strong>{escape(job['name'])}</strong> <span class='state-word'>{told}</span>", sanitize=False)
            if state in UNDER_WAY:
                share = job["done"] / job["total"] if job["total"] else 0.0
                bar = ui.linear_progress(value=round(min(1.0, share), 3), show_value=False, size="10px")
                bar.props(f'aria-label="{escape(job["name"], quote=True)}"')
                ui.button(self.view.t("cancel"), on_click=lambda: self._cancel(job["id"])).props("outline dense no-caps").classes(
                    "cancel"
                )
            elif state == "failed":
                ui.label(f"{result.get('error', '')} {result.get('cure', '')}").classes("note")
            elif state == "done":
                self._ended(job, result)
            if state in ("done", "failed", "cancelled", "held"):
                gone = ui.button(icon="close", on_click=lambda: self._remove(job["id"])).props("flat round dense size=sm")
                gone.classes("remove").props["aria-label"] = f"{self.say('remove')}: {job['name']}"

    def _ended(self, job: dict[str, Any], result: dict[str, Any]) -> None:
        rejected = result.get("rejected") or {}
        if result.get("validate_only"):
            ui.label(self.say("valid", rows=result.get("rows", 0), valid=result.get("valid", 0)))
            return self._rejected(job, rejected)
        ui.label(self.say("rows", rows=result.get("rows", 0), new=result.get("new", 0), unchanged=result.get("unchanged", 0)))
        self._rejected(job, rejected)
        if job is self.jobs[0]:
            ui.html(f'<a href="{HOME}/moment">{self.say("try")}</a>', sanitize=False)

    def _rejected(self, job: dict[str, Any], rejected: dict[str, int]) -> None:
        if not rejected:
            return
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in rejected.items())
        ui.label(self.say("rejected", n=sum(rejected.values()), reasons=reasons)).classes("note")
        download = ui.button(self.say("download"), icon="download", on_click=lambda: self._download(job))
        download.props("outline dense no-caps").classes("download")

    async def _cancel(self, job: str) -> None:
        await self.view.api.post(f"/v1/imports/{job}/cancel")
        await self.look()

    async def _remove(self, job: str) -> None:
        await self.view.api.delete(f"/v1/imports/{job}")
        await self.look()

    async def _download(self, job: dict[str, Any]) -> None:
        rows = await self.view.api.get(f"/v1/imports/{job['id']}/rejects")
        ui.download.content(rows.encode(), f"{job['name']}-rejected.jsonl", "application/x-ndjson")
