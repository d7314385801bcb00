"""Rights: what a person allows, everything held of them to take along, their erasure, and the receipts of all erasures."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from html import escape
from typing import Any

from nicegui import ui

from occasion.client import ServiceError
from occasion.console.parts.figures import clock
from occasion.console.parts.labels import labelled
from occasion.console.parts.states import under_way
from occasion.console.view import View
from occasion.console.words import Words, say
from occasion.people import PURPOSES

__all__ = ["WORDS", "consent_switches", "receipt_list", "rights_buttons"]

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
    "erasing": ("The person is being erased.", "正在删除。"),
    "goes_on": (
        "It takes longer than a request may, and goes on. The receipt comes into the list on the page People.",
        "操作超过请求时限，仍在进行；完成后回执会出现在“人物”页的列表中。",
    ),
    "erased": ("Erased", "已删除"),
    "erased_rows": (
        "{events:,} events, {slates:,} answers, {consents:,} choices.",
        "{events:,} 个事件，{slates:,} 条推荐，{consents:,} 个选择。",
    ),
    "holding": ("May have learnt from this person until retired: {names}.", "停用前可能仍含有其信息：{names}。"),
    "receipt": ("Download the signed receipt", "下载签名回执"),
    "need_admin": ("Exporting and erasing need a key of the role admin.", "导出与删除需要 admin 角色的密钥。"),
    "receipts": ("Receipts of erasures", "删除回执"),
    "no_receipts": ("Nobody was erased yet.", "还没有删除记录。"),
    "clear": ("Nothing that may have learnt from this person is left.", "可能含有其信息的内容均已清除。"),
    "verify": ("Verify", "验证"),
    "verify_of": ("Verify the receipt {id}", "验证回执 {id}"),
    "download_of": ("Download the receipt {id}", "下载回执 {id}"),
    "about_whom": ("About whom? An id, if it is to be checked", "所涉人物编号（可选，用于核对）"),
    "good": ("{id}: signed here, and unchanged since.", "{id}：由本服务签名，未被更改。"),
    "not_good": ("{id}: changed, or not signed here.", "{id}：已被更改，或非本服务签名。"),
    "about_them": ("It is about this person.", "与此人相符。"),
    "about_others": ("It is about somebody else.", "与此人不符。"),
}
ROWS = ("events", "slates", "consents")
RECEIPTS = 20
LOOK_SECONDS, LOOKS = 2.0, 300
"""How often, and how many times, it is looked whether an erasure that outlasted its request has ended."""


async def consent_switches(view: View, user: str) -> None:
    """Make a switch for each purpose; what is changed is stored at once."""
    found = (await view.api.get("/v1/people/consent", user=user))["consents"]
    newest: dict[str, dict[str, Any]] = {choice["purpose"]: choice for choice in found}
    ui.html(f"<h2>{say(WORDS, view.locale, 'consent')}</h2>", sanitize=False)
    for purpose in PURPOSES:
        _Choice(view, user, purpose, newest.get(purpose)).place()


@dataclass
class _Choice:
    """The switch of one purpose: it shows what is stored, never what only was asked for."""

    view: View
    user: str
    purpose: str
    stored: dict[str, Any] | None

    def granted(self) -> bool:
        """Return what holds now."""
        if self.stored is not None:
            return bool(self.stored["granted"])
        return self.purpose in self.view.service.settings.granted_by_default

    def hint(self) -> str:
        """Return when it was chosen."""
        if self.stored is None:
            return say(WORDS, self.view.locale, "default")
        return say(WORDS, self.view.locale, "chosen", day=clock(self.stored["at"], self.view.time_zone)[:10])

    def place(self) -> None:
        """Make switch and hint."""
        self.switch = ui.switch(say(WORDS, self.view.locale, self.purpose), value=self.granted())
        self.switch.classes(f"purpose {self.purpose}").on_value_change(self.chosen)
        self.told = ui.label(self.hint()).classes("hint")

    async def chosen(self, event: Any) -> None:
        """Store the choice; where that fails, the switch goes back."""
        if bool(event.value) == self.granted():
            # The switch was put back, or turned twice.
            return
        document = {"user": self.user, "purpose": self.purpose, "granted": bool(event.value), "at": time.time()}
        try:
            found = (await self.view.api.put("/v1/people/consent", document))["consents"]
            self.stored = next((choice for choice in reversed(found) if choice["purpose"] == self.purpose), self.stored)
        finally:
            self.switch.set_value(self.granted())
            self.told.text = self.hint()
        ui.notify(say(WORDS, self.view.locale, "kept"), type="positive")


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
        erase = ui.button(say(WORDS, view.locale, "erase"), icon="delete_forever", color=None)
        erase.on_click(lambda: _Erasure(view, user).open()).props("flat no-caps").classes("erase danger")


class _Erasure:
    """The dialog that asks for the id, erases, and shows the receipt, which only its own button closes."""

    def __init__(self, view: View, user: str) -> None:
        self.view, self.user, self.busy, self.done = view, user, False, False

    def open(self) -> None:
        """Ask for the id before anything is erased."""
        locale = self.view.locale
        heading = say(WORDS, locale, "erase")
        with labelled(ui.dialog(), heading) as self.dialog, ui.card().classes("request"):
            ui.html(f"<h2>{heading}</h2>", sanitize=False)
            ui.label(say(WORDS, locale, "erase_about"))
            self.typed = ui.input(say(WORDS, locale, "id")).props("outlined dense").classes("confirm-id")
            self.state = ui.element("div")
            with ui.element("div").classes("go"):
                self.confirm = ui.button(heading, on_click=self.erase).props("unelevated no-caps color=negative").classes("confirm")
                self.cancel = ui.button(self.view.t("cancel"), on_click=self.dialog.close).props("flat no-caps")
        self.dialog.on("hide", self._hidden)
        self.dialog.open()

    def _hidden(self) -> None:
        if self.done:
            # The page behind is of somebody who is gone.
            ui.navigate.to("/people")
        elif not self.busy:
            self.dialog.delete()

    async def erase(self) -> None:
        """Erase, once."""
        if (self.typed.value or "").strip() != self.user:
            self.typed.props("error")
            return
        self._busy(True)
        with self.state:
            shown = under_way(say(WORDS, self.view.locale, "erasing"))
        try:
            receipt = await self._erased()
            self.done = True
        finally:
            shown.delete()
            self._busy(False)
        self.dialog.clear()
        # Whoever closed it just when it began is shown the receipt all the same.
        self.dialog.open()
        with self.dialog, ui.card().classes("request erased"):
            self._receipt(receipt)

    def _busy(self, busy: bool) -> None:
        self.busy = busy
        self.dialog.props.set_bool("persistent", busy or self.done)
        for button in (self.confirm, self.cancel):
            button.set_enabled(not busy)

    async def _erased(self) -> dict[str, Any]:
        """Return the receipt, also where the erasure outlasts its request: it goes on, and leaves one."""
        before = {one["id"] for one in await _receipts(self.view)}
        try:
            done = await self.view.api.delete("/v1/people", user=self.user)
        except ServiceError as error:
            # Sent a second time by the client, it may find nobody any more.
            if error.status not in (404, 504):
                raise
            return await self._sought(before, error)
        receipt: dict[str, Any] = done["receipt"]
        return receipt

    async def _sought(self, before: set[str], failure: ServiceError) -> dict[str, Any]:
        for n in range(LOOKS):
            for one in await _receipts(self.view):
                if one["id"] not in before and (await _verdict(self.view, one, self.user))["subject"]:
                    return one
            if failure.status == 404:
                break
            if n == 0:
                with self.state:
                    ui.label(say(WORDS, self.view.locale, "goes_on")).classes("note")
            await asyncio.sleep(LOOK_SECONDS)
        raise failure

    def _receipt(self, receipt: dict[str, Any]) -> None:
        locale = self.view.locale
        ui.html(f"<h2>{say(WORDS, locale, 'erased')}</h2>", sanitize=False)
        ui.label(say(WORDS, locale, "erased_rows", **{name: receipt["removed"][name] for name in ROWS}))
        names = [name for kind in ("versions", "encoders", "copies") for name in receipt["holding"][kind]]
        if names:
            ui.label(say(WORDS, locale, "holding", names=", ".join(names))).classes("note")
        download = ui.button(say(WORDS, locale, "receipt"), icon="download", on_click=lambda: _download(receipt))
        download.props("outline no-caps").classes("receipt")
        ui.button(self.view.t("close"), on_click=self.dialog.close).props("flat no-caps").classes("done")


async def receipt_list(view: View) -> None:
    """Make the list of the receipts of all erasures, newest first, where each can be downloaded and verified."""
    found = list(reversed(await _receipts(view)))[:RECEIPTS]
    ui.html(f"<h2>{say(WORDS, view.locale, 'receipts')}</h2>", sanitize=False)
    if not found:
        ui.label(say(WORDS, view.locale, "no_receipts")).classes("hint")
        return
    whom = ui.input(say(WORDS, view.locale, "about_whom")).props("outlined dense").classes("about-whom")
    told = ui.label().classes("verdict").props('role="status"')

    async def check(receipt: dict[str, Any]) -> None:
        verdict = await _verdict(view, receipt, (whom.value or "").strip())
        good = verdict["signature"] and verdict["of_this_home"]
        sentences = [say(WORDS, view.locale, "good" if good else "not_good", id=receipt["id"])]
        if verdict["subject"] is not None:
            sentences.append(say(WORDS, view.locale, "about_them" if verdict["subject"] else "about_others"))
        told.text = " ".join(sentences)

    with ui.element("ul").classes("receipts"):
        for one in found:
            with ui.element("li").classes("receipt-row"):
                ui.html(_row(view, one), sanitize=False)
                with ui.element("div").classes("go"):
                    verify = ui.button(say(WORDS, view.locale, "verify"), on_click=lambda one=one: check(one)).classes("verify")
                    labelled(verify, say(WORDS, view.locale, "verify_of", id=one["id"])).props("outline dense no-caps")
                    download = ui.button(icon="download", on_click=lambda one=one: _download(one))
                    labelled(download, say(WORDS, view.locale, "download_of", id=one["id"])).props("flat round dense")


def _row(view: View, receipt: dict[str, Any]) -> str:
    left = receipt["still_holding"]
    held = say(WORDS, view.locale, "holding", names=", ".join(left)) if left else say(WORDS, view.locale, "clear")
    rows = say(WORDS, view.locale, "erased_rows", **{name: receipt["removed"][name] for name in ROWS})
    head = f"<strong>{clock(receipt['at'], view.time_zone)}</strong> <code>{escape(receipt['id'])}</code>"
    return f"{head}<br>{escape(rows)} <span class='hint'>{escape(held)}</span>"


async def _receipts(view: View) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await view.api.get("/v1/people/receipts"))["receipts"]
    return found


async def _verdict(view: View, receipt: dict[str, Any], user: str) -> dict[str, Any]:
    asked = {"receipt": _signed(receipt), **({"user": user} if user else {})}
    found: dict[str, Any] = await view.api.post("/v1/people/receipts/verify", asked)
    return found


def _signed(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt without what the list adds to it."""
    return {name: value for name, value in receipt.items() if name != "still_holding"}


def _download(receipt: dict[str, Any]) -> None:
    ui.download.content(_document(_signed(receipt)), "receipt.json", "application/json")


def _document(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
