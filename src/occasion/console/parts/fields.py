"""Fields: elements of forms whose value goes into an attribute or an entry as soon as it changes, and nowhere else.

The library's own two-way binding looks at plain objects ten times a second for as long as the page is open.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeVar

from nicegui.elements.mixins.value_element import ValueElement

__all__ = ["kept"]

Element = TypeVar("Element", bound=ValueElement)  # type: ignore[type-arg]


def kept(element: Element, target: Any, name: str) -> Element:
    """Give an element the value of an attribute (of a mapping: an entry), and keep what it becomes there."""
    mapping = isinstance(target, MutableMapping)
    element.set_value(target.get(name) if mapping else getattr(target, name))

    def keep(event: Any) -> None:
        if mapping:
            target[name] = event.value
        else:
            setattr(target, name, event.value)

    element.on_value_change(keep)
    return element
