"""Waiting: what a page shows while the service reads items into vectors and events into counts, before its first answer."""

from __future__ import annotations

import asyncio

from nicegui import ui

from occasion.console.parts.labels import labelled
from occasion.console.parts.states import failed
from occasion.console.view import View

__all__ = ["caught_up"]

PATIENCE = 0.8
"""Seconds after which one is told why nothing comes."""


async def caught_up(view: View) -> bool:
    """Return whether answers can be given at once; where not, show how far the work is, and load the page anew when it is done."""
    service = view.service
    # The first one to come opens the tenant's store: not on the loop that serves everybody.
    tenant = await service.writes.run(lambda: service.tenants.get(view.tenant))
    task = asyncio.ensure_future(service.ask(tenant, lambda: tenant.recommender.refresh()))
    task.add_done_callback(_seen)
    done, _ = await asyncio.wait({task}, timeout=PATIENCE)
    if done:
        task.result()
        return True
    with ui.element("div") as place, ui.element("div").classes("state working").props('role="status" aria-live="polite"'):
        ui.spinner(size="1.4em").props('aria-hidden="true"')
        told = ui.label(view.t("starting"))
        bar = labelled(ui.linear_progress(value=0, show_value=False), view.t("loading"))

    def look() -> None:
        if task.done():
            timer.cancel()
            error = None if task.cancelled() else task.exception()
            if error is None:
                ui.navigate.reload()
                return
            place.clear()
            with place:
                failed(*view.told(error), again=view.t("again"))
            view.log(error)
        elif tenant.loading is not None:
            stage, n, total = tenant.loading
            told.text = view.t(f"loading_{stage}" if stage in ("encode", "events") else "starting", done=n, total=total)
            bar.value = round(n / total, 3) if total else 0

    timer = ui.timer(0.4, look)
    return False


def _seen(task: asyncio.Task[None]) -> None:
    """Take notice of an error even where the page was closed meanwhile."""
    if not task.cancelled():
        task.exception()
