"""Rights: what a person allows, everything held of them to take along, and their erasure with a receipt."""

from __future__ import annotations

import json
import time
from typing import Any

from nicegui import ui

from occasion.console.view import View
from occasion.console.words import Words, say
from occasion.people import PURPOSES

__all__ = ["WORDS", "consent_switches", "rights_buttons"]

WORDS: Words = {
    "consent": ("What this person allows", "此人允许的用途"),
    "personalise": ("Answers may read their past", "推荐可参考其历史"),
    "train": ("Counts and models may learn from them", "统计与模型可从中学习"),
    "analyse": ("Evaluation and reports may look at them", "评估与报告可查看其数据"),
    "default": ("Never chosen: as the settings have it.", "尚未选择：按默认设置。"),
    "chosen": ("Chosen on {day}.", "选择于 {day}。"),
    "kept": ("Stored; it holds from the next answer on.", "已保存，从下一次推荐起生效。"),
    "export": ("Export everything held", "导出全部数据"),
    "erase": ("Erase this person", "删除此人"),
    "erase_about": (
        "Removes events, answers, choices and the description for good, in every file of the home. Type the id to confirm.",
        "永久删除事件、推荐记录、选择与描述，涉及所有文件。请输入编号确认。",
    ),
    "id": ("Id of the person", "人物编号"),
    "erased": ("Erased", "已删除"),
    "erased_rows": (
        "{events:,} events, {slates:,} answers, {consents:,} choices.",
        "{events:,} 个事件，{slates:,} 条推荐，{consents:,} 个选择。",
    ),
    "holding": ("May have learnt from this person until retired: {names}.", "停用前可能仍含有其信息：{names}。"),
    "receipt": ("Download the signed receipt", "下载签名回执"),
    "need_admin": ("Exporting and erasing need a key of the role admin.", "导出与删除需要 admin 角色的密钥。"),
}


async def consent_switches(view: View, user: str) -> None:
    """Make a switch for each purpose; what is changed is stored at once."""
    found = (await view.api.get("/v1/people/consent", user=user))["consents"]
    newest: dict[str, dict[str, Any]] = {choice["purpose"]: choice for choice in found}
    by_default = view.service.settings.granted_by_default
    ui.html(f"<h2>{say(WORDS, view.locale, 'consent')}</h2>", sanitize=False)
    for purpose in PURPOSES:
        choice = newest.get(purpose)
        day = "" if choice is None else time.strftime("%Y-%m-%d", time.gmtime(choice["at"]))
        told = say(WORDS, view.locale, "default") if choice is None else say(WORDS, view.locale, "chosen", day=day)

        async def chosen(event: Any, purpose: str = purpose) -> None:
            document = {"user": user, "purpose": purpose, "granted": bool(event.value), "at": time.time()}
            await view.api.put("/v1/people/consent", document)
            ui.notify(say(WORDS, view.locale, "kept"), type="positive")

        switch = ui.switch(say(WORDS, view.locale, purpose), value=choice["granted"] if choice else purpose in by_default)
        switch.classes(f"purpose {purpose}").on_value_change(chosen)
        ui.label(told).classes("hint")


def rights_buttons(view: View, user: str) -> None:
    """Make the buttons of export and erasure."""
    if not view.may("admin"):
        ui.label(say(WORDS, view.locale, "need_admin")).classes("hint")
        return

    async def export() -> None:
        found = await view.api.get("/v1/people/export", user=user)
        ui.download.content(_document(found), "person.json", "application/json")

    with ui.element("div").classes("go"):
        ui.button(say(WORDS, view.locale, "export"), icon="download", on_click=export).props("outline no-caps").classes("export")
        erase = ui.button(say(WORDS, view.locale, "erase"), icon="delete_forever", color=None, on_click=lambda: _asked(view, user))
        erase.props("flat no-caps").classes("erase danger")


def _asked(view: View, user: str) -> None:
    """Ask for the id before anything is erased."""
    with ui.dialog() as dialog, ui.card().classes("request"):
        heading = say(WORDS, view.locale, "erase")
        ui.html(f"<h2>{heading}</h2>", sanitize=False)
        ui.label(say(WORDS, view.locale, "erase_about"))
        typed = ui.input(say(WORDS, view.locale, "id")).props("outlined dense").classes("confirm-id")

        async def erase() -> None:
            if (typed.value or "").strip() != user:
                typed.props("error")
                return
            done = await view.api.delete("/v1/people", user=user)
            dialog.clear()
            with dialog, ui.card().classes("request erased"):
                _receipt(view, done)

        with ui.element("div").classes("go"):
            ui.button(heading, on_click=erase).props("unelevated no-caps color=negative").classes("confirm")
            ui.button(view.t("cancel"), on_click=dialog.close).props("flat no-caps")
    dialog.open()


def _receipt(view: View, done: dict[str, Any]) -> None:
    removed, holding = done["removed"], done["holding"]
    ui.html(f"<h2>{say(WORDS, view.locale, 'erased')}</h2>", sanitize=False)
    ui.label(say(WORDS, view.locale, "erased_rows", **{name: removed[name] for name in ("events", "slates", "consents")}))
    names = [name for kind in ("versions", "encoders", "copies") for name in holding[kind]]
    if names:
        ui.label(say(WORDS, view.locale, "holding", names=", ".join(names))).classes("note")
    content = _document(done["receipt"])
    download = ui.button(say(WORDS, view.locale, "receipt"), icon="download")
    download.on_click(lambda: ui.download.content(content, "receipt.json", "application/json"))
    download.props("outline no-caps").classes("receipt")
    ui.button(view.t("close"), on_click=lambda: ui.navigate.to("/people")).props("flat no-caps").classes("done")


def _document(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
