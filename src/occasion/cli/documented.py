"""Documented: a command whose docstring ends with examples, shown as they are written."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import click

__all__ = ["Documented"]


class Documented(click.Command):
    """A command that does not re-wrap the Examples section of its docstring."""

    def __init__(self, name: str | None, *, help: str | None = None, **kwargs: Any) -> None:
        # A paragraph that begins with a backspace is what click leaves alone.
        shown = cleandoc(help).replace("\nExamples\n--------\n", "\n\b\nExamples:\n") if help else help
        super().__init__(name, help=shown, **kwargs)
