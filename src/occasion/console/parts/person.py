"""Person: a field that finds people by a part of their id while one types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from itertools import count
from typing import Any

from nicegui import ui

from occasion.console.parts.fields import kept
from occasion.console.view import View

__all__ = ["person_field"]

FOUND = 12
_NUMBERS = count()


def person_field(view: View, target: Any, name: str, label: str, hint: str, *, enter: Callable[[], Awaitable[None]]) -> ui.input:
    """Make a field bound to an attribute of `target`; the browser offers the ids that contain what was typed, Enter goes on."""
    offered = f"people-{next(_NUMBERS)}"
    field = kept(ui.input(label), target, name).classes("person")
    field.props("outlined dense stack-label clearable debounce=150 autocomplete=off")
    field.props["list"], field.props["hint"] = offered, hint
    datalist = ui.html("", sanitize=False).classes("offered")

    async def find() -> None:
        found = await view.api.get("/v1/users/search", text=(getattr(target, name) or "").strip(), limit=FOUND)
        options = "".join(f'<option value="{escape(user, quote=True)}"></option>' for user in found["users"])
        datalist.content = f'<datalist id="{offered}">{options}</datalist>'

    field.on_value_change(find)
    field.on("keydown.enter", enter)
    ui.timer(0, find, once=True)
    return field
