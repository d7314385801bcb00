"""Jobs: imports and how far they are, looked at again while any is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from html import escape
from typing import Any

from nicegui import ui

from occasion.console.guard import HOME
from occasion.console.parts.labels import labelled
from occasion.console.parts.rows import Rows
from occasion.console.parts.states import empty
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["WORDS", "job_list"]

WARNINGS = 3
"""Different warnings shown of an import."""

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
    "warned": (
        "{n:,} taken with signals that are not usable, and passed over: {signals}",
        "{n:,} 行已导入，但其中无法使用的信号已略过：{signals}",
    ),
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
        self.none = ui.element("div")
        with self.none:
            empty(self.say("none"))
        self.rows = Rows(
            "jobs", fill=self._job, kind=self._kind, name=lambda job: f"job {job['state']}", tell=lambda job: self._told(job) + "."
        )
        self.timer = ui.timer(SECONDS, self.look, active=False)

    def say(self, name: str, **values: Any) -> str:
        return say(WORDS, self.view.locale, name, **values)

    async def look(self) -> None:
        """Ask how far the imports are; go on asking while one is under way."""
        before = sum(job["state"] in UNDER_WAY for job in self.jobs)
        self.jobs = (await self.view.api.get("/v1/imports", limit=SHOWN))["imports"]
        self.timer.active = any(job["state"] in UNDER_WAY for job in self.jobs)
        self.none.set_visibility(not self.jobs)
        self.rows.show(self.jobs)
        if sum(job["state"] in UNDER_WAY for job in self.jobs) < before:
            await self.ended()

    def _kind(self, job: dict[str, Any]) -> tuple[str, bool]:
        # The newest one that is done leads on.
        return job["state"], job is self.jobs[0]

    def _told(self, job: dict[str, Any]) -> str:
        checked = job["state"] == "done" and job["result"].get("validate_only")
        return f"{job['name']}: {self.say('checked') if checked else self.say(job['state'])}"

    def _job(self, job: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
        state, result = job["state"], job["result"]
        told = self._told(job).removeprefix(f"{job['name']}: ")
        ui.html(f"<strong>{escape(job['name'])}</strong> <span class='state-word'>{told}</span>", sanitize=False)
        follow: Callable[[dict[str, Any]], None] = _nothing
        if state in UNDER_WAY:
            bar = labelled(ui.linear_progress(value=_share(job), show_value=False, size="10px"), job["name"])
            if state != "cancelling":
                stop = ui.button(self.view.t("cancel"), on_click=lambda: self._cancel(job["id"])).props("outline dense no-caps")
                labelled(stop, f"{self.view.t('cancel')}: {job['name']}").classes("cancel")
            follow = partial(_follow, bar)
        elif state == "failed":
            ui.label(f"{result.get('error', '')} {result.get('cure', '')}").classes("note")
        elif state == "done":
            self._ended(job, result)
        if state in ("done", "failed", "cancelled", "held"):
            gone = ui.button(icon="close", on_click=lambda: self._remove(job["id"])).props("flat round dense size=sm")
            labelled(gone, f"{self.say('remove')}: {job['name']}").classes("remove")
        return follow

    def _ended(self, job: dict[str, Any], result: dict[str, Any]) -> None:
        rejected = result.get("rejected") or {}
        if result.get("validate_only"):
            ui.label(self.say("valid", rows=result.get("rows", 0), valid=result.get("valid", 0)))
            self._warned(result)
            return self._rejected(job, rejected)
        ui.label(self.say("rows", rows=result.get("rows", 0), new=result.get("new", 0), unchanged=result.get("unchanged", 0)))
        self._warned(result)
        self._rejected(job, rejected)
        if job is self.jobs[0]:
            ui.html(f'<a href="{HOME}/moment">{self.say("try")}</a>', sanitize=False)

    def _warned(self, result: dict[str, Any]) -> None:
        if not result.get("warned"):
            return
        told = list(dict.fromkeys(row["signals"] for row in result.get("warnings", []) if row["signals"]))
        ui.label(self.say("warned", n=result["warned"], signals="; ".join(told[:WARNINGS]) or "…")).classes("note")

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


def _share(job: dict[str, Any]) -> float:
    """Return how far a job is, 0 to 1."""
    return round(min(1.0, job["done"] / job["total"]), 3) if job["total"] else 0.0


def _follow(bar: ui.linear_progress, job: dict[str, Any]) -> None:
    """Show how far a job is."""
    bar.value = _share(job)


def _nothing(job: dict[str, Any]) -> None:
    """Show nothing: what has ended does not change."""
