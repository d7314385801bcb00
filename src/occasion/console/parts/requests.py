"""Requests: what the console just asked, as a call that a program can make: curl and Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from nicegui import ui

from occasion.console.parts.labels import labelled
from occasion.console.view import View
from occasion.console.words import Words, say

__all__ = ["WORDS", "as_curl", "as_python", "show_request"]

WORDS: Words = {
    "heading": ("The same as a call", "对应的接口调用"),
    "key": ("OCCASION_KEY is the access key.", "OCCASION_KEY 为访问密钥。"),
    "copy_curl": ("Copy curl", "复制 curl"),
    "copy_python": ("Copy Python", "复制 Python"),
}
_CONTEXT = ("user", "session", "at", "text", "signals", "time_zone", "country", "locale", "recent")
_PLACED = ("k", "change")


def as_curl(address: str, path: str, document: Mapping[str, Any], *, keyed: bool) -> str:
    """Return a shell command that sends a document."""
    key = ' \\\n  -H "Authorization: Bearer $OCCASION_KEY"' if keyed else ""
    body = shlex.quote(json.dumps(document, ensure_ascii=False))
    return f"curl {address}{path} \\\n  -H 'content-type: application/json'{key} \\\n  -d {body}"


def as_python(address: str, document: Mapping[str, Any], *, keyed: bool) -> str:
    """Return a program that asks for recommendations with the package's client."""
    context = ", ".join(f"{name}={document[name]!r}" for name in _CONTEXT if name in document)
    options = "".join(f", {name}={value!r}" for name, value in document.items() if name not in (*_CONTEXT, *_PLACED))
    key = ', os.environ["OCCASION_KEY"]' if keyed else ""
    head = f"from occasion import Context\nfrom occasion.client import Client\n\nwith Client({address!r}{key}) as shop:\n"
    if "change" in document:
        call = f"before, after = shop.what_if(Context({context}), {document['change']!r}, k={document['k']}{options})"
        shown = "before.items, after.items"
    else:
        call = f"answer = shop.recommend(Context({context}), k={document['k']}{options})"
        shown = "[(entry.item, entry.reason) for entry in answer.entries]"
    body = f"    {call}\n    print({shown})\n"
    return ("import os\n\n" if keyed else "") + head + body


def show_request(view: View, path: str, document: Mapping[str, Any]) -> None:
    """Show both in a dialog, to be copied."""
    texts = {
        "copy_curl": as_curl(view.address, path, document, keyed=view.signed_in),
        "copy_python": as_python(view.address, document, keyed=view.signed_in),
    }
    with labelled(ui.dialog(), say(WORDS, view.locale, "heading")) as dialog, ui.card().classes("request"):
        ui.html(f"<h2>{say(WORDS, view.locale, 'heading')}</h2>", sanitize=False)
        if view.signed_in:
            ui.label(say(WORDS, view.locale, "key")).classes("hint")
        for name, text in texts.items():
            ui.element("pre").classes(name).props('tabindex="0"').props["textContent"] = text
            _copier(view, name, text)
        ui.button(view.t("close"), on_click=dialog.close).props("flat no-caps")
    dialog.on("hide", dialog.delete)
    dialog.open()


def _copier(view: View, name: str, text: str) -> None:
    def copy() -> None:
        ui.clipboard.write(text)
        ui.notify(view.t("copied"), type="positive")

    ui.button(say(WORDS, view.locale, name), icon="content_copy", on_click=copy).props("outline dense no-caps")
