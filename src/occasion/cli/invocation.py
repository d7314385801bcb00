"""Invocation: what every command is called with, and how it speaks: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from rich.console import Console

    from occasion.protocols import Store
    from occasion.recommender import Recommender
    from occasion.settings import Settings

__all__ = ["Invocation", "common_options", "current"]

Callback = TypeVar("Callback", bound=Callable[..., Any])
StageProgress = Callable[[str, int, int], None]
WIDTH = 120
"""Columns of tables where the output is no terminal."""


@dataclass(slots=True)
class Invocation:
    """The options that every command takes.

    Attributes
    ----------
    home : Path or None
        None: what the settings say.
    json : bool
        One JSON document on stdout and nothing else there.
    quiet : bool
        Nothing on stderr but errors.
    debug : bool
        Show tracebacks.
    """

    home: Path | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False

    def settings(self, **given: Any) -> Settings:
        """Return the effective settings."""
        from occasion.settings import load_settings

        return load_settings(home=self.home, **given)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store, and close it."""
        from occasion.privacy.guarded import open_guarded

        store = open_guarded(self.settings())
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def recommender(self, *, rebuild: bool = False, reencode: bool = False, look_again: bool = False) -> Iterator[Recommender]:
        """Open a recommender on the store, brought up to date (or built anew) with progress shown, and close it.

        `look_again`: look at all files of pictures, not those of new and changed items alone.
        """
        from occasion.recommender import Recommender

        with ExitStack() as closing:
            with self.progress() as progress:
                made = closing.enter_context(Recommender(self.settings(), progress=progress, reencode=reencode))
                if look_again and made.live.pictures is not None:
                    made.live.pictures.look_again()
                if rebuild:
                    made.rebuild(reencode=reencode)
                else:
                    made.refresh()
            yield made

    @contextmanager
    def progress(self) -> Iterator[StageProgress | None]:
        """Yield what shows progress on stderr; None where that is no terminal, or quiet was asked for."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from occasion.cli.progress import bars

        with bars() as show:
            yield show

    def console(self) -> Console:
        """Return the console for results."""
        from rich.console import Console

        return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)

    def say(self, text: str) -> None:
        """Tell something that is no result."""
        if not self.quiet:
            click.echo(text, err=True)

    def emit(self, document: object) -> None:
        """Write the one JSON document."""
        click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    """JSON of what json does not know: numpy numbers, paths, mappings behind a proxy."""
    if hasattr(value, "item") and not isinstance(value, (list, tuple)):
        return value.item()
    if hasattr(value, "items"):
        return dict(value.items())
    return str(value)


def current() -> Invocation:
    """Return the running command's invocation."""
    return click.get_current_context().ensure_object(Invocation)


def common_options(command: Callback) -> Callback:
    """Give a command the options that all have; they may stand before or behind its name."""
    options = (
        click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Folder of the store and its files."),
        click.option("--json", is_flag=True, help="Write one JSON document to stdout and nothing else."),
        click.option("--quiet", "-q", is_flag=True, help="Tell nothing but results and errors."),
        click.option("--debug", is_flag=True, help="Show the traceback of an error."),
    )
    for option in reversed(options):
        command = option(command)
    return _collecting(command)


def _collecting(command: Callback) -> Callback:
    """Move the common options of a call into the invocation, so that commands do not take them one by one."""
    from functools import update_wrapper

    def call(*args: Any, home: Path | None, json: bool, quiet: bool, debug: bool, **rest: Any) -> Any:
        mine = current()
        mine.home = home or mine.home
        mine.json, mine.quiet, mine.debug = mine.json or json, mine.quiet or quiet, mine.debug or debug
        return command(*args, **rest)

    return cast(Callback, update_wrapper(call, command))
