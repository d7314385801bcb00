"""Asking: a question that has to be answered before something is done."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from occasion.console.parts.labels import labelled
from occasion.console.view import View

__all__ = ["asked"]


async def asked(view: View, place: ui.element, question: str, answers: Mapping[str, str]) -> str:
    """Return the name of the answer that is chosen, empty where it is none.

    Parameters
    ----------
    view : View
    place : element
        Where the dialog belongs: not in a part that may be made anew meanwhile.
    question : str
    answers : mapping of str to str
        Name to text of the button.
    """
    with place, labelled(ui.dialog(), question) as dialog, ui.card().classes("request asks"):
        ui.label(question)
        with ui.element("div").classes("go"):
            for name, text in answers.items():
                button = ui.button(text, on_click=lambda name=name: dialog.submit(name))
                button.props("unelevated no-caps").classes(f"answer-{name}")
            ui.button(view.t("cancel"), on_click=dialog.close).props("flat no-caps")
    found = await dialog
    dialog.delete()
    return str(found or "")
