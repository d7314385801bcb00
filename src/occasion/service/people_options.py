"""Options and steps that the commands of people's rights share: whose store, whom it is about, files for their owner alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from occasion.cli.invocation import current

if TYPE_CHECKING:
    from occasion.protocols import Store
    from occasion.settings import Settings

__all__ = ["check_person", "nobody", "opened", "person_options", "settings_of", "tenant_option", "write_private"]

Callback = TypeVar("Callback", bound=Callable[..., Any])


def person_options(command: Callback) -> Callback:
    """Give a command the options that say whom it is about."""
    command = click.option("--session", metavar="ID", help="Of somebody anonymous: the session's id.")(command)
    command = click.option("--user", metavar="ID", help="A user's id.")(command)
    return tenant_option(command)


def tenant_option(command: Callback) -> Callback:
    """Give a command the option that says whose store it is about."""
    return click.option("--tenant", default="default", show_default=True, help="Whose store.")(command)


@contextmanager
def opened(tenant: str) -> Iterator[tuple[Store, Settings]]:
    """Open a tenant's store behind its guard."""
    from occasion.privacy.guarded import open_guarded

    settings = settings_of(tenant)
    store = open_guarded(settings)
    try:
        yield store, settings
    finally:
        store.close()


def settings_of(tenant: str) -> Settings:
    """Return the settings of a tenant.

    Raises
    ------
    NotFoundError
        Where there is no such tenant.
    """
    from occasion.errors import NotFoundError
    from occasion.service.tenants import tenant_settings

    whole = current().settings()
    settings = tenant_settings(whole, tenant)
    if settings is not whole and not settings.home.is_dir():
        raise NotFoundError(f"there is no tenant {tenant!r}. Cure: `occasion keys list` shows them.")
    return settings


def check_person(user: str | None, session: str | None) -> None:
    """Refuse what is about nobody, or about two.

    Raises
    ------
    DataError
        Unless exactly one is given.
    """
    from occasion.errors import DataError

    if (user is None) == (session is None):
        raise DataError("whom is it about? Cure: exactly one of --user and --session.")


def nobody() -> Exception:
    """Return the error of a person of whom nothing is held."""
    from occasion.errors import NotFoundError

    return NotFoundError("nothing is held of this person. Cure: check the id; ids are told apart by case and spaces.")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read.

    Raises
    ------
    DataError
        Where it cannot be written.
    """
    from occasion.errors import DataError

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Cure: another --out.") from None
