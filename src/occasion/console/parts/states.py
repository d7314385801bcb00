"""States: nothing here, it failed, it is under way. Each says what to do."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from occasion.console.guard import HOME

__all__ = ["empty", "failed", "under_way"]


def failed(message: str, cure: str, *, again: str = "") -> None:
    """Show an error and its cure; `again` is the text of a button that loads the page anew."""
    with ui.element("div").classes("state failed").props('role="alert"'):
        ui.label(message).classes("message")
        if cure:
            ui.label(cure)
        if again:
            ui.button(again, on_click=lambda: ui.run_javascript("location.reload()")).props("outline no-caps")


def empty(message: str, hint: str = "", *, link: str = "", to: str = "") -> None:
    """Show that there is nothing, and where to go: `link` is the text, `to` the path of a page of the console."""
    with ui.element("div").classes("state empty").props('role="status"'):
        ui.label(message).classes("message")
        if hint:
            ui.label(hint)
        if link:
            ui.html(f'<a href="{HOME}{to}">{link}</a>', sanitize=False)


def under_way(text: str, *, cancel: str = "", on_cancel: Callable[[], object] | None = None) -> ui.element:
    """Show that work is under way, with a button to cancel it; delete the element that is returned when it is over."""
    with ui.element("div").classes("state working").props('role="status" aria-live="polite"') as shown:
        ui.spinner(size="1.4em").props('aria-hidden="true"')
        ui.label(text)
        if on_cancel is not None:
            ui.button(cancel, on_click=on_cancel).props("outline dense no-caps")
    return shown
