"""The commands of people's rights: privacy export, erase, consent, expire, receipts, verify."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current
from occasion.service.commands import DocumentedGroup

if TYPE_CHECKING:
    from occasion.privacy.erasure import Erased
    from occasion.protocols import Store
    from occasion.settings import Settings

__all__ = ["privacy"]

Callback = TypeVar("Callback", bound=Callable[..., Any])
INVALID = 6
"""Exit code of a receipt that does not hold."""


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


def _person(command: Callback) -> Callback:
    """Give a command the options that say whom it is about."""
    command = click.option("--session", metavar="ID", help="Of somebody anonymous: the session's id.")(command)
    command = click.option("--user", metavar="ID", help="A user's id.")(command)
    return _tenant(command)


def _tenant(command: Callback) -> Callback:
    return click.option("--tenant", default="default", show_default=True, help="Whose store.")(command)


@contextmanager
def _opened(tenant: str) -> Iterator[tuple[Store, Settings]]:
    """Open a tenant's store behind its guard."""
    from occasion.privacy.guarded import open_guarded

    settings = _settings(tenant)
    store = open_guarded(settings)
    try:
        yield store, settings
    finally:
        store.close()


def _settings(tenant: str) -> Settings:
    from occasion.errors import NotFoundError
    from occasion.service.tenants import tenant_settings

    whole = current().settings()
    settings = tenant_settings(whole, tenant)
    if settings is not whole and not settings.home.is_dir():
        raise NotFoundError(f"there is no tenant {tenant!r}. Cure: `occasion keys list` shows them.")
    return settings


def _check(user: str | None, session: str | None) -> None:
    from occasion.errors import DataError

    if (user is None) == (session is None):
        raise DataError("whom is it about? Cure: exactly one of --user and --session.")


def _nobody() -> Exception:
    from occasion.errors import NotFoundError

    return NotFoundError("nothing is held of this person. Cure: check the id; ids are told apart by case and spaces.")


def _audit(store: Store, act: str, home: Path, user: str | None, session: str | None) -> None:
    from occasion.people import AuditEntry
    from occasion.privacy.erasure import stored_as
    from occasion.privacy.keyring import HomeKey
    from occasion.privacy.receipts import subject_of

    subject = subject_of(HomeKey(home), *stored_as(store, user, session))
    store.add_audit(AuditEntry(at=time.time(), actor="local", act=act, target=subject))


@privacy.command(cls=Documented, short_help="Write everything that is held of a person.")
@_person
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

    _check(user, session)
    with _opened(tenant) as (store, settings):
        found = store.person(user, session)
        if found is None:
            raise _nobody()
        _audit(store, "person.export", settings.home, user, session)
    text = json.dumps(person_document(found), ensure_ascii=False, indent=2)
    if out is None:
        click.echo(text)
        return
    _write(out, text)
    current().say(f"wrote {len(found.events)} events, {len(found.slates)} answers and {len(found.consents)} choices to {out}")
    if current().json:
        current().emit({"file": str(out), "events": len(found.events), "slates": len(found.slates)})


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    import os

    from occasion.errors import DataError

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Cure: another --out.") from None


@privacy.command(cls=Documented, short_help="Remove everything of a person; leaves a signed receipt.")
@_person
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

    _check(user, session)
    root = current().settings().home
    with _opened(tenant) as (store, settings):
        done = remove(store, settings, user=user, session=session, sweep=lambda names: _sweep_jobs(root, tenant, names))
    if done is None:
        raise _nobody()
    if out is not None:
        _write(out, done.receipt)
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


@privacy.command(cls=Documented, short_help="Show or change what a person allows.")
@_person
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

    _check(user, session)
    with _opened(tenant) as (store, settings):
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
@_tenant
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

    with _opened(tenant) as (store, settings):
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


@privacy.command("receipts", cls=Documented, short_help="List the receipts of erasures.")
@_tenant
@common_options
def list_receipts(tenant: str) -> None:
    """List the receipts of all erasures, and what still holds traces. Keep a copy of them with your backups.

    Examples
    --------
      occasion privacy receipts
      occasion privacy receipts --json > receipts.json
    """
    from datetime import UTC, datetime

    from occasion.privacy.erasure import receipts

    with _opened(tenant) as (store, settings):
        found = receipts(store, settings.home)
    if current().json:
        current().emit({"receipts": found})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("receipt", "at", "events", "answers", "still holding traces")
    for document in found:
        rows = document["removed"]
        at = datetime.fromtimestamp(document["at"], UTC).strftime("%Y-%m-%d %H:%M")
        cells = (document["id"], at, rows["events"], rows["slates"], ", ".join(document["still_holding"]) or "nothing")
        table.add_row(*(Text(str(cell)) for cell in cells))
    current().console().print(table)


@privacy.command(cls=Documented, short_help="Check a receipt of an erasure.")
@click.argument("receipt", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@_person
@click.option("--public-key", default="", metavar="HEX", help="Check against this key instead of the home's.")
@common_options
def verify(receipt: Path, user: str | None, session: str | None, tenant: str, public_key: str) -> None:
    """Check that a receipt was signed by this home (or --public-key) and not changed; exit 6 where that is not so.

    With --user or --session also whether it is about that person; that needs the home.

    Examples
    --------
      occasion privacy verify receipt.json
      occasion privacy verify receipt.json --user ann
      occasion privacy verify receipt.json --public-key 5c7e...
    """
    from occasion.errors import DataError
    from occasion.privacy.receipts import verify as check

    if user is not None and session is not None:
        _check(user, session)
    try:
        with click.open_file(str(receipt), encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise DataError(f"{receipt} cannot be read: {error}. Cure: name the file of a receipt.") from None
    settings = current().settings() if public_key else _settings(tenant)
    found = check(text, home=settings.home, public_key=public_key, user=user, session=session, settings=settings)
    if current().json:
        current().emit(dict(found))
    else:
        for name, words in _VERDICTS.items():
            if name in found:
                click.echo(f"{'yes' if found[name] else 'NO'}: {words}")
    if not found["valid"]:
        raise click.exceptions.Exit(INVALID)


_VERDICTS = {
    "signature": "it is signed, and nothing was changed since",
    "of_this_home": "the key is the expected one",
    "subject": "it is about this person",
}
