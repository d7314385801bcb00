"""Documented: a command whose docstring ends with examples, shown as they are written, and that says where bare words go."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import click

__all__ = ["Documented", "DocumentedGroup"]


class Documented(click.Command):
    """A command that does not re-wrap the Examples section of its docstring, and has a cure for words it does not take.

    Parameters
    ----------
    name, help, kwargs
        As click has them.
    bare : tuple of str
        Options that words were most likely meant for where they stand behind none, the likeliest first.
    """

    def __init__(self, name: str | None, *, help: str | None = None, bare: tuple[str, ...] = (), **kwargs: Any) -> None:
        # A paragraph that begins with a backspace is what click leaves alone.
        shown = cleandoc(help).replace("\nExamples\n--------\n", "\n\b\nExamples:\n") if help else help
        super().__init__(name, help=shown, **kwargs)
        self.bare = bare

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; fail with a cure where words are left over."""
        takes_more, ctx.allow_extra_args = ctx.allow_extra_args, True
        left = super().parse_args(ctx, args)
        ctx.allow_extra_args = takes_more
        if left and not takes_more and not ctx.resilient_parsing:
            ctx.fail(self._left_over(ctx, " ".join(left)))
        return left

    def _left_over(self, ctx: click.Context, words: str) -> str:
        """Say of words that the command does not take what to do with them."""
        from shlex import quote

        if self.bare:
            places = [piece for piece in self.collect_usage_pieces(ctx) if piece != self.options_metavar]
            example = " ".join([ctx.command_path, *places, self.bare[0], quote(words)])
            return f"{words!r} stands behind no option. Cure: put it behind {' or '.join(self.bare)}, for example: {example}"
        cure = "quotes around words that belong together" if self._has_places() else "leave it out"
        return f"{words!r} is more than it takes. Cure: {cure}; `{ctx.command_path} --help` shows what can be given."

    def _has_places(self) -> bool:
        """Return whether the command takes anything but options."""
        return any(isinstance(param, click.Argument) for param in self.params)


class DocumentedGroup(Documented, click.Group):
    """A group of commands whose docstring ends with examples."""
