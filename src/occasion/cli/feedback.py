"""The command that takes feedback: one event from options, or many as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from occasion.cli.documented import Documented
from occasion.cli.failures import REJECTED
from occasion.cli.invocation import Invocation, common_options, current

if TYPE_CHECKING:
    from occasion.data import Event
    from occasion.passedover import PassedOver

__all__ = ["feedback"]

FIELDS = ("item", "user", "session", "type", "value", "at", "text", "signals", "slate", "id")
BATCH = 1000
"""Events acknowledged at once."""


@click.command(cls=Documented, bare=("--type", "--user"), short_help="Store what a person did with an item.")
@click.argument("item", required=False)
@click.option("--user", metavar="ID", help="Who did it.")
@click.option("--session", metavar="ID", help="The anonymous visitor who did it.")
@click.option("--type", "kind", default="click", show_default=True, help="What was done; see below.")
@click.option("--value", type=float, help="Rating, seconds of dwell, or price paid.")
@click.option("--at", metavar="TIME", help="When: 2026-11-27T19:30, 'friday 19:30' (the last one), unix seconds. Default: now.")
@click.option("--text", default="", help="The situation in words.")
@click.option("--signal", multiple=True, metavar="NAME=VALUE", help="A typed signal; repeatable.")
@click.option("--slate", metavar="ID", help="The answer it came from.")
@click.option("--id", "event_id", default="", metavar="ID", help="The event's own id: twice is harmless.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read many events from standard input, one JSON object a line.")
@common_options
def feedback(item: str | None, from_stdin: bool, **given: Any) -> None:
    """Store what a person did with ITEM; the very next answer reflects it.

    Known types: impression, view, click, dwell, play, save, like, share, cart, purchase, rating, skip, dislike, hide.
    Any other counts as a click. With --stdin each line is an object with item, user or session, and any of type, value,
    at (unix seconds or ISO 8601), text, signals, slate, id. Good lines are stored; bad ones are told, and the exit code is 6.

    Examples
    --------
      occasion feedback potato-chips --user 7 --type purchase
      occasion feedback "A/B 12" --user 7 --type rating --value 4.5 --signal company=friends
      cat events.jsonl | occasion feedback --stdin
    """
    from occasion.passedover import PassedOver

    invocation = current()
    if from_stdin == (item is not None):
        raise click.UsageError("give one ITEM, or --stdin for many events from standard input.")
    passed_over = PassedOver()
    if item is not None:
        new = _store(invocation, [_event(invocation, item, given)], passed_over)
        rejected = 0
    else:
        new, rejected = _many(invocation, sys.stdin.buffer, passed_over)
    if invocation.json:
        invocation.emit({"new": new, "rejected": rejected, "notes": passed_over.notes()})
    else:
        for note in passed_over.notes():
            invocation.say(f"note: {note}")
        click.echo(f"{new} new event{'' if new == 1 else 's'} stored" + (f", {rejected} rejected" if rejected else ""))
    if rejected:
        raise click.exceptions.Exit(REJECTED)


def _event(invocation: Invocation, item: str, given: dict[str, Any]) -> Event:
    from occasion.cli.parameters import named_values, unix_time
    from occasion.data import Event

    if given["kind"] == "rating" and given["value"] is None:
        raise click.UsageError("a rating needs --value: the stars that were given.")
    return Event(
        item=item,
        user=given["user"],
        session=given["session"],
        type=given["kind"],
        value=given["value"],
        at=unix_time(given["at"], invocation.settings().time_zone, past=True),
        text=given["text"],
        signals=named_values(given["signal"], "--signal"),
        slate=given["slate"],
        id=given["event_id"],
    )


def _store(invocation: Invocation, events: Iterable[Event], passed_over: PassedOver) -> int:
    """Append events durably, and look at each; an event without a time happened now. Tells of items that no import described."""
    import time
    from dataclasses import replace
    from itertools import islice

    from occasion.titles import quoted

    new, stream = 0, iter(events)
    with invocation.store() as store:
        while batch := list(islice(stream, BATCH)):
            now = time.time()
            unknown = sorted({e.item for e in batch if store.item_key(e.item) is None})
            new += store.append([e if e.at is not None else replace(e, at=now) for e in batch])
            passed_over.look(batch)
            if unknown:
                invocation.say(
                    f"note: no item is known by the id {quoted(unknown)}. The events are kept and count once it is imported."
                )
    return new


def _many(invocation: Invocation, lines: BinaryIO, passed_over: PassedOver) -> tuple[int, int]:
    """Store events from JSON lines; return how many were new and how many lines were rejected."""
    rejected = 0

    def good() -> Iterator[Event]:
        nonlocal rejected
        zone = invocation.settings().time_zone
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield _parsed(line.decode("utf-8"), zone)
            except ValueError as error:
                rejected += 1
                click.echo(f"line {number} rejected: {' '.join(str(error).split())}", err=True)

    return _store(invocation, good(), passed_over), rejected


def _parsed(line: str, zone: str) -> Event:
    from occasion.cli.parameters import unix_time
    from occasion.data import Event
    from occasion.errors import DataError

    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no JSON: {error}. Cure: one object a line.") from None
    if not isinstance(found, dict):
        raise DataError(f"a line must be an object, found {type(found).__name__}.")
    strange = sorted(set(found) - set(FIELDS))
    if strange or "item" not in found:
        what = f"unknown field {strange[0]!r}" if strange else "the field 'item' is missing"
        raise DataError(f"{what}. Cure: the fields are {', '.join(FIELDS)}.")
    if isinstance(found.get("at"), str):
        found["at"] = unix_time(found["at"], zone, past=True)
    known = {name: value for name, value in found.items() if value is not None}
    if known.get("type") == "rating" and "value" not in known:
        raise DataError("a rating needs a value. Cure: the stars that were given, as value.")
    return Event(**known)
