"""Rows: a list that is looked at again and again, whose elements stay as long as what they are for does.

A button that has the focus keeps it, and a screen reader hears of what changed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from nicegui import ui

__all__ = ["Rows"]

Document = dict[str, Any]
Follow = Callable[[Document], None]
"""Shows how far a document is, in the elements that are there."""


class Rows:
    """The rows of a list, made where this is made.

    Parameters
    ----------
    classes : str
        Of the list.
    fill : callable
        Given a document, makes the inside of its row; returns what shows later states of it, as long as `kind` says the same.
    kind : callable
        What a row is made anew for where it changes, the state above all.
    name : callable
        The CSS classes of a row.
    tell : callable
        The sentence that is read out when the kind of a row has changed.
    """

    def __init__(
        self,
        classes: str,
        *,
        fill: Callable[[Document], Follow],
        kind: Callable[[Document], Hashable],
        name: Callable[[Document], str],
        tell: Callable[[Document], str],
    ) -> None:
        self._fill, self._kind, self._name, self._tell = fill, kind, name, tell
        self._rows: dict[str, tuple[ui.element, Hashable, Follow]] = {}
        self.told = ui.label().classes("unseen").props('role="status"')
        self.place = ui.element("ul").classes(classes)

    def show(self, documents: Sequence[Document]) -> None:
        """Show these, each with an ``id``, in this order."""
        first = not self._rows
        wanted = {str(one["id"]): one for one in documents}
        for gone in [name for name in self._rows if name not in wanted]:
            self._rows.pop(gone)[0].delete()
        changed = []
        for n, (name, document) in enumerate(wanted.items()):
            row = self._rows.get(name)
            kind = self._kind(document)
            if row is not None and row[1] == kind:
                row[2](document)
                continue
            if row is None:
                with self.place:
                    element = ui.element("li")
                element.props["data-id"] = name
                element.move(target_index=n)
            else:
                element = row[0]
                element.clear()
            element.classes(replace=self._name(document))
            with element:
                self._rows[name] = element, kind, self._fill(document)
            if not first:
                changed.append(self._tell(document))
        if changed:
            self.told.text = " ".join(changed)
