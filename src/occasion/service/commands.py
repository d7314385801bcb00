"""The commands of the service: serve, and keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented, DocumentedGroup
from occasion.cli.invocation import common_options, current

if TYPE_CHECKING:
    from occasion.service.keys import AccessKey, KeyRing

__all__ = ["keys", "serve"]

ROLES = ("read", "write", "admin")


@click.command(cls=Documented, bare=("--port",), short_help="Serve recommendations over HTTP.")
@click.option("--host", help="Address to listen on. Default: the setting host.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0 takes a free one. Default: the setting port.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes. Default: the setting workers.")
@common_options
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve recommendations over HTTP until stopped.

    Logs go to stderr, one JSON object a line. SIGTERM or Ctrl-C lets requests under way finish. On an address that others
    can reach it refuses to start before a key was made.

    Examples
    --------
      occasion serve
      occasion keys create --role admin && occasion serve --host 0.0.0.0 --workers 2
    """
    from occasion.service.beside import has_console
    from occasion.service.running import run
    from occasion.settings import unknown_variables

    invocation = current()
    settings = invocation.settings(host=host, port=port, workers=workers)
    for name in unknown_variables():
        invocation.say(f"note: {name} is no setting and does nothing; `occasion config` shows those that are.")
    beside = has_console(settings)

    def started(address: str) -> None:
        console = f", console {address}/console" if beside else ""
        invocation.say(f"serving {address}/v1 (OpenAPI: {address}/v1/openapi.json){console}")

    run(settings, started=started)


@click.group(cls=DocumentedGroup, short_help="Make, list, rotate and revoke the keys of the service.")
@common_options
def keys() -> None:
    """Make, list, rotate and revoke the keys of the service.

    A key opens one tenant's data to one role: read (answers), write (items and events too), admin (all of the tenant).

    Examples
    --------
      occasion keys create --role read --name website
      occasion keys list
      occasion keys rotate 3f2a91c07b54 --grace-hours 24
      occasion keys quota --tenant acme --per-minute 6000
    """


@contextmanager
def _ring() -> Iterator[KeyRing]:
    from occasion.service.control import ControlFile
    from occasion.service.keys import KeyRing

    control = ControlFile(current().settings().home)
    try:
        yield KeyRing(control)
    finally:
        control.close()


def _audit(act: str, target: str, tenant: str) -> None:
    """Write an act down in the tenant's log."""
    import time

    from occasion.people import AuditEntry
    from occasion.service.tenants import tenant_settings
    from occasion.stores import open_store

    store = open_store(tenant_settings(current().settings(), tenant).resolved_store_url)
    store.add_audit(AuditEntry(at=time.time(), actor="local", act=act, target=target))
    store.close()


def _fields(key: AccessKey) -> dict[str, Any]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(key).items() if name != "slot"}


def _show_made(key: AccessKey, token: str) -> None:
    invocation = current()
    if invocation.json:
        invocation.emit({**_fields(key), "key": token})
        return
    invocation.say(f"key {key.id}, role {key.role}, tenant {key.tenant}; it is shown this once:")
    click.echo(token)


@keys.command(cls=Documented, bare=("--name",), short_help="Make a key and show it once.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do; each may what those before it may.")
@click.option("--tenant", default="default", show_default=True, help="Whose data it opens.")
@click.option("--name", default="", help="A name for people.")
@click.option("--per-minute", type=click.IntRange(1, 10_000_000), help="Requests a minute. Default: the setting rate_limit.")
@common_options
def create(role: str, tenant: str, name: str, per_minute: int | None) -> None:
    """Make a key and show it once; only its hash is kept.

    Examples
    --------
      occasion keys create --role read --name website
      occasion keys create --role admin --tenant acme --json
    """
    with _ring() as ring:
        key, token = ring.create(role, tenant, name=name, per_minute=per_minute)
        _audit("key.create", f"{key.id} {role}", tenant)
    _show_made(key, token)


@keys.command("list", cls=Documented, short_help="List keys, without what is secret.")
@click.option("--tenant", help="Of one tenant alone.")
@common_options
def list_keys(tenant: str | None) -> None:
    """List keys, without what is secret.

    Examples
    --------
      occasion keys list
      occasion keys list --tenant acme --json
    """
    invocation = current()
    with _ring() as ring:
        found = ring.all(tenant)
    if invocation.json:
        invocation.emit({"keys": [_fields(key) for key in found]})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("id", "role", "tenant", "name", "per minute", "made", "ends"):
        table.add_column(name, overflow="fold")
    for key in found:
        cells = (key.id, key.role, key.tenant, key.name, key.per_minute or "", _day(key.created), _day(key.expires))
        table.add_row(*(Text(str(cell)) for cell in cells))
    invocation.console().print(table)


def _day(at: float | None) -> str:
    from datetime import UTC, datetime

    return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


@keys.command(cls=Documented, short_help="Make a new key like an old one.")
@click.argument("key_id", metavar="ID")
@click.option(
    "--grace-hours", type=click.FloatRange(0, 720), default=0.0, show_default=True, help="How long the old one stays good."
)
@common_options
def rotate(key_id: str, grace_hours: float) -> None:
    """Make a new key like the one with this ID, which ends after the time of grace.

    Examples
    --------
      occasion keys rotate 3f2a91c07b54 --grace-hours 24
    """
    with _ring() as ring:
        key, token = ring.rotate(key_id, grace=3600 * grace_hours)
        _audit("key.rotate", f"{key_id} to {key.id}", key.tenant)
    _show_made(key, token)


@keys.command(cls=Documented, short_help="Limit what a tenant may ask for and hold.")
@click.option("--tenant", required=True, help="Whose.")
@click.option("--per-minute", type=click.IntRange(0), help="Requests a minute of all its keys together; 0: no limit.")
@click.option("--items", type=click.IntRange(0), help="Items it may hold; 0: no limit.")
@click.option("--events", type=click.IntRange(0), help="Events it may hold; 0: no limit.")
@common_options
def quota(tenant: str, per_minute: int | None, items: int | None, events: int | None) -> None:
    """Limit what a tenant may ask for and hold; without a number show what is in force. It counts from the next request on.

    Examples
    --------
      occasion keys quota --tenant acme --per-minute 6000 --items 100000 --events 5000000
      occasion keys quota --tenant acme
    """
    from occasion.service.quotas import Quotas

    invocation = current()
    with _ring() as ring:
        quotas = Quotas(ring.control)
        given = {"per_minute": per_minute, "items": items, "events": events}
        changed = any(value is not None for value in given.values())
        found = quotas.put(tenant, per_minute=per_minute, items=items, events=events) if changed else quotas.get(tenant)
    shown = {name: getattr(found, name) for name in given}
    if changed:
        _audit("quota.put", " ".join(f"{name}={value}" for name, value in shown.items()), tenant)
    if invocation.json:
        invocation.emit({"tenant": tenant, **shown})
    else:
        click.echo(", ".join(f"{name.replace('_', ' ')}: {value or 'no limit'}" for name, value in shown.items()))


@keys.command(cls=Documented, short_help="Revoke a key at once.")
@click.argument("key_id", metavar="ID")
@common_options
def revoke(key_id: str) -> None:
    """Revoke the key with this ID: the next request with it is refused.

    Examples
    --------
      occasion keys revoke 3f2a91c07b54
    """
    invocation = current()
    with _ring() as ring:
        key = ring.revoke(key_id)
        _audit("key.revoke", key_id, key.tenant)
    if invocation.json:
        invocation.emit({"revoked": key_id})
    else:
        click.echo(f"revoked {key_id}")
