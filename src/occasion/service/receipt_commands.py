"""The commands about receipts of erasures: list them, check one. They belong to the group ``privacy``."""

from __future__ import annotations

from pathlib import Path

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current
from occasion.service.people_options import check_person, opened, person_options, settings_of, tenant_option

__all__ = ["list_receipts", "verify"]

INVALID = 6
"""Exit code of a receipt that does not hold."""


@click.command("receipts", cls=Documented, short_help="List the receipts of erasures.")
@tenant_option
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

    with opened(tenant) as (store, settings):
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


@click.command(cls=Documented, short_help="Check a receipt of an erasure.")
@click.argument("receipt", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@person_options
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
        check_person(user, session)
    try:
        with click.open_file(str(receipt), encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise DataError(f"{receipt} cannot be read: {error}. Cure: name the file of a receipt.") from None
    settings = current().settings() if public_key else settings_of(tenant)
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
