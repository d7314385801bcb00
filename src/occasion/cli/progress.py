"""Progress: bars on stderr, one a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["bars"]

STAGES = {
    "encode": "encoding items",
    "pictures": "looking at pictures",
    "events": "counting events",
    "queries": "asking",
    "bytes": "reading",
    "rows": "writing",
    "before": "examining the base",
    "tune": "tuning",
    "mix": "mixing weights",
    "after": "examining the result",
    "teacher": "encoding by the teacher",
    "tokens": "encoding tokens",
    "distil": "distilling",
}
"""Stage to what a person reads; any other stage is shown by its name."""


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (stage, done, total) that draws the stage's bar; total 0: not known. Bars vanish at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(STAGES.get(stage, stage), total=total or None)
            progress.update(tasks[stage], completed=done, total=total or None)

        yield show
