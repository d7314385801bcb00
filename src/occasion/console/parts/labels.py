"""Labels: what is read out of an element.

A text goes into an element's properties as it is, never through their short form: that reads ``a" :b="c`` as two properties, and
the browser evaluates every property whose name begins with a colon.
"""

from __future__ import annotations

from typing import TypeVar

from nicegui.element import Element

__all__ = ["labelled"]

Made = TypeVar("Made", bound=Element)


def labelled(element: Made, text: str) -> Made:
    """Give an element the name that a screen reader says; return the element."""
    element.props["aria-label"] = text
    return element
