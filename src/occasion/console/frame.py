"""The frame: what stands around every page. Skip link, heading bar, list of pages, language, theme, sign-out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from nicegui import ui

from occasion.console.entrance import THEME_COOKIE
from occasion.console.guard import HOME
from occasion.console.page import Page
from occasion.console.parts.labels import labelled
from occasion.console.parts.states import failed
from occasion.console.parts.waiting import caught_up
from occasion.console.view import View

if TYPE_CHECKING:
    from nicegui.elements.dark_mode import DarkMode

__all__ = ["framed"]


async def framed(page: Page, pages: Sequence[Page], view: View) -> None:
    """Make a whole page: the frame, then what the page builds; an error while it builds is told within the frame."""
    ui.add_head_html(f'<link rel="stylesheet" href="{HOME}/static/console.css">')
    ui.page_title(f"{view.t('title')} · Occasion")
    ui.on_exception(view.tell)
    dark = ui.dark_mode(view.dark)
    ui.add_body_html(f'<a class="skip" href="#content">{view.t("skip")}</a>')
    with ui.header(elevated=False).classes("bar"):
        menu = labelled(ui.button(icon="menu"), view.t("menu")).props("flat round dense").classes("menu")
        ui.label("Occasion").classes("brand")
        ui.space()
        _visitor(view)
        _switches(page, view, dark)
    # Shown above the breakpoint without asking the page first, which may be gone before it answers.
    with ui.left_drawer(value=False, fixed=True).props("width=208 breakpoint=1000 show-if-above").classes("pages") as drawer:
        _list_of_pages(page, pages, view)
    menu.on_click(drawer.toggle)
    with ui.element("div").props('id="content" tabindex="-1"').classes("content"):
        ui.html(f"<h1>{view.t('title')}</h1><p class='about'>{view.t('about')}</p>", sanitize=False)
        if not view.may(page.role):
            failed(view.t("role_needed", role=page.role, mine=view.role), view.t("role_cure"))
            return
        try:
            if not page.waits or await caught_up(view):
                await page.build(view)
        except Exception as error:
            failed(*view.told(error), again=view.t("again"))
            view.log(error)


def _visitor(view: View) -> None:
    text = view.t("tenant", tenant=view.tenant, role=view.role) if view.signed_in else view.t("open")
    ui.label(text).classes("visitor")


def _switches(page: Page, view: View, dark: DarkMode) -> None:
    other = "zh" if view.locale == "en" else "en"
    here = quote(f"{HOME}{page.path}" + ("?" + "&".join(f"{k}={quote(v)}" for k, v in view.query.items()) if view.query else ""))
    label, text = view.t("language_label"), view.t("language")
    language = f'<a class="switch" href="{HOME}/prefer?locale={other}&next={here}" aria-label="{text}: {label}">{text}</a>'
    ui.html(language, sanitize=False)

    def turned() -> None:
        dark.value = not dark.value
        chosen = "dark" if dark.value else "light"
        ui.run_javascript(f"document.cookie = '{THEME_COOKIE}={chosen}; path={HOME}; max-age=31536000; samesite=strict'")

    labelled(ui.button(icon="contrast", on_click=turned), view.t("theme")).props("flat round dense").classes("theme")
    if view.signed_in:
        button = f'<button class="switch" type="submit">{view.t("sign_out")}</button>'
        ui.html(f'<form method="post" action="{HOME}/sign-out">{button}</form>', sanitize=False)


def _list_of_pages(page: Page, pages: Sequence[Page], view: View) -> None:
    with labelled(ui.element("nav"), view.t("navigation")), ui.element("ul"):
        for one in pages:
            if not view.may(one.role):
                continue
            with ui.element("li"):
                link = ui.element("a")
                link.props["href"] = f"{HOME}{one.path}"
                if one is page:
                    link.props('aria-current="page"')
                with link:
                    ui.icon(one.icon).props('aria-hidden="true"')
                    ui.label(one.words["title"][("en", "zh").index(view.locale)])
