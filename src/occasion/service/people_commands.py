"""The commands of people's rights: privacy export, erase, consent, expire, receipts, verify."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from occasion.cli.documented import Documented, DocumentedGroup
from occasion.cli.invocation import common_options, current
from occasion.service.people_options import check_person, nobody, opened, person_options, tenant_option, write_private
from occasion.service.receipt_commands import list_receipts, verify

if TYPE_CHECKING:
    from occasion.privacy.erasure import Erased
    from occasion.protocols import Store

__all__ = ["privacy"]


@click.group(cls=DocumentedGroup, short_help="Answer people's requests: export, erase, consent, expire, receipts, verify.")
@common_options
def privacy() -> None:
    """Answer what people may ask for: a copy of their data, erasure, a choice; and remove what is too old.

    Examples
    --------
      occasion privacy export --user ann
      occasion privacy erase --user ann --out receipt.json
      occasion privacy consent --user ann --purpose train --deny
      occasion privacy verify receipt.json
    """


def _audit(store: Store, act: str, home: Path, user: str | None, session: str | None) -> None:
    from occasion.people import AuditEntry
    from occasion.privacy.erasure import stored_as
    from occasion.privacy.keyring import HomeKey
    from occasion.privacy.receipts import subject_of

    subject = subject_of(HomeKey(home), *stored_as(store, user, session))
    store.add_audit(AuditEntry(at=time.time(), actor="local", act=act, target=subject))


@privacy.command(cls=Documented, bare=("--user", "--session"), short_help="Write everything that is held of a person.")
@person_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: standard output.")
@common_options
def export(user: str | None, session: str | None, tenant: str, out: Path | None) -> None:
    """Write everything that is held of a person as one JSON document.

    Examples
    --------
      occasion privacy export --user ann --out ann.json
      occasion privacy export --session 5f0c --tenant acme
    """
    from occasion.privacy.access import person_document

    check_person(user, session)
    with opened(tenant) as (store, settings):
        found = store.person(user, session)
        if found is None:
            raise nobody()
        _audit(store, "person.export", settings.home, user, session)
    text = json.dumps(person_document(found), ensure_ascii=False, indent=2)
    if out is None:
        click.echo(text)
        return
    write_private(out, text)
    current().say(f"wrote {len(found.events)} events, {len(found.slates)} answers and {len(found.consents)} choices to {out}")
    if current().json:
        current().emit({"file": str(out), "events": len(found.events), "slates": len(found.slates)})


@privacy.command(cls=Documented, bare=("--user", "--session"), short_help="Remove everything of a person; leaves a signed receipt.")
@person_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File for the receipt; the store keeps it as well.")
@common_options
def erase(user: str | None, session: str | None, tenant: str, out: Path | None) -> None:
    """Remove everything of a person from store, lists of rejected rows and derived files, and leave a signed receipt.

    It works while a service runs. Model versions that may have learnt from the person are named: fit a new one, promote it,
    and retire those. Backups and exports that lie elsewhere are not reached; a restore erases again.

    Examples
    --------
      occasion privacy erase --user ann --out receipt.json
      occasion privacy erase --session 5f0c --json
    """
    from occasion.privacy.erasure import erase as remove

    check_person(user, session)
    root = current().settings().home
    with opened(tenant) as (store, settings):
        done = remove(store, settings, user=user, session=session, sweep=lambda names: _sweep_jobs(root, tenant, names))
    if done is None:
        raise nobody()
    if out is not None:
        write_private(out, done.receipt)
    _show_erased(done)


def _sweep_jobs(home: Path, tenant: str, names: Collection[str]) -> int:
    """Take a person out of what is remembered of a tenant's imports."""
    from occasion.service.control import FILE, ControlFile
    from occasion.service.jobs import Jobs

    if not (home / FILE).exists():
        return 0
    control = ControlFile(home)
    try:
        return Jobs(control).forget_person(tenant, names)
    finally:
        control.close()


def _show_erased(done: Erased) -> None:
    from dataclasses import asdict

    invocation = current()
    if invocation.json:
        told = {"removed": {**asdict(done.removed), "rejects": done.rejects, "elsewhere": done.elsewhere}, "clean": done.clean}
        held, receipt = asdict(done.held), json.loads(done.receipt)
        invocation.emit({**told, "holding": held, "pending_imports": done.pending_imports, "receipt": receipt})
        return
    gone = done.removed
    click.echo(
        f"removed {gone.events} events, {gone.slates} answers, {gone.consents} choices, {gone.sessions} sessions, "
        f"{gone.contexts} contexts{', the description' if gone.described else ''}, {done.rejects} rejected rows"
    )
    click.echo(f"receipt {json.loads(done.receipt)['id']}")
    for names, cure in (
        (done.held.versions, "fit and promote a new version, then `occasion retire ID`"),
        (done.held.encoders, "tune again, then delete the folder in <home>/encoders"),
        (done.held.copies, "delete the file in the home"),
    ):
        if names:
            invocation.say(f"may still hold traces: {', '.join(names)}. Cure: {cure}.")
    if done.pending_imports:
        invocation.say(
            f"{done.pending_imports} files wait to be imported and may bring the person back; erase again when they are."
        )
    if not done.clean:
        invocation.say("readers kept some bytes from leaving the file; a running service, or `occasion privacy expire`, ends it.")


@privacy.command(cls=Documented, bare=("--user", "--session"), short_help="Show or change what a person allows.")
@person_options
@click.option("--purpose", type=click.Choice(["personalise", "train", "analyse"]), multiple=True, help="Repeatable; default: all.")
@click.option("--grant/--deny", default=None, help="Allow or refuse; without it choices are shown.")
@common_options
def consent(user: str | None, session: str | None, tenant: str, purpose: tuple[str, ...], grant: bool | None) -> None:
    """Show what a person allows, or take a choice down. It holds from the next answer on.

    Examples
    --------
      occasion privacy consent --user ann
      occasion privacy consent --user ann --purpose personalise --deny
      occasion privacy consent --session 5f0c --grant --json
    """
    from occasion.people import PURPOSES, Consent
    from occasion.privacy.access import choice_document

    check_person(user, session)
    with opened(tenant) as (store, settings):
        if grant is not None:
            now = time.time()
            made = [Consent(user=user, session=session, purpose=p, granted=grant, at=now) for p in purpose or PURPOSES]
            store.put_consents(made)
        found = store.consents(user, session)
    newest = {choice.purpose: choice.granted for choice in found}
    in_force = {name: newest.get(name, name in settings.granted_by_default) for name in PURPOSES}
    if current().json:
        current().emit({"in_force": in_force, "choices": [choice_document(choice) for choice in found]})
        return
    for name, allowed in in_force.items():
        click.echo(f"{name}: {'allowed' if allowed else 'refused'}{'' if name in newest else ' (by default)'}")


@privacy.command(cls=Documented, short_help="Remove what is older than the settings allow.")
@tenant_option
@common_options
def expire(tenant: str) -> None:
    """Remove events, answers and rejected rows that are older than the settings allow, now.

    Settings: retention_days, slate_days, rejects_days. A running service does the same every upkeep_seconds.

    Examples
    --------
      OCCASION_RETENTION_DAYS='view=90, *=730' occasion privacy expire
    """
    from dataclasses import asdict

    from occasion.privacy.retention import expire as remove

    with opened(tenant) as (store, settings):
        done = remove(store, settings)
    if current().json:
        current().emit(asdict(done))
        return
    events = ", ".join(f"{number} {kind}" for kind, number in done.events.items())
    click.echo(f"removed {sum(done.events.values())} events{f' ({events})' if events else ''}, {done.slates} answers, ", nl=False)
    click.echo(f"{done.rejects} rejected rows")
    if not (settings.retention_days or settings.slate_days):
        current().say("note: events and answers are kept for ever. Cure: the settings retention_days and slate_days.")
    if not done.clean:
        current().say("readers kept some bytes from leaving the file. Cure: run it again.")


privacy.add_command(list_receipts)
privacy.add_command(verify)
