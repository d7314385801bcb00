"""Commands about scenarios: list, put, remove, preview, changes, undo."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from occasion.cli.documented import Documented, DocumentedGroup
from occasion.cli.invocation import common_options, current

if TYPE_CHECKING:
    from occasion.scenarios import Scenario, Scenarios

__all__ = ["scenarios"]


@click.group(cls=DocumentedGroup, short_help="Named configurations of recommend: list, change, try, undo.")
@common_options
def scenarios() -> None:
    """Named configurations of recommend: filters, pins, boosts, caps, quotas, levels, and when they are in force.

    A request names one (`recommend --scenario home`); those with "always": true apply to every request. Each change is in the
    audit log and can be undone.

    Examples
    --------
      occasion scenarios list
      echo '{"rules": {"filter": "price < 5"}}' | occasion scenarios put cheap -
      occasion scenarios preview cheap draft.json
    """


def _registry(store: Any) -> Scenarios:
    from occasion.scenarios import Scenarios

    return Scenarios(store, current().settings().home)


def _read(file: BinaryIO) -> Scenario:
    from occasion.errors import DataError
    from occasion.scenarios import parse_scenario

    try:
        document = json.loads(file.read())
    except ValueError as error:
        raise DataError(f'the scenario is no JSON ({error}). Cure: for example {{"rules": {{"filter": "price < 5"}}}}.') from None
    return parse_scenario(document)


@scenarios.command("list", cls=Documented, short_help="List all.")
@common_options
def list_scenarios() -> None:
    """List all scenarios.

    Examples
    --------
      occasion scenarios list --json
    """
    invocation = current()
    with invocation.store() as store:
        found = {name: scenario.document() for name, scenario in _registry(store).all().items()}
    if invocation.json:
        invocation.emit({"scenarios": found})
        return
    for name, document in found.items():
        click.echo(f"{name}: {json.dumps(document, ensure_ascii=False)}")
    if not found:
        invocation.say("there is no scenario yet; `occasion scenarios put NAME FILE` makes one")


@scenarios.command(cls=Documented, short_help="Make or replace one.")
@click.argument("name")
@click.argument("file", type=click.File("rb"))
@common_options
def put(name: str, file: BinaryIO) -> None:
    """Make or replace the scenario NAME from FILE, a JSON document, - for standard input.

    Its names: rules (filter, exclude_seen, exclude, pins, boosts, caps, quotas, strict), k, diversity, explore, policy,
    policy_options, signals, always, active_from and active_until (unix seconds), about.

    Examples
    --------
      occasion scenarios put home home.json
    """
    invocation = current()
    scenario = _read(file)
    with invocation.store() as store:
        _registry(store).put(name, scenario)
    if invocation.json:
        invocation.emit({"name": name, "scenario": scenario.document()})
    else:
        click.echo(f"scenario {name} counts from the next request on; `occasion scenarios changes` lists what can be undone")


@scenarios.command(cls=Documented, short_help="Remove one.")
@click.argument("name")
@common_options
def remove(name: str) -> None:
    """Remove the scenario NAME; undoing the change brings it back.

    Examples
    --------
      occasion scenarios remove home
    """
    invocation = current()
    with invocation.store() as store:
        _registry(store).remove(name)
    if invocation.json:
        invocation.emit({"name": name, "scenario": None})
    else:
        click.echo(f"scenario {name} is removed")


@scenarios.command(cls=Documented, short_help="Say what a draft would do to recent answers.")
@click.argument("name")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--requests", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Recent requests answered again.")
@common_options
def preview(name: str, file: BinaryIO | None, requests: int) -> None:
    """Say what the draft in FILE would do as scenario NAME; without FILE, what removing the scenario would do.

    Recent requests are answered again, as things are and under the draft. Nothing is stored.

    Examples
    --------
      occasion scenarios preview home draft.json --requests 100
      occasion scenarios preview home
    """
    from dataclasses import asdict

    from occasion.insight.preview import LOOKED_AT, compare, recent_requests, summary
    from occasion.privacy.permitted import newest_analysed

    invocation = current()
    draft = None if file is None else _read(file)
    with invocation.recommender() as recommender:
        stored = recommender.scenarios.all().get(name)
        slates = newest_analysed(recommender.store, recommender.settings.granted_by_default, LOOKED_AT * requests)
        always = any(one is not None and one.always for one in (draft, stored))
        found, notes = recent_requests(slates, name, always, requests)
        examples = [compare(recommender, slate, name, draft) for slate in found]
        ids = list({item for example in examples for item in (*example.before, *example.after)})
        titles = {i: item.title for i, item in recommender.store.get_items(ids).items()}
    result = summary(examples, titles, notes)
    if invocation.json:
        invocation.emit(asdict(result))
        return
    for note in result.notes:
        invocation.say(note)
    click.echo(
        f"{result.requests} recent requests: {result.changed} lists change, {result.shorter} get shorter, "
        f"{result.longer} longer, {result.empty} empty"
    )
    for heading, moved in (("come in", result.entered), ("go out", result.left)):
        for one in moved:
            click.echo(f"  {heading}: {one.title} ({one.lists} lists)")


@scenarios.command(cls=Documented, short_help="List the changes, newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@common_options
def changes(limit: int) -> None:
    """List the changes of scenarios, newest first, with the number that `undo` takes.

    Examples
    --------
      occasion scenarios changes
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    invocation = current()
    with invocation.store() as store:
        found = list(_registry(store).changes())[-limit:][::-1]
    if invocation.json:
        invocation.emit({"changes": [asdict(change) for change in found]})
        return
    for change in found:
        at = datetime.fromtimestamp(change.at, UTC)
        click.echo(f"{change.seq}  {at:%Y-%m-%d %H:%M}  {change.actor}  {change.act}  {change.name}: {json.dumps(change.after)}")


@scenarios.command(cls=Documented, short_help="Undo a change.")
@click.argument("change", type=click.IntRange(1))
@click.option("--force", is_flag=True, help="Also where the scenario was changed again since.")
@common_options
def undo(change: int, force: bool) -> None:
    """Put back what was before the CHANGE of this number; that is a change of its own.

    Examples
    --------
      occasion scenarios undo 12
    """
    invocation = current()
    with invocation.store() as store:
        undone = _registry(store).undo(change, force=force)
    if invocation.json:
        invocation.emit({"name": undone.name, "scenario": undone.before})
    else:
        click.echo(f"scenario {undone.name} is as it was before change {change}")
