"""What a page is: the one thing that a file of `occasion.console.pages` must offer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from occasion.console.view import View
from occasion.console.words import Words

__all__ = ["Page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the console.

    Attributes
    ----------
    path : str
        Below the console's address, for example ``/catalogue``.
    icon : str
        Name of a Material icon for the list of pages.
    words : Words
        All its texts; ``title`` (list of pages and heading) and ``about`` (one sentence below it) must be among them.
    build : callable
        Given the `View`, makes the page's elements. It may await `View.api`; what takes longer than a second belongs behind
        an event, with progress shown.
    role : str
        The lowest role that may open it: read, write or admin.
    waits : bool
        Whether it needs answers: while the service still reads items into vectors, how far that is shows in its place.
    """

    path: str
    icon: str
    words: Words
    build: Callable[[View], Awaitable[None]]
    role: str = "read"
    waits: bool = True
